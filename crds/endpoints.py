"""Endpoints: which one of an AIBackend's gets a request, and how they are asked if all is well."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from crds.meta import REQUEST_PATH, Duration, Model, Rule, seconds

Balancing = Literal["LeastRequest", "RoundRobin", "RingHash"]


class LoadBalancing(Model):
    """How requests are spread over the endpoints of an AIBackend."""

    policy: Balancing = "LeastRequest"
    """`LeastRequest` takes the less busy of two endpoints drawn by lot: one answer may take a
    hundred times as long as the next, so taking turns (`RoundRobin`) fills some and idles others.

    `RingHash` sends equal keys of the rule's `stickiness` to the same endpoint, and with it to what
    that endpoint has cached; without `stickiness` the key is the conversation, as with
    `by: Conversation`. Requests without a key are spread by lot. An endpoint that comes or goes
    moves its own share of the keys only. The picker of an `inferencePoolRef` goes before all this.
    """


class HealthCheck(Model):
    """A GET that each Envoy sends to every endpoint, without credentials; 200 to 299 is well."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "duration(self.interval) >= duration('1s')"
            " && duration(self.interval) <= duration('10m')",
            "interval must be from 1s to 10m",
            lambda self: 1 <= seconds(self.interval) <= 600,
            "interval",
        ),
        Rule(
            "duration(self.timeout) >= duration('100ms')"
            " && duration(self.timeout) <= duration('5s')",
            "timeout must be from 100ms to 5s: a new backend is Ready once it was asked",
            lambda self: 0.1 <= seconds(self.timeout) <= 5,
            "timeout",
        ),
    )

    path: Annotated[str, StringConstraints(max_length=256, pattern=REQUEST_PATH)]
    """What is asked for, such as vLLM's `/health`; `endpoint.pathPrefix` is not put before it."""
    interval: Duration = "10s"
    """From one question to the next."""
    timeout: Duration = "1s"
    """How long an answer may take."""
    unhealthy_threshold: Annotated[int, Field(ge=1, le=10, strict=True)] = 3
    """Failures in a row after which an endpoint gets no requests."""
    healthy_threshold: Annotated[int, Field(ge=1, le=10, strict=True)] = 1
    """Successes in a row after which it gets requests again."""
