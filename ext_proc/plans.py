"""The plans, compiled: what `exchange` judges by. How they arrive is in `ads`.

All plans of one response become a new `Snapshot`, made aside and swapped in at once; a request
keeps the one it started with. A plan that cannot be compiled leaves the snapshot as it was.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import re2
from pydantic import TypeAdapter, ValidationError

from crds import plan
from crds.plan import GuardPlan, Guards, RoutePlan, RulePlan, VirtualHostPlan
from ext_proc import pipeline, schemas
from ext_proc.pipeline import Detectors, Level

Patterns = Mapping[str, Any]
"""RE2 expressions, compiled, by their text."""
_PLAN: TypeAdapter[VirtualHostPlan | RoutePlan] = TypeAdapter(plan.Plan)


class UnusablePlanError(Exception):
    """A plan that cannot be read or compiled; the text is its resource name."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of an AIRoute."""

    plan: RulePlan
    level: Level


@dataclass(frozen=True, slots=True)
class Route:
    """One AIRoute."""

    plan: RoutePlan
    version: str
    level: Level
    rules: Mapping[str, Rule]


@dataclass(frozen=True, slots=True)
class Host:
    """One virtual host."""

    plan: VirtualHostPlan
    version: str
    levels: tuple[Level, ...]
    patterns: Patterns = field(default_factory=dict)
    """What its Regex matches are tried with."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every plan as of one moment."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """By resource name."""
    hosts: Mapping[str, Host] = field(default_factory=dict)
    """By resource name, as Envoy names them."""
    routes: Mapping[str, Route] = field(default_factory=dict)
    """By the AIRoute's name, as virtual hosts name them."""
    detectors: Detectors = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether there are plans, and none refers to one that is missing."""
        named = (name for host in self.hosts.values() for name in host.plan.routes)
        return bool(self.hosts) and all(name in self.routes for name in named)


@dataclass(frozen=True, slots=True)
class Update:
    """What one response of the controller changes."""

    plans: Mapping[str, tuple[str, bytes]]
    """Version and content, by resource name."""
    removed: tuple[str, ...] = ()


def compile_update(old: Snapshot, update: Update) -> Snapshot:
    """Make the next snapshot, or raise UnusablePlanError. Slow: detectors are compiled here."""
    read = {name: _read(name, body) for name, (_, body) in update.plans.items()}
    gone = {*update.removed, *read}
    hosts = {name: host for name, host in old.hosts.items() if name not in gone}
    routes = {name: route for name, route in old.routes.items() if f"route/{name}" not in gone}
    detectors = pipeline.detectors(_kept_guards(hosts, routes), old.detectors)
    for name, each in read.items():
        detectors |= _detectors(name, each, {**old.detectors, **detectors})
    for name, each in read.items():
        version = update.plans[name][0]
        match each:
            case VirtualHostPlan():
                levels = tuple(pipeline.compile_level(guards, detectors) for guards in each.guards)
                hosts[name] = Host(each, version, levels, _patterns(name, each))
            case RoutePlan():
                routes[each.name] = _route(each, version, detectors)
    kept = {name: version for name, version in old.versions.items() if name not in gone}
    versions = {**kept, **{name: update.plans[name][0] for name in read}}
    return Snapshot(versions=versions, hosts=hosts, routes=routes, detectors=detectors)


def _read(name: str, body: bytes) -> VirtualHostPlan | RoutePlan:
    try:
        return _PLAN.validate_json(body)
    except ValidationError:
        raise UnusablePlanError(name) from None


def _patterns(name: str, each: VirtualHostPlan) -> Patterns:
    texts = {text for tier in each.tiers for text, _ in tier.regex}
    try:
        return {text: _compiled(text) for text in sorted(texts)}
    except re2.error as error:
        raise UnusablePlanError(name) from error


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    return re2.compile(text, options)


def _detectors(name: str, each: VirtualHostPlan | RoutePlan, known: Detectors) -> Detectors:
    try:
        for level in _levels(each):
            for schema in (*level.request_schemas, *level.response_schemas):
                schemas.compiled(schema.text)
        return pipeline.detectors(_guards(each), known)
    except Exception as error:
        raise UnusablePlanError(name) from error


def _route(each: RoutePlan, version: str, detectors: Detectors) -> Route:
    rules = {
        rule.name: Rule(rule, pipeline.compile_level(rule.guards, detectors)) for rule in each.rules
    }
    return Route(each, version, pipeline.compile_level(each.guards, detectors), rules)


def _kept_guards(hosts: Mapping[str, Host], routes: Mapping[str, Route]) -> Iterator[GuardPlan]:
    for host in hosts.values():
        yield from _guards(host.plan)
    for route in routes.values():
        yield from _guards(route.plan)


def _guards(each: VirtualHostPlan | RoutePlan) -> Iterator[GuardPlan]:
    for level in _levels(each):
        yield from level.request
        yield from level.response


def _levels(each: VirtualHostPlan | RoutePlan) -> Iterable[Guards]:
    match each:
        case VirtualHostPlan():
            return each.guards
        case RoutePlan():
            return (each.guards, *(rule.guards for rule in each.rules))


class Plans:
    """The snapshot in force. The only thing here that changes, and it changes whole."""

    def __init__(self, executor: Executor) -> None:
        self.snapshot = Snapshot()
        self._executor = executor
        self._changed = asyncio.Event()

    async def apply(self, update: Update) -> None:
        """Compile off the event loop, then swap. Updates must not overlap."""
        loop = asyncio.get_running_loop()
        new = await loop.run_in_executor(self._executor, compile_update, self.snapshot, update)
        self.snapshot = new
        self._changed.set()
        self._changed = asyncio.Event()

    async def host(self, name: str, patience_s: float) -> tuple[Host, Snapshot] | None:
        """The plan of a virtual host and all that came with it; a new one may be on its way."""
        try:
            async with asyncio.timeout(patience_s):
                while name not in self.snapshot.hosts:
                    await self._changed.wait()
        except TimeoutError:
            return None
        return self.snapshot.hosts[name], self.snapshot
