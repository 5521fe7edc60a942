r"""A small, bounded part of regular-expression syntax as a tree.

From one pattern three things follow: its own text (for re2 and Hyperscan), its longest match,
and, reversed, everything that could still become a match. Knows nothing of entities. Syntax:
literals, `\d \w \s \b \A \z`, `[...]`, `(?:...)`, `(?i:...)`, `|`, `?`, `{m}`, `{m,n}`. No `*`
and no `+`: a match is bounded.
"""

from dataclasses import dataclass
from typing import assert_never

_LOOSE = 6  # in a prefix, counts above this become "any number": far smaller automata
_ANCHORS = {r"\A": r"\z", r"\z": r"\A", r"\b": r"\b"}


@dataclass(frozen=True)
class One:
    """One character of a class."""

    text: str


@dataclass(frozen=True)
class At:
    """A place, no character."""

    text: str


@dataclass(frozen=True)
class Seq:
    """One after the other."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True)
class Alt:
    """One of them."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True)
class Rep:
    """Repeated; `high` None means without limit, which only prefixes have."""

    item: "Node"
    low: int
    high: int | None


Node = One | At | Seq | Alt | Rep


class PatternError(ValueError):
    """The pattern is outside the part of the syntax understood here."""


def parse(pattern: str) -> Node:
    """Read a pattern."""
    node, end = _alternatives(pattern, 0, fold=False)
    if end != len(pattern):
        raise PatternError(f"unexpected ) at {end}: {pattern}")
    return node


def _alternatives(p: str, i: int, *, fold: bool) -> tuple[Node, int]:
    options: list[Node] = []
    items: list[Node] = []
    while i < len(p) and p[i] != ")":
        if p[i] == "|":
            options.append(Seq(tuple(items)))
            items = []
            i += 1
            continue
        item, i = _atom(p, i, fold=fold)
        item, i = _repeated(p, i, item)
        items.append(item)
    options.append(Seq(tuple(items)))
    return (options[0] if len(options) == 1 else Alt(tuple(options))), i


def _atom(p: str, i: int, *, fold: bool) -> tuple[Node, int]:
    if p[i] == "(":
        if p.startswith("(?i:", i):
            node, end = _alternatives(p, i + 4, fold=True)
        elif p.startswith("(?:", i):
            node, end = _alternatives(p, i + 3, fold=fold)
        else:
            raise PatternError(f"group at {i}: {p}")
        if end >= len(p):
            raise PatternError(f"unclosed group: {p}")
        return node, end + 1
    if p[i] in "*+?{}":
        raise PatternError(f"nothing to repeat, or no bound, at {i}: {p}")
    if p[i] == "\\":
        text = p[i : i + (4 if p[i + 1] == "x" else 2)]
    elif p[i] == "[":
        text = p[i : _class_end(p, i)]
    else:
        text = p[i]
    end = i + len(text)
    if text in _ANCHORS:
        return At(text), end
    if fold and (text.isalpha() or text[0] == "["):
        text = f"(?i:{text})"
    return One(text), end


def _class_end(p: str, i: int) -> int:
    j = i + 2 if p[i + 1] != "^" else i + 3  # a leading ] is a member
    while p[j] != "]":
        j += 2 if p[j] == "\\" else 1
    return j + 1


def _repeated(p: str, i: int, item: Node) -> tuple[Node, int]:
    if i < len(p) and p[i] == "?":
        return Rep(item, 0, 1), i + 1
    if i < len(p) and p[i] == "{":
        end = p.index("}", i)
        low, comma, high = p[i + 1 : end].partition(",")
        return Rep(item, int(low), int(high if comma else low)), end + 1
    return item, i


def text(node: Node) -> str:
    """Write a pattern out again."""
    match node:
        case One() | At():
            return node.text
        case Seq():
            return "".join(f"(?:{text(i)})" if isinstance(i, Alt) else text(i) for i in node.items)
        case Alt():
            return "|".join(text(i) for i in node.items)
        case Rep():
            inner = text(node.item) if isinstance(node.item, One) else f"(?:{text(node.item)})"
            match node.low, node.high:
                case 0, 1:
                    return f"{inner}?"
                case low, None:
                    return f"{inner}{{{low},}}"
                case low, high:
                    return f"{inner}{{{low}}}" if low == high else f"{inner}{{{low},{high}}}"
        case _:
            assert_never(node)


def longest(node: Node) -> int:
    """Return the length of the longest match."""
    match node:
        case One():
            return 1
        case At():
            return 0
        case Seq():
            return sum(longest(i) for i in node.items)
        case Alt():
            return max(longest(i) for i in node.items)
        case Rep():
            if node.high is None:
                raise PatternError("a prefix has no longest match")
            return node.high * longest(node.item)
        case _:
            assert_never(node)


def mirrored(node: Node) -> Node:
    """Return the pattern of the reversed matches."""
    match node:
        case One():
            return node
        case At():
            return At(_ANCHORS[node.text])
        case Seq():
            return Seq(tuple(mirrored(i) for i in reversed(node.items)))
        case Alt():
            return Alt(tuple(mirrored(i) for i in node.items))
        case Rep():
            return Rep(mirrored(node.item), node.low, node.high)
        case _:
            assert_never(node)


def begun(node: Node) -> Node | None:
    """Return a pattern of (at least) every non-empty prefix of a match; None if there is none."""
    match node:
        case One():
            return node
        case At():
            return None
        case Seq():
            return _begun_sequence(node.items)
        case Alt():
            return _either(tuple(b for i in node.items if (b := begun(i)) is not None))
        case Rep():
            return _begun_repeat(node)
        case _:
            assert_never(node)


def _begun_sequence(items: tuple[Node, ...]) -> Node | None:
    prefix: Node | None = None
    for item in reversed(items):
        later = () if prefix is None else (Seq((_loose(item), prefix)),)
        now = begun(item)
        prefix = _either((*later, *(() if now is None else (now,))))
    return prefix


def _begun_repeat(node: Rep) -> Node | None:
    inner = begun(node.item)
    if inner is None or node.high == 0:
        return None
    if node.high == 1:
        return inner
    earlier = Rep(node.item, 0, None if node.high is None else node.high - 1)
    return Seq((_loose(earlier), inner))


def _either(options: tuple[Node, ...]) -> Node | None:
    if not options:
        return None
    return options[0] if len(options) == 1 else Alt(options)


def _loose(node: Node) -> Node:
    """Return a pattern that matches at least as much, with no large counts."""
    match node:
        case One() | At():
            return node
        case Seq():
            return Seq(tuple(_loose(i) for i in node.items))
        case Alt():
            return Alt(tuple(_loose(i) for i in node.items))
        case Rep():
            large = node.high is None or node.high > _LOOSE
            return Rep(
                _loose(node.item),
                min(node.low, 1) if large else node.low,
                None if large else node.high,
            )
        case _:
            assert_never(node)
