"""All objects of a Gateway's data plane, in the order in which they are made.

Pure, and the same bytes for the same input. What Envoy is started with comes as `files`
(`xds.pod_bootstrap`), the client certificate from `certificates`; the hash that each object carries
says whether the live one is made of the same.
"""

import base64
from collections.abc import Mapping
from typing import Any

from controller import names
from controller.dataplane import pod
from controller.dataplane.certificates import Identity
from controller.dataplane.wanted import Manifest, Wanted, hashed, made, selector


def manifests(
    wanted: Wanted, files: Mapping[str, str], certificate: Identity
) -> tuple[Manifest, ...]:
    """What a Gateway needs; Kubernetes removes it all together with the Gateway."""
    parameters = wanted.parameters
    return (
        hashed(_service_account(wanted)),
        secret(wanted, certificate),
        hashed(made(wanted, "v1", "ConfigMap", {"data": dict(files)})),
        *([hashed(_service(wanted))] if pod.ports(wanted) else []),
        hashed(_deployment(wanted, files)),
        *([hashed(_autoscaler(wanted))] if parameters.autoscaling.enabled else []),
        *([hashed(_disruptions(wanted))] if parameters.pod_disruption_budget.enabled else []),
    )


def secret(wanted: Wanted, certificate: Identity) -> Manifest:
    """The client certificate; its hash knows nothing of the private key."""
    public = {
        "tls.crt": base64.b64encode(certificate.certificate).decode(),
        "ca.crt": base64.b64encode(certificate.authority).decode(),
    }
    private = base64.b64encode(certificate.private_key.reveal()).decode()
    body = {"type": "kubernetes.io/tls", "data": {**public, "tls.key": private}}
    name = names.client_certificate(wanted.gateway.name, wanted.spec.gateway_class_name)
    return hashed(made(wanted, "v1", "Secret", body, name=name), public)


def addresses(service: Mapping[str, Any]) -> tuple[str, ...]:
    """Where a Service is reached: its load balancer's names and IPs, else its own."""
    balancer = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    outside = [each.get("ip") or each.get("hostname") for each in balancer]
    spec = service.get("spec", {})
    inside = spec.get("clusterIPs") or [spec.get("clusterIP")]
    found = [each for each in outside if each] or [ip for ip in inside if ip and ip != "None"]
    return tuple(found)


def _service_account(wanted: Wanted) -> Manifest:
    return made(wanted, "v1", "ServiceAccount", {"automountServiceAccountToken": False})


def _service(wanted: Wanted) -> Manifest:
    service = wanted.parameters.service
    policy = service.external_traffic_policy
    spec = {
        "type": service.type,
        "selector": selector(wanted),
        "ports": [
            {
                "name": name,
                "port": port,
                "targetPort": names.container_port(port),
                "protocol": "TCP",
            }
            for name, port in pod.ports(wanted)
        ],
        **({"externalTrafficPolicy": policy} if policy else {}),
    }
    return made(wanted, "v1", "Service", {"spec": spec}, service.annotations)


def _deployment(wanted: Wanted, files: Mapping[str, str]) -> Manifest:
    """With an autoscaler the number of replicas is not ours to say."""
    parameters = wanted.parameters
    spec = {
        **({} if parameters.autoscaling.enabled else {"replicas": parameters.replicas}),
        "selector": {"matchLabels": selector(wanted)},
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        },
        "template": pod.template(wanted, dict(files)),
    }
    return made(wanted, "apps/v1", "Deployment", {"spec": spec})


def _autoscaler(wanted: Wanted) -> Manifest:
    autoscaling = wanted.parameters.autoscaling
    target = {"type": "Utilization", "averageUtilization": autoscaling.target_cpu_utilization}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": wanted.name},
        "minReplicas": autoscaling.min_replicas,
        "maxReplicas": autoscaling.max_replicas,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    return made(wanted, "autoscaling/v2", "HorizontalPodAutoscaler", {"spec": spec})


def _disruptions(wanted: Wanted) -> Manifest:
    spec = {
        "maxUnavailable": wanted.parameters.pod_disruption_budget.max_unavailable,
        "selector": {"matchLabels": selector(wanted)},
    }
    return made(wanted, "policy/v1", "PodDisruptionBudget", {"spec": spec})
