"""ReferenceGrants: what may refer to what across namespaces.

A reference within a namespace needs none; any other needs a grant in the namespace it points to.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.resources import Object
from crds.gateway import ReferenceGrantSpec
from crds.meta import GATEWAY_GROUP, GROUP, Key

GROUPS = {"AIRoute": GROUP, "AIBackend": GROUP, "Gateway": GATEWAY_GROUP, "Secret": ""}
"""The API group of each kind that may stand in a grant we ask for."""


@dataclass(frozen=True, slots=True)
class Grants:
    """All permissions: (from group, kind, namespace), (to group, kind, namespace, name or None)."""

    permitted: frozenset[tuple[tuple[str, str, str], tuple[str, str, str, str | None]]]

    def permit(self, kind: str, namespace: str, to: Key) -> bool:
        """Whether objects of this kind and namespace may refer to that object."""
        if namespace == to.namespace:
            return True
        origin = (GROUPS[kind], kind, namespace)
        return any(
            (origin, (GROUPS[to.kind], to.kind, to.namespace, name)) in self.permitted
            for name in (to.name, None)
        )


def gather(grants: Mapping[Key, Object[ReferenceGrantSpec]]) -> Grants:
    """Join all ReferenceGrants."""
    return Grants(
        frozenset(
            (
                (source.group, source.kind, source.namespace),
                (to.group, to.kind, key.namespace, to.name),
            )
            for key, grant in grants.items()
            for source in grant.spec.from_
            for to in grant.spec.to
        )
    )


def fix(kind: str, namespace: str, to: Key) -> str:
    """The sentence that says which grant is missing."""
    return (
        f"{to} may not be used by {kind}s of namespace {namespace}; add a ReferenceGrant in "
        f"namespace {to.namespace} from {kind} of {namespace} to {to.kind} {to.name}"
    )
