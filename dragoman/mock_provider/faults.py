"""The table of ways to misbehave, and how a request, or the whole instance, chooses among them.

A fault is asked for by model (`fault-onebyte`, `fault-delay-2.5+echo`, several with `+`), by the
header `x-mock-fault: onebyte`, or for all requests of an instance. It changes what is said, the
answer, or the manner of its delivery.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from dragoman.mock_provider import dialects
from dragoman.mock_provider.answer import FOREVER, Answer, Delivery, Event, Json
from dragoman.mock_provider.dialects import Dialect
from dragoman.mock_provider.saying import Saying

PREFIX = "fault-"
BIG_BYTES = 1024 * 1024
USAGES = ("usage", "usageMetadata")
MAX_ARGUMENT = 3600.0
HTML = b"<!doctype html><html><body><h1>It works</h1></body></html>\n"


@dataclass(frozen=True, slots=True)
class Case:
    """What a fault may know of the request."""

    dialect: Dialect
    key: str
    argument: float


Change = Callable[[Answer, Case], Answer]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave; `argument` names the number that follows its name, if one does."""

    summary: str
    change: Change = lambda answer, _: answer
    saying: Callable[[Saying], Saying] = lambda saying: saying
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A fault with its argument."""

    fault: Fault
    argument: float = 0.0


def parse(name: str) -> Chosen | None:
    """`status-429` → the fault `status` with 429; None if there is no such fault."""
    bare = name.removeprefix(PREFIX)
    if (fault := FAULTS.get(bare)) and not fault.argument:
        return Chosen(fault)
    stem, _, number = bare.rpartition("-")
    fault = FAULTS.get(stem)
    if fault is None or not fault.argument or not number.replace(".", "", 1).isdecimal():
        return None
    argument = float(number)
    return Chosen(fault, argument) if argument <= MAX_ARGUMENT else None


def split_model(model: str) -> tuple[tuple[str, ...], str]:
    """`fault-crlf+fault-onebyte+echo` → the names of its faults, and `echo`."""
    words = model.split("+")
    names = tuple(word for word in words if word.startswith(PREFIX))
    return names, "+".join(word for word in words if not word.startswith(PREFIX)) or model


def _deliver(**changes: Any) -> Change:
    return lambda answer, _: replace(answer, delivery=replace(answer.delivery, **changes))


def _deliver_by(changes: Callable[[float], dict[str, Any]]) -> Change:
    def change(answer: Answer, case: Case) -> Answer:
        delivery: Delivery = replace(answer.delivery, **changes(case.argument))
        return replace(answer, delivery=delivery)

    return change


def _status(answer: Answer, case: Case) -> Answer:
    refused = dialects.refusal(case.dialect, int(case.argument), case.key)
    return replace(refused, delivery=answer.delivery)


def _usage(of: Callable[[int], int] | None) -> Change:
    """Change every number of every usage, or drop the usages."""

    def numbers(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: numbers(v) for k, v in value.items()}
        return of(value) if of and isinstance(value, int) else value

    def within(value: Json) -> Json:
        kept = {k: v for k, v in value.items() if k not in USAGES}
        for name in USAGES:
            if of and value.get(name):
                kept[name] = numbers(value[name])
        for name in ("message", "response"):
            if isinstance(value.get(name), dict):
                kept[name] = within(value[name])
        return kept

    def change(answer: Answer, _: Case) -> Answer:
        match answer.content:
            case dict() as body:
                return replace(answer, content=within(body))
            case tuple() as events:
                kept = [e for e in events if of or not _is_usage_only(e.data)]
                changed = (replace(e, data=_each(e.data, within)) for e in kept)
                return replace(answer, content=tuple(changed))
        return answer

    return change


def _each(data: Json | str, within: Callable[[Json], Json]) -> Json | str:
    return data if isinstance(data, str) else within(data)


def _is_usage_only(data: Json | str) -> bool:
    return isinstance(data, dict) and data.get("choices") == [] and bool(data.get("usage"))


def _error_event(answer: Answer, case: Case) -> Answer:
    refused = dialects.refusal(case.dialect, 500)
    if not isinstance(answer.content, tuple) or not isinstance(refused.content, dict):
        return replace(refused, delivery=answer.delivery)
    half = answer.content[: len(answer.content) // 2]
    return replace(answer, content=(*half, Event(refused.content, case.dialect.error_event)))


def _no_done(answer: Answer, case: Case) -> Answer:
    if not isinstance(answer.content, tuple):
        return answer
    last = case.dialect.last_event
    return replace(answer, content=tuple(e for e in answer.content if last not in (e.data, e.name)))


def _big(saying: Saying) -> Saying:
    text = "".join(saying.text) + " "
    return replace(saying, text=(text + "filler " * (BIG_BYTES // len("filler ")),))


def _without_body(answer: Answer, _: Case) -> Answer:
    return replace(answer, content=b"")


def _ok_error(answer: Answer, case: Case) -> Answer:
    refused = dialects.refusal(case.dialect, 500)
    return replace(refused, status=200, delivery=answer.delivery)


def _html(answer: Answer, _: Case) -> Answer:
    return replace(answer, content=HTML, kind="text/html; charset=utf-8")


FAULTS: dict[str, Fault] = {
    "status": Fault("an error with this status", _status, argument="STATUS"),
    "delay": Fault(
        "waits before the answer, and before each further event of a stream",
        _deliver_by(lambda seconds: {"wait_s": seconds, "pause_s": seconds}),
        argument="SECONDS",
    ),
    "slow": Fault(
        "waits before each event of a stream but the first",
        _deliver_by(lambda seconds: {"pause_s": seconds}),
        argument="SECONDS",
    ),
    "hang": Fault("never answers", _deliver(wait_s=FOREVER)),
    "hang-after": Fault(
        "falls silent after N events, or N pieces of JSON",
        _deliver_by(lambda count: {"stop_after": int(count), "stall": True}),
        argument="N",
    ),
    "cut-after": Fault(
        "closes the connection after N events, or N pieces of JSON",
        _deliver_by(lambda count: {"stop_after": int(count)}),
        argument="N",
    ),
    "no-usage": Fault("leaves usage out", _usage(None)),
    "usage-negative": Fault("counts below zero", _usage(lambda number: -number - 1)),
    "usage-absurd": Fault("counts quintillions", _usage(lambda _: 10**18)),
    "gzip": Fault("compresses though nobody asked", _deliver(compress=True)),
    "onebyte": Fault("writes one byte at a time", _deliver(write_bytes=1)),
    "crlf": Fault("SSE with CRLF, comments, ids and retry times", _deliver(crlf=True)),
    "split-data": Fault("SSE with many data lines in an event", _deliver(split_data=True)),
    "error-event": Fault("an error in mid-stream; without a stream, status 500", _error_event),
    "200-error": Fault("an error with status 200", _ok_error),
    "no-done": Fault("ends a stream without its last event", _no_done),
    "bigevent": Fault("1 MiB of text in one event", saying=_big),
    "html": Fault("a web page with status 200", _html),
    "nolength": Fault("JSON in chunks, of undeclared length", _deliver(length=False)),
    "empty": Fault("an empty body with status 200", _without_body),
}


def table() -> str:
    """The faults, one a line, for people."""
    rows = [
        (f"{name}-{fault.argument}" if fault.argument else name, fault.summary)
        for name, fault in FAULTS.items()
    ]
    return "\n".join(f"  {name:18} {summary}" for name, summary in rows)
