"""Conditions: what is wrong with an object, and how its status says so.

Every part of `translate` reports `Fault`s; this module alone words them as status. What depends on
the proxies (Programmed after the ACK, the Ready summary) is not decided here: an object that some
proxy must serve stands at `Programmed: Unknown` until someone who knows replaces it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from crds.meta import Condition, Key
from crds.objects import Finding

ConditionType = Literal["Accepted", "ResolvedRefs", "PartiallyInvalid", "Conflicted", "Overridden"]
Reason = Literal[
    "BackendNotFound",
    "CertificateNotFound",
    "ConfigMapNotFound",
    "Conflicted",
    "Duplicate",
    "EndpointRefused",
    "HostnameConflict",
    "Invalid",
    "InvalidBackend",
    "InvalidCertificate",
    "InvalidKeyFormat",
    "LabelNotSet",
    "NoMatchingListenerHostname",
    "NoMatchingParent",
    "NotAllowedByListeners",
    "Overridden",
    "PolicyNotInForce",
    "ProtocolConflict",
    "ProviderMismatch",
    "RefNotPermitted",
    "SecretNotFound",
    "TargetNotFound",
    "TokenNotMinted",
    "TooLarge",
    "TooManyPatterns",
    "TooManyTrafficClasses",
    "UnsupportedProtocol",
    "UnsupportedValue",
]
LONGEST_MESSAGE = 8
"""How many faults a condition spells out; the printed lines have them all."""

TOLD: frozenset[ConditionType] = frozenset({"PartiallyInvalid", "Conflicted", "Overridden"})
"""Conditions that exist only while they are true; the others are false while faults stand."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an object: what it makes untrue, where it stands, and the fix."""

    key: Key
    type: ConditionType
    reason: Reason
    field: str
    message: str
    part: int | None = None
    """The listener, parentRef or targetRef it concerns; None: the whole object."""

    @property
    def text(self) -> str:
        """The fault as a condition's message."""
        return f"{self.field}: {self.message}"


@dataclass(frozen=True, slots=True)
class Reference:
    """A parentRef or targetRef, spelled out."""

    kind: str
    namespace: str
    name: str
    section: str | None = None


@dataclass(frozen=True, slots=True)
class ReferenceStatus:
    """What became of one parentRef (`parents[]`) or targetRef (`ancestors[]`)."""

    reference: Reference
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """What became of one listener of a Gateway."""

    name: str
    attached_routes: int
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """The status of one object, and the lines that tell its user what to mend."""

    observed_generation: int
    conditions: tuple[Condition, ...]
    parents: tuple[ReferenceStatus, ...] = ()
    ancestors: tuple[ReferenceStatus, ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()
    problems: tuple[Finding, ...] = ()


def problems(statuses: Mapping[Key, Status]) -> tuple[Finding, ...]:
    """All lines, in the order of the objects' keys."""
    return tuple(line for key in sorted(statuses) for line in statuses[key].problems)


def lines(faults: Iterable[Fault], origin: str) -> tuple[Finding, ...]:
    """One line per fault; a fault that concerns several parts is told once."""
    return tuple(
        dict.fromkeys(Finding(origin, fault.message, fault.key, fault.field) for fault in faults)
    )


def judged(faults: Sequence[Fault], types: Iterable[ConditionType]) -> tuple[Condition, ...]:
    """One condition per type: true without faults, or told only with some."""
    found: list[Condition] = []
    for type_ in types:
        of_type = [fault for fault in faults if fault.type == type_]
        if of_type:
            status: Literal["True", "False"] = "True" if type_ in TOLD else "False"
            found.append(Condition(type_, status, of_type[0].reason, message(of_type)))
        elif type_ not in TOLD:
            found.append(Condition(type_, "True", type_, ""))
    return tuple(found)


def message(faults: Sequence[Fault]) -> str:
    """What a condition says about its faults."""
    texts = list(dict.fromkeys(fault.text for fault in faults))
    rest = [f"and {len(texts) - LONGEST_MESSAGE} more"][: len(texts) > LONGEST_MESSAGE]
    return "; ".join([*texts[:LONGEST_MESSAGE], *rest])


def pending() -> Condition:
    """What an object that proxies must serve says until they do."""
    return Condition("Programmed", "Unknown", "Pending", "waiting for the proxies")


def not_programmed(reason: str, text: str) -> Condition:
    """What an object says that no proxy is told of."""
    return Condition("Programmed", "False", reason, text)


def of_part(faults: Sequence[Fault], part: int) -> list[Fault]:
    """The faults that concern one part: its own and the whole object's."""
    return [fault for fault in faults if fault.part in (None, part)]
