"""Policies: what each AIPolicy asks for, with its word lists and schemas read.

A policy that is broken keeps its last accepted version; without one it is unavailable, and whatever
it applies to answers 503. Only `mode: Audit` is different: it never blocks, so a broken guard of it
is left out. What several policies together amount to is in `levels`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from controller.resources import Object, Resources
from controller.translate import bindings, config_maps, gateways, schemas
from controller.translate.conditions import Fault
from crds.aipolicy import AIPolicySpec, Guard, OutputLimit, TargetRef
from crds.entities import ENTITIES
from crds.explain import closest
from crds.json_schemas import ResponseSchema
from crds.meta import Key
from crds.plan import BindingPlan, GuardPlan, SchemaPlan

LONGEST_WORD = 200
"""As `words` in the AIPolicy itself."""
DEFAULT_THRESHOLD = "0.5"


@dataclass(frozen=True, slots=True)
class Policy:
    """An AIPolicy that can be put in force."""

    key: Key
    age: tuple[str, str, str]
    targets: tuple[TargetRef, ...]
    enforced: bool
    """False: it decides and records, and changes nothing."""
    request: tuple[GuardPlan, ...]
    response: tuple[GuardPlan, ...]
    max_body_size: str | None
    unscanned: Literal["Allow", "Block"] | None
    untranslatable: Literal["Drop", "Reject"] | None
    max_prompt_tokens: int | None = None
    max_output_tokens: OutputLimit | None = None
    bindings: tuple[BindingPlan, ...] = ()
    request_schemas: tuple[SchemaPlan, ...] = ()
    response_schemas: tuple[SchemaPlan, ...] = ()


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A broken AIPolicy without accepted version."""

    key: Key
    targets: tuple[TargetRef, ...] | None
    """None: not even they can be read, so everything it could mean is meant."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The last accepted version of each AIPolicy."""

    policies: Mapping[Key, Policy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policies:
    """What is in force, and what could not be put in force."""

    in_force: tuple[Policy, ...]
    """Older first."""
    kept: frozenset[Key]
    """Those of which an earlier version is in force, because the present one is broken."""
    unavailable: tuple[Unavailable, ...]
    faults: tuple[Fault, ...]

    @property
    def accepted(self) -> Accepted:
        """What to keep for the next translation."""
        return Accepted(
            {policy.key: policy for policy in sorted(self.in_force, key=lambda p: p.key)}
        )


def find(resources: Resources, accepted: Accepted) -> Policies:
    """Read every AIPolicy; a broken one is answered for by its last accepted version."""
    in_force: list[Policy] = []
    unavailable: list[Unavailable] = []
    faults: list[Fault] = []
    wanted: dict[Key, tuple[TargetRef, ...] | None] = {
        broken.key: broken.target_refs
        for broken in resources.broken
        if broken.key.kind == "AIPolicy"
    }
    for key, policy in sorted(resources.policies.items()):
        wrong = list(_wrong(policy, resources))
        faults += wrong
        if wrong and policy.spec.mode == "Enforce":
            wanted[key] = policy.spec.target_refs
        else:
            in_force.append(_policy(policy, resources, leave_out=[fault.field for fault in wrong]))
    for key, targets in sorted(wanted.items()):
        last = accepted.policies.get(key)
        if last is None:
            unavailable.append(Unavailable(key, targets))
        else:
            in_force.append(last)
    in_force.sort(key=lambda each: each.age)
    set_ = {guard.label for policy in in_force for guard in policy.request if guard.label}
    faults += bindings.faults(resources, set_)
    kept = frozenset(wanted.keys() & accepted.policies.keys())
    return Policies(tuple(in_force), kept, tuple(unavailable), tuple(faults))


def _guards(spec: AIPolicySpec) -> Iterator[tuple[str, Guard]]:
    """Every guard with its field path."""
    parts = {"request": spec.request, "response": spec.response}
    for name, part in parts.items():
        for index, guard in enumerate(part.guards if part else ()):
            yield f"spec.{name}.guards[{index}]", guard


def _schemas(spec: AIPolicySpec) -> Iterator[tuple[str, ResponseSchema]]:
    """Every JSON Schema with its field path."""
    for index, schema in enumerate(spec.request.schemas if spec.request else ()):
        yield f"spec.request.schemas[{index}]", schema
    for index, answered in enumerate(spec.response.schemas if spec.response else ()):
        yield f"spec.response.schemas[{index}]", answered


def _wrong(policy: Object[AIPolicySpec], resources: Resources) -> Iterator[Fault]:
    for place, guard in _guards(policy.spec):
        for entity in guard.entities:
            if entity not in ENTITIES:
                fix = closest(entity, ENTITIES) or "; the reference lists all"
                text = f"{entity} is no known entity{fix}"
                yield Fault(policy.key, "Accepted", "UnsupportedValue", f"{place}.entities", text)
        if guard.config_map_ref is not None:
            yield from _wrong_words(policy.key, f"{place}.configMapRef", guard, resources)
    for place, schema in _schemas(policy.spec):
        yield from schemas.faults(policy.key, place, schema, resources)


def _wrong_words(policy: Key, place: str, guard: Guard, resources: Resources) -> Iterator[Fault]:
    """What is wrong with a word list; its words are not told."""
    ref = guard.config_map_ref
    if ref is None:
        return
    content = config_maps.content(policy, ref, resources)
    if content is None:
        yield config_maps.missing(policy, place, ref, resources)
        return
    key = config_maps.key(policy, ref)
    words = _lines(content)
    too_long = [str(number) for number, word in words if len(word) > LONGEST_WORD]
    if not words:
        text = f"{ref.key} of {key} is empty; write one word or phrase a line"
        yield Fault(policy, "ResolvedRefs", "UnsupportedValue", place, text)
    if too_long:
        lines = ", ".join(too_long[:8])
        text = f"{ref.key} of {key} has lines longer than {LONGEST_WORD} characters: {lines}"
        yield Fault(policy, "ResolvedRefs", "UnsupportedValue", place, text)


def _lines(content: str) -> list[tuple[int, str]]:
    """The words of a list and the lines they stand on; blank lines are none."""
    lines = enumerate(content.splitlines(), start=1)
    return [(number, word) for number, line in lines if (word := line.strip())]


def _policy(
    policy: Object[AIPolicySpec], resources: Resources, *, leave_out: Sequence[str]
) -> Policy:
    spec = policy.spec
    enforced = spec.mode == "Enforce"
    plans: dict[str, list[GuardPlan]] = {"request": [], "response": []}
    shapes: dict[str, list[SchemaPlan]] = {"request": [], "response": []}
    broken = {field.rpartition(".")[0] for field in leave_out}
    for place, guard in _guards(spec):
        if place not in broken:
            side = place.split(".")[1]
            plans[side].append(_guard(policy.key, guard, resources, enforced=enforced))
    for place, schema in _schemas(spec):
        if place not in broken:
            side = place.split(".")[1]
            shapes[side].append(schemas.plan(policy.key, schema, resources, enforced=enforced))
    request = spec.request
    return Policy(
        policy.key,
        gateways.age(policy.key, policy.meta),
        spec.target_refs,
        enforced,
        tuple(plans["request"]),
        tuple(plans["response"]),
        request.max_body_size if request and enforced else None,
        request.unscanned if request and enforced else None,
        request.untranslatable if request and enforced else None,
        request.max_prompt_tokens if request and enforced else None,
        request.max_output_tokens if request and enforced else None,
        tuple(bindings.plan(policy.key, each, enforced=enforced) for each in spec.authorization),
        tuple(shapes["request"]),
        tuple(shapes["response"]),
    )


def _guard(policy: Key, guard: Guard, resources: Resources, *, enforced: bool) -> GuardPlan:
    words = guard.words
    if guard.config_map_ref is not None:
        content = config_maps.content(policy, guard.config_map_ref, resources) or ""
        words = tuple(word for _, word in _lines(content))
    return GuardPlan(
        name=guard.name,
        policy=f"{policy.namespace}/{policy.name}",
        type=guard.type,
        action=guard.action if enforced else "Audit",
        entities=guard.entities,
        words=tuple(dict.fromkeys(words)),
        threshold=float(guard.threshold or DEFAULT_THRESHOLD),
        scope=guard.scope,
        label=(guard.label.name, guard.label.value) if guard.label and enforced else None,
    )
