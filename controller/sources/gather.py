"""Objects of many texts become one Resources: each key once, in order, broken ones beside them.

Pure. Knows nothing of files; where content comes from and when it changes is in `files`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from controller.resources import Broken, Object, Resources
from crds.load import Loaded
from crds.meta import Key
from crds.objects import Finding, findings

KEPT = "its last content goes on serving"

_FIELDS: Mapping[str, str] = {
    "Gateway": "gateways",
    "GatewayClass": "gateway_classes",
    "ReferenceGrant": "reference_grants",
    "AIRoute": "routes",
    "AIPolicy": "policies",
    "AIBackend": "backends",
    "Service": "services",
    "EndpointSlice": "endpoint_slices",
    "InferencePool": "inference_pools",
    "Pod": "pods",
    "Secret": "secrets",
    "ConfigMap": "config_maps",
}
_VALUES = {"Secret", "ConfigMap"}
_TAKEN_OUT = {"AIRoute", "AIPolicy"}
"""Kinds whose broken objects `translate` answers for; of others the last content is kept."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the source."""

    resources: Resources
    problems: tuple[Finding, ...] = ()
    """What the user must mend, one line each; those of `resources.broken` are among them."""
    unreadable: tuple[Finding, ...] = ()
    """Texts whose objects can't be told: fatal at start; later their last content serves."""
    notes: tuple[Finding, ...] = ()
    """What was passed over on purpose."""


@dataclass(slots=True)
class _Found:
    """What has been seen so far; lives within one call of `gather`."""

    objects: dict[Key, Object[Any]] = field(default_factory=dict)
    broken: dict[Key, Broken] = field(default_factory=dict)
    problems: list[Finding] = field(default_factory=list)


def gather(texts: Iterable[tuple[Loaded, Loaded]], served: Resources) -> Reading:
    """Join texts, each as it is now and as it was last readable, to one Reading.

    Of an object that stands twice the first is taken. `served` is what ran before.
    """
    texts = list(texts)
    found = _Found()
    for _, readable in texts:
        for each in readable.objects:
            _add(found, each)
        for broken in readable.broken:
            _add(found, broken)
    kept = {key: content for key in found.broken if (content := _last(served, key)) is not None}
    for broken in found.broken.values():
        found.problems += _mended(findings(broken), kept=broken.key in kept)
    return Reading(
        _resources(found, kept),
        tuple(found.problems),
        tuple(_unreadable(texts)),
        tuple(note for now, _ in texts for note in now.notes),
    )


def _add(found: _Found, each: Object[Any] | Broken) -> None:
    first = found.objects.get(each.key) or found.broken.get(each.key)
    if first is not None:
        text = f"stands twice; the one at {first.origin} is used; remove one of them"
        found.problems.append(Finding(each.origin, text, each.key))
    elif isinstance(each, Broken):
        found.broken[each.key] = each
    else:
        found.objects[each.key] = each


def _last(served: Resources, key: Key) -> Any:
    """What an object that is broken now held before, if it may go on serving."""
    if key.kind in _TAKEN_OUT or key.kind not in _FIELDS:
        return None
    return getattr(served, _FIELDS[key.kind]).get(key)


def _mended(lines: tuple[Finding, ...], *, kept: bool) -> tuple[Finding, ...]:
    if not kept:
        return lines
    return tuple(replace(line, message=f"{line.message}; {KEPT}") for line in lines)


def _unreadable(texts: list[tuple[Loaded, Loaded]]) -> Iterator[Finding]:
    for now, readable in texts:
        yield from _mended(now.unreadable, kept=bool(readable.objects or readable.broken))


def _resources(found: _Found, kept: Mapping[Key, Any]) -> Resources:
    fields: dict[str, dict[Key, Any]] = {name: {} for name in _FIELDS.values()}
    for key, each in sorted({**found.objects, **kept}.items()):
        if key.kind in _FIELDS:
            content = each.spec if key.kind in _VALUES and isinstance(each, Object) else each
            fields[_FIELDS[key.kind]][key] = content
    broken = tuple(each for _, each in sorted(found.broken.items()))
    return Resources(**fields, broken=broken, namespace_labels=_namespaces(found))


def _namespaces(found: _Found) -> dict[str, dict[str, str]]:
    """Labels by namespace; every namespace in use bears its name, as in a cluster."""
    names = {key.namespace for key in found.objects if key.namespace}
    labels = {key.name: each.spec for key, each in found.objects.items() if key.kind == "Namespace"}
    return {
        name: {**labels.get(name, {}), "kubernetes.io/metadata.name": name}
        for name in sorted(names | labels.keys())
    }
