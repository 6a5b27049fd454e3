{{/* What values.schema.json cannot say: values that contradict each other, and mistakes in the text of config. */}}
{{- define "adbpg.check" -}}
{{- $v := .Values }}
{{- range $path := .Files.Lines "files/values.txt" }}
{{- $place := $v }}
{{- range splitList "." $path }}
{{- if not (hasKey $place .) }}{{ fail (printf "%s: null is no value here: leave it out for the default" $path) }}{{ end }}
{{- $place = index $place . }}
{{- end }}
{{- end }}
{{- if and $v.config $v.existingConfigMap }}
{{- fail "config, existingConfigMap: give one of the two" }}
{{- end }}
{{- if not (or $v.config $v.existingConfigMap) }}
{{- fail "config: write the exporter's configuration here, or name a ConfigMap in existingConfigMap" }}
{{- end }}
{{- if $v.config }}{{ include "adbpg.checkConfig" . }}{{ end }}
{{- if and $v.credentials.existingSecret $v.credentials.ram }}
{{- fail "credentials.existingSecret, credentials.ram: give one of the two" }}
{{- end }}
{{- if and $v.credentials.securityTokenKey (not $v.credentials.existingSecret) }}
{{- fail "credentials.securityTokenKey: is a key of the Secret that credentials.existingSecret names: name it" }}
{{- end }}
{{- if and $v.webConfig.clientCertificates (not (and $v.webConfig.existingSecret $v.webConfig.tls)) }}
{{- fail "webConfig.clientCertificates: needs webConfig.existingSecret, and webConfig.tls" }}
{{- end }}
{{- if and $v.serviceAccount.annotations (not $v.serviceAccount.create) }}
{{- fail "serviceAccount.annotations: go with serviceAccount.create; annotate an account of yours yourself" }}
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
{{- range $name := list "serviceMonitor" "podMonitor" }}
{{- $monitor := index $v $name }}
{{- if and $monitor.enabled $monitor.scrapeTimeout (gt (include "adbpg.milliseconds" $monitor.scrapeTimeout | int64) (include "adbpg.milliseconds" $monitor.interval | int64)) }}
{{- fail (printf "%s.scrapeTimeout: is over %s.interval, so the Prometheus Operator would leave the monitor out" $name $name) }}
{{- end }}
{{- end }}
{{- include "adbpg.checkStrategy" . }}
{{- include "adbpg.checkLabels" . }}
{{- include "adbpg.checkEnvironment" . }}
{{- end }}

{{/* A duration of Prometheus, such as 1m30s, in milliseconds. */}}
{{- define "adbpg.milliseconds" -}}
{{- $total := 0 }}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 }}
{{- range regexFindAll "[0-9]+(ms|s|m|h|d|w|y)" . -1 }}
{{- $unit := regexFind "[a-z]+" . }}
{{- $total = add $total (mul (trimSuffix $unit . | int64) (index $units $unit)) }}
{{- end }}
{{- $total }}
{{- end }}

{{- define "adbpg.checkStrategy" -}}
{{- $given := .Values.updateStrategy }}
{{- $type := default "RollingUpdate" $given.type }}
{{- $types := ternary (list "RollingUpdate" "OnDelete") (list "RollingUpdate" "Recreate") (gt (int .Values.shards) 1) }}
{{- if not (has $type $types) }}
{{- fail (printf "updateStrategy.type: expected %s, since there is %s" (join " or " $types) (ternary "more than one shard" "one shard" (gt (int .Values.shards) 1))) }}
{{- end }}
{{- if and $given.rollingUpdate (ne $type "RollingUpdate") }}
{{- fail "updateStrategy.rollingUpdate: goes with type: RollingUpdate" }}
{{- end }}
{{- end }}

