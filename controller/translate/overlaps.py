"""Overlaps: which older claims on a hostname a newer one equals, or would take requests from.

One claim takes requests from another if some request meets both and the first is more specific.
Claims are found by their model, then by labels and path, then by headers, so that thousands of
AIRoutes on one hostname are not compared with each other. Of two patterns nobody can say for
certain what they have in common; where it is not plainly nothing, they count as overlapping.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from controller.translate import patterns
from controller.translate.claims import Claim, Headers, Model, Path, path_rank
from crds.plan import Labels

Names = tuple[str, ...]
Identity = tuple[bool, Labels, Model | None, Path | None, Headers]
MORE, AS, LESS = -1, 0, 1
"""How specific the newer claim's model is, compared with that of a group."""


@dataclass(slots=True)
class _Bucket:
    """Claims alike in model, path and number of labels, found by the headers they ask for.

    A view answers "which claims that ask for these names agree on the shared ones"; of each value
    two claims of different namespaces are enough.
    """

    by_names: dict[Names, list[Claim]] = field(default_factory=dict)
    views: dict[tuple[Names, Names], dict[Headers, list[Claim]]] = field(default_factory=dict)

    def add(self, claim: Claim) -> None:
        names = tuple(name for name, _ in claim.headers)
        self.by_names.setdefault(names, []).append(claim)
        for (of, shared), view in self.views.items():
            if of == names:
                _note(view, shared, claim)

    def foreign(self, claim: Claim, fewer_than: int | None = None) -> Claim | None:
        """A claim of another namespace that some request meets together with this one."""
        own = dict(claim.headers)
        for names in self.by_names:
            if fewer_than is not None and len(names) >= fewer_than:
                continue
            shared = tuple(name for name in names if name in own)
            values = tuple((name, own[name]) for name in shared)
            for other in self._view(names, shared).get(values, ()):
                if other.route.namespace != claim.route.namespace:
                    return other
        return None

    def _view(self, names: Names, shared: Names) -> dict[Headers, list[Claim]]:
        view = self.views.get((names, shared))
        if view is None:
            view = self.views[names, shared] = {}
            for claim in self.by_names[names]:
                _note(view, shared, claim)
        return view


def _note(view: dict[Headers, list[Claim]], shared: Names, claim: Claim) -> None:
    values = tuple((name, value) for name, value in claim.headers if name in shared)
    known = view.setdefault(values, [])
    if len(known) < 2 and claim.route.namespace not in [each.route.namespace for each in known]:
        known.append(claim)


@dataclass(slots=True)
class _Group:
    """Claims on the same model, or on models of which each overlaps with what is asked about."""

    buckets: dict[tuple[int, Path | None], _Bucket] = field(default_factory=dict)

    def add(self, claim: Claim) -> None:
        place = len(claim.labels), claim.path
        self.buckets.setdefault(place, _Bucket()).add(claim)

    def robbed(self, claim: Claim, model: int) -> Claim | None:
        """A foreign claim that this one would take requests from, its model being so specific."""
        mine = -len(claim.labels), model, path_rank(claim.path)
        for (labels, path), bucket in self.buckets.items():
            theirs = -labels, AS, path_rank(path)
            if mine <= theirs and _meet(claim.path, path):
                limit = len(claim.headers) if mine == theirs else None
                if found := bucket.foreign(claim, limit):
                    return found
        return None


def _meet(one: Path | None, other: Path | None) -> bool:
    """Whether one path can be both."""
    if one is None or other is None:
        return True
    if "Prefix" not in (one.type, other.type):
        return one == other
    longer, shorter = sorted((one, other), key=lambda each: len(each.value), reverse=True)
    return longer.value.startswith(shorter.value) and (
        shorter.type == "Prefix" or longer.value == shorter.value
    )


@dataclass(slots=True)
class _Table:
    """The groups of one type of model match.

    What begins or ends with a text is gathered when that is first asked, and kept up from then on.
    """

    groups: dict[str, _Group] = field(default_factory=dict)
    _beginning: dict[str, _Group] = field(default_factory=dict)
    _ending: dict[str, _Group] = field(default_factory=dict)
    _claims: dict[str, list[Claim]] = field(default_factory=dict)
    _ordered: list[str] = field(default_factory=list)
    _mirrored: list[str] = field(default_factory=list)

    def add(self, value: str, claim: Claim) -> None:
        if value not in self.groups:
            self.groups[value] = _Group()
            insort(self._ordered, value)
            insort(self._mirrored, value[::-1])
        self.groups[value].add(claim)
        self._claims.setdefault(value, []).append(claim)
        for known, parts in ((self._beginning, _beginnings), (self._ending, _ends)):
            for part in parts(value) if known else ():
                if part in known:
                    known[part].add(claim)

    @property
    def every(self) -> _Group:
        """All claims."""
        return self.beginning_with("")

    def at(self, value: str) -> Iterator[_Group]:
        """The group of exactly this text."""
        if value in self.groups:
            yield self.groups[value]

    def beginnings_of(self, value: str) -> Iterator[_Group]:
        """The groups whose text this one begins with."""
        for part in _beginnings(value) if self.groups else ():
            yield from self.at(part)

    def ends_of(self, value: str) -> Iterator[_Group]:
        """The groups whose text this one ends with."""
        for part in _ends(value) if self.groups else ():
            yield from self.at(part)

    def beginning_with(self, value: str) -> _Group:
        """All claims whose text begins with this one."""
        if value not in self._beginning:
            self._beginning[value] = self._gathered(_after(self._ordered, value))
        return self._beginning[value]

    def ending_with(self, value: str) -> _Group:
        """All claims whose text ends with this one."""
        if value not in self._ending:
            found = (text[::-1] for text in _after(self._mirrored, value[::-1]))
            self._ending[value] = self._gathered(found)
        return self._ending[value]

    def taken_by(self, pattern: str) -> Iterator[_Group]:
        """The groups whose text the pattern takes."""
        return (group for text, group in self.groups.items() if patterns.matches(pattern, text))

    def _gathered(self, texts: Iterable[str]) -> _Group:
        group = _Group()
        for text in texts:
            for claim in self._claims[text]:
                group.add(claim)
        return group


