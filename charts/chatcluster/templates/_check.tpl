{{/* Refuses values that are each right and contradict each other. The schema checks them one by one. */}}
{{- define "chatcluster.check" -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.enabled) -}}
{{- fail "metrics.serviceMonitor.enabled needs metrics.enabled: without metrics there is nothing to read" -}}
{{- end -}}
{{- if and .Values.metrics.prometheusRule.enabled (not .Values.metrics.enabled) -}}
{{- fail "metrics.prometheusRule.enabled needs metrics.enabled: without metrics the alert ChatClusterOperatorAway fires for ever" -}}
{{- end -}}
{{- $namespaces := .Values.rbac.namespaces -}}
{{- if and .Values.chatCluster.create $namespaces (not (has .Release.Namespace $namespaces)) -}}
{{- fail (printf "chatCluster.create makes a ChatCluster in %s, which the operator would not look after: add it to rbac.namespaces" .Release.Namespace) -}}
{{- end -}}
{{- $first := include "chatcluster.firstName" . -}}
{{- if and .Values.chatCluster.create (not (regexMatch "^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$" $first)) -}}
{{- fail (printf "chatCluster.name is %q: it must be at most 40 lower-case letters, digits and dashes, a letter first; without it the name of the release is taken" $first) -}}
{{- end -}}
{{- $metrics := printf "%s-metrics" (include "chatcluster.fullname" .) -}}
{{- $services := list $first -}}
{{- if (.Values.chatCluster.spec | default dict).monitoring -}}
{{- $services = append $services (printf "%s-metrics" $first) -}}
{{- end -}}
{{- if and .Values.chatCluster.create .Values.metrics.enabled (has $metrics $services) -}}
{{- fail (printf "the operator and the ChatCluster %s would both have a Service %s: give the ChatCluster another chatCluster.name, or the operator another fullnameOverride" $first $metrics) -}}
{{- end -}}
{{- if and .Values.crd.upgrade (not .Values.rbac.create) -}}
{{- fail "rbac.create is false, and crd.upgrade makes a ClusterRole of its own to bring the kind up to date: set crd.upgrade to false, and run kubectl apply --server-side --force-conflicts -f charts/chatcluster/crds yourself before each upgrade" -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false: say in serviceAccount.name which service account the operator should use" -}}
{{- end -}}
{{- range $value, $labels := dict "commonLabels" .Values.commonLabels "operator.podLabels" .Values.operator.podLabels -}}
{{- range $label, $_ := $labels -}}
{{- if regexMatch "^(app[.]kubernetes[.]io|helm[.]sh|rbac[.]authorization[.]k8s[.]io)/" $label -}}
{{- fail (printf "%s has the label %s: the chart sets those of app.kubernetes.io, helm.sh and rbac.authorization.k8s.io itself, finds its pods by them and says by them whose rights are extended" $value $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.rbac.create (not $namespaces) -}}
{{- include "chatcluster.checkAlone" . -}}
{{- end -}}
{{- end -}}

{{/* Refuses a second operator of all namespaces: each would change back what the other does. helm template asks no Kubernetes
cluster, and finds none. */}}
{{- define "chatcluster.checkAlone" -}}
{{- $name := include "chatcluster.fullname" . -}}
{{- range (lookup "rbac.authorization.k8s.io/v1" "ClusterRoleBinding" "" "").items -}}
{{- $labels := .metadata.labels | default dict -}}
{{- $annotations := .metadata.annotations | default dict -}}
{{- $subject := .subjects | default (list dict) | first -}}
{{- $operator := and (eq (get $labels "app.kubernetes.io/name") "chatcluster-operator") (not (hasKey $annotations "helm.sh/hook")) -}}
{{- $ofRelease := and (eq (get $annotations "meta.helm.sh/release-name") $.Release.Name) (eq (get $annotations "meta.helm.sh/release-namespace") $.Release.Namespace) -}}
{{- $ofItsName := and (eq .metadata.name $name) (eq (get $subject "namespace") $.Release.Namespace) -}}
{{- if and $operator (not $ofRelease) (not $ofItsName) -}}
{{- fail (printf "there is an operator that looks after all namespaces: the one in %s, by the ClusterRoleBinding %s. Two of them would change back what the other does, for each ChatCluster: upgrade that one, or take it away first, or give each the value rbac.namespaces, with other namespaces" (get $subject "namespace") .metadata.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
