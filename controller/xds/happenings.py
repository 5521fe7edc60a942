"""What the cache tells of: something came true, or a client would not have it.

Whoever rolls a configuration out hears of these and decides what follows.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Live:
    """Every connected Envoy and ext_proc holds this configuration."""

    version: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A client refused a resource; `replaced`: its last accepted version serves on."""

    type_url: str
    name: str
    message: str
    replaced: bool


@dataclass(frozen=True, slots=True)
class Silence:
    """Who is not waited for any more has changed; `Cache.silent` says who it is."""


Event = Live | Refused | Silence
