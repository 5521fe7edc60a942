{{/* Names and labels. Every name is the release's, so that two can live side by side, each with watchNamespaces of its own. */}}

{{- define "dragoman.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "dragoman.controller" -}}
{{ include "dragoman.fullname" . }}-controller
{{- end -}}

{{- define "dragoman.xds" -}}
{{ include "dragoman.fullname" . }}-xds
{{- end -}}

{{- define "dragoman.caSecret" -}}
{{- if eq .Values.certificates.mode "existingSecret" -}}
{{ .Values.certificates.existingSecret }}
{{- else -}}
{{ include "dragoman.fullname" . }}-ca
{{- end -}}
{{- end -}}

{{- define "dragoman.serviceAccount" -}}
{{- if .Values.serviceAccount.name -}}
{{ .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create -}}
{{ include "dragoman.controller" . }}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{- define "dragoman.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "dragoman.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "dragoman.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" (default .Chart.Name .Values.nameOverride)
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/part-of" "dragoman"
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version) -}}
{{- toYaml (merge $own .Values.labels) -}}
{{- end -}}

{{/* metadata of an object: (list $ NAME NAMESPACE-or-empty [labels] [annotations]) */}}
{{- define "dragoman.metadata" -}}
{{- $root := index . 0 -}}
{{- $labels := dict -}}{{- if gt (len .) 3 -}}{{- $labels = index . 3 -}}{{- end -}}
{{- $annotations := dict -}}{{- if gt (len .) 4 -}}{{- $annotations = index . 4 -}}{{- end -}}
name: {{ index . 1 }}
{{- with index . 2 }}
namespace: {{ . }}
{{- end }}
labels:
  {{- toYaml (merge (include "dragoman.labels" $root | fromYaml) $labels) | nindent 2 }}
{{- with merge (deepCopy $annotations) $root.Values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The data plane's defaults as the controller reads them. */}}
{{- define "dragoman.dataPlane" -}}
{{- $document := deepCopy .Values.dataPlane -}}
{{- if not $document.guard.image -}}
{{- $_ := set $document.guard "image" (printf "dragoman/ext-proc:%s" .Chart.AppVersion) -}}
{{- end -}}
{{- toYaml $document -}}
{{- end -}}

{{/* Namespaces in which this release knows of data planes, in order, each once: a JSON list. */}}
{{- define "dragoman.namespaces" -}}
{{- concat (list .Release.Namespace) .Values.watchNamespaces .Values.dataPlaneNetworkPolicy.namespaces | uniq | toJson -}}
{{- end -}}
