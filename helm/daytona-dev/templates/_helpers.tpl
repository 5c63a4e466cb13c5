{{/* The names are Daytona's: its documents and scripts say app=daytona-runner. */}}
{{- define "daytona-dev.name" -}}daytona-runner{{- end -}}

{{/* Objects without a namespace: two releases in two namespaces must not share them. */}}
{{- define "daytona-dev.clusterName" -}}
{{- printf "%s-daytona-runner" .Release.Namespace -}}
{{- end -}}

{{- define "daytona-dev.selectorLabels" -}}
app: daytona-runner
app.kubernetes.io/name: daytona-dev
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "daytona-dev.labels" -}}
{{ include "daytona-dev.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "daytona-dev.docker" -}}
{{- if eq .Values.runner.config.containerRuntime "docker" -}}yes{{- end -}}
{{- end -}}

{{/* Is berth beside the runner? With containerd nothing is installed, so that switching back is one value. */}}
{{- define "daytona-dev.installs" -}}
{{- if and .Values.runner.dockerInstaller.enabled (include "daytona-dev.docker" .) -}}yes{{- end -}}
{{- end -}}

{{- define "daytona-dev.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "daytona-dev.name" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "daytona-dev.runnerImage" -}}
{{- with .Values.runner.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Older values name a base image that a script was run in. It has no berth, and the pod would only say so node by node. */}}
{{- define "daytona-dev.installerImage" -}}
{{- $image := .Values.runner.dockerInstaller.image -}}
{{- if regexMatch "^((docker\\.io/)?library/)?(alpine|ubuntu|debian|busybox|centos|rockylinux|almalinux|fedora)(:|@|$)" $image -}}
{{- fail (printf "runner.dockerInstaller.image is %s: that is a base image, and the installer is berth's own image (tools/image makes it)" $image) -}}
{{- end -}}
{{- $image -}}
{{- end -}}

{{- define "daytona-dev.secret" -}}
{{- .Values.runner.token.existingSecret | default (include "daytona-dev.name" .) -}}
{{- end -}}

{{- define "daytona-dev.config" -}}
{{- if .Values.runner.dockerInstaller.config -}}
{{- toYaml .Values.runner.dockerInstaller.config -}}
{{- else -}}
# berth's defaults; the pool's size comes by XFS_STORAGE_SIZE.
{{- end -}}
{{- end -}}

{{/* What the templates in _agent.tpl take, as YAML. */}}
{{- define "daytona-dev.agent" -}}
{{- dict "name" (include "daytona-dev.name" .) "clusterName" (include "daytona-dev.clusterName" .) "labels" (include "daytona-dev.labels" .) "serviceAccount" (include "daytona-dev.serviceAccount" .) "namespace" .Release.Namespace "config" .Values.runner.dockerInstaller.config | toYaml -}}
{{- end -}}
