{{- define "prometheus.server.labels" -}}
app.kubernetes.io/component: server
app.kubernetes.io/name: prometheus
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
{{- define "prometheus.server.name" -}}
{{- $chart := .Values.nameOverride | default .Chart.Name -}}
{{- $base := contains $chart .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $chart) -}}
{{- .Values.server.fullnameOverride | default (printf "%s-%s" $base .Values.server.name) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- define "prometheus.server.storage" -}}
{{- .Values.server.statefulSet.enabled | ternary (.Values.server.persistentVolume.statefulSetNameOverride | default "storage-volume") "storage-volume" -}}
{{- end -}}
