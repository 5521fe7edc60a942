"""Delivery: how far the proxies of one Gateway are, as far as statuses depend on it.

Values only. Whoever rolls configurations out fills them; `standing` reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.resources import Resources
from controller.translate.conditions import Status
from crds.meta import Key


@dataclass(frozen=True, slots=True)
class Rejection:
    """Something that a proxy refused, in its own words."""

    owner: Key
    """The object to mend."""
    message: str
    replaced: bool
    """The last accepted version serves on; else it is left out."""
    name: str = ""
    """The resource's name; a listener's leads to the listener of the Gateway."""
    affected: frozenset[Key] = frozenset()
    """Other objects that are not served as written because of it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One Gateway: what its proxies hold, and what keeps them from more."""

    live: Mapping[Key, Status] = field(default_factory=dict)
    """What the translation that is live on all awaited proxies said of every object. An object is
    live if it still says the same, so a changed secret or a scaled Deployment revokes nothing."""
    backends: frozenset[Key] = frozenset()
    """The AIBackends that its proxies should be able to call."""
    waiting_for_proxies: bool = False
    """There is no proxy at all."""
    silent: tuple[str, ...] = ()
    """Proxies that have not answered for so long that they are no longer waited for."""
    rejections: tuple[Rejection, ...] = ()
    addresses: tuple[str, ...] | None = None
    """Where its Service is reached; None: not known yet, and what was written stays."""
    wrong: tuple[str, ...] = ()
    """What is wrong with its parameters (`spec.infrastructure.parametersRef`)."""


@dataclass(frozen=True, slots=True)
class World:
    """All that statuses are made from."""

    resources: Resources
    """What was translated."""
    statuses: Mapping[Key, Status]
    """As `translate` has them."""
    deliveries: Mapping[Key, Delivery]
    """By Gateway."""
    unread: frozenset[Key] = frozenset()
    """Gateways that are ours but could not be read; nothing is said about others' Gateways."""