def _after(ordered: list[str], start: str) -> Iterator[str]:
    """Those of the texts in order that begin so."""
    for index in range(bisect_left(ordered, start), len(ordered)):
        if not ordered[index].startswith(start):
            return
        yield ordered[index]


def _beginnings(value: str) -> Iterator[str]:
    return (value[:length] for length in range(len(value) + 1))


def _ends(value: str) -> Iterator[str]:
    return (value[start:] for start in range(len(value)))


@dataclass(slots=True)
class Standing:
    """The claims that stand so far, all older than the one that is asked about."""

    exact: _Table = field(default_factory=_Table)
    prefix: _Table = field(default_factory=_Table)
    suffix: _Table = field(default_factory=_Table)
    regex: _Table = field(default_factory=_Table)
    unnamed: _Group = field(default_factory=_Group)
    known: dict[Identity, Claim] = field(default_factory=dict)

    def add(self, claim: Claim) -> None:
        """Let a claim stand."""
        self.known[_identity(claim)] = claim
        if claim.match_index is None:
            return
        if claim.model is None:
            self.unnamed.add(claim)
        else:
            self._tables[claim.model.type].add(claim.model.value, claim)

    def equal(self, claim: Claim) -> Claim | None:
        """An older claim to exactly the same requests."""
        return self.known.get(_identity(claim))

    def robbed(self, claim: Claim) -> Claim | None:
        """An older claim of another namespace that this one would take requests from."""
        if claim.match_index is None:
            return None
        groups = self._no_more_specific(claim.model)
        if claim.labels:  # they outweigh any model
            groups = chain(groups, ((group, LESS) for group in self._more_specific(claim.model)))
        found = (group.robbed(claim, model) for group, model in groups)
        return next((other for other in found if other is not None), None)

    def _no_more_specific(self, model: Model | None) -> Iterator[tuple[_Group, int]]:
        """The groups some model name has in common with this one, and how it compares to them."""
        if model is None:
            yield self.unnamed, AS
            return
        yield from ((group, AS) for group in self._tables[model.type].at(model.value))
        if model.type == "Regex":
            others = self._patterns(
                lambda text: text != model.value and patterns.may_agree(text, model.value)
            )
            yield from ((group, AS) for group in others)
        yield from ((group, MORE) for group in self._less_specific(model))
        yield self.unnamed, MORE

    def _less_specific(self, model: Model) -> Iterator[_Group]:
        value, shorter = model.value, model.value[:-1]
        match model.type:
            case "Exact":
                yield from self.prefix.beginnings_of(value)
                yield from self.suffix.ends_of(value)
                yield from self._patterns(lambda pattern: patterns.matches(pattern, value))
            case "Prefix":
                yield from self.prefix.beginnings_of(shorter)
                yield self.suffix.every
                yield from self._patterns(lambda pattern: patterns.may_begin_with(pattern, value))
            case "Suffix":
                yield from self.suffix.ends_of(value[1:])
                yield self.regex.every

    def _more_specific(self, model: Model | None) -> Iterator[_Group]:
        if model is None:
            yield from (table.every for table in self._tables.values())
            return
        value = model.value
        match model.type:
            case "Prefix":
                yield self.exact.beginning_with(value)
                yield self.prefix.beginning_with(value)
            case "Suffix":
                yield self.exact.ending_with(value)
                yield self.prefix.every
                yield self.suffix.ending_with(value)
            case "Regex":
                yield from self.exact.taken_by(value)
                yield self.prefix.every
                yield self.suffix.every

    def _patterns(self, could: Callable[[str], bool]) -> Iterator[_Group]:
        return (group for pattern, group in self.regex.groups.items() if could(pattern))

    @property
    def _tables(self) -> Mapping[str, _Table]:
        return {
            "Exact": self.exact,
            "Prefix": self.prefix,
            "Suffix": self.suffix,
            "Regex": self.regex,
        }


def _identity(claim: Claim) -> Identity:
    return claim.match_index is None, claim.labels, claim.model, claim.path, claim.headers
