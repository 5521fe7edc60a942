"""The guard's answer that lets a request through, as ARCHITECTURE.md fixes it.

Without its metadata a request ends at Envoy's `blackhole`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from crds.plan import METADATA_NAMESPACE, TARGETS_NAMESPACE, TargetPlan
from ext_proc.call import Call
from ext_proc.events import Continue
from ext_proc.formats.table import FORWARDED_HEADERS, speakable
from ext_proc.matching import Match

VERDICT_HEADER = "x-dragoman-verdict"
_OWN_HEADERS = frozenset({"content-length", "x-forwarded-proto", "x-request-id"})
"""Kept besides the format table's: the body's length, what Envoy finds no route without, what it
writes the response's own from. The target's strip filter removes what must not go out."""


def encode(
    call: Call,
    body: bytes,
    match: Match,
    targets: Sequence[TargetPlan],
    headers: Mapping[str, str],
) -> Continue:
    """Send the body to these targets, in this order."""
    rule = match.rule.plan
    forwarded = FORWARDED_HEADERS[call.format]
    metadata: dict[str, Any] = {
        "class": rule.stream_class if call.stream else rule.unary_class,
        "route": match.route.plan.name,
        "rule": rule.name,
        "format": call.format,
        "length": len(body),
        "translate": rule.translate,
    }
    if rule.translate:
        metadata["models"] = {target.cluster: target.model or call.model for target in targets}
    return Continue(
        set_headers=((VERDICT_HEADER, "pass"),),
        remove_headers=tuple(
            name for name, value in headers.items() if not _kept(name, value, forwarded)
        ),
        body=body,
        clear_route_cache=True,
        metadata={
            METADATA_NAMESPACE: metadata,
            TARGETS_NAMESPACE: {"priority_groups": list(map(_group, range(len(targets)), targets))},
        },
    )


def _kept(name: str, value: str, forwarded: Collection[str]) -> bool:
    speaks = name in forwarded and speakable(name, value)
    return name[:1] == ":" or name in _OWN_HEADERS or speaks


def _group(index: int, target: TargetPlan) -> dict[str, Any]:
    return {"name": str(index), "clusters": [{"cluster_name": target.cluster, "weight": 1}]}
