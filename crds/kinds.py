"""The kinds we read: group, versions, and what their documents become."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from crds import values
from crds.aibackend import AIBackendSpec
from crds.aipolicy import AIPolicySpec
from crds.airoute import AIRouteSpec
from crds.gateway import GatewayClassSpec, GatewaySpec, ReferenceGrantSpec
from crds.inferencepool import InferencePoolSpec, Pod
from crds.meta import GATEWAY_GROUP, GROUP, VERSION
from crds.service import EndpointSlice, ServiceSpec

_Values = Callable[[Mapping[str, Any], Mapping[str, str]], Mapping[str, Any] | values.Trouble]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind; its spec is a model, or its values are read, or only its metadata matters."""

    name: str
    group: str
    versions: tuple[str, ...]
    model: type[BaseModel] | None = None
    values: _Values | None = None
    namespaced: bool = True
    whole: bool = False
    """The model's fields stand at the top of the document, not under spec."""

    def serves(self, api_version: str) -> bool:
        """Whether documents of this apiVersion are of this kind."""
        group, _, version = api_version.rpartition("/")
        return group == self.group and version in self.versions


KINDS = (
    Kind("AIRoute", GROUP, (VERSION,), AIRouteSpec),
    Kind("AIPolicy", GROUP, (VERSION,), AIPolicySpec),
    Kind("AIBackend", GROUP, (VERSION,), AIBackendSpec),
    Kind("Gateway", GATEWAY_GROUP, ("v1", "v1beta1"), GatewaySpec),
    Kind("GatewayClass", GATEWAY_GROUP, ("v1", "v1beta1"), GatewayClassSpec, namespaced=False),
    Kind("ReferenceGrant", GATEWAY_GROUP, ("v1", "v1beta1"), ReferenceGrantSpec),
    Kind("Secret", "", ("v1",), values=values.secret),
    Kind("ConfigMap", "", ("v1",), values=values.config_map),
    Kind("Service", "", ("v1",), ServiceSpec),
    Kind("EndpointSlice", "discovery.k8s.io", ("v1",), EndpointSlice, whole=True),
    Kind("InferencePool", "inference.networking.k8s.io", ("v1",), InferencePoolSpec),
    Kind("Pod", "", ("v1",), Pod, whole=True),
    Kind("Namespace", "", ("v1",), namespaced=False),
)


def is_typo(name: str, api_version: str) -> bool:
    """Whether a kind of a group we read from is nearly, but not quite, one that we read."""
    group = api_version.rpartition("/")[0]
    names = [kind.name for kind in KINDS if kind.group == group]
    return bool(difflib.get_close_matches(name[:64], names, n=1, cutoff=0.8))