{{/* Labels of the chart's own, by which it finds its pods, cannot be others. */}}
{{- define "adbpg.checkLabels" -}}
{{- $own := append (include "adbpg.ownLabels" . | fromYaml | keys) "app.kubernetes.io/component" }}
{{- range $value := list "commonLabels" "podLabels" }}
{{- range $name, $_ := index $.Values $value }}
{{- if has $name $own }}
{{- fail (printf "%s: %s is a label that the chart sets itself" $value $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $_ := .Values.podLabels }}
{{- if hasKey $.Values.commonLabels $name }}
{{- fail (printf "podLabels: %s is in commonLabels, too" $name) }}
{{- end }}
{{- end }}
{{- range $name := list "checksum/config" "kubectl.kubernetes.io/default-container" }}
{{- if hasKey $.Values.podAnnotations $name }}
{{- fail (printf "podAnnotations: %s is an annotation that the chart sets itself" $name) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "adbpg.checkEnvironment" -}}
{{- $names := list }}
{{- range .Values.extraEnv }}
{{- if or (has .name $names) (and (eq .name "SHARD") (gt (int $.Values.shards) 1)) }}
{{- fail (printf "extraEnv: %s is set twice, and only the last one counts" .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- if and .value (has .name (list "ALIBABA_CLOUD_ACCESS_KEY_SECRET" "ALIBABA_CLOUD_SECURITY_TOKEN")) }}
{{- fail (printf "extraEnv: %s has its value here, where all who may read the release or the pod would see it: put it into a Secret, and name that in credentials.existingSecret" .name) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
What can be known of the text of config before anything is installed: that it is YAML, with keys that there
are, those that must be given, and no password in it. The rest the exporter says in its log.
*/}}
{{- define "adbpg.checkConfig" -}}
{{- $v := .Values }}
{{- $config := fromYaml $v.config }}
{{- if hasKey $config "Error" }}
{{- if regexMatch "cannot unmarshal (array|string|number|bool)|into Go value" $config.Error }}
{{- fail "config: expected the text of a config.yaml, a mapping with the key targets" }}
{{- end }}
{{- fail (printf "config: is not YAML%s" (regexFind " ?line [0-9]+" $config.Error | trim | printf " (%s)" | replace " ()" "")) }}
{{- end }}
{{- if and (or $v.credentials.existingSecret $v.credentials.ram) (hasKey $config "credentials") }}
{{- fail "config: has a section credentials, and the chart adds one for the value credentials: take one out" }}
{{- end }}
{{- if and $v.jobFiles.enabled (hasKey $config "job_files") }}
{{- fail "config: has a section job_files, and the chart adds one for the value jobFiles: take one out" }}
{{- end }}
{{- include "adbpg.checkNode" (list "" $config (.Files.Get "files/config.schema.json" | fromJson)) }}
{{- $store := dig "store" "memory" (default (dict) $config.registry) }}
{{- $several := gt (int (max $v.shards $v.replicas)) 1 }}
{{- if and $several (ne $store "postgresql") (dig "tokens" "" (default (dict) $config.registration)) }}
{{- fail "config: registration.tokens: several pods can only share announced jobs in PostgreSQL: set registry.store to postgresql, or leave shards and replicas at 1" }}
{{- end }}
{{- if eq $store "sqlite" }}
{{- if $several }}
{{- fail "config: registry.store: the file of sqlite is of one pod: leave shards and replicas at 1, or use postgresql" }}
{{- end }}
{{- if not (or $v.registry.volume $v.extraVolumeMounts) }}
{{- fail "config: registry.store: sqlite needs a volume that outlives the pod: name one in the value registry.volume" }}
{{- end }}
{{- if eq (default "" $v.updateStrategy.type) "RollingUpdate" }}
{{- fail "updateStrategy: the file of sqlite is of one pod at a time: leave the type empty, or Recreate" }}
{{- end }}
{{- end }}
{{- if and $v.registry.volume (ne $store "sqlite") }}
{{- fail "registry.volume: only with registry.store: sqlite in config" }}
{{- end }}
{{- if and $v.registry.existingSecret (ne $store "postgresql") }}
{{- fail "registry.existingSecret: only with registry.store: postgresql in config" }}
{{- end }}
{{- range $config.targets }}
{{- if and .namespace_password (not (contains "${" (toString .namespace_password))) }}
{{- fail "config: has a namespace password in it, which all who may read ConfigMaps would see: put it into the Secret of namespacePasswords, and name its file in namespace_password_file" }}
{{- end }}
{{- end }}
{{- $proxy := toString (dig "proxy" "" (default (dict) $config.api)) }}
{{- if and (contains "@" $proxy) (not (contains "${" $proxy)) }}
{{- fail "config: has a proxy's password in it, which all who may read ConfigMaps would see: write api.proxy as ${NAME}, and set that variable by extraEnv from a Secret" }}
{{- end }}
{{- end }}

{{/*
Compares a part of config with its JSON Schema: whether it is a mapping, a list or a single value, with which
keys, and of a few words which. The list is of the path, the value and the schema. No value is repeated, nor a
key that may be a part of one: it may be a secret.
*/}}
{{- define "adbpg.checkNode" -}}
{{- $path := index . 0 }}
{{- $value := index . 1 }}
{{- $schema := index . 2 }}
{{- $place := printf "config: %s" (ternary (printf "%s: " $path) "" (ne $path "")) }}
{{- $types := ternary (list $schema.type) (default (list) $schema.type) (kindIs "string" $schema.type) }}
{{- if and (kindIs "invalid" $value) (has "null" $types) }}
{{- else if has "object" $types }}
{{- if not (kindIs "map" $value) }}{{ fail (printf "%sexpected a mapping" $place) }}{{ end }}
{{- $known := default (dict) $schema.properties }}
{{- range $key, $child := $value }}
{{- $below := ternary $key (printf "%s.%s" $path $key) (eq $path "") }}
{{- if hasKey $known $key }}
{{- include "adbpg.checkNode" (list $below $child (index $known $key)) }}
{{- else if kindIs "map" $schema.additionalProperties }}
{{- include "adbpg.checkNode" (list $path $child $schema.additionalProperties) }}
{{- else }}
{{- $shown := and (regexMatch "^[A-Za-z_][A-Za-z0-9_-]{0,63}$" $key) (not (kindIs "invalid" $child)) }}
{{- fail (printf "%sunknown key%s: expected one of %s" $place (ternary (printf " %s" $key) "" $shown) (keys $known | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- range $schema.required }}
{{- if not (hasKey $value .) }}{{ fail (printf "%s%s is missing" $place .) }}{{ end }}
{{- end }}
{{- range $schema.allOf }}
{{- $names := list }}
{{- range .oneOf }}{{ $names = concat $names .required }}{{ end }}
{{- $given := 0 }}
{{- range $names }}{{ if hasKey $value . }}{{ $given = add1 $given }}{{ end }}{{ end }}
{{- if ne (int $given) 1 }}{{ fail (printf "%sexpected %s, and one of them only" $place (join " or " $names)) }}{{ end }}
{{- end }}
{{- else if has "array" $types }}
{{- if not (kindIs "slice" $value) }}{{ fail (printf "%sexpected a list" $place) }}{{ end }}
{{- if lt (len $value) (int (default 0 $schema.minItems)) }}{{ fail (printf "%sexpected an entry" $place) }}{{ end }}
{{- range $index, $child := $value }}
{{- include "adbpg.checkNode" (list (printf "%s[%d]" $path $index) $child $schema.items) }}
{{- end }}
{{- else if or (kindIs "map" $value) (kindIs "slice" $value) (kindIs "invalid" $value) }}
{{- fail (printf "%sexpected a single value, got %s" $place (ternary "nothing" "several" (kindIs "invalid" $value))) }}
{{- else }}
{{- range $schema.anyOf }}
{{- if and .enum (not (has $value .enum)) (not (contains "$" (toString $value))) }}
{{- fail (printf "%sexpected %s" $place (join " or " .enum)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
