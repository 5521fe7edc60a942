"""Levels: what the AIPolicies of a Gateway, a listener, an AIRoute or a rule amount to.

Safety adds up and cannot be undone below: guards and schemas accumulate, the older policy's first;
the smallest body limit and the strictest word on unscanned content are in force. A policy that
asked for less is told who won. Nothing here knows how levels follow each other in a request.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from controller.resources import Resources
from controller.translate.conditions import Fault, Reason
from controller.translate.gateways import Gateways, Listener
from controller.translate.policies import Policies, Policy
from controller.translate.routes import Attached
from crds.aipolicy import TargetRef
from crds.meta import Key, size_bytes
from crds.plan import Guards

DEFAULT_MAX_BODY_BYTES = 4 * 1024 * 1024
"""Where no policy says."""
NOTHING = Guards()


class Level(NamedTuple):
    """A Gateway or an AIRoute; with a section: a listener or a rule."""

    target: Key
    section: str | None = None


@dataclass(frozen=True, slots=True)
class Levels:
    """What each level adds, where it adds something."""

    guards: Mapping[Level, Guards]
    policies: Mapping[Level, tuple[Policy, ...]]
    faults: tuple[Fault, ...]

    def of(self, target: Key, section: str | None = None) -> Guards:
        """What this level adds."""
        return self.guards.get(Level(target, section), NOTHING)

    def max_body_bytes(self, levels: Iterable[Level]) -> int:
        """The exact limit where these levels come together."""
        limits = [self.guards.get(level, NOTHING).max_body_bytes for level in levels]
        return min((limit for limit in limits if limit is not None), default=DEFAULT_MAX_BODY_BYTES)


def level(policy: Key, ref: TargetRef) -> Level:
    """The level a targetRef means."""
    return Level(Key(ref.kind, policy.namespace, ref.name), ref.section_name)


def attach(
    policies: Policies, resources: Resources, gateways: Gateways, routes: Sequence[Attached]
) -> Levels:
    """Put every policy where it belongs."""
    sections = _sections(resources, gateways)
    found: dict[Level, tuple[Policy, ...]] = {}
    missing: dict[Level, tuple[str, ...]] = {}
    faults: list[Fault] = []
    for policy in policies.in_force:
        for index, ref in enumerate(policy.targets):
            place = level(policy.key, ref)
            if problem := _missing(place, sections, resources):
                faults.append(_not_found(policy.key, index, ref, problem))
            elif policy not in found.get(place, ()):
                found[place] = (*found.get(place, ()), policy)
    for broken in policies.unavailable:
        name = f"{broken.key.namespace}/{broken.key.name}"
        for place in _meant(broken.key, broken.targets, sections):
            missing[place] = (*missing.get(place, ()), name)
        for index, ref in enumerate(broken.targets or ()):
            if problem := _missing(level(broken.key, ref), sections, resources):
                faults.append(_not_found(broken.key, index, ref, problem))
    faults += (*_closed(missing), *_closed_above(missing, routes))
    guards = {
        place: _guards(found.get(place, ()), missing.get(place, ()))
        for place in sorted(found.keys() | missing.keys(), key=_order)
    }
    faults += _overridden(found, _above(routes, {place.target for place in found}))
    return Levels(guards, found, tuple(faults))


def _closed(missing: Mapping[Level, tuple[str, ...]]) -> Iterator[Fault]:
    """What an AIRoute is told of broken policies of its own, since its requests get 503."""
    for place, policies in missing.items():
        if place.target.kind == "AIRoute":
            of_rule = f" (rule {place.section})" if place.section else ""
            text = (
                f"AIPolicy {', '.join(policies)} cannot be put in force, so requests{of_rule} get "
                "503 until it is mended; its own line or condition says why"
            )
            reason: Reason = "PolicyNotInForce"
            yield Fault(place.target, "PartiallyInvalid", reason, "spec", text)


def _closed_above(missing: Mapping[Level, object], routes: Iterable[Attached]) -> Iterator[Fault]:
    """What an AIRoute is told of its Gateways' broken policies; their names are not its affair."""
    places = {place for place in missing if place.target.kind == "Gateway"}
    for route in routes if places else ():
        serving = [listener for listener, _ in route.hosts]
        closed = dict.fromkeys(each.gateway for each in serving if places & {*_over(each)})
        if closed:
            text = (
                f"an AIPolicy of {', '.join(map(str, closed))} cannot be put in force, so requests "
                "there get 503 until it is mended"
            )
            reason: Reason = "PolicyNotInForce"
            yield Fault(route.route.key, "PartiallyInvalid", reason, "spec.parentRefs", text)


