{{/* The name of all objects. Helm allows dots in the name of a release, and a digit first; a Service's name has neither. */}}
{{- define "chatcluster.fullname" -}}
{{- $release := .Release.Name | replace "." "-" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimAll "-" -}}
{{- else if regexMatch "^[0-9]" $release -}}
{{- printf "chatcluster-operator-%s" $release | trunc 40 | trimAll "-" -}}
{{- else if contains "chatcluster" $release -}}
{{- printf "%s-operator" $release | trunc 40 | trimAll "-" -}}
{{- else -}}
{{- printf "%s-chatcluster-operator" $release | trunc 40 | trimAll "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of an object that is in no namespace. Operators of some namespaces may be many, and their releases of one name: the
namespace of each tells theirs apart. Call with a dict of root and part, which the name has at its end. */}}
{{- define "chatcluster.clusterName" -}}
{{- $name := printf "%s%s" (include "chatcluster.fullname" .root) .part -}}
{{- if .root.Values.rbac.namespaces -}}
{{- $name = printf "%s.%s" $name .root.Release.Namespace -}}
{{- end -}}
{{- if gt (len $name) 63 -}}
{{- $name = printf "%s-%s" ($name | trunc 54 | trimAll ".-") ($name | sha256sum | trunc 8) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "chatcluster.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "chatcluster.fullname" .) -}}
{{- end -}}

{{- define "chatcluster.selectorLabels" -}}
app.kubernetes.io/name: chatcluster-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "chatcluster.labels" -}}
{{ include "chatcluster.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: chatcluster
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The labels of an object that has labels of its own beside, which win. Call with a dict of root and own. */}}
{{- define "chatcluster.labelsWith" -}}
{{- merge (.own | default dict | deepCopy) (include "chatcluster.labels" .root | fromYaml) | toYaml -}}
{{- end -}}

{{/* The reference of an image. Call with a dict of root and image. */}}
{{- define "chatcluster.image" -}}
{{- $registry := .root.Values.imageRegistry | default .image.registry -}}
{{- with $registry }}{{ . }}/{{ end }}{{ .image.repository -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* What all containers of the chart are allowed: nothing. */}}
{{- define "chatcluster.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "chatcluster.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* The name of the first ChatCluster. */}}
{{- define "chatcluster.firstName" -}}
{{- .Values.chatCluster.name | default .Release.Name -}}
{{- end -}}

{{/* Where clients of the first ChatCluster connect, from inside the Kubernetes cluster. */}}
{{- define "chatcluster.firstHub" -}}
{{- $spec := .Values.chatCluster.spec | default dict -}}
{{- $hub := $spec.hub | default dict -}}
{{- if $spec.tls }}https{{ else }}http{{ end }}://{{ include "chatcluster.firstName" . }}.{{ .Release.Namespace }}{{ $hub.path | default "/chatHub" }}
{{- end -}}

{{/* Not empty if helm test can chat with the first ChatCluster: its hub is the one of our image, asks for no token, takes the
test's WebSocket and lets its pod come near. */}}
{{- define "chatcluster.tested" -}}
{{- $spec := .Values.chatCluster.spec | default dict -}}
{{- $hub := $spec.hub | default dict -}}
{{- $clients := ($spec.networkPolicy | default dict).clients -}}
{{- $closed := and $hub.transports (not (has "WebSockets" $hub.transports)) -}}
{{- if and .Values.test.enabled .Values.chatCluster.create (not (or $hub.image $hub.authentication $closed $clients)) }}yes{{ end -}}
{{- end -}}
