{{/* What values.schema.json cannot say: values that contradict each other. */}}
{{- define "adbpg.check" -}}
{{- $v := .Values }}
{{- if and $v.config $v.existingConfigMap }}
{{- fail "config, existingConfigMap: give one of the two" }}
{{- end }}
{{- if not (or $v.config $v.existingConfigMap) }}
{{- fail "config: write the exporter's configuration here, or name a ConfigMap in existingConfigMap" }}
{{- end }}
{{- if regexMatch `(?m)^[^#\n]*namespace_password["']?\s*:\s*["']?[^$"'\s]` $v.config }}
{{- fail "config: has a namespace password in it, which all who may read ConfigMaps would see: put it into the Secret of namespacePasswords, and name its file in namespace_password_file" }}
{{- end }}
{{- if and $v.credentials.existingSecret $v.credentials.ram }}
{{- fail "credentials.existingSecret, credentials.ram: give one of the two" }}
{{- end }}
{{- if and (or $v.credentials.existingSecret $v.credentials.ram) (regexMatch `(?m)^credentials\s*:` $v.config) }}
{{- fail "config: has a section credentials, and the chart adds one for the value credentials: take one out" }}
{{- end }}
{{- if and $v.jobFiles.enabled (regexMatch `(?m)^job_files\s*:` $v.config) }}
{{- fail "config: has a section job_files, and the chart adds one for the value jobFiles: take one out" }}
{{- end }}
{{- if and $v.jobFiles.sidecar.enabled (not $v.jobFiles.enabled) }}
{{- fail "jobFiles.sidecar.enabled: needs jobFiles.enabled" }}
{{- end }}
{{- if and $v.jobFiles.sidecar.enabled $v.jobFiles.volume }}
{{- fail "jobFiles.volume, jobFiles.sidecar.enabled: give one of the two; the sidecar has a volume of its own" }}
{{- end }}
{{- if and $v.jobFiles.enabled (not $v.jobFiles.volume) (not $v.jobFiles.sidecar.enabled) }}
{{- fail "jobFiles.volume: say where the job files are, or switch on jobFiles.sidecar.enabled" }}
{{- end }}
{{- if and (gt (int $v.shards) 1) (gt (int $v.replicas) 1) }}
{{- fail "shards, replicas: one of the two can be over 1; each shard is one pod" }}
{{- end }}
{{- if and $v.serviceMonitor.enabled $v.podMonitor.enabled }}
{{- fail "serviceMonitor.enabled, podMonitor.enabled: each pod would be scraped twice; switch on one of the two" }}
{{- end }}
{{- end }}
