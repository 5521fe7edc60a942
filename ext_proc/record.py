"""The record: one JSON line per request, saying who served it, what was found, used and spent.

It holds no text of a user: models appear only under names that the plan or the price list knows.
"""

import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, BinaryIO, Literal

import orjson

from crds.plan import Format, Labels, Unread
from ext_proc.call import Usage, Verdict

OTHER = "other"
"""Stands for a model whose name only the caller knows."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A target by the names that may be told."""

    backend: str
    model: str
    """Empty where nobody read it."""
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One request, complete."""

    time: datetime
    request_id: str
    status: int
    duration_s: float
    overhead_s: float
    """Time spent in the guard itself."""
    first_token_s: float | None = None
    logged: bool = True
    """Whether the line is ours to write: Envoy writes those of requests the guard left undone."""
    gateway: str | None = None
    route: str | None = None
    rule: str | None = None
    backend: str | None = None
    provider: str | None = None
    model: str | None = None
    served_model: str | None = None
    prompt: str = ""
    """The name of the system prompt that the target adds."""
    format: Format | Unread | None = None
    stream: bool = False
    attempts: int = 0
    failed: tuple[Arm, ...] = ()
    """The targets that were tried before, in order."""
    mirrors: tuple[Arm, ...] = ()
    """Who got a copy of the request; nothing else here speaks of them."""
    budget_spent: bool = False
    """It could not be tried again, because its rule's budget for that was spent."""
    plan: Mapping[str, str] = field(default_factory=dict)
    """The versions that judged, by resource name."""
    usage: Usage | None = None
    usage_invalid: bool = False
    """The provider stated a usage that cannot be, so ours was taken."""
    cost: Decimal | Literal["unpriced"] | None = None
    """None where nothing was used."""
    verdicts: tuple[Verdict, ...] = ()
    labels: Labels = ()
    unscanned: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None


def line(record: Record) -> bytes:
    """Write a record as one line of JSON."""
    return orjson.dumps(_document(record), option=orjson.OPT_APPEND_NEWLINE)


def _arm(arm: Arm) -> dict[str, str | None]:
    return {"backend": arm.backend, "model": arm.model or None, "prompt": arm.prompt or None}


def _document(record: Record) -> dict[str, Any]:
    return {
        "time": record.time.isoformat(timespec="milliseconds"),
        "request_id": record.request_id,
        "gateway": record.gateway,
        "route": record.route,
        "rule": record.rule,
        "backend": record.backend,
        "model": record.model,
        "served_model": record.served_model,
        "prompt": record.prompt or None,
        "format": record.format,
        "stream": record.stream,
        "status": record.status,
        "attempts": record.attempts,
        "failed": [_arm(each) for each in record.failed],
        "mirrors": [_arm(each) for each in record.mirrors],
        "retry_budget_spent": record.budget_spent,
        "plan": dict(record.plan),
        "duration_ms": round(record.duration_s * 1000, 3),
        "usage": record.usage,
        "cost": _money(record.cost),
        "guards": [_guard(verdict) for verdict in record.verdicts],
        "labels": _labels(record.labels),
        "unscanned": dict(record.unscanned),
        "error": record.error,
    }


def _money(cost: Decimal | Literal["unpriced"] | None) -> str | None:
    return format(cost.normalize(), "f") if isinstance(cost, Decimal) else cost


def _labels(labels: Labels) -> dict[str, list[str]]:
    """The values of each name; several guards may differ."""
    return {name: [value for other, value in labels if other == name] for name, _ in labels}


def _guard(verdict: Verdict) -> dict[str, Any]:
    return {
        "guard": verdict.guard,
        "policy": verdict.policy,
        "type": verdict.type,
        "action": verdict.action,
        "phase": verdict.phase,
        "found": dict(verdict.found),
        "score": verdict.score,
        "enforced": verdict.action != "Audit",
    }


class Writer:
    """Writes records from a thread of its own: a slow reader must not stop the guard."""

    def __init__(self, stream: BinaryIO, limit: int = 100_000) -> None:
        self._stream = stream
        self._lines: queue.Queue[bytes | None] = queue.Queue(limit)
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)
        self._thread.start()

    def write(self, record: Record) -> bool:
        """Queue a record; False if nobody reads, or so many wait already that it is lost."""
        if not self._thread.is_alive():
            return False
        try:
            self._lines.put_nowait(line(record))
        except queue.Full:
            return False
        return True

    def close(self) -> None:
        """Write what waits, then end."""
        while self._thread.is_alive():
            with suppress(queue.Full):
                self._lines.put_nowait(None)
                self._thread.join()

    def _run(self) -> None:
        get: Callable[[], bytes | None] = self._lines.get
        while (written := get()) is not None:
            try:
                self._stream.write(written)
                if self._lines.empty():
                    self._stream.flush()
            except OSError:
                return
        self._stream.flush()
