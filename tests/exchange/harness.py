"""Exchanges without a transport: plans from YAML, events in, replies out, each as plain data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from crds.plan import Plan, canonical, resource_name, version
from ext_proc.events import (
    Answer,
    Continue,
    RequestBody,
    RequestHeaders,
    RequestTrailers,
    ResponseBody,
    ResponseHeaders,
    ResponseTrailers,
    Start,
    Stream,
)
from ext_proc.exchange import Exchange
from ext_proc.learned import Learned
from ext_proc.machine import Pending, World
from ext_proc.plans import Snapshot, Update, compile_update
from ext_proc.record import Record
from ext_proc.slots import Slots

HERE = Path(__file__).parent
HOST = "vh/host"
_PLAN: TypeAdapter[Any] = TypeAdapter(Plan)


def update(*plans: Any) -> Update:
    return Update({resource_name(p): (version(canonical(p)), canonical(p)) for p in plans})


def snapshot_of(documents: Iterable[Mapping[str, Any]]) -> Snapshot:
    return compile_update(Snapshot(), update(*map(_PLAN.validate_python, documents)))


@cache
def snapshot(name: str) -> Snapshot:
    """The plans of one file."""
    return snapshot_of(yaml.safe_load((HERE / "plans" / f"{name}.yaml").read_text()))


@dataclass
class Bench:
    """A world whose clock moves only when told and whose lot always falls first."""

    plans: Snapshot
    slots: Slots = field(default_factory=Slots)
    learned: Learned = field(default_factory=Learned)
    records: list[Record] = field(default_factory=list)
    now_s: float = 0.0

    def exchange(self) -> Exchange:
        world = World(
            slots=self.slots,
            chance=lambda: 0.0,
            now=lambda: datetime(2026, 11, 23, tzinfo=UTC),
            clock=lambda: self.now_s,
            report=self.records.append,
            learned=self.learned,
        )
        return Exchange(self.plans.hosts[HOST], self.plans, world)


def receive(exchange: Exchange, event: Any) -> list[Any]:
    """The replies, whichever thread they take."""
    outcome = exchange.receive(event)
    return list(outcome.resume()() if isinstance(outcome, Pending) else outcome)


def headers(path: str, method: str = "POST", **more: str) -> RequestHeaders:
    given = {
        ":method": method,
        ":path": path,
        ":authority": "gateway",
        "content-type": "application/json",
        "content-length": "1",
        "x-request-id": "r-1",
        "x-forwarded-proto": "http",
        "authorization": "Bearer mine",
        "cookie": "a=b",
        **more,
    }
    return RequestHeaders(given, end=method == "GET")


PATHS = {"chat": "/v1/chat/completions", "embeddings": "/v1/embeddings", "messages": "/v1/messages"}


def event(step: Mapping[str, Any]) -> Any:
    """One line of a transcript as an event."""
    match step:
        case {"headers": path, **more}:
            extra = {str(k): str(v) for k, v in more.get("with", {}).items()}
            return headers(PATHS.get(path, path), more.get("method", "POST"), **extra)
        case {"open": path, **more}:
            extra = {str(k): str(v) for k, v in more.get("with", {}).items()}
            opened = headers(path, more.get("method", "POST"), **extra).headers
            sent = {k: v for k, v in opened.items() if v != "None"}
            return RequestHeaders(sent, end=more.get("end", False))
        case {"request trailers": _}:
            return RequestTrailers()
        case {"body": body}:
            return RequestBody(_bytes(body))
        case {"response": status, **more}:
            given = {
                ":status": str(status),
                "content-type": "application/json",
                "x-dragoman-target": "ns/first/gpt-4o-mini",
                "x-envoy-attempt-count": "1",
                **{str(k): str(v) for k, v in more.get("with", {}).items()},
            }
            return ResponseHeaders(
                {k: v for k, v in given.items() if v != "None"}, more.get("end", False)
            )
        case {"piece": body, **more}:
            return ResponseBody(_bytes(body), more.get("end", False))
        case {"events": events, **more}:
            return ResponseBody(b"".join(map(sse, events)), more.get("end", False))
        case {"trailers": _}:
            return ResponseTrailers()
    raise ValueError(step)


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def sse(data: Any) -> bytes:
    if isinstance(data, dict) and set(data) == {"event", "data"}:
        return b"event: %s\ndata: %s\n\n" % (data["event"].encode(), _bytes(data["data"]))
    return b"data: %s\n\n" % _bytes(data)


def parsed(body: bytes) -> Any:
    """A body as one reads it: JSON, the data of its events, or text."""
    if body.startswith((b"data:", b"event:")):
        lines = [
            line[5:].strip() for line in body.decode().splitlines() if line.startswith("data:")
        ]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


def shown(reply: Any) -> dict[str, Any]:
    """A reply as a transcript writes it."""
    match reply:
        case Answer():
            return {
                "answer": reply.status,
                "headers": dict(reply.headers),
                "body": parsed(reply.body),
            }
        case Start():
            return {"start": dict(reply.set_headers), "removed": list(reply.remove_headers)}
        case Stream():
            return {"stream": parsed(reply.body), "end": reply.end}
        case Continue(mode=mode, metadata=None) if mode is not None:
            return {"continue": "mode"}
        case Continue(metadata=None):
            changes = {"headers": dict(reply.set_headers), "removed": list(reply.remove_headers)}
            return {"continue": "unchanged", **changes}
        case Continue():
            return {
                "verdict": reply.metadata["dragoman"],
                "targets": [
                    group["clusters"][0]["cluster_name"]
                    for group in reply.metadata["dragoman.targets"]["priority_groups"]
                ],
                "removed": sorted(reply.remove_headers),
                "body": None if reply.body is None else parsed(reply.body),
                "mode": None if reply.mode is None else reply.mode.request_body.name,
            }
    raise ValueError(reply)


def within(expected: Any, actual: Any, path: str = "") -> None:
    """Everything expected is there; lists are compared whole, mappings by the keys named."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict), (path, actual)
        for key, value in expected.items():
            assert key in actual, (path, key, sorted(actual))
            within(value, actual[key], f"{path}.{key}")
    elif isinstance(expected, list):
        assert isinstance(actual, list), (path, actual)
        assert len(expected) == len(actual), (path, actual)
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            within(one, other, f"{path}[{index}]")
    else:
        assert expected == actual, (path, expected, actual)
