"""The guard's answer that lets a request through, as ARCHITECTURE.md fixes it.

Without its metadata a request ends at Envoy's `blackhole`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crds.plan import (
    AFFINITY_HEADER,
    GENERIC,
    METADATA_NAMESPACE,
    TARGETS_NAMESPACE,
    Format,
    RulePlan,
    TargetPlan,
)
from ext_proc import mirrors, stickiness
from ext_proc.call import Call
from ext_proc.events import Continue, Mode
from ext_proc.formats import table
from ext_proc.matching import Match
from ext_proc.mirrors import Ticket
from ext_proc.outgoing import Outgoing

VERDICT_HEADER = "x-dragoman-verdict"
_OWN_HEADERS = frozenset({"content-length", "x-forwarded-proto", "x-request-id"})
"""Kept besides the format table's: the body's length, what Envoy finds no route without, what it
writes the response's own from. The target's strip filter removes what must not go out."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Who gets a request."""

    targets: tuple[TargetPlan, ...]
    """In the order of attempts."""
    copies: tuple[TargetPlan, ...] = ()
    """The mirrors that get a copy."""
    affinity: stickiness.Key | None = None
    """What its endpoint is found by, where one is."""
    retried: bool = True
    """False: the rule's budget for further tries is spent."""


def encode(
    call: Call,
    outgoing: Outgoing,
    match: Match,
    sent: Sent,
    headers: Mapping[str, str],
) -> Continue:
    """Send the body to these targets, in this order, and copies of it to the mirrors."""
    rule, targets = match.rule.plan, sent.targets
    metadata: dict[str, Any] = {
        "class": _class(rule, sent, stream=call.stream, mirrored=bool(outgoing.mirrors)),
        "route": match.route.plan.name,
        "rule": rule.name,
        "format": call.format,
        "stream": call.stream,
        "length": len(outgoing.body),
        "translate": rule.translate or bool(outgoing.mirrors),
        "targets": {each.cluster: outgoing.wires[each.cluster].metadata() for each in targets},
    }
    return Continue(
        set_headers=(
            (VERDICT_HEADER, "pass"),
            *_found_by(sent),
            *mirrors.headers(_ticket(call, match), sent.copies),
        ),
        remove_headers=tuple(
            name for name, value in headers.items() if not _kept(call.format, name, value)
        ),
        body=outgoing.body,
        clear_route_cache=True,
        metadata=_metadata(metadata, targets),
    )


def _class(rule: RulePlan, sent: Sent, *, stream: bool, mirrored: bool) -> str:
    classes = rule if sent.retried or rule.budget is None else rule.budget
    if mirrored:
        return classes.mirrored_stream_class if stream else classes.mirrored_unary_class
    return classes.stream_class if stream else classes.unary_class


def _ticket(call: Call, match: Match) -> Ticket:
    route = match.route
    rule = match.rule.plan.name
    return Ticket(route.plan.name, route.version, rule, call.format, call.model, call.stream)


def encode_unread(match: Match, sent: Sent, path: str, mode: Mode) -> Continue:
    """Let a request pass to these targets as it comes; its headers are the targets' to strip."""
    rule, targets = match.rule.plan, sent.targets
    metadata: dict[str, Any] = {
        "class": _class(rule, sent, stream=False, mirrored=False),
        "route": match.route.plan.name,
        "rule": rule.name,
        "format": GENERIC,
        "stream": False,
        "translate": rule.translate,
        "targets": {each.cluster: {"path": each.path_prefix + path} for each in targets},
    }
    return Continue(
        set_headers=((VERDICT_HEADER, "pass"), *_found_by(sent)),
        clear_route_cache=True,
        metadata=_metadata(metadata, targets),
        mode=mode,
    )


def _found_by(sent: Sent) -> tuple[tuple[str, str], ...]:
    return ((AFFINITY_HEADER, stickiness.affinity(sent.affinity)),) if sent.affinity else ()


def _metadata(said: Mapping[str, Any], targets: Sequence[TargetPlan]) -> dict[str, Any]:
    groups = list(map(_group, range(len(targets)), targets))
    return {METADATA_NAMESPACE: said, TARGETS_NAMESPACE: {"priority_groups": groups}}


def _kept(spoken: Format, name: str, value: str) -> bool:
    return name[:1] == ":" or name in _OWN_HEADERS or table.forwarded(spoken, name, value)


def _group(index: int, target: TargetPlan) -> dict[str, Any]:
    return {"name": str(index), "clusters": [{"cluster_name": target.cluster, "weight": 1}]}
