"""Resources: everything a source has read, by key; the input of `translate`.

Frozen and whole: a source builds a new value for every change. An object that could not be read
stands in `broken` with its problems, so that it can be reported and, where safety asks for it,
answered for.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from crds.aibackend import AIBackendSpec
from crds.aipolicy import AIPolicySpec
from crds.airoute import AIRouteSpec
from crds.gateway import GatewayClassSpec, GatewaySpec, ReferenceGrantSpec, SecretValue
from crds.inferencepool import InferencePoolSpec, Pod
from crds.meta import Key
from crds.objects import Broken, Object, Problem
from crds.service import EndpointSlice, ServiceSpec

__all__ = ["Broken", "Object", "Problem", "Resources", "SessionKey", "Unminted"]


@dataclass(frozen=True, slots=True)
class Unminted:
    """There is no token for an AIBackend: which endpoint said what."""

    message: str


@dataclass(frozen=True, slots=True)
class SessionKey:
    """What AWS gives for a while in place of an account's key."""

    key_id: SecretValue
    secret: SecretValue
    session_token: SecretValue


@dataclass(frozen=True, slots=True)
class Resources:
    """The whole input world, keyed by (kind, namespace, name)."""

    gateways: Mapping[Key, Object[GatewaySpec]] = field(default_factory=dict)
    gateway_classes: Mapping[Key, Object[GatewayClassSpec]] = field(default_factory=dict)
    reference_grants: Mapping[Key, Object[ReferenceGrantSpec]] = field(default_factory=dict)
    routes: Mapping[Key, Object[AIRouteSpec]] = field(default_factory=dict)
    policies: Mapping[Key, Object[AIPolicySpec]] = field(default_factory=dict)
    backends: Mapping[Key, Object[AIBackendSpec]] = field(default_factory=dict)
    secrets: Mapping[Key, Mapping[str, SecretValue]] = field(default_factory=dict)
    config_maps: Mapping[Key, Mapping[str, str]] = field(default_factory=dict)
    services: Mapping[Key, Object[ServiceSpec]] = field(default_factory=dict)
    endpoint_slices: Mapping[Key, Object[EndpointSlice]] = field(default_factory=dict)
    inference_pools: Mapping[Key, Object[InferencePoolSpec]] = field(default_factory=dict)
    pods: Mapping[Key, Object[Pod]] = field(default_factory=dict)
    namespace_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tokens: Mapping[Key, SecretValue | SessionKey | Unminted] = field(default_factory=dict)
    """What became of asking for the tokens of AIBackends; see `controller.tokens`."""
    broken: tuple[Broken, ...] = ()

    def count(self) -> Counter[str]:
        """How many readable objects of each kind there are."""
        kinds = (
            *(self.gateways, self.gateway_classes, self.reference_grants),
            *(self.routes, self.policies, self.backends),
            *(self.secrets, self.config_maps, self.services, self.endpoint_slices),
            *(self.inference_pools, self.pods),
        )
        return Counter(key.kind for objects in kinds for key in objects)
