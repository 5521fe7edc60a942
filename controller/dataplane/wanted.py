"""A Gateway that wants a data plane, and what all objects made for it share (GEP-1762)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from controller import names
from controller.dataplane.parameters import KEY, Parameters, Unusable, parameters
from crds.gateway import GatewaySpec
from crds.meta import GATEWAY_GROUP, Key
from crds.objects import Object, line

Manifest: TypeAlias = dict[str, Any]

GATEWAY_LABEL = f"{GATEWAY_GROUP}/gateway-name"
CLASS_LABEL = f"{GATEWAY_GROUP}/gateway-class-name"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "dragoman"
HASH = "dragoman.dev/hash"
"""The annotation that says from which content an object was made."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One Gateway and the parameters of its data plane."""

    gateway: Key
    uid: str
    spec: GatewaySpec
    parameters: Parameters

    @property
    def name(self) -> str:
        """Of every object made for it, but for the Secret."""
        return names.data_plane(self.gateway.name, self.spec.gateway_class_name)


def want(
    gateway: Object[GatewaySpec],
    uid: str,
    defaults: str,
    config_maps: Mapping[Key, Mapping[str, str]],
) -> Wanted | Unusable:
    """What a Gateway wants, by the controller's defaults and by its own ConfigMap."""
    field = "spec.infrastructure.parametersRef"
    documents = [("dataPlane", defaults)]
    ref = gateway.spec.infrastructure.parameters_ref
    if ref is not None:
        if (ref.group, ref.kind) != ("", "ConfigMap"):
            return Unusable((line(f"{ref.kind} is not read; name a ConfigMap", field=field),))
        key = Key("ConfigMap", gateway.key.namespace, ref.name)
        content = config_maps.get(key)
        if content is None:
            return Unusable((line(f"{key} does not exist", field=field),))
        if KEY not in content:
            return Unusable((line(f"{key} needs the key {KEY}", field=field),))
        documents.append((f"{field}: {key}", content[KEY]))
    found = parameters(*documents)
    if isinstance(found, Unusable):
        return found
    return Wanted(gateway.key, uid, gateway.spec, found)


def selector(of: Wanted) -> dict[str, str]:
    """The labels by which its pods are found; they never change."""
    return {
        GATEWAY_LABEL: names.label_value(of.gateway.name),
        CLASS_LABEL: names.label_value(of.spec.gateway_class_name),
        "app.kubernetes.io/name": "dragoman-gateway",
    }


def labels(of: Wanted) -> dict[str, str]:
    """The labels of everything made for it: the Gateway's own wishes, then ours."""
    return {
        **of.spec.infrastructure.labels,
        **selector(of),
        "app.kubernetes.io/instance": names.label_value(of.gateway.name),
        MANAGED_BY_LABEL: MANAGED_BY,
    }


def made(
    of: Wanted,
    api_version: str,
    kind: str,
    body: Mapping[str, Any],
    annotations: Mapping[str, str] | None = None,
    name: str = "",
) -> Manifest:
    """An object of the Gateway: named, labelled, and gone when the Gateway is."""
    infrastructure = of.spec.infrastructure
    owner = {
        "apiVersion": f"{GATEWAY_GROUP}/v1",
        "kind": "Gateway",
        "name": of.gateway.name,
        "uid": of.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name or of.name,
            "namespace": of.gateway.namespace,
            "labels": labels(of),
            "annotations": {**infrastructure.annotations, **(annotations or {})},
            "ownerReferences": [owner],
        },
        **body,
    }


def digest(content: Any) -> str:
    """The hash of JSON content."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def hashed(manifest: Manifest, public: Any = None) -> Manifest:
    """The manifest with its hash; of a Secret's content only the `public` part counts."""
    mark = digest([manifest if public is None else {**manifest, "data": public}])
    metadata = manifest["metadata"]
    annotations = {**metadata["annotations"], HASH: mark}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}
