"""The pod of a data plane: Envoy, and beside it the guard, which starts first and ends last.

They meet in a directory of Unix sockets. Only Envoy holds the client certificate: the guard
fetches its plans through Envoy's connection.
"""

from typing import Any

from controller import names
from controller.dataplane import drain
from controller.dataplane.parameters import Resources
from controller.dataplane.wanted import Wanted, digest, labels, selector
from controller.settings import CERTIFICATES, CONFIGURATION, SOCKETS

USER = 65532
_POD_NAME = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
_CONFINED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
END_SECONDS = 30
"""What remains of a pod's time after it drained."""


def template(wanted: Wanted, files: dict[str, str]) -> dict[str, Any]:
    """The pod template; a change of the configuration files makes new pods."""
    annotations = {
        **wanted.spec.infrastructure.annotations,
        "dragoman.dev/configuration": digest(files),
    }
    return {
        "metadata": {"labels": labels(wanted), "annotations": annotations},
        "spec": _spec(wanted),
    }


def _spec(wanted: Wanted) -> dict[str, Any]:
    parameters = wanted.parameters
    return {
        "serviceAccountName": wanted.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": parameters.drain_seconds + END_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [_guard(wanted)],
        "containers": [_envoy(wanted)],
        "volumes": _volumes(wanted),
        "topologySpreadConstraints": [
            _spread(wanted, "topology.kubernetes.io/zone"),
            _spread(wanted, "kubernetes.io/hostname"),
        ],
        **_wishes(wanted),
    }


def _wishes(wanted: Wanted) -> dict[str, Any]:
    """Where the pod may run, as far as anything was said."""
    parameters = wanted.parameters
    said = {
        "imagePullSecrets": [{"name": each.name} for each in parameters.image_pull_secrets],
        "nodeSelector": parameters.node_selector,
        "tolerations": list(parameters.tolerations),
        "affinity": parameters.affinity,
        "priorityClassName": parameters.priority_class_name,
    }
    return {field: value for field, value in said.items() if value}


def _spread(wanted: Wanted, key: str) -> dict[str, Any]:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(wanted)},
        "matchLabelKeys": ["pod-template-hash"],
    }


def _envoy(wanted: Wanted) -> dict[str, Any]:
    envoy, gateway = wanted.parameters.envoy, wanted.gateway
    drain_seconds = str(wanted.parameters.drain_seconds)
    return {
        "name": "envoy",
        "image": envoy.image,
        "imagePullPolicy": envoy.image_pull_policy,
        "command": ["envoy"],
        "args": [
            *("--config-path", f"{CONFIGURATION}/envoy.json"),
            *("--service-node", "envoy/$(POD_NAME)"),
            *("--service-cluster", f"{gateway.namespace}/{gateway.name}"),
            "--disable-hot-restart",
            *("--concurrency", str(envoy.concurrency)),
            *("--log-level", "warning"),
            *("--drain-strategy", "immediate", "--drain-time-s", drain_seconds),
        ],
        "env": [_POD_NAME],
        "ports": [*_ports(wanted), {"name": "probes", "containerPort": names.PROBE_PORT}],
        "readinessProbe": _probe("/ready"),
        "lifecycle": {
            "preStop": {"exec": {"command": ["bash", "-c", drain.script(), "drain", drain_seconds]}}
        },
        "resources": _resources(envoy.resources),
        "securityContext": _CONFINED,
        "volumeMounts": [
            {"name": "sockets", "mountPath": SOCKETS},
            {"name": "configuration", "mountPath": CONFIGURATION, "readOnly": True},
            {"name": "certificate", "mountPath": CERTIFICATES, "readOnly": True},
        ],
    }


def _guard(wanted: Wanted) -> dict[str, Any]:
    guard = wanted.parameters.guard
    return {
        "name": "guard",
        "image": guard.image,
        "imagePullPolicy": guard.image_pull_policy,
        "restartPolicy": "Always",
        "command": ["python", "-m", "ext_proc"],
        "args": [
            *("--ads", f"unix:{SOCKETS}/ads.sock"),
            *("--listen", f"{SOCKETS}/ext_proc.sock"),
            *("--metrics", f"{SOCKETS}/ext-proc-metrics.sock"),
            *("--node", "$(POD_NAME)"),
        ],
        "env": [_POD_NAME],
        "readinessProbe": _probe("/guard/ready"),
        "resources": _resources(guard.resources),
        "securityContext": _CONFINED,
        "volumeMounts": [{"name": "sockets", "mountPath": SOCKETS}],
    }


def _ports(wanted: Wanted) -> list[dict[str, Any]]:
    return [
        {"name": name, "containerPort": names.container_port(port)} for name, port in ports(wanted)
    ]


def ports(wanted: Wanted) -> list[tuple[str, int]]:
    """Name and number of each port that listeners serve; no two lead to one port of the pod."""
    found: dict[int, tuple[str, int]] = {}
    for listener in sorted(wanted.spec.listeners, key=lambda each: each.port):
        if listener.protocol in {"HTTP", "HTTPS"}:
            name = f"{listener.protocol.lower()}-{listener.port}"
            found.setdefault(names.container_port(listener.port), (name, listener.port))
    return sorted(found.values(), key=lambda each: each[1])


def _probe(path: str) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": names.PROBE_PORT},
        "periodSeconds": 2,
        "timeoutSeconds": 2,
        "failureThreshold": 3,
    }


def _resources(resources: Resources) -> dict[str, Any]:
    listed = {"requests": resources.requests, "limits": resources.limits}
    return {name: values for name, values in listed.items() if values}


def _volumes(wanted: Wanted) -> list[dict[str, Any]]:
    certificate = names.client_certificate(wanted.gateway.name, wanted.spec.gateway_class_name)
    return [
        {"name": "sockets", "emptyDir": {"sizeLimit": "16Mi"}},
        {"name": "configuration", "configMap": {"name": wanted.name}},
        {"name": "certificate", "secret": {"secretName": certificate, "defaultMode": 0o440}},
    ]
