{{/*
What an agent needs of the cluster. The charts berth and daytona-dev have the same file: a test compares them.

Each takes a dict:
  name              name of objects in a namespace
  clusterName       name of objects without one
  labels            labels as YAML
  serviceAccount    whose rights these are
  namespace         where that is
  config            settings of the agent
*/}}

{{/* The start-up taint, KEY[=VALUE]:EFFECT, as {key, value, effect}; nothing where it is set to "". */}}
{{- define "agent.startupTaint" -}}
{{- $text := dig "kubernetes" "startup_taint" "sysbox-runtime=not-running:NoSchedule" .config -}}
{{- if $text -}}
{{- $parts := regexSplit ":" $text 2 -}}
{{- $name := regexSplit "=" (index $parts 0) 2 -}}
key: {{ index $name 0 | quote }}
value: {{ (gt (len $name) 1) | ternary (last $name) "" | quote }}
effect: {{ index $parts 1 | quote }}
{{- end -}}
{{- end -}}

{{/* Where the slot Leases are. */}}
{{- define "agent.leaseNamespace" -}}
{{- dig "kubernetes" "namespace" "" .config | default .namespace -}}
{{- end -}}

{{/* Their names, as YAML. */}}
{{- define "agent.slots" -}}
{{- range $slot := until (dig "kubernetes" "slots" 1 .config | int) }}
- berth-slot-{{ $slot }}
{{- end }}
{{- end -}}

{{/* A volume with what a client of the API needs: a token for an hour, the CA, the namespace. */}}
{{- define "agent.tokenVolume" -}}
projected:
  defaultMode: 0400
  sources:
    - serviceAccountToken:
        path: token
        expirationSeconds: 3600
    - configMap:
        name: kube-root-ca.crt
        items:
          - key: ca.crt
            path: ca.crt
    - downwardAPI:
        items:
          - path: namespace
            fieldRef:
              fieldPath: metadata.namespace
{{- end -}}

{{/* ADDRESS:PORT of the agent, of {address, port}. */}}
{{- define "agent.listen" -}}
{{- $address := .address -}}
{{- if eq $address "nodeIP" -}}
{{- $address = "$(NODE_IP)" -}}
{{- else if contains ":" $address -}}
{{- $address = printf "[%s]" $address -}}
{{- end -}}
{{- printf "%s:%d" $address (int .port) -}}
{{- end -}}

{{- define "agent.isLocal" -}}
{{- if has .address (list "127.0.0.1" "::1") -}}yes{{- end -}}
{{- end -}}

{{/* Where a probe asks. A loopback address is not the pod's: the kubelet must be told it. */}}
{{- define "agent.ask" -}}
port: {{ int64 .port }}
{{- if include "agent.isLocal" . }}
host: {{ .address | quote }}
{{- end }}
{{- end -}}

{{/* The variables of the agent's arguments. */}}
{{- define "agent.env" -}}
- name: NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
{{- if eq .address "nodeIP" }}
- name: NODE_IP
  valueFrom:
    fieldRef:
      fieldPath: status.hostIP
{{- end }}
{{- end -}}

{{- define "agent.rbac" -}}
# Nodes have no namespace, so this is "get" and "patch" of any node. Which node, and what of it, is what the admission
# policy bounds. No list, no watch: an agent knows its own node's name and never asks for another.
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ .clusterName | quote }}
  labels:
    {{- .labels | nindent 4 }}
rules:
  - apiGroups: [""]
    resources: [nodes, nodes/status]
    verbs: [get, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .clusterName | quote }}
  labels:
    {{- .labels | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ .clusterName | quote }}
subjects:
  - kind: ServiceAccount
    name: {{ .serviceAccount | quote }}
    namespace: {{ .namespace | quote }}
---
# Events about an object without a namespace, as a Node is, are kept in "default": nowhere else may it write any.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .clusterName }}-events
  namespace: default
  labels:
    {{- .labels | nindent 4 }}
