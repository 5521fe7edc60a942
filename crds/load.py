"""YAML becomes objects: the door through which every file comes in.

Never raises for what users write: an object that cannot be read is `Broken` and says why, and a
file in which not even the objects can be told apart is `unreadable` as a whole, so that its
caller can go on with what it last read. Whether references lead anywhere is not judged here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from crds import aipolicy, kinds
from crds.documents import Items, Table, Unreadable, line_of, read
from crds.explain import Location, closest, explain, shown, unknown_field
from crds.kinds import KINDS, Kind
from crds.meta import API_VERSION, GROUP, Key, ObjectMeta
from crds.objects import Broken, Finding, Object, Problem, path


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one text holds."""

    objects: tuple[Object[Any], ...] = ()
    """The spec of a Secret or ConfigMap is its mapping of values; of a Namespace, its labels."""
    broken: tuple[Broken, ...] = ()
    unreadable: tuple[Finding, ...] = ()
    """Not empty: an object could not even be told by kind and name; use nothing of this text."""
    notes: tuple[Finding, ...] = ()
    """What was passed over on purpose."""


def load(content: bytes | str, origin: str, environ: Mapping[str, str]) -> Loaded:
    """Read all objects of a YAML text; `environ` fills `$(NAME)` in Secrets' stringData."""
    try:
        documents = read(content)
    except Unreadable as error:
        return Loaded(unreadable=(Finding(f"{origin}:{error.line}", error.message),))
    results = [
        _result(value, f"{origin}:{line}", environ, origin)
        for document in documents
        for value, line in _expanded(document.value, document.line)
    ]
    return Loaded(
        objects=tuple(each for each in results if isinstance(each, Object)),
        broken=tuple(each for each in results if isinstance(each, Broken)),
        unreadable=tuple(each.finding for each in results if isinstance(each, _Unknown)),
        notes=tuple(each for each in results if isinstance(each, Finding)),
    )


@dataclass(frozen=True, slots=True)
class _Unknown:
    """An object of which we can't say which it is."""

    finding: Finding


def _expanded(value: Any, line: int) -> Iterator[tuple[Any, int]]:
    """The document itself, or the items of a List; an empty document is none."""
    if value is None:
        return
    items = value.get("items") if isinstance(value, Table) and _is_list(value) else None
    if not isinstance(items, Items):
        yield value, line
        return
    for index, item in enumerate(items):
        yield item, items.lines[index]


def _is_list(document: Table) -> bool:
    kind, version = document.get("kind"), document.get("apiVersion")
    return (
        isinstance(kind, str)
        and kind.endswith("List")
        and isinstance(version, str)
        and (kind == "List" or any(k.name == kind[:-4] and k.serves(version) for k in KINDS))
    )


def _result(
    document: Any, place: str, environ: Mapping[str, str], origin: str
) -> Object[Any] | Broken | Finding | _Unknown:
    if not isinstance(document, Table):
        return _Unknown(Finding(place, "not a Kubernetes object; begin with apiVersion and kind"))
    kind = _kind(document, place)
    return _object(kind, document, origin, environ) if isinstance(kind, Kind) else kind


def _kind(document: Table, place: str) -> Kind | Finding | _Unknown:
    """The kind of a document, a note that it is none of ours, or why it can't be told."""
    name, version = document.get("kind"), document.get("apiVersion")
    for field, value in (("apiVersion", version), ("kind", name)):
        if not isinstance(value, str) or not value or len(value) > 253:
            text = "is required" if value is None else "must be a short text"
            return _Unknown(Finding(place, text, field=field))
    assert isinstance(name, str)  # noqa: S101  # the loop above made sure, for mypy
    assert isinstance(version, str)  # noqa: S101  # as above
    for kind in KINDS:
        if kind.name == name and kind.serves(version):
            return kind
    return _stranger(name, version, place)


def _stranger(name: str, version: str, place: str) -> Finding | _Unknown:
    group = version.rpartition("/")[0]
    ours = [kind.name for kind in KINDS if kind.group == GROUP]
    if name in ours:
        return _Unknown(Finding(place, f"{name} needs {API_VERSION}", field="apiVersion"))
    if group == GROUP:
        text = f"unknown kind {name[:64]}" + (
            closest(name, ours) or f"; {GROUP} has {', '.join(ours)}"
        )
        return _Unknown(Finding(place, text, field="kind"))
    versions = [f"{k.group}/{v}".lstrip("/") for k in KINDS if k.name == name for v in k.versions]
    if any(known.rpartition("/")[0] == group for known in versions):
        text = f"{name} needs {' or '.join(versions)}"
        return _Unknown(Finding(place, text, field="apiVersion"))
    if kinds.is_typo(name, version):
        known = [kind.name for kind in KINDS]
        return _Unknown(Finding(place, f"unknown kind {name}{closest(name, known)}", field="kind"))
    return Finding(place, f"{name[:64]} ({version[:64]}) is not a kind Dragoman reads; passed over")


def _object(
    kind: Kind, document: Table, origin: str, environ: Mapping[str, str]
) -> Object[Any] | Broken | _Unknown:
    place = f"{origin}:{document.line}"
    meta = _meta(kind, document, origin)
    if isinstance(meta, Finding):
        return _Unknown(meta)
    key = Key(kind.name, meta.namespace, meta.name)
    spec, wrong = _judged(kind, document, meta, environ)
    if not wrong:
        return Object(key, meta, spec, place)
    problems = tuple(
        Problem(path(location), text, f"{origin}:{line_of(document, location, document.line)}")
        for location, text in wrong
    )
    return _broken(kind, document, Broken(key, place, problems))


