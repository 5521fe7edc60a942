"""References: what an object needs: Secrets, ConfigMaps, Services, InferencePools and their pods.

Pure. They are read from the document as it stands and not from the model, so that what a broken
object refers to stays at hand while its last content serves on. Who may refer across namespaces is
asked here only to read no Secret for people who must not use it; `translate` judges it anew.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from controller import names
from crds.gateway import GatewayClassSpec, ReferenceGrantSpec
from crds.meta import CONTROLLER_NAME, GATEWAY_GROUP, Key
from crds.objects import Object


class _Place(NamedTuple):
    """Where references of one sort stand, and what they lead to."""

    path: tuple[str, ...]
    kind: str
    across: bool = False
    """Whether a namespace may be named."""


_PLACES: Mapping[str, tuple[_Place, ...]] = {
    "AIBackend": (
        _Place(("auth", "secretRef"), "Secret"),
        _Place(("auth", "oauth2", "caCertificateRefs"), "ConfigMap"),
        _Place(("tls", "caCertificateRefs"), "ConfigMap"),
        _Place(("endpoint", "serviceRef"), "Service"),
        _Place(("endpoint", "inferencePoolRef"), "InferencePool"),
    ),
    "InferencePool": (_Place(("endpointPickerRef",), "Service"),),
    "AIRoute": (
        _Place(("rules", "backendRefs", "promptRef"), "ConfigMap"),
        _Place(("rules", "mirrors", "promptRef"), "ConfigMap"),
    ),
    "AIPolicy": (
        _Place(("request", "guards", "configMapRef"), "ConfigMap"),
        _Place(("response", "guards", "configMapRef"), "ConfigMap"),
        _Place(("request", "schemas", "configMapRef"), "ConfigMap"),
        _Place(("response", "schemas", "configMapRef"), "ConfigMap"),
    ),
    "Gateway": (
        _Place(("listeners", "tls", "certificateRefs"), "Secret", across=True),
        _Place(("infrastructure", "parametersRef"), "ConfigMap"),
    ),
}


class Reference(NamedTuple):
    """What one object needs of another."""

    to: Key
    """Of pods, which have no names that last, the name is a selector of labels."""
    kind: str
    """Of the object that refers, as is its namespace."""
    namespace: str
    gateway_class: str = ""
    """Of a Gateway: only those of our classes concern us."""


def references(document: Mapping[str, Any]) -> frozenset[Reference]:
    """All references of an object, as far as they are readable."""
    kind, spec = document["kind"], document.get("spec")
    namespace = document["metadata"].get("namespace", "")
    gateway_class = spec.get("gatewayClassName", "") if isinstance(spec, dict) else ""
    found = [
        to
        for place in _PLACES.get(kind, ())
        for table in _tables(spec, place.path)
        if (to := _target(table, place, namespace)) is not None
    ]
    if kind == "InferencePool":
        found += _pods(spec, namespace)
    own_class = gateway_class if kind == "Gateway" else ""
    return frozenset(Reference(to, kind, namespace, own_class) for to in found)


def wanted(
    found: Iterable[Reference],
    classes: Mapping[str, GatewayClassSpec],
    grants: Iterable[Object[ReferenceGrantSpec]],
    class_name: str,
) -> frozenset[Key]:
    """What is to be read: all that ours refer to, across namespaces only if it was granted.

    A GatewayClass says whose its Gateways are; while ours by name does not exist, that is ours.
    """
    ours = {name for name, spec in classes.items() if spec.controller_name == CONTROLLER_NAME}
    ours |= {class_name} - classes.keys()
    permitted = frozenset(_permissions(grants))
    return frozenset(
        each.to
        for each in found
        if (each.kind != "Gateway" or each.gateway_class in ours)
        and (
            each.namespace == each.to.namespace
            or not permitted.isdisjoint(_asked(each.namespace, each.to))
        )
    )


def _permissions(
    grants: Iterable[Object[ReferenceGrantSpec]],
) -> Iterator[tuple[str, Key]]:
    """From which namespace a Gateway may refer to what; a key without name means all of a kind."""
    for grant in grants:
        for source in grant.spec.from_:
            if (source.group, source.kind) == (GATEWAY_GROUP, "Gateway"):
                for to in grant.spec.to:
                    if to.group == "":
                        yield source.namespace, Key(to.kind, grant.key.namespace, to.name or "")


def _asked(namespace: str, to: Key) -> set[tuple[str, Key]]:
    return {(namespace, to), (namespace, to._replace(name=""))}


def _tables(value: Any, path: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    """All mappings at a path; lists on the way are walked through."""
    if isinstance(value, list):
        for item in value:
            yield from _tables(item, path)
    elif isinstance(value, dict):
        if path:
            yield from _tables(value.get(path[0]), path[1:])
        else:
            yield value


def _pods(spec: Any, namespace: str) -> Iterator[Key]:
    """The pods that a pool selects."""
    for labels in _tables(spec, ("selector", "matchLabels")):
        if labels and all(isinstance(value, str) for value in labels.values()):
            selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
            yield Key("Pod", namespace, selector)


def _target(table: Mapping[str, Any], place: _Place, namespace: str) -> Key | None:
    name, kind = table.get("name"), table.get("kind", place.kind)
    group = table.get("group") or ""
    there = (table.get("namespace") or namespace) if place.across else namespace
    if not isinstance(name, str) or not isinstance(there, str):
        return None
    if not (names.is_object_name(name) and names.is_object_name(there)):
        return None
    return Key(place.kind, there, name) if (group, kind) == ("", place.kind) else None
