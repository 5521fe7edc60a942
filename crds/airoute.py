"""AIRoute: who is served, and by what."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from pydantic.alias_generators import to_camel

from crds.generic import GENERIC_RULES
from crds.match import Match
from crds.meta import (
    Duration,
    Hostname,
    Label,
    Model,
    ModelName,
    Name,
    Rule,
    UniqueNames,
    UniqueValues,
    seconds,
)
from crds.mirror import Mirror
from crds.plan import MIRROR_CLUSTER_HEADERS
from crds.prompt import PromptRef
from crds.retry import Retry
from crds.stickiness import Stickiness


class ParentRef(Model):
    """A Gateway, or one of its listeners, that this AIRoute attaches to."""

    group: Literal["gateway.networking.k8s.io"] = "gateway.networking.k8s.io"
    """The API group of Gateways."""
    kind: Literal["Gateway"] = "Gateway"
    """Always a Gateway."""
    namespace: Label | None = None
    """Defaults to the AIRoute's own namespace."""
    name: Name
    """The Gateway."""
    section_name: Name | None = None
    """One listener; all of them when left out."""


class BackendRef(Model):
    """One target: an AIBackend and the model to ask it for."""

    name: Name
    """The AIBackend."""
    namespace: Label | None = None
    """Defaults to the AIRoute's own; another one needs a ReferenceGrant there."""
    model: ModelName | None = None
    """The model to ask for; the caller's own when left out."""
    weight: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] = 1
    """Share of requests among the backendRefs of the same priority."""
    priority: Annotated[int, Field(ge=0, le=15, strict=True)] = 0
    """0 is tried first; a higher one serves when all before it fail."""
    prompt_ref: PromptRef | None = None
    """A system prompt for what this target serves, so that prompts roll out as models do."""


def _within(part: str, whole: str) -> Rule:
    name, limit = to_camel(part), to_camel(whole)

    def holds(self: Any) -> bool:
        short, long = getattr(self, part), getattr(self, whole)
        return short is None or long is None or seconds(short) <= seconds(long)

    return Rule(
        f"!has(self.{limit}) || !has(self.{name})"
        f" || duration(self.{name}) <= duration(self.{limit})",
        f"{name} must not be longer than {limit}",
        holds,
        name,
    )


def _positive(field: str) -> Rule:
    name = to_camel(field)

    def holds(self: Any) -> bool:
        value = getattr(self, field)
        return value is None or seconds(value) > 0

    return Rule(
        f"!has(self.{name}) || duration(self.{name}) > duration('0s')",
        f"{name} must be longer than 0s; leave it out for no limit",
        holds,
        name,
    )


class Timeouts(Model):
    """How long things may take; no limit where left out."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        _within("attempt", "request"),
        _within("first_byte", "request"),
        *(_positive(field) for field in ("request", "attempt", "first_byte", "stream_idle")),
    )

    request: Duration | None = None
    """The whole request, all attempts included."""
    attempt: Duration | None = None
    """One attempt of a call that does not stream, until its response begins."""
    first_byte: Duration | None = None
    """One attempt of a stream, until its response begins."""
    stream_idle: Duration | None = None
    """The longest silence within an attempt."""


class RouteRule(Model):
    """One way to serve requests."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *GENERIC_RULES,
        Rule(
            "self.backendRefs.exists(b, b.weight > 0)",
            "at least one backendRef needs a weight above 0",
            lambda self: any(b.weight > 0 for b in self.backend_refs),
            "backendRefs",
        ),
    )

    name: Label
    """Unique in the AIRoute; AIPolicies and records refer to it."""
    matches: Annotated[tuple[Match, ...], Field(max_length=64)] = ()
    """Any of them; every request when left out."""
    format: Literal["Generic"] | None = None
    """`Generic` passes on unread what is in none of the formats: other HTTP, gRPC and WebSockets.

    It needs AIBackends with provider HTTP, and paths of formats never come to it. An AIPolicy that
    reads content refuses such requests, unless it says `unscanned: Allow` itself.
    """
    backend_refs: Annotated[tuple[BackendRef, ...], Field(min_length=1, max_length=16)]
    """The targets."""
    selection: Literal["Weighted", "LowestCost", "LowestLatency", "LeastBusy"] = "Weighted"
    """Who serves among the healthy targets of the best priority; the others follow in this order.

    `Weighted` draws lots, `LowestCost` predicts what the request will cost, `LowestLatency` goes by
    what this gateway measured, `LeastBusy` by requests under way for their weight. Weights decide
    between equals.
    """
    mirrors: Annotated[tuple[Mirror, ...], Field(max_length=len(MIRROR_CLUSTER_HEADERS))] = ()
    """Targets that get a copy of some of the requests; their answers are thrown away."""
    stickiness: Stickiness | None = None
    """Sends equal keys to the same target while weights and health stay; lots where no key is.

    With another `selection` than Weighted it decides between equals. AIBackends with
    `loadBalancing.policy: RingHash` find the endpoint by the same key.
    """
    timeouts: Timeouts = Timeouts()
    """How long things may take."""
    retry: Retry | None = None
    """What happens when a target fails before it answers."""


class AIRouteSpec(Model):
    """Who is served, and by what."""

    parent_refs: Annotated[tuple[ParentRef, ...], Field(min_length=1, max_length=16)]
    """The Gateways that serve this AIRoute."""
    hostnames: Annotated[tuple[Hostname, ...], Field(max_length=16), UniqueValues] = ()
    """Every hostname of the listener when left out."""
    rules: Annotated[tuple[RouteRule, ...], Field(min_length=1, max_length=64), UniqueNames]
    """The most specific match serves a request.

    More labels first; then Exact model, longest Prefix, longest Suffix, Regex, no model; then Exact
    path, longest Prefix, no path; then more headers; then the older AIRoute, then list order.
    """
