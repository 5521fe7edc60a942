"""OpenAI embeddings: its JSON bodies, both ways. The format has no streams.

Inputs that are token ids cannot be read here and are recorded; the numbers of an answer are no
text.
"""

# ruff: noqa: D102 -- what `read` and `fields` do is said once, in Rule

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from crds.plan import Origin
from ext_proc.call import Call, Line, Reject
from ext_proc.formats import dialect, errors, openai_stream, usage
from ext_proc.formats.dialect import Dialect, Measured, Response
from ext_proc.formats.openai_tables import ENVELOPE, ERROR
from ext_proc.formats.rules import Path, Prose, Token, Vector
from ext_proc.formats.shapes import Each, Object
from ext_proc.formats.texts import Found


@dataclass(frozen=True, slots=True)
class Inputs:
    """One text, several, or token ids."""

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        del origin  # inputs are the user's, whatever holds them
        given = owner[key]
        if isinstance(given, str):
            found.prose(owner, key, given, "User")
        elif isinstance(given[0], str):
            for position, text in enumerate(given):
                found.prose(given, position, text, "User")
        else:
            found.unscanned["tokens"] += len(given) if isinstance(given[0], list) else 1

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, "text; token ids recorded as unscanned (tokens)"
        yield (*path, "[]"), "text; token ids recorded as unscanned (tokens)"


REQUEST = Object(
    {
        "model": Token(),
        "input": Inputs(),
        "encoding_format": Token(),
        "dimensions": Token(),
        "user": Prose(),
    },
    strict=True,
)
RESPONSE = Object(
    {
        **ENVELOPE,
        "data": Each(Object({"object": Token(), "index": Token(), "embedding": Vector()})),
    }
)


def decode_request(body: bytes, _: Line) -> Call | Reject:
    """Decode an embeddings request."""
    document = dialect.loads_request(body)
    if isinstance(document, Reject):
        return document
    model = dialect.model_of(document)
    if isinstance(model, Reject):
        return model
    if not is_input(document.get("input")):
        return dialect.malformed(
            "`input` must be a string, a list of strings, token ids, or lists of token ids."
        )
    found = dialect.find_texts(document, REQUEST)
    if isinstance(found, Reject):
        return found
    return Call(
        format="OpenAIEmbeddings",
        model=model,
        stream=False,
        wants_usage=True,
        document=document,
        texts=found.texts,
        unscanned=found.unscanned,
        original=body,
    )


def is_input(given: Any) -> bool:
    """Tell whether all items are of one kind: a list with one odd item is refused whole."""
    if isinstance(given, str):
        return True
    if not isinstance(given, list) or not given:
        return False
    kinds = set(map(type, given))
    if kinds == {list}:
        return all(set(map(type, each)) == {int} for each in given)
    return kinds in ({str}, {int})


def decode_response(body: bytes) -> Response | Reject:
    """Decode the answer, or the error that stands in its place."""
    return dialect.decode_answer(body, RESPONSE, usage.openai)


class _Stated(msgspec.Struct):
    model: str | None = None
    usage: Any = None


_STATED = msgspec.json.Decoder(_Stated)


def measure(body: bytes) -> Measured:
    """Read usage and model alone."""
    try:
        answer = _STATED.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Measured()
    used = usage.openai(answer.usage)
    return Measured(used, answer.usage is not None and used is None, answer.model)


def provider_error(status: int, body: bytes) -> Response:
    """Keep what is safe of a provider's error."""
    return dialect.safe_error(errors.openai_provider(status, body), ERROR)


DIALECT = Dialect(
    name="OpenAIEmbeddings",
    decode_request=decode_request,
    encode_request=dialect.unchanged,
    decode_response=decode_response,
    measure=measure,
    stream=openai_stream.open_stream,
    error=errors.openai,
    stream_error=errors.openai_stream,
    provider_error=provider_error,
    is_batch=True,
)
