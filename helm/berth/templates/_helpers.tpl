{{/* Name of the objects: the release's, with "berth" in it. */}}
{{- define "berth.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains "berth" .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-berth" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Objects without a namespace: two releases in two namespaces must not share them. */}}
{{- define "berth.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "berth.fullname" .) -}}
{{- end -}}

{{- define "berth.selectorLabels" -}}
app.kubernetes.io/name: berth
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "berth.labels" -}}
{{ include "berth.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "berth.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "berth.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "berth.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "berth.priorityClass" -}}
{{- if .Values.priorityClass.create -}}
{{- .Values.priorityClass.name | default (include "berth.clusterName" .) -}}
{{- else -}}
{{- .Values.priorityClass.name -}}
{{- end -}}
{{- end -}}

{{/* What the templates in _agent.tpl take, as YAML. */}}
{{- define "berth.agent" -}}
{{- dict "name" (include "berth.fullname" .) "clusterName" (include "berth.clusterName" .) "labels" (include "berth.labels" .) "serviceAccount" (include "berth.serviceAccount" .) "namespace" .Release.Namespace "config" .Values.config | toYaml -}}
{{- end -}}

{{- define "berth.config" -}}
{{- if ne .Values.engine "docker" -}}
engine: {{ .Values.engine }}
{{ end -}}
{{- if .Values.config -}}
{{- toYaml .Values.config -}}
{{- else -}}
# berth's defaults.
{{- end -}}
{{- end -}}

{{/* Are there pods that are sandboxes? */}}
{{- define "berth.hasContainerd" -}}
{{- if ne "docker" .Values.engine -}}yes{{- end -}}
{{- end -}}

{{/* Which pods are: what policies go by. */}}
{{- define "berth.matchSandboxes" -}}
matchConstraints:
  resourceRules:
    - apiGroups: [""]
      apiVersions: [v1]
      operations: {{ .operations | toJson }}
      resources: [pods]
matchConditions:
  - name: a-sandbox
    expression: object.spec.?runtimeClassName.orValue("") == {{ .name | quote }}
{{- end -}}

{{/* The newest version of MutatingAdmissionPolicy that the cluster serves. */}}
{{- define "berth.mutatingVersion" -}}
{{- $served := list -}}
{{- range $version := list "v1" "v1beta1" "v1alpha1" -}}
{{- if $.Capabilities.APIVersions.Has (printf "admissionregistration.k8s.io/%s/MutatingAdmissionPolicy" $version) -}}
{{- $served = append $served $version -}}
{{- end -}}
{{- end -}}
{{- if not $served -}}
{{- fail "admission.mutate: this cluster serves no MutatingAdmissionPolicy; switch it on in the API server (see docs/kubernetes.md), or leave admission.mutate off and write hostUsers: false into the pods" -}}
{{- end -}}
{{- first $served -}}
{{- end -}}

{{/* Monitors fetch from the pod's address, where an agent on the loopback interface does not listen. */}}
{{- define "berth.checkListen" -}}
{{- if include "agent.isLocal" .Values.listen -}}
{{- fail (printf "listen.address is %s: nothing outside the node can fetch metrics there; set listen.address to nodeIP, or leave the monitors out" .Values.listen.address) -}}
{{- end -}}
{{- end -}}
