"""YAML text becomes documents that know their line numbers: the first step of `load`.

Built from parser events, so that what the usual constructors let pass is refused here: duplicate
keys, tags, aliases that multiply, and nesting without end. What the values mean is not known here.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import yaml

SIZE_LIMIT = 10 * 1024 * 1024
DEPTH_LIMIT = 64
VALUE_LIMIT = 1_000_000
ALIAS_LIMIT = 100_000
"""How many values aliases may stand for in one file."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_BASED = re.compile(r"[-+]?0(x[0-9a-fA-F]{1,15}|o?[0-7]{1,20}|b[01]{1,60})")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    form: value
    for word, value in {
        "": None, "~": None, "null": None,
        "true": True, "yes": True, "on": True,
        "false": False, "no": False, "off": False,
    }.items()
    for form in (word, word.capitalize(), word.upper())
}  # fmt: skip
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null", "map", "seq")}
_TEXT_TAGS = {"!", "tag:yaml.org,2002:str"}


class Unreadable(ValueError):  # noqa: N818  # it names a state of the file, as our other words do
    """The text is not YAML we read; it says where and why, without quoting the text."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class Table(dict[str, Any]):
    """A mapping that knows the line of each key."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str | int, int] = {}


class Items(list[Any]):
    """A list that knows the line of each item."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str | int, int] = {}


class Number(float):
    """A number that is no small integer; keeps how it was written."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Make it from its text."""
        try:
            number = super().__new__(cls, text.replace("_", ""))
        except ValueError:
            number = super().__new__(cls, "nan")
        number.text = text
        return number


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document and its first line."""

    value: Any
    line: int


def read(content: bytes | str) -> tuple[Document, ...]:
    """All documents of a file; raises Unreadable."""
    if len(content) > SIZE_LIMIT:
        raise Unreadable(1, "the file is larger than 10 MiB; split it")
    text = content if isinstance(content, str) else _decoded(content)
    try:
        return tuple(_documents(yaml.parse(text, Loader=_LOADER)))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Unreadable(line, "a character that YAML does not allow; remove it") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(*_syntax(text, mark.line if mark else 0, error.problem)) from None


def line_of(value: Any, location: tuple[str | int, ...], default: int) -> int:
    """The line of a field, or of the nearest part of its path that is there."""
    found = default
    for part in location:
        if not isinstance(value, Table | Items) or part not in value.lines:
            break
        found = value.lines[part]
        value = value[part]  # type: ignore[index]  # `lines` has the same keys
    return found


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Unreadable(line, "not UTF-8 text; save the file as UTF-8") from None


def _syntax(text: str, index: int, problem: str | None) -> tuple[int, str]:
    lines = text.splitlines()
    near = lines[max(0, index - 1) : index + 1]
    if any("\t" in each[: len(each) - len(each.lstrip())] for each in near):
        return index + 1, "not valid YAML: a tab; indent with spaces"
    return index + 1, f"not valid YAML: {problem or 'the text ends too early'}"


def _documents(events: Iterator[Any]) -> Iterator[Document]:
    builder = _Builder(events)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            builder.anchors.clear()
            first = next(events)
            value = builder.node(first, 0)
            yield Document(value, first.start_mark.line + 1)


class _Builder:
    """Turns events into values; counts what it makes, so that no text makes too much."""

    def __init__(self, events: Iterator[Any]) -> None:
        self.events = events
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.made = 0
        self.aliased = 0

    def node(self, event: Any, depth: int) -> Any:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event.anchor, line)
        before, self.made = self.made, self.made + 1
        if depth > DEPTH_LIMIT:
            raise Unreadable(line, f"nested deeper than {DEPTH_LIMIT} levels; flatten it")
        if self.made > VALUE_LIMIT:
            raise Unreadable(line, "more than a million values in one file; split it")
        value = self.build(event)(event, depth)
        if event.anchor:
            self.anchors[event.anchor] = value, self.made - before
        return value

    def alias(self, anchor: str | None, line: int) -> Any:
        if anchor is None or anchor not in self.anchors:
            raise Unreadable(line, "an alias (*) without an anchor (&) before it")
        value, weight = self.anchors[anchor]
        self.made += weight
        self.aliased += weight
        if self.aliased > ALIAS_LIMIT:
            raise Unreadable(line, "aliases stand for too much; write the values out")
        return value

    def build(self, event: Any) -> Callable[[Any, int], Any]:
        if isinstance(event, yaml.ScalarEvent):
            return _scalar
        if event.tag is not None and event.tag not in _TAGS:
            raise Unreadable(event.start_mark.line + 1, "a YAML tag (!); remove it")
        return self.table if isinstance(event, yaml.MappingStartEvent) else self.items

    def items(self, event: Any, depth: int) -> Items:
        made = Items(event.start_mark.line + 1)
        while not isinstance(item := next(self.events), yaml.SequenceEndEvent):
            made.lines[len(made)] = item.start_mark.line + 1
            made.append(self.node(item, depth + 1))
        return made

    def table(self, event: Any, depth: int) -> Table:
        made = Table(event.start_mark.line + 1)
        merged: list[Any] = []
        while not isinstance(key := next(self.events), yaml.MappingEndEvent):
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarEvent) or key.value == "":
                raise Unreadable(line, "a key must be a word, such as name:")
            value = self.node(next(self.events), depth + 1)
            if key.value == "<<" and key.implicit[0]:
                merged += value if isinstance(value, Items) else [value]
                continue
            if key.value in made:
                first = made.lines[key.value]
                raise Unreadable(
                    line, f"{key.value[:80]} stands twice (first on line {first}); remove one"
                )
            made[key.value] = value
            made.lines[key.value] = line
        _merge(made, merged)
        return made


def _merge(made: Table, sources: list[Any]) -> None:
    for source in sources:
        if not isinstance(source, Table):
            raise Unreadable(made.line, "<< needs an alias of a mapping")
        for key, value in source.items():
            if key not in made:
                made[key] = value
                made.lines[key] = source.lines[key]


def _scalar(event: Any, _depth: int) -> Any:
    text: str = event.value
    if event.tag in _TEXT_TAGS:
        return text
    if event.tag is not None and event.tag not in _TAGS:
        raise Unreadable(event.start_mark.line + 1, "a YAML tag (!); remove it")
    if event.tag is None and not event.implicit[0]:
        return text
    return _plain(text)


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-.":
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.removeprefix("+"))
        return sign * int(digits, 0 if digits[1] in "xob" else 8)
    if _NUMBER.fullmatch(text) or _SPECIAL.fullmatch(text):
        return Number(text)
    return text