rules:
  - apiGroups: [events.k8s.io]
    resources: [events]
    verbs: [create, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .clusterName }}-events
  namespace: default
  labels:
    {{- .labels | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .clusterName }}-events
subjects:
  - kind: ServiceAccount
    name: {{ .serviceAccount | quote }}
    namespace: {{ .namespace | quote }}
---
# The slots: who may disrupt its node now. RBAC cannot bound "create" to a name; the admission policy does.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name }}-slots
  namespace: {{ include "agent.leaseNamespace" . | quote }}
  labels:
    {{- .labels | nindent 4 }}
rules:
  - apiGroups: [coordination.k8s.io]
    resources: [leases]
    resourceNames:
      {{- include "agent.slots" . | nindent 6 }}
    verbs: [get, update]
  - apiGroups: [coordination.k8s.io]
    resources: [leases]
    verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}-slots
  namespace: {{ include "agent.leaseNamespace" . | quote }}
  labels:
    {{- .labels | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}-slots
subjects:
  - kind: ServiceAccount
    name: {{ .serviceAccount | quote }}
    namespace: {{ .namespace | quote }}
{{- end -}}

{{- define "agent.matchAccount" -}}
matchConditions:
  # Nobody else is concerned: this narrows one account and touches no other client.
  - name: the-agents-account
    expression: request.userInfo.username == "system:serviceaccount:{{ .namespace }}:{{ .serviceAccount }}"
variables:
  # The node whose kubelet asked for the token (a pod's token carries it since 1.30); empty for every other token.
  - name: ownNode
    expression: request.userInfo.?extra[?"authentication.kubernetes.io/node-name"].orValue([""])[0]
{{- end -}}

{{- define "agent.policyBinding" -}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .policy | quote }}
  labels:
    {{- .labels | nindent 4 }}
spec:
  policyName: {{ .policy | quote }}
  validationActions: [Deny]
{{- end -}}

