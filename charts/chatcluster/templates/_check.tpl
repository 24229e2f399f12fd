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
{{- if and .Values.crd.upgrade (not .Values.rbac.create) -}}
{{- fail "rbac.create is false, and crd.upgrade makes a ClusterRole of its own to bring the kind up to date: set crd.upgrade to false, and run kubectl apply --server-side --force-conflicts -f charts/chatcluster/crds yourself before each upgrade" -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false: say in serviceAccount.name which service account the operator should use" -}}
{{- end -}}
{{- range $value, $labels := dict "commonLabels" .Values.commonLabels "operator.podLabels" .Values.operator.podLabels -}}
{{- range $label, $_ := $labels -}}
{{- if or (hasPrefix "app.kubernetes.io/" $label) (hasPrefix "helm.sh/" $label) -}}
{{- fail (printf "%s has the label %s: the chart sets those of app.kubernetes.io and helm.sh itself, and finds its pods by them" $value $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
