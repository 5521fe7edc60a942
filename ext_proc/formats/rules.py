"""Rules that say what is text in a document: which field holds prose, which an id, which data.

Every string is text, keys included, unless a rule names it otherwise, and what no rule names is
read whole, as JSON. A rule says how its field is read; a format is a tree of rules. Where a value
is not what its rule expects, the rule steps aside and the value is read as unknown JSON: a table
can be wrong about a format, but it cannot hide text.
"""

# ruff: noqa: D102 -- what `read` and `fields` do is said once, in Rule

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from crds.plan import Origin
from ext_proc.formats.texts import Found

Path = tuple[str, ...]
_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/"
_LONGEST_TOKEN = 128
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_\r\n"


def is_token(value: str) -> bool:
    """Tell whether a string looks like an id or an enumeration."""
    return len(value) <= _LONGEST_TOKEN and not value.strip(_PLAIN)


class Rule(Protocol):
    """How one field is read."""

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        """Add what stands at `owner[key]`."""
        ...

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        """Name each field below and what becomes of it: rows of the coverage table."""
        ...


@dataclass(frozen=True, slots=True)
class Token:
    """An id, an enumeration or a number: not text as long as it looks like one."""

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if isinstance(value, str):
            if not is_token(value):
                found.prose(owner, key, value, origin)
        elif value is not None and not isinstance(value, int | orjson.Fragment):
            found.anything(owner, key, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, "token"


@dataclass(frozen=True, slots=True)
class Prose:
    """A string people or models wrote."""

    origin: Origin | None = None

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if isinstance(value, str):
            found.prose(owner, key, value, self.origin or origin)
        elif value is not None:
            found.anything(owner, key, self.origin or origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, "text"


@dataclass(frozen=True, slots=True)
class Json:
    """Any value, read whole with its keys."""

    origin: Origin | None = None
    kind: str = ""
    """Also recorded as something no detector can follow."""

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        if self.kind and owner[key]:
            found.unscanned[self.kind] += 1
        found.anything(owner, key, self.origin or origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, f"text; recorded as unscanned ({self.kind})" if self.kind else "text"


@dataclass(frozen=True, slots=True)
class Arguments:
    """JSON in a string."""

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if isinstance(value, str):
            found.arguments(owner, key, value, origin)
        else:
            found.anything(owner, key, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, "text, escapes undone"


@dataclass(frozen=True, slots=True)
class Data:
    """Base64 of something that is no text; anything else there is."""

    kind: str = ""
    """What it is, if what it holds could matter: recorded."""

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if value is None or value == "":
            return
        if self.kind:
            found.unscanned[self.kind] += 1
        if not (isinstance(value, str) and is_base64(value)):
            found.anything(owner, key, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, f"recorded as unscanned ({self.kind})" if self.kind else "signature"


@dataclass(frozen=True, slots=True)
class Reference:
    """An id of content that is stored elsewhere."""

    kind: str

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        if owner[key] is not None:
            found.unscanned[self.kind] += 1
            _TOKEN.read(found, owner, key, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, f"recorded as unscanned ({self.kind})"


@dataclass(frozen=True, slots=True)
class Url:
    """A link to content, or the content itself in a data: URI; the link is text."""

    kind: str
    wrapped: Rule | None = None
    """How an object around the link is read."""

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if not isinstance(value, str):
            reader = self.wrapped.read if self.wrapped is not None else Found.anything
            reader(found, owner, key, origin)
            return
        head, comma, tail = value.partition(";base64,")
        if comma and head[:5].lower() == "data:":
            found.unscanned[self.kind] += 1
            if is_token(head[5:]) and is_base64(tail):
                return
        else:
            found.unscanned["url"] += 1
        found.prose(owner, key, value, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, f"text; recorded as unscanned (url; {self.kind} if data:)"
        if self.wrapped is not None:
            yield from self.wrapped.fields(path)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Counts, or an object of counts, that tell nothing."""

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if isinstance(value, dict):
            for name in value:
                if is_token(name):
                    self.read(found, value, name, origin)
                else:
                    found.rest(value, [name], origin)
        else:
            _TOKEN.read(found, owner, key, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, "token"


@dataclass(frozen=True, slots=True)
class Vector:
    """A list of numbers, or its bytes in base64: a meaning, but no text."""

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        numbers = isinstance(value, list) and {int, orjson.Fragment}.issuperset(map(type, value))
        if not numbers and not (isinstance(value, str) and is_base64(value)):
            found.anything(owner, key, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, "numbers"


@dataclass(frozen=True, slots=True)
class Logprobs:
    """The tokens of an answer and their alternatives, each kind read as one text."""

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if value is None:
            return
        lists = list(value.values()) if isinstance(value, dict) else [value]
        for tokens in lists:
            if tokens is None:
                continue
            spelled = _spell(tokens)
            if spelled is None:
                found.anything(owner, key, origin)
            elif spelled:
                found.derived(owner, key, spelled, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, "text, tokens joined; dropped where a text is changed"


def _spell(tokens: Any) -> str | None:
    """Join tokens, and their alternatives by rank; None where the shape is not known."""
    ranks: list[list[str]] = [[]]
    for each in tokens if isinstance(tokens, list) else (None,):
        if not isinstance(each, dict) or not _LOGPROB_KEYS.issuperset(each):
            return None
        others = each.get("top_logprobs") or ()
        for rank, other in enumerate([each, *others]):
            token = other.get("token") if isinstance(other, dict) else None
            if not isinstance(token, str) or not _LOGPROB_KEYS.issuperset(other):
                return None
            if rank == len(ranks):
                ranks.append([])
            ranks[rank].append(token)
    return "\n".join("".join(rank) for rank in ranks)


@dataclass(frozen=True, slots=True)
class SpelledTokens:
    """The tokens of an older completion and their alternatives, read as `Logprobs` are."""

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if value is None:
            return
        spelled = _spell_lists(value)
        if spelled is None:
            found.anything(owner, key, origin)
        elif spelled:
            found.derived(owner, key, spelled, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, "text, tokens joined; dropped where a text is changed"


def _spell_lists(value: Any) -> str | None:
    """Join tokens, and their alternatives by rank; None where the shape is not known."""
    if not isinstance(value, dict) or not _LISTED_KEYS.issuperset(value):
        return None
    tokens, others = value.get("tokens") or [], value.get("top_logprobs") or []
    numbers = [value.get("token_logprobs") or [], value.get("text_offset") or []]
    if not _are(tokens, str) or not _are(others, dict | None) or not all(map(_counts, numbers)):
        return None
    ranks: list[list[str]] = []
    for other in others:
        if not _counts(list((other or {}).values())):
            return None
        for rank, token in enumerate(other or ()):
            if rank == len(ranks):
                ranks.append([])
            ranks[rank].append(token)
    return "\n".join("".join(rank) for rank in [tokens, *ranks])


def _are(values: Any, kind: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def _counts(values: Any) -> bool:
    return _are(values, int | orjson.Fragment | None)


def is_base64(value: str) -> bool:
    """Tell whether a string is base64 and nothing else."""
    return value.isascii() and not value.encode().translate(None, _BASE64)


_TOKEN = Token()
_LISTED_KEYS = frozenset({"tokens", "token_logprobs", "top_logprobs", "text_offset"})
_LOGPROB_KEYS = frozenset({"token", "logprob", "bytes", "top_logprobs"})
