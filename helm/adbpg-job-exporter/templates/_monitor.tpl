{{/* How the exporter is scraped: an endpoint of a ServiceMonitor or PodMonitor. The list is of the root and the monitor's values. */}}
{{- define "adbpg.endpoint" -}}
{{- $root := first . }}
{{- $values := last . -}}
- port: metrics
  path: {{ include "adbpg.prefix" $root }}/metrics
  scheme: {{ include "adbpg.scheme" $root }}
  interval: {{ $values.interval }}
  {{- with $values.scrapeTimeout }}
  scrapeTimeout: {{ . }}
  {{- end }}
  {{- range $field := list "tlsConfig" "basicAuth" }}
  {{- with index $values $field }}
  {{ $field }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  relabelings:
    - targetLabel: job
      replacement: {{ include "adbpg.job" $root }}
    {{- if gt (int $root.Values.shards) 1 }}
    # The alerts tell the shards apart by it.
    - sourceLabels: [__meta_kubernetes_pod_label_apps_kubernetes_io_pod_index]
      targetLabel: shard
    {{- end }}
    {{- with $values.relabelings }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