def load_object(document: Mapping[str, Any]) -> Object[Any] | Broken:
    """Read one object of a kind of ours as an API server holds it; it stands in no file."""
    name, version = document["kind"], document["apiVersion"]
    kind = next(kind for kind in KINDS if kind.name == name and kind.serves(version))
    meta = _stored_meta(document["metadata"])
    key = Key(kind.name, meta.namespace, meta.name)
    spec, wrong = _judged(kind, document, meta, {})
    if not wrong:
        return Object(key, meta, spec)
    problems = tuple(Problem(path(location), text) for location, text in wrong)
    return _broken(kind, document, Broken(key, "", problems, meta.generation))


def _broken(kind: Kind, document: Mapping[str, Any], found: Broken) -> Broken:
    """With what was readable of it all the same."""
    spec = document.get("spec")
    named = spec.get("gatewayClassName") if isinstance(spec, dict) else None
    return replace(
        found,
        target_refs=_targets(kind, document),
        gateway_class=named if kind.name == "Gateway" and isinstance(named, str) else "",
    )


def _stored_meta(given: Mapping[str, Any]) -> ObjectMeta:
    """What the API server wrote or checked is not checked again."""
    return ObjectMeta.model_construct(
        name=given["name"],
        namespace=given.get("namespace", ""),
        generation=given.get("generation", 1),
        creation_timestamp=given.get("creationTimestamp", ""),
        labels=given.get("labels") or {},
        uid=given.get("uid", ""),
    )


def _judged(
    kind: Kind, document: Mapping[str, Any], meta: ObjectMeta, environ: Mapping[str, str]
) -> tuple[Any, list[tuple[Location, str]]]:
    """The spec, and all that is wrong with the object."""
    wrong = [*_unknown_top(kind, document)]
    spec, more = _spec(kind, document, meta, environ)
    return spec, wrong + more


def _meta(kind: Kind, document: Table, origin: str) -> ObjectMeta | Finding:
    """Name, namespace and labels; files know no generation and no age."""
    given = document.get("metadata")
    if not isinstance(given, Table):
        text = "is required" if given is None else "must be a mapping (name: value)"
        return Finding(f"{origin}:{document.line}", text, field=f"{kind.name}: metadata")
    known = {field: given[field] for field in ("name", "namespace", "labels") if field in given}
    if not kind.namespaced:
        known["namespace"] = ""
    elif known.get("namespace") in (None, ""):
        known.pop("namespace", None)
    if known.get("labels", ()) is None:
        del known["labels"]
    try:
        return ObjectMeta.model_validate(known, by_name=False)
    except ValidationError as error:
        location, text = explain(error, ObjectMeta)[0]
        where: Location = ("metadata", *location)
        line = line_of(document, where, document.line)
        return Finding(f"{origin}:{line}", text, field=f"{kind.name}: {path(where)}")


def _unknown_top(kind: Kind, document: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    if kind.model is None or kind.group != GROUP:
        return
    known = ("apiVersion", "kind", "metadata", "spec", "status")
    for field in document:
        if field not in known:
            inner = field in {f.alias for f in kind.model.model_fields.values()}
            text = f"unknown field {field}; did you mean spec.{field}?" if inner else None
            yield (shown(field),), text or unknown_field(field, known[:4])


def _spec(
    kind: Kind, document: Mapping[str, Any], meta: ObjectMeta, environ: Mapping[str, str]
) -> tuple[Any, list[tuple[Location, str]]]:
    """The spec, or what is wrong with it."""
    if kind.values is not None:
        values = kind.values(document, environ)
        return (None, values) if isinstance(values, list) else (values, [])
    if kind.model is None:
        return meta.labels, []
    place: Location = () if kind.whole else ("spec",)
    given = document if kind.whole else document.get("spec")
    if given is None:
        return None, [(("spec",), "is required")]
    try:
        plain = given if kind.group == GROUP else _without_nulls(given)
        return kind.model.model_validate(plain, by_name=False), []
    except ValidationError as error:
        return None, [((*place, *where), text) for where, text in explain(error, kind.model)]


def _without_nulls(value: Any) -> Any:
    """What an API server keeps: a field without value is not there."""
    match value:
        case dict():
            return {k: _without_nulls(v) for k, v in value.items() if v is not None}
        case list():
            return [_without_nulls(item) for item in value]
        case _:
            return value


def _targets(kind: Kind, document: Mapping[str, Any]) -> tuple[aipolicy.TargetRef, ...] | None:
    """What a broken AIPolicy applies to, rather too much; None if a part is unreadable."""
    spec = document.get("spec") if kind.name == "AIPolicy" else None
    refs = spec.get("targetRefs") if isinstance(spec, dict) else None
    found = [_target(ref) for ref in refs] if isinstance(refs, list) else []
    readable = tuple(ref for ref in found if ref is not None)
    return readable if readable and len(readable) == len(found) else None


def _target(ref: Any) -> aipolicy.TargetRef | None:
    if not isinstance(ref, dict):
        return None
    group = "dragoman.dev" if ref.get("kind") == "AIRoute" else "gateway.networking.k8s.io"
    named = {"group": group, "kind": ref.get("kind"), "name": ref.get("name")}
    for candidate in (ref, {**named, "sectionName": ref.get("sectionName")}, named):
        try:
            return aipolicy.TargetRef.model_validate(candidate, by_name=False)
        except ValidationError:
            continue
    return None
