{{/* What the controller does in the namespaces it watches. */}}
{{- define "dragoman.rules" }}
# The kinds of Dragoman: read, and told their status.
- {apiGroups: [dragoman.dev], resources: [airoutes, aipolicies, aibackends], verbs: [get, list, watch]}
- {apiGroups: [dragoman.dev], resources: [airoutes/status, aipolicies/status, aibackends/status], verbs: [update, patch]}
- {apiGroups: [gateway.networking.k8s.io], resources: [gateways, referencegrants], verbs: [get, list, watch]}
- {apiGroups: [gateway.networking.k8s.io], resources: [gateways/status], verbs: [update, patch]}
# Owner references that block the deletion of a Gateway, where an admission plugin asks for this.
- {apiGroups: [gateway.networking.k8s.io], resources: [gateways/finalizers], verbs: [update]}
# What these refer to, and which pods are ready.
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [pods], verbs: [get, list, watch]}
- {apiGroups: [inference.networking.k8s.io], resources: [inferencepools], verbs: [get, list, watch]}
# Provider keys and certificates by name; one Secret per Gateway is written. See rbac in values.yaml.
- {apiGroups: [""], resources: [secrets], verbs: [get, list, watch, create, patch, delete]}
# Data planes, by server-side apply. Deleted is only what a Gateway that stays needs no more, such as an
# autoscaler that is turned off or all of it under another class; the rest goes with its Gateway.
- {apiGroups: [""], resources: [services, serviceaccounts, configmaps], verbs: [get, list, watch, create, patch, delete]}
- {apiGroups: [apps], resources: [deployments], verbs: [get, list, watch, create, patch, delete]}
- {apiGroups: [autoscaling], resources: [horizontalpodautoscalers], verbs: [get, list, watch, create, patch, delete]}
- {apiGroups: [policy], resources: [poddisruptionbudgets], verbs: [get, list, watch, create, patch, delete]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
{{- with .Values.workloadIdentity.serviceAccounts }}
# Tokens of ServiceAccounts with these names, for AIBackends with auth.workloadIdentity; of no others.
- {apiGroups: [""], resources: [serviceaccounts/token], resourceNames: {{ toJson . }}, verbs: [create]}
{{- end }}
{{- end }}
