"""The guard's answer that lets a request through, as ARCHITECTURE.md fixes it.

Without its metadata a request ends at Envoy's `blackhole`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from crds.plan import METADATA_NAMESPACE, TARGETS_NAMESPACE, Format, TargetPlan
from ext_proc.call import Call
from ext_proc.events import Continue
from ext_proc.formats import table
from ext_proc.matching import Match
from ext_proc.outgoing import Outgoing

VERDICT_HEADER = "x-dragoman-verdict"
_OWN_HEADERS = frozenset({"content-length", "x-forwarded-proto", "x-request-id"})
"""Kept besides the format table's: the body's length, what Envoy finds no route without, what it
writes the response's own from. The target's strip filter removes what must not go out."""


def encode(
    call: Call,
    outgoing: Outgoing,
    match: Match,
    targets: Sequence[TargetPlan],
    headers: Mapping[str, str],
) -> Continue:
    """Send the body to these targets, in this order."""
    rule = match.rule.plan
    metadata: dict[str, Any] = {
        "class": rule.stream_class if call.stream else rule.unary_class,
        "route": match.route.plan.name,
        "rule": rule.name,
        "format": call.format,
        "stream": call.stream,
        "length": len(outgoing.body),
        "translate": rule.translate,
        "targets": {each.cluster: outgoing.wires[each.cluster].metadata() for each in targets},
    }
    return Continue(
        set_headers=((VERDICT_HEADER, "pass"),),
        remove_headers=tuple(
            name for name, value in headers.items() if not _kept(call.format, name, value)
        ),
        body=outgoing.body,
        clear_route_cache=True,
        metadata={
            METADATA_NAMESPACE: metadata,
            TARGETS_NAMESPACE: {"priority_groups": list(map(_group, range(len(targets)), targets))},
        },
    )


def _kept(spoken: Format, name: str, value: str) -> bool:
    return name[:1] == ":" or name in _OWN_HEADERS or table.forwarded(spoken, name, value)


def _group(index: int, target: TargetPlan) -> dict[str, Any]:
    return {"name": str(index), "clusters": [{"cluster_name": target.cluster, "weight": 1}]}