def _over(listener: Listener) -> tuple[Level, Level]:
    """The levels of a listener."""
    return Level(listener.gateway), Level(listener.gateway, listener.spec.name)


def _order(place: Level) -> tuple[Key, str]:
    return place.target, place.section or ""


def _sections(resources: Resources, gateways: Gateways) -> dict[Key, tuple[str, ...]]:
    """What can be targeted, and the sections of each."""
    return {
        **{
            key: tuple(each.name for each in gateway.spec.listeners)
            for key, gateway in gateways.objects.items()
        },
        **{
            key: tuple(rule.name for rule in route.spec.rules)
            for key, route in resources.routes.items()
        },
    }


def _missing(place: Level, sections: Mapping[Key, tuple[str, ...]], resources: Resources) -> str:
    """Why a target is not there; empty if it is."""
    if place.target not in sections:
        if any(broken.key == place.target for broken in resources.broken):
            return "cannot be read; its own line or condition says why"
        if place.target in resources.gateways:
            return "is of a class that is not Dragoman's"
        return "does not exist"
    if place.section is not None and place.section not in sections[place.target]:
        what = "listener" if place.target.kind == "Gateway" else "rule"
        return f"has no {what} {place.section}; it has {', '.join(sections[place.target])}"
    return ""


def _not_found(policy: Key, index: int, ref: TargetRef, problem: str) -> Fault:
    reason: Reason = "TargetNotFound"
    text = f"{level(policy, ref).target} {problem}"
    return Fault(policy, "Accepted", reason, f"spec.targetRefs[{index}]", text, index)


def _meant(
    policy: Key, targets: tuple[TargetRef, ...] | None, sections: Mapping[Key, tuple[str, ...]]
) -> list[Level]:
    """The levels a broken policy closes; all of its namespace if it can't say."""
    if targets is None:
        return [Level(key) for key in sections if key.namespace == policy.namespace]
    return list(dict.fromkeys(level(policy, ref) for ref in targets))


def _guards(policies: tuple[Policy, ...], missing: tuple[str, ...]) -> Guards:
    sizes = [size_bytes(each.max_body_size) for each in policies if each.max_body_size is not None]
    prompts = [each.max_prompt_tokens for each in policies if each.max_prompt_tokens is not None]
    outputs = [each.max_output_tokens for each in policies if each.max_output_tokens is not None]
    return Guards(
        request=tuple(guard for policy in policies for guard in policy.request),
        response=tuple(guard for policy in policies for guard in policy.response),
        request_schemas=tuple(each for policy in policies for each in policy.request_schemas),
        response_schemas=tuple(each for policy in policies for each in policy.response_schemas),
        max_body_bytes=min(sizes, default=None),
        block_unscanned=any(policy.unscanned == "Block" for policy in policies),
        refuse_losses=any(policy.untranslatable == "Reject" for policy in policies),
        max_prompt_tokens=min(prompts, default=None),
        max_output_tokens=min((each.limit for each in outputs), default=None),
        refuse_output_above=min(
            (each.limit for each in outputs if each.action == "Reject"), default=None
        ),
        generic_refused_by=tuple(
            f"{each.key.namespace}/{each.key.name}" for each in policies if _refuses_unread(each)
        ),
        bindings=tuple(binding for policy in policies for binding in policy.bindings),
        unavailable=", ".join(missing),
    )


