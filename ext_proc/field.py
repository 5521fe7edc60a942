"""Inspection of a streamed response, field by field.

Text is released as soon as no guard can want it back. One `Fields` lives as long as its response
and knows what all its fields found.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from crds.plan import Origin
from ext_proc.call import FieldScan, Verdict
from ext_proc.detectors.injection import Detector as InjectionDetector
from ext_proc.detectors.span import all_of
from ext_proc.detectors.stream import Redactor
from ext_proc.pipeline import Guard
from ext_proc.stages.inspection import verdict


class _Watch:
    """One span guard's own view of a field: what it found, whatever the other guards do."""

    def __init__(self, guard: Guard, redactor: Redactor) -> None:
        self.guard = guard
        self.redactor = redactor

    @property
    def blocks(self) -> bool:
        return self.guard.plan.action == "Block" and bool(self.redactor.found)


class _Whole:
    """A guard that judges a whole text: if it may block, nothing is released before."""

    def __init__(self, guard: Guard, detector: InjectionDetector) -> None:
        self.guard = guard
        self._detector = detector
        self._pieces: list[str] = []
        self.found: Counter[str] = Counter()
        self.score: float | None = None

    def push(self, text: str) -> None:
        self._pieces.append(text)

    def finish(self) -> None:
        score, reasons = self._detector.score("".join(self._pieces))
        if score >= self.guard.plan.threshold:
            self.score = score
            self.found.update(dict.fromkeys(reasons, 1))

    @property
    def blocks(self) -> bool:
        return self.guard.plan.action == "Block" and self.score is not None


class Field:
    """One text-bearing field of one choice."""

    def __init__(self, guards: Sequence[Guard]) -> None:
        self.blocked = False
        self.wholes = [
            _Whole(g, g.detector) for g in guards if isinstance(g.detector, InjectionDetector)
        ]
        finders = [(g, g.detector) for g in guards if not isinstance(g.detector, InjectionDetector)]
        acting = [detector for guard, detector in finders if guard.plan.action != "Audit"]
        self._output = Redactor(all_of(acting)) if acting else None
        alone = len(finders) == len(acting) == 1
        self.watches = [
            _Watch(guard, self._output if alone and self._output else Redactor(detector))
            for guard, detector in finders
        ]
        self._holds = any(whole.guard.plan.action == "Block" for whole in self.wholes)
        self._held: list[str] = []

    def push(self, text: str) -> str:
        """Take the next piece; return what may go on."""
        if self.blocked:
            return ""
        for whole in self.wholes:
            whole.push(text)
        return self._release(lambda redactor: redactor.push(text), text)

    def finish(self) -> str:
        """The field is complete; return what was held back."""
        if self.blocked:
            return ""
        for whole in self.wholes:
            whole.finish()
        self._holds = False
        return self._release(lambda redactor: redactor.finish(), "")

    def _release(self, advance: Callable[[Redactor], str], text: str) -> str:
        released = text if self._output is None else advance(self._output)
        for watch in self.watches:
            if watch.redactor is not self._output:
                advance(watch.redactor)
        self.blocked = self.blocked_by is not None
        if self.blocked:
            return ""
        self._held.append(released)
        if self._holds:
            return ""
        released = "".join(self._held)
        self._held.clear()
        return released

    @property
    def blocked_by(self) -> Guard | None:
        """The first guard that blocks."""
        watchers: tuple[_Watch | _Whole, ...] = (*self.watches, *self.wholes)
        return next((watcher.guard for watcher in watchers if watcher.blocks), None)


class Fields:
    """All fields of one streamed response."""

    def __init__(self, guards: Sequence[Guard]) -> None:
        self._guards = guards
        self._fields: list[Field] = []

    def open(self, origin: Origin) -> FieldScan:
        """Start the inspection of a field."""
        guards = [g for g in self._guards if not g.plan.scope or origin in g.plan.scope]
        opened = Field(guards)
        self._fields.append(opened)
        return opened

    def verdicts(self) -> list[Verdict]:
        """What each guard found, over all fields."""
        found: dict[int, Counter[str]] = {}
        scores: dict[int, float] = {}
        for each in self._fields:
            for watch in each.watches:
                found.setdefault(id(watch.guard), Counter()).update(watch.redactor.found)
            for whole in each.wholes:
                found.setdefault(id(whole.guard), Counter()).update(whole.found.keys())
                scores[id(whole.guard)] = max(scores.get(id(whole.guard), 0), whole.score or 0)
        return [
            verdict(g.plan, "response", found[id(g)], scores.get(id(g)))
            for g in self._guards
            if found.get(id(g))
        ]

    @property
    def blocked_by(self) -> Guard | None:
        """The first guard that blocks."""
        blocking = (each.blocked_by for each in self._fields)
        return next((guard for guard in blocking if guard is not None), None)
