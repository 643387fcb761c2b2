{{- define "prometheus.server.labels" -}}
app.kubernetes.io/component: server
app.kubernetes.io/name: prometheus
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
{{- define "prometheus.server.name" -}}
{{ .Release.Name }}-{{ .Values.server.name }}
{{- end -}}
