"""Texts found in a document, and how each is put back changed.

A string stands for itself, JSON in a string is read without its escapes, and a whole object or
list becomes one text with its keys. Which fields are text is for `rules` to say.
"""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from operator import setitem
from typing import Any

import orjson

from crds.plan import Origin
from ext_proc.call import Text
from ext_proc.formats import inner, strict

_LONG_NUMBER = 100_000
_NESTED_ESCAPE = "\\\\u"
"""An escape in JSON that stands in a string of JSON."""


@dataclass(slots=True)
class Found:
    """What a walk found."""

    texts: list[Text] = field(default_factory=list)
    unscanned: Counter[str] = field(default_factory=Counter)

    def prose(self, owner: Any, key: Any, value: str, origin: Origin) -> None:
        """Add a string; one that is JSON is read without its escapes."""
        place = partial(setitem, owner, key)
        if value.lstrip()[:1] in ("{", "[") and strict.is_json(value):
            self.texts.append(Text(origin, _read(value), partial(_place_inner, place)))
        elif value:
            self.texts.append(Text(origin, value, place))

    def arguments(self, owner: Any, key: Any, value: str, origin: Origin) -> None:
        """Add a string that should be JSON, whole or not."""
        if strict.is_json(value):
            self.prose(owner, key, value, origin)
        elif value:
            place = partial(_place_broken, owner, key)
            self.texts.append(Text(origin, inner.read(value), place))

    def anything(self, owner: Any, key: Any, origin: Origin) -> None:
        """Add whatever stands there: a string, a long number, or all of a container as one text."""
        value = owner[key]
        if isinstance(value, str):
            self.prose(owner, key, value, origin)
        elif isinstance(value, dict | list):
            if value:
                self._json(origin, value, partial(_place_json, owner, key))
        elif not isinstance(value, int | None) or abs(value or 0) >= _LONG_NUMBER:
            self._json(origin, value, partial(setitem, owner, key))

    def derived(self, owner: Any, key: Any, value: str, origin: Origin) -> None:
        """Add a text that a field spells; changing it empties the field."""
        self.texts.append(Text(origin, value, partial(_place_nothing, owner, key)))

    def rest(self, owner: dict[str, Any], keys: list[str], origin: Origin) -> None:
        """Add fields that no rule names, with their keys, as one text."""
        self._json(origin, {key: owner[key] for key in keys}, _Rest(owner, keys))

    def _json(self, origin: Origin, value: Any, place: Any) -> None:
        self.texts.append(Text(origin, _read(orjson.dumps(value).decode()), place))


class _Rest:
    """Puts changed unknown fields back beside the known ones."""

    def __init__(self, owner: dict[str, Any], keys: list[str]) -> None:
        self._owner = owner
        self._keys = keys

    def __call__(self, text: str) -> None:
        for key in self._keys:
            del self._owner[key]
        changed = strict.parse_inner(inner.write_valid(text))
        self._keys = []
        for key, value in changed.items() if isinstance(changed, dict) else ():
            name = key
            while name in self._owner:
                name += "_"
            self._owner[name] = value
            self._keys.append(name)


def _read(text: str) -> str:
    """Read JSON without its escapes, and without those of JSON in its own strings."""
    if _NESTED_ESCAPE in text:
        try:
            text = orjson.dumps(_plain(strict.parse_inner(text))).decode()
        except (ValueError, TypeError):  # TypeError: orjson's own for a lone surrogate
            return inner.read(text)
    return inner.read(text)


def _plain(value: Any) -> Any:
    """Rewrite strings that are JSON so that they hold no needless escapes."""
    if isinstance(value, dict):
        return {key: _plain(inside) for key, inside in value.items()}
    if isinstance(value, list):
        return [_plain(inside) for inside in value]
    if isinstance(value, str) and "\\u" in value and strict.is_json(value):
        return inner.write(_read(value))
    return value


def _place_inner(place: partial[None], text: str) -> None:
    place(inner.write_valid(text))


def _place_json(owner: Any, key: Any, text: str) -> None:
    owner[key] = strict.parse_inner(inner.write_valid(text))


def _place_broken(owner: Any, key: Any, text: str) -> None:
    owner[key] = inner.write(text)


def _place_nothing(owner: Any, key: Any, _: str) -> None:
    owner[key] = None
