{{/* Names and labels, written once. */}}
{{- define "meantime.fullname" -}}
{{- if contains "meantime" .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-meantime" .Release.Name | trunc 40 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{- define "meantime.labels" -}}
app.kubernetes.io/name: meantime
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "meantime.selector" -}}
app.kubernetes.io/name: meantime
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "meantime.operator.account" -}}{{ include "meantime.fullname" . }}-operator{{- end -}}
{{- define "meantime.agent.account" -}}{{ include "meantime.fullname" . }}-agent{{- end -}}

{{- define "meantime.operator.image" -}}
{{ .Values.operator.image.repository }}:{{ .Values.operator.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- define "meantime.agent.image" -}}
{{ .Values.agent.image.repository }}:{{ .Values.agent.image.tag | default .Chart.AppVersion }}
{{- end -}}
