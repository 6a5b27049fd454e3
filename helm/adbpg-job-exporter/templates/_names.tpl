{{/* What is installed is called after the release, and after the chart where the release is not. */}}
{{- define "adbpg.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}{{ $name = .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}{{ $name = .Release.Name }}
{{- else }}{{ $name = printf "%s-%s" .Release.Name $name }}{{ end }}
{{- /* A Service's name has no dot, and begins with a letter. */}}
{{- $name = replace "." "-" $name }}
{{- if regexMatch "^[0-9]" $name }}{{ $name = printf "adbpg-%s" $name }}{{ end }}
{{- /* Room for what is added: a StatefulSet's revision, a pod's number, a dashboard's name. */}}
{{- $name | trunc 40 | trimAll "-" }}
{{- end }}

{{/*
What is installed in a namespace; the list is of the root and the namespace. In another one than the
release's, where releases of that name from several namespaces may meet, the release's is in the name.
*/}}
{{- define "adbpg.nameIn" -}}
{{- $root := first . }}
{{- $name := include "adbpg.fullname" $root }}
{{- if and $root.Release.Namespace (ne (last .) $root.Release.Namespace) }}
{{- $name = printf "%s-%s" $name $root.Release.Namespace }}
{{- if gt (len $name) 40 }}{{ $name = printf "%s-%s" (trunc 31 $name | trimSuffix "-") (sha256sum $name | trunc 8) }}{{ end }}
{{- end }}
{{- $name }}
{{- end }}

{{- define "adbpg.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "adbpg.labels" -}}
{{- with .Values.commonLabels }}{{ toYaml . }}
{{ end }}
{{- include "adbpg.ownLabels" . }}
{{- end }}

{{- define "adbpg.ownLabels" -}}
{{- include "adbpg.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The labels by which the exporter's pods are found, and those of no test. */}}
{{- define "adbpg.podSelector" -}}
{{ include "adbpg.selector" . }}
app.kubernetes.io/component: exporter
{{- end }}

{{- define "adbpg.serviceAccount" -}}
{{- $own := ternary (include "adbpg.fullname" .) "default" .Values.serviceAccount.create }}
{{- default $own .Values.serviceAccount.name }}
{{- end }}

{{/* An image of repository, tag and digest; the list is of it and the tag that it has without one. */}}
{{- define "adbpg.image" -}}
{{- $image := first . }}
{{- if $image.digest }}{{ printf "%s@%s" $image.repository $image.digest }}
{{- else }}{{ printf "%s:%s" $image.repository (default (last .) $image.tag) }}{{ end }}
{{- end }}

{{- define "adbpg.scheme" }}
{{- if and .Values.webConfig.existingSecret .Values.webConfig.tls }}https{{ else }}http{{ end }}
{{- end }}

{{/* What comes before every path of the exporter; empty for nothing. */}}
{{- define "adbpg.prefix" -}}
{{- $path := (urlParse .Values.externalUrl).path }}
{{- with default $path .Values.routePrefix | trimAll "/" }}/{{ . }}{{ end }}
{{- end }}

{{/* The label `job` of what is scraped. */}}
{{- define "adbpg.job" -}}
{{ .Release.Namespace }}/{{ include "adbpg.fullname" . }}
{{- end }}

{{/* A metadata block: of what kind of thing it is, with its values: namespace, labels and annotations. */}}
{{- define "adbpg.monitorMetadata" -}}
{{- $root := first . }}
{{- $values := last . }}
{{- $namespace := default $root.Release.Namespace $values.namespace -}}
name: {{ include "adbpg.nameIn" (list $root $namespace) }}
namespace: {{ $namespace }}
labels:
  {{- mustMerge (dict) $values.labels (include "adbpg.labels" $root | fromYaml) | toYaml | nindent 2 }}
{{- with $values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
