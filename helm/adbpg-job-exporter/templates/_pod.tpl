{{/* The flags of the exporter, a list in YAML. */}}
{{- define "adbpg.args" -}}
- serve
- --config.file=/etc/adbpg/config/config.yaml
- --web.listen-address=:{{ .Values.service.port }}
- --log.level={{ .Values.log.level }}
- --log.format={{ .Values.log.format }}
{{- if gt (int .Values.shards) 1 }}
- --shard=$(SHARD)/{{ .Values.shards }}
{{- end }}
{{- if .Values.webConfig.existingSecret }}
- --web.config.file=/etc/adbpg/web/{{ .Values.webConfig.key }}
{{- end }}
{{- with .Values.externalUrl }}
- --web.external-url={{ . }}
{{- end }}
{{- with .Values.routePrefix }}
- --web.route-prefix={{ . }}
{{- end }}
{{- if .Values.lifecycle }}
- --web.enable-lifecycle
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A probe: where, from the path and whether clients need certificates, and when. */}}
{{- define "adbpg.probe" -}}
{{- $root := index . 0 }}
{{- if and $root.Values.webConfig.existingSecret $root.Values.webConfig.tls $root.Values.webConfig.clientCertificates -}}
tcpSocket:
  port: metrics
{{- else -}}
httpGet:
  path: {{ include "adbpg.prefix" $root }}{{ index . 1 }}
  port: metrics
  scheme: {{ include "adbpg.scheme" $root | upper }}
{{- end }}
{{ toYaml (index . 2) }}
{{- end }}

{{/* The volumes with what the exporter reads. Directories, never a subPath: those are never renewed. */}}
{{- define "adbpg.volumes" -}}
- name: config
  configMap:
    name: {{ default (include "adbpg.fullname" .) .Values.existingConfigMap }}
{{- range $name, $secret := dict
  "access-key" .Values.credentials.existingSecret
  "passwords" .Values.namespacePasswords.existingSecret
  "registry" .Values.registry.existingSecret
  "tokens" .Values.registration.existingSecret
  "web" .Values.webConfig.existingSecret }}
{{- if $secret }}
- name: {{ $name }}
  secret:
    secretName: {{ $secret }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- if .Values.jobFiles.enabled }}