def _refuses_unread(policy: Policy) -> bool:
    """Whether it would be undone by a request that nobody reads.

    Only its own word lets such a request pass: another policy's would undo it from outside.
    """
    if policy.unscanned is not None:
        return policy.unscanned == "Block"
    guards = any(guard.action != "Audit" for guard in (*policy.request, *policy.response))
    schemas = any(each.enforced for each in (*policy.request_schemas, *policy.response_schemas))
    return guards or schemas or bool(policy.max_prompt_tokens or policy.max_output_tokens)


def _above(routes: Iterable[Attached], targets: Collection[Key]) -> dict[Level, tuple[Level, ...]]:
    """The levels over each targeted AIRoute: those of the Gateways and listeners that serve it."""
    return {
        Level(attached.route.key): tuple(
            dict.fromkeys(place for listener, _ in attached.hosts for place in _over(listener))
        )
        for attached in routes
        if attached.route.key in targets
    }


def _overridden(
    policies: Mapping[Level, tuple[Policy, ...]], above: Mapping[Level, tuple[Level, ...]]
) -> Iterator[Fault]:
    """What a policy asks for and does not get, because another one on the same way is stricter."""
    for place in sorted(policies, key=_order):
        whole = [Level(place.target)][: place.section is not None]
        levels = (*above.get(Level(place.target), ()), *whole, place)
        rivals = [policy for each in levels for policy in policies.get(each, ())]
        for policy in policies[place]:
            yield from _lost(policy, place, rivals)


class _Limit(NamedTuple):
    """What a policy asks for, to compare and as written."""

    number: int
    written: str


def _size(policy: Policy) -> _Limit | None:
    written = policy.max_body_size
    return _Limit(size_bytes(written), written) if written else None


def _prompt(policy: Policy) -> _Limit | None:
    tokens = policy.max_prompt_tokens
    return _Limit(tokens, str(tokens)) if tokens else None


def _output(policy: Policy) -> _Limit | None:
    limit = policy.max_output_tokens
    return _Limit(limit.limit, str(limit.limit)) if limit else None


_SMALLEST: Mapping[str, Callable[[Policy], _Limit | None]] = {
    "spec.request.maxBodySize": _size,
    "spec.request.maxPromptTokens": _prompt,
    "spec.request.maxOutputTokens": _output,
}
"""Limits of which the smallest is in force."""


_STRICTEST: Mapping[str, tuple[str, str, Callable[[Policy], str | None]]] = {
    "spec.request.unscanned": ("Allow", "Block", attrgetter("unscanned")),
    "spec.request.untranslatable": ("Drop", "Reject", attrgetter("untranslatable")),
}
"""What a lenient policy says, and the strict word that wins over it."""


def _lost(policy: Policy, place: Level, rivals: list[Policy]) -> Iterator[Fault]:
    index = next(i for i, ref in enumerate(policy.targets) if level(policy.key, ref) == place)
    for field, stated in _SMALLEST.items():
        if (asked := stated(policy)) is None:
            continue
        limits = [(limit, each.age, each.key) for each in rivals if (limit := stated(each))]
        smallest, _, winner = min(limits, key=lambda each: (each[0].number, each[1]))
        if smallest.number < asked.number:
            text = (
                f"{asked.written} of {policy.key} loses to {smallest.written} of {winner}; "
                "the smallest is in force"
            )
            yield Fault(policy.key, "Overridden", "Overridden", field, text, index)
    for field, (lenient, strict, word) in _STRICTEST.items():
        winners = [each.key for each in rivals if word(each) == strict]
        if word(policy) == lenient and winners:
            text = (
                f"{lenient} of {policy.key} loses to {strict} of {winners[0]}; "
                "the strictest is in force"
            )
            yield Fault(policy.key, "Overridden", "Overridden", field, text, index)