{{- define "agent.admissionPolicies" -}}
{{- $taint := include "agent.startupTaint" . | fromYaml -}}
# What RBAC cannot say: this account changes the node that its token is bound to, and there its own label, condition and
# taint. A token stolen from one node is of no use against another, nor for drawing pods or secrets to its own.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ .clusterName }}-nodes
  labels:
    {{- .labels | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - apiGroups: [""]
        apiVersions: [v1]
        operations: [UPDATE]
        resources: [nodes, nodes/status]
  {{- include "agent.matchAccount" . | nindent 2 }}
    - name: labels
      expression: object.metadata.?labels.orValue({})
    - name: oldLabels
      expression: oldObject.metadata.?labels.orValue({})
    - name: taints
      expression: object.spec.?taints.orValue([])
    - name: oldTaints
      expression: oldObject.spec.?taints.orValue([])
    - name: conditions
      expression: object.status.?conditions.orValue([])
    - name: oldConditions
      expression: oldObject.status.?conditions.orValue([])
  validations:
    - expression: variables.ownNode != "" && variables.ownNode == object.metadata.name
      message: the agent's account may change no node but the one its token is bound to
      reason: Forbidden
    - expression: >-
        variables.labels.all(k, k in ["sysbox-runtime", "berth.dev/state"]
        || (k in variables.oldLabels && variables.labels[k] == variables.oldLabels[k]))
        && variables.oldLabels.all(k, k in ["sysbox-runtime", "berth.dev/state"] || k in variables.labels)
      message: of a node's labels, the agent's account may change sysbox-runtime and berth.dev/state
      reason: Forbidden
    - expression: >-
        object.metadata.?annotations.orValue({}) == oldObject.metadata.?annotations.orValue({})
        && object.metadata.?finalizers.orValue([]) == oldObject.metadata.?finalizers.orValue([])
        && object.metadata.?ownerReferences.orValue([]) == oldObject.metadata.?ownerReferences.orValue([])
      message: the agent's account may not change a node's annotations, finalizers or owners
      reason: Forbidden
    - expression: >-
        variables.taints.all(t, t in variables.oldTaints)
        && variables.oldTaints.all(t, t in variables.taints
        {{- with $taint }}
        || (t.key == {{ .key | quote }} && t.?value.orValue("") == {{ .value | quote }} && t.effect == {{ .effect | quote }})
        {{- end }})
      message: of a node's taints, the agent's account may only remove the start-up taint
      reason: Forbidden
    - expression: >-
        object.spec.?unschedulable == oldObject.spec.?unschedulable
        && object.spec.?podCIDR == oldObject.spec.?podCIDR
        && object.spec.?podCIDRs == oldObject.spec.?podCIDRs
        && object.spec.?providerID == oldObject.spec.?providerID
        && object.spec.?externalID == oldObject.spec.?externalID
        && object.spec.?configSource == oldObject.spec.?configSource
      message: of a node's spec, the agent's account may change the start-up taint
      reason: Forbidden
    - expression: >-
        variables.conditions.all(c, c.type == "SandboxHostReady" || c in variables.oldConditions)
        && variables.oldConditions.all(c, c.type == "SandboxHostReady" || c in variables.conditions)
      message: of a node's conditions, the agent's account may change SandboxHostReady
      reason: Forbidden
    - expression: >-
        object.status.?capacity == oldObject.status.?capacity
        && object.status.?allocatable == oldObject.status.?allocatable
        && object.status.?phase == oldObject.status.?phase
        && object.status.?addresses == oldObject.status.?addresses
        && object.status.?daemonEndpoints == oldObject.status.?daemonEndpoints
        && object.status.?nodeInfo == oldObject.status.?nodeInfo
        && object.status.?images == oldObject.status.?images
        && object.status.?volumesInUse == oldObject.status.?volumesInUse
        && object.status.?volumesAttached == oldObject.status.?volumesAttached
        && object.status.?config == oldObject.status.?config
        && object.status.?runtimeHandlers == oldObject.status.?runtimeHandlers
        && object.status.?features == oldObject.status.?features
        && object.status.?declaredFeatures == oldObject.status.?declaredFeatures
      message: of a node's status, the agent's account may change its condition
      reason: Forbidden
{{ include "agent.policyBinding" (merge (dict "policy" (printf "%s-nodes" .clusterName)) .) }}
---
# Events are about the agent's own node, so that nobody can put words in another node's mouth.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ .clusterName }}-events
  labels:
    {{- .labels | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - apiGroups: [events.k8s.io]
        apiVersions: [v1]
        operations: [CREATE, UPDATE]
        resources: [events]
  {{- include "agent.matchAccount" . | nindent 2 }}
  validations:
    - expression: >-
        variables.ownNode != "" && object.?regarding.?kind.orValue("") == "Node"
        && object.?regarding.?name.orValue("") == variables.ownNode
      message: the agent's account may write events about its own node alone
      reason: Forbidden
{{ include "agent.policyBinding" (merge (dict "policy" (printf "%s-events" .clusterName)) .) }}
---
# "create" of leases has no names in RBAC: other leases elect leaders and say that nodes are alive.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ .clusterName }}-leases
  labels:
    {{- .labels | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - apiGroups: [coordination.k8s.io]
        apiVersions: [v1]
        operations: [CREATE, UPDATE]
        resources: [leases]
  {{- include "agent.matchAccount" . | nindent 2 }}
  validations:
    - expression: variables.ownNode != "" && object.metadata.name in {{ include "agent.slots" . | fromYamlArray | toJson }}
      message: the agent's account may write the slots' leases alone, with a token bound to a node
      reason: Forbidden
{{ include "agent.policyBinding" (merge (dict "policy" (printf "%s-leases" .clusterName)) .) }}
{{- end -}}
