"""Losses: what of a request's neutral values a format has no words for, and how they are told."""

from collections.abc import Iterable, Iterator
from typing import Any

from ext_proc.translation.neutral import Loss, Media, Message, Request, ToolResult

_USUAL = frozenset({"", "auto"})
"""Of what is said beside media."""
_LONGEST_NAME = 80
_MOST_NAMES = 20
_IDLE_ZERO = frozenset({"frequency_penalty", "presence_penalty"})
"""Numbers whose zero asks for nothing."""


def lost(request: Request, *fields: str) -> tuple[Loss, ...]:
    """The losses of a writer that cannot say these fields, as far as they were said."""
    said = (name for name in fields if _asks(name, getattr(request, name)))
    return tuple(Loss(request.said.get(name, name)) for name in said)


def _asks(name: str, value: Any) -> bool:
    if type(value) is int and name not in _IDLE_ZERO:
        return True
    return bool(value)


def beside_media(request: Request, *fields: str, words_only: bool = False) -> list[Loss]:
    """The same of what is said beside pictures and documents: `detail`, `name`.

    `words_only`: only where the document is words.
    """
    return [
        Loss(f"{message.where}.{request.said.get(name, name)}")
        for message in request.messages
        for media in _media(message)
        for name in fields
        if (media.text or not words_only) and getattr(media, name) not in _USUAL
    ]


def _media(message: Message) -> Iterator[Media]:
    for part in message.parts:
        held = part.parts if isinstance(part, ToolResult) else (part,)
        yield from (each for each in held if isinstance(each, Media))


def listed(fields: Iterable[str]) -> str:
    """Names of fields for people: each once, bounded in length and number."""
    names = [*dict.fromkeys(map(shown, fields))]
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def shown(field: str) -> str:
    """A field as an error repeats it: callers name fields as they like, at any length."""
    cut = field if len(field) <= _LONGEST_NAME else f"{field[: _LONGEST_NAME - 3]}..."
    return "".join(each if each.isprintable() else "?" for each in cut)
