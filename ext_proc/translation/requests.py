"""Requests: a caller's document → the body for one wire, and what could not be said in it."""

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from crds.plan import Format, QuirksPlan
from ext_proc.call import Line
from ext_proc.formats import multipart, strict
from ext_proc.formats.table import DIALECTS
from ext_proc.translation import foreign, prompts
from ext_proc.translation.codec import Written
from ext_proc.translation.neutral import Loss
from ext_proc.translation.table import CODECS, PROVIDED
from ext_proc.wires import Wire

_TOP = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Spoken:
    """In what words a request came."""

    format: Format
    line: Line
    """The model that is asked for, and whether as a stream."""


def write(document: dict[str, Any], spoken: Spoken, wire: Wire) -> Written:
    """Write a decoded request for a wire. Raise UnspeakableError."""
    document = prompts.apply(document, spoken.format, wire.prompt)
    if wire.format == spoken.format:
        own, removed = foreign.without(wire, document)
        adapted = dict(own)
        return Written(adapted, (*removed, *adapt(adapted, wire)))
    line = Line(wire.model, spoken.line.stream)
    asked = replace(CODECS[spoken.format].read_request(document, line), model=wire.model)
    written = PROVIDED[wire.format].write_request(asked)
    missing = adapt(written.document, wire)
    return Written(written.document, (*asked.lost, *written.losses, *missing))


def rewrite(body: bytes, spoken: Spoken, wire: Wire) -> bytes:
    """Write a body for a wire, as the translate filter does it: the guard has read it before."""
    if wire.format == spoken.format and wire.prompt is None:
        return fit(body, wire)[0]
    return strict.dumps(write(strict.loads(body), spoken, wire).document)


def fit(body: bytes, wire: Wire) -> tuple[bytes, tuple[Loss, ...]]:
    """Fit a body of the wire's own format, leaving all else as it is."""
    if DIALECTS[wire.format].is_form:
        boundary = multipart.stated_boundary(body)
        form = multipart.loads(body, boundary)
        missing = adapt(form, wire)
        return multipart.dumps(form, boundary), missing
    if foreign.present(wire, body):
        document = strict.loads(body)
        removed, changed = foreign.remove(wire, document)
        if changed:
            missing = (*removed, *adapt(document, wire))
            return strict.dumps(document), missing
    fields: dict[str, Any] = dict(_TOP.decode(body))
    missing = adapt(fields, wire)
    return msgspec.json.encode(fields), missing


def adapt(document: dict[str, Any], wire: Wire) -> tuple[Loss, ...]:
    """Fit a document of the wire's own format to its model and its provider's quirks."""
    quirks: QuirksPlan = wire.quirks
    if wire.format in NAMED_WITHIN:
        _name_within(document, f"models/{wire.model}")
    elif "model" in document:
        document["model"] = wire.model
        if not quirks.model_in_body:
            del document["model"]
    for name, other in quirks.rename.items():
        if name in document:
            document[other] = document.pop(name)
    missing = [name for name in quirks.drop if document.pop(name, None) is not None]
    document.update(quirks.set)
    return tuple(Loss(name) for name in missing if name not in _UNMISSED)


def _name_within(document: dict[str, Any], name: str) -> None:
    """Name another model wherever a body that goes to a model's path repeats it."""
    if "model" in document:
        document["model"] = name
    for key in ("generateContentRequest", "generate_content_request"):
        if key in document:
            document[key] = {**_opened(document[key], _TOP), "model": name}
    if "requests" in document:
        listed = _opened(document["requests"], _BATCH)
        document["requests"] = [{**each, "model": name} for each in listed]


def _opened(value: Any, decoder: msgspec.json.Decoder[Any]) -> Any:
    """A value one level deep, where it is not decoded yet."""
    return decoder.decode(value) if isinstance(value, msgspec.Raw) else value


NAMED_WITHIN: frozenset[Format] = frozenset(
    {"GeminiEmbeddings", "GeminiEmbedContent", "GeminiTokenCount"}
)
"""Formats whose bodies may name again the model that their path names."""
_BATCH = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_UNMISSED = frozenset({"stream", "stream_options"})
"""Said elsewhere, or only ever asked for by us."""
