"""Stickiness: equal keys go to the same side of the weights, and there to the same endpoint.

Weighted rendezvous hashing: every key gives each target a lot of its own, and the first by lot and
weight serves. So shares follow the weights, a changed weight moves no more than its share, and
when a target fails its keys spread over the others. Among a target's endpoints Envoy does likewise,
by what `affinity` tells it. A key is kept as a hash alone.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import takewhile
from typing import NewType

from crds.plan import StickinessPlan, TargetPlan
from ext_proc.call import Call, Text
from ext_proc.formats import parameters

Key = NewType("Key", bytes)
"""The hash of a caller's key and of the rule that reads it."""


def key(
    plan: StickinessPlan, rule: str, headers: Mapping[str, str], call: Call | None
) -> Key | None:
    """Read the key of a request; None where it has none, and lots must decide."""
    read: tuple[str | None, ...]
    match plan.by:
        case "Header":
            read = (headers.get(plan.name),)
        case "Cookie":
            read = (_cookie(headers.get("cookie", ""), plan.name),)
        case "User":
            read = (parameters.user(call) if call is not None else None,)
        case "Conversation":
            read = _beginning(call.texts) if call is not None else ()
    values = [value for value in read if value]
    return _hash(values, rule) if values else None


def affinity(bound: Key) -> str:
    """What Envoy is told of a key, in a header that ends there."""
    return blake2b(b"endpoint", key=bound, digest_size=16).hexdigest()


def lot(bound: Key, target: TargetPlan) -> float:
    """The place of a target for this key: the lowest serves. Its weight is above 0."""
    drawn = blake2b(target.cluster.encode(), key=bound, digest_size=8).digest()
    uniform = (int.from_bytes(drawn) + 0.5) / 2**64
    return -math.log(uniform) / target.weight


def _hash(values: Iterable[str], rule: str) -> Key:
    seed = blake2b(rule.encode(), digest_size=32).digest()
    hashed = blake2b(key=seed, digest_size=32)
    for value in values:
        written = value.encode(errors="surrogatepass")
        hashed.update(len(written).to_bytes(8))
        hashed.update(written)
    return Key(hashed.digest())


def _beginning(texts: Sequence[Text]) -> tuple[str, ...]:
    """What all turns of a conversation begin with: the system's words and the user's first turn.

    Nothing where the user wrote no text. Some formats have the system's words after the turns;
    where they stand among these, those before the first turn of the user count.
    """
    starts = [place for place, text in enumerate(texts) if text.origin == "User"]
    if not starts:
        return ()
    turn = takewhile(lambda text: text.origin == "User", texts[starts[0] :])
    before = [text.value for text in texts[: starts[0]] if text.origin == "System"]
    system = before or [text.value for text in texts if text.origin == "System"]
    return (*system, *(text.value for text in turn))


def _cookie(header: str, name: str) -> str | None:
    pairs = (pair.partition("=") for pair in header.split(";"))
    return next((value.strip() for found, _, value in pairs if found.strip() == name), None)
