{{/* Refuses values that are each right and contradict each other. The schema checks them one by one. */}}
{{- define "chatcluster.check" -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.enabled) -}}
{{- fail "metrics.serviceMonitor.enabled needs metrics.enabled: without metrics there is nothing to read" -}}
{{- end -}}
{{- $namespaces := .Values.rbac.namespaces -}}
{{- if and .Values.chatCluster.create $namespaces (not (has .Release.Namespace $namespaces)) -}}
{{- fail (printf "chatCluster.create makes a ChatCluster in %s, which the operator would not look after: add it to rbac.namespaces" .Release.Namespace) -}}
{{- end -}}
{{- $first := include "chatcluster.firstName" . -}}
{{- if and .Values.chatCluster.create (not (regexMatch "^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$" $first)) -}}
{{- fail (printf "chatCluster.name is %q: it must be at most 40 lower-case letters, digits and dashes, a letter first; without it the name of the release is taken" $first) -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false: say in serviceAccount.name which service account the operator should use" -}}
{{- end -}}
{{- end -}}