- name: jobs
  {{- if .Values.jobFiles.sidecar.enabled }}
  emptyDir: {}
  {{- else }}
  {{- toYaml .Values.jobFiles.volume | nindent 2 }}
  {{- end }}
{{- end }}
{{- with .Values.registry.volume }}
- name: store
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "adbpg.mounts" -}}
- name: config
  mountPath: /etc/adbpg/config
  readOnly: true
{{- range $name, $secret := dict
  "access-key" .Values.credentials.existingSecret
  "passwords" .Values.namespacePasswords.existingSecret
  "registry" .Values.registry.existingSecret
  "tokens" .Values.registration.existingSecret
  "web" .Values.webConfig.existingSecret }}
{{- if $secret }}
- name: {{ $name }}
  mountPath: /etc/adbpg/{{ $name }}
  readOnly: true
{{- end }}
{{- end }}
{{- if .Values.jobFiles.enabled }}
- name: jobs
  mountPath: /var/lib/adbpg-jobs
  readOnly: true
{{- end }}
{{- if .Values.registry.volume }}
- name: store
  mountPath: /var/lib/adbpg-job-exporter
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "adbpg.exporter" -}}
- name: exporter
  image: {{ include "adbpg.image" (list .Values.image .Chart.AppVersion) }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    {{- include "adbpg.args" . | nindent 4 }}
  env:
    # For the command that the page shows.
    - name: POD_NAME
      valueFrom: {fieldRef: {fieldPath: metadata.name}}
    - name: POD_NAMESPACE
      valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
    {{- if gt (int .Values.shards) 1 }}
    - name: SHARD
      valueFrom:
        fieldRef:
          fieldPath: metadata.labels['apps.kubernetes.io/pod-index']
    {{- end }}
    {{- with .Values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - name: metrics
      containerPort: {{ .Values.service.port }}
  livenessProbe:
    {{- include "adbpg.probe" (list . "/-/healthy" .Values.livenessProbe) | nindent 4 }}
  readinessProbe:
    {{- include "adbpg.probe" (list . "/-/ready" .Values.readinessProbe) | nindent 4 }}
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    {{- include "adbpg.mounts" . | nindent 4 }}
{{- end }}

{{/* Writes the labelled ConfigMaps into the folder of job files, and follows them. */}}
{{- define "adbpg.sidecar" -}}
{{- $sidecar := .Values.jobFiles.sidecar -}}
- name: job-files
  image: {{ include "adbpg.image" (list $sidecar.image $sidecar.image.tag) }}
  imagePullPolicy: {{ $sidecar.image.pullPolicy }}
  env:
    - {name: LABEL, value: {{ $sidecar.label | quote }}}
    - {name: LABEL_VALUE, value: {{ $sidecar.labelValue | quote }}}
    - {name: FOLDER, value: /var/lib/adbpg-jobs}
    - {name: RESOURCE, value: configmap}
    - {name: NAMESPACE, value: {{ default (list .Release.Namespace) $sidecar.namespaces | join "," | quote }}}
    - {name: UNIQUE_FILENAMES, value: "true"}
  resources:
    {{- toYaml $sidecar.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - name: jobs
      mountPath: /var/lib/adbpg-jobs
    - name: sidecar-tmp
      mountPath: /tmp
    - name: sidecar-token
      mountPath: /var/run/secrets/kubernetes.io/serviceaccount
      readOnly: true
{{- end }}

{{/* A token of the service account for the sidecar alone: the exporter has no use for one. */}}
{{- define "adbpg.sidecarVolumes" -}}
- name: sidecar-tmp
  emptyDir: {}
- name: sidecar-token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3607
      - configMap:
          name: kube-root-ca.crt
          items:
            - {key: ca.crt, path: ca.crt}
      - downwardAPI:
          items:
            - path: namespace
              fieldRef: {fieldPath: metadata.namespace}
{{- end }}

{{/*
How pods are replaced, in full. What Kubernetes fills in itself nobody may take away later: with the
defaults of RollingUpdate left to it, another type would be refused after the installation.
*/}}
{{- define "adbpg.updateStrategy" -}}
{{- $given := .Values.updateStrategy }}
{{- $type := default (ternary "Recreate" "RollingUpdate" (not (empty .Values.registry.volume))) $given.type }}
{{- $default := ternary (dict "partition" 0) (dict "maxSurge" "25%" "maxUnavailable" "25%") (gt (int .Values.shards) 1) -}}
type: {{ $type }}
{{- if eq $type "RollingUpdate" }}
{{- /* Not merge, which takes 0 for nothing given. */}}
{{- range $key, $value := default (dict) $given.rollingUpdate }}{{ $_ := set $default $key $value }}{{ end }}
rollingUpdate:
  {{- toYaml $default | nindent 2 }}
{{- end }}
{{- end }}

{{/* Constraints of the pods' spread; one without a selector would match no pod, so it gets the pods' own. */}}
{{- define "adbpg.topologySpreadConstraints" -}}
{{- $own := dict "matchLabels" (include "adbpg.podSelector" . | fromYaml) }}
{{- $constraints := deepCopy .Values.topologySpreadConstraints }}
{{- range $constraint := $constraints }}
{{- if not (kindIs "map" $constraint.labelSelector) }}
{{- $_ := set $constraint "labelSelector" $own }}
{{- /* While pods are replaced, those that go are not counted. A StatefulSet's pods have no such label. */}}
{{- if and (le (int $.Values.shards) 1) (not (hasKey $constraint "matchLabelKeys")) }}
{{- $_ := set $constraint "matchLabelKeys" (list "pod-template-hash") }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $constraints }}
{{- end }}

{{/* Affinity; as above, each term about other pods has a selector. */}}
{{- define "adbpg.affinity" -}}
{{- $own := dict "matchLabels" (include "adbpg.podSelector" . | fromYaml) }}
{{- $affinity := deepCopy .Values.affinity }}
{{- range $kind := list "podAffinity" "podAntiAffinity" }}
{{- $terms := default (dict) (index $affinity $kind) }}
{{- range $term := default (list) $terms.requiredDuringSchedulingIgnoredDuringExecution }}
{{- if not (kindIs "map" $term.labelSelector) }}{{ $_ := set $term "labelSelector" $own }}{{ end }}
{{- end }}
{{- range $weighted := default (list) $terms.preferredDuringSchedulingIgnoredDuringExecution }}
{{- $term := default (dict) $weighted.podAffinityTerm }}
{{- if not (kindIs "map" $term.labelSelector) }}{{ $_ := set $term "labelSelector" $own }}{{ end }}
{{- end }}
{{- end }}
{{- toYaml $affinity }}
{{- end }}

{{/* The pod of the Deployment and of the StatefulSet. */}}
{{- define "adbpg.pod" -}}
metadata:
  labels:
    {{- include "adbpg.labels" . | nindent 4 }}
    app.kubernetes.io/component: exporter
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- if .Values.config }}
    checksum/config: {{ include "adbpg.config" . | sha256sum }}
    {{- end }}
    kubectl.kubernetes.io/default-container: exporter
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "adbpg.serviceAccount" . }}
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    {{- include "adbpg.exporter" . | nindent 4 }}
    {{- if .Values.jobFiles.sidecar.enabled }}
    {{- include "adbpg.sidecar" . | nindent 4 }}
    {{- end }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "adbpg.volumes" . | nindent 4 }}
    {{- if .Values.jobFiles.sidecar.enabled }}
    {{- include "adbpg.sidecarVolumes" . | nindent 4 }}
    {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- range $field := list "imagePullSecrets" "nodeSelector" "tolerations" }}
  {{- with index $.Values $field }}
  {{ $field }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- if .Values.affinity }}
  affinity:
    {{- include "adbpg.affinity" . | nindent 4 }}
  {{- end }}
  {{- if .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- include "adbpg.topologySpreadConstraints" . | nindent 4 }}
  {{- end }}
{{- end }}
