"""Stickiness: equal keys go to the same side of the weights.

Weighted rendezvous hashing: every key gives each target a lot of its own, and the first by lot and
weight serves. So shares follow the weights, a changed weight moves no more than its share, and
when a target fails its keys spread over the others. A key is kept as a hash alone.
"""

import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import NewType

from crds.plan import StickinessPlan, TargetPlan
from ext_proc.call import Call
from ext_proc.formats import parameters

Key = NewType("Key", bytes)
"""The hash of a caller's key and of the rule that reads it."""


def key(plan: StickinessPlan, rule: str, headers: Mapping[str, str], call: Call) -> Key | None:
    """Read the key of a request; None where it has none, and lots must decide."""
    match plan.by:
        case "Header":
            value = headers.get(plan.name)
        case "Cookie":
            value = _cookie(headers.get("cookie", ""), plan.name)
        case "User":
            value = parameters.user(call)
    if not value:
        return None
    seed = blake2b(rule.encode(), digest_size=32).digest()
    return Key(blake2b(value.encode(errors="surrogatepass"), key=seed, digest_size=32).digest())


def lot(bound: Key, target: TargetPlan) -> float:
    """The place of a target for this key: the lowest serves. Its weight is above 0."""
    drawn = blake2b(target.cluster.encode(), key=bound, digest_size=8).digest()
    uniform = (int.from_bytes(drawn) + 0.5) / 2**64
    return -math.log(uniform) / target.weight


def _cookie(header: str, name: str) -> str | None:
    pairs = (pair.partition("=") for pair in header.split(";"))
    return next((value.strip() for found, _, value in pairs if found.strip() == name), None)
