"""Outgoing: what the targets of a rule are sent, and which of them can be asked at all.

Where all targets read the same body it is written here, once; where they differ, the caller's own
body goes out and each target's translate filter writes what that target reads. A target that cannot
be told something the answer depends on is left out; other losses are reported to the caller.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from crds.plan import QuirksPlan, TargetPlan
from ext_proc import wires
from ext_proc.call import Call, Line, Reject
from ext_proc.formats import strict
from ext_proc.formats.dialect import Dialect, malformed
from ext_proc.formats.multipart import InvalidFormError
from ext_proc.translation import foreign, requests
from ext_proc.translation.codec import UnspeakableError
from ext_proc.translation.losses import listed
from ext_proc.translation.neutral import Loss
from ext_proc.translation.requests import NAMED_WITHIN, Spoken
from ext_proc.wires import Wire

_NO_QUIRKS = QuirksPlan()
_Losses = tuple[Loss, ...]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What goes out, and to whom it may."""

    body: bytes
    targets: tuple[TargetPlan, ...]
    wires: Mapping[str, Wire]
    """By cluster."""
    losses: Mapping[str, _Losses]
    """What each target or mirror is not told, by cluster."""
    mirrors: tuple[TargetPlan, ...] = ()
    """Who may get a copy; where there are any the body is the caller's own."""


def unspoken(call: Call, targets: Sequence[TargetPlan]) -> bool:
    """Tell whether no target speaks a call's format, nor one it translates into."""
    return bool(targets) and not any(
        wires.find(target, call.format, call.model, stream=call.stream) for target in targets
    )


def prepare(
    dialect: Dialect, call: Call, targets: Sequence[TargetPlan], *, apart: bool, strict: bool
) -> Outgoing | Reject:
    """Write what goes out to these targets, once all redactions are made.

    `apart`: they differ in what they must be sent. `strict`: one that cannot be told a parameter is
    not asked.
    """
    reached = {
        target.cluster: wire
        for target in targets
        if (wire := wires.find(target, call.format, call.model, stream=call.stream))
    }
    if targets and not reached:
        return _unsupported(call, targets)
    try:
        body, losses = _write(dialect, call, reached, apart=apart)
    except (UnspeakableError, InvalidFormError) as error:
        return malformed(str(error))
    refused = {cluster: _missed(losses[cluster], strict=strict) for cluster in reached}
    able = {cluster for cluster, fields in refused.items() if not fields}
    if targets and not able:
        return _untranslatable(refused.values())
    asked = tuple(target for target in targets if target.cluster in able)
    return Outgoing(body, asked, reached, losses)


def copied(
    outgoing: Outgoing,
    dialect: Dialect,
    call: Call,
    mirrors: Sequence[TargetPlan],
    *,
    strict: bool,
) -> Outgoing:
    """The same for the caller, with copies for the mirrors that can be told."""
    spoken = Spoken(call.format, Line(call.model, call.stream))
    losses = {
        mirror.cluster: _losses(call, spoken, wire)
        for mirror in mirrors
        if (wire := wires.find(mirror, call.format, call.model, stream=call.stream))
    }
    able = tuple(
        mirror
        for mirror in mirrors
        if mirror.cluster in losses and not _missed(losses[mirror.cluster], strict=strict)
    )
    known = {**outgoing.losses, **losses}
    if not able:
        return replace(outgoing, losses=known)
    body = dialect.encode_request(call, call.stream)
    return replace(outgoing, body=body, losses=known, mirrors=able)


def _missed(losses: Iterable[Loss], *, strict: bool) -> list[str]:
    """The fields for whose sake a target is not asked."""
    return [loss.field for loss in losses if loss.essential or strict]


def _write(
    dialect: Dialect, call: Call, reached: Mapping[str, Wire], *, apart: bool
) -> tuple[bytes, dict[str, _Losses]]:
    """The body, and the losses by cluster; not `apart`: all wires are alike."""
    spoken = Spoken(call.format, Line(call.model, call.stream))
    if apart:
        losses = {cluster: _losses(call, spoken, wire) for cluster, wire in reached.items()}
        return dialect.encode_request(call, call.stream), losses
    if not reached:
        return b"", {}
    wire = next(iter(reached.values()))
    body, lost = _one(dialect, call, spoken, wire)
    return body, dict.fromkeys(reached, lost)


def _losses(call: Call, spoken: Spoken, wire: Wire) -> _Losses:
    plain = wire.format == spoken.format and not wire.quirks.drop
    if plain and not foreign.present(wire, call.original):
        return ()
    try:
        return requests.write(call.document, spoken, wire).losses
    except UnspeakableError as error:
        return (Loss(error.field, essential=True),)  # another target may be told


def _one(dialect: Dialect, call: Call, spoken: Spoken, wire: Wire) -> tuple[bytes, _Losses]:
    plain = wire.format == spoken.format and wire.prompt is None
    named = wire.format not in NAMED_WITHIN or wire.model == call.model
    alike = plain and named and wire.quirks == _NO_QUIRKS
    if alike and not foreign.present(wire, call.original):
        if wire.format not in NAMED_WITHIN:
            call.rename_model(wire.model)
        return dialect.encode_request(call, call.stream), ()
    body = dialect.encode_request(call, call.stream)
    if plain:
        return requests.fit(body, wire)
    written = requests.write(call.document, spoken, wire)
    return strict.dumps(written.document), written.losses


def _unsupported(call: Call, targets: Iterable[TargetPlan]) -> Reject:
    known = sorted(set().union(*(wires.reachable(target, call.model) for target in targets)))
    text = f"This model is not served in the format {call.format}, but in: {', '.join(known)}."
    return Reject(400, "unsupported_format", text)


def _untranslatable(refused: Iterable[Iterable[str]]) -> Reject:
    fields = listed(chain.from_iterable(refused))
    text = f"No backend of this model can be told: {fields}."
    return Reject(400, "untranslatable", text)
