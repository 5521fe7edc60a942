"""Mirrors: which requests are copied, and what the filters of a copy are told of it.

Envoy makes the copies: it gives them the body and the headers that go out, and no metadata. So a
ticket travels in a header, which no client can send; it names the rule's plan and holds no text of
the request but the model's name, which is short. How a copy is written is in `copies`.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from crds.plan import MIRROR_CLUSTER_HEADERS, MIRROR_HEADER, Format, RulePlan, TargetPlan
from ext_proc.selection import Chance


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a request is, for those who write its copies."""

    route: str
    """`namespace/name` of the AIRoute."""
    version: str
    """Of its plan: by another one nothing is sent."""
    rule: str
    format: Format
    model: str
    stream: bool


def drawn(rule: RulePlan, chance: Chance) -> tuple[TargetPlan, ...]:
    """The mirrors that get a copy of a request, if they can: a lot for each."""
    return tuple(each.target for each in rule.mirrors if chance() * 100 < each.percent)


def headers(ticket: Ticket, copies: Sequence[TargetPlan]) -> tuple[tuple[str, str], ...]:
    """What makes Envoy send these copies."""
    if not copies:
        return ()
    told = urlsafe_b64encode(msgspec.json.encode(ticket)).decode()
    clusters = (target.cluster for target in copies)
    return ((MIRROR_HEADER, told), *zip(MIRROR_CLUSTER_HEADERS, clusters, strict=False))


def read(told: str) -> Ticket:
    """Read the ticket that `headers` wrote."""
    return msgspec.json.decode(urlsafe_b64decode(told), type=Ticket)
