"""Rules, and the index of one virtual host that finds them."""

from typing import Annotated, Literal

from pydantic import Field

from crds.plan.guards import Guards
from crds.plan.model import Labels, PlanModel
from crds.plan.targets import TargetPlan

Selection = Literal["Weighted", "LowestCost", "LowestLatency", "LeastBusy"]


class StickinessPlan(PlanModel):
    """What binds requests to one side of the weights, or to one endpoint."""

    by: Literal["Header", "Cookie", "User", "Conversation"]
    name: str = ""
    """The header or cookie."""


class MirrorPlan(PlanModel):
    """A target that gets copies of requests."""

    target: TargetPlan
    """Its cluster is one of its own; it has no weight and no priority among targets."""
    percent: int


class BudgetPlan(PlanModel):
    """How many further tries a rule may make, and how requests travel that may make none."""

    percent: int
    """Of the requests of the last 10 seconds."""
    per_second: int
    unary_class: str
    stream_class: str
    mirrored_unary_class: str = ""
    mirrored_stream_class: str = ""


class RulePlan(PlanModel):
    """One rule of an AIRoute."""

    name: str
    targets: tuple[TargetPlan, ...]
    unary_class: str
    stream_class: str
    """Names of traffic classes (Envoy routes) for calls and for streams."""
    translate: bool
    """Targets differ in what they must be sent, so each attempt's body is made in its own chain."""
    selection: Selection = "Weighted"
    stickiness: StickinessPlan | None = None
    mirrors: tuple[MirrorPlan, ...] = ()
    mirrored_unary_class: str = ""
    mirrored_stream_class: str = ""
    """Traffic classes of requests that are copied: there each target's chain writes its body."""
    affinity: StickinessPlan | None = None
    """What binds requests to one endpoint; set where a target's endpoints are found by a key."""
    budget: BudgetPlan | None = None
    guards: Guards = Guards()

    @property
    def every_target(self) -> tuple[TargetPlan, ...]:
        """All that gets requests or copies."""
        return (*self.targets, *(mirror.target for mirror in self.mirrors))


class RoutePlan(PlanModel):
    """One AIRoute's own part."""

    kind: Literal["Route"] = "Route"
    name: str
    """`namespace/name` of the AIRoute."""
    rules: tuple[RulePlan, ...]
    guards: Guards = Guards()


class PathMatchPlan(PlanModel):
    """A path, or the beginning of one."""

    type: Literal["Exact", "Prefix"]
    value: str


class Candidate(PlanModel):
    """A rule that serves if these headers and labels are present and the path is right."""

    route: str
    rule: str
    headers: tuple[tuple[str, str], ...] = ()
    path: PathMatchPlan | None = None
    labels: Labels = ()


class MatchTier(PlanModel):
    """The matches of equally specific hostnames and equally many labels, in their precedence."""

    labels: int = 0
    """How many labels each match asks for."""
    exact: dict[str, tuple[Candidate, ...]] = Field(default_factory=dict)
    prefix: dict[str, tuple[Candidate, ...]] = Field(default_factory=dict)
    suffix: dict[str, tuple[Candidate, ...]] = Field(default_factory=dict)
    regex: tuple[tuple[str, Candidate], ...] = ()
    """RE2 expressions for the whole model; few."""
    headers: tuple[Candidate, ...] = ()
    """Matches that name no model."""
    rest: tuple[Candidate, ...] = ()
    """Rules without matches."""


class ListedModel(PlanModel):
    """One row of `GET /v1/models`."""

    id: str
    owner: str
    """The AIRoute's namespace."""


class VirtualHostPlan(PlanModel):
    """What all requests of one virtual host share."""

    kind: Literal["VirtualHost"] = "VirtualHost"
    name: str
    gateway: str
    listener: str
    guards: tuple[Guards, ...] = ()
    """The Gateway's, then the listener's."""
    tiers: tuple[MatchTier, ...] = ()
    """Most specific hostname first, then most labels."""
    max_body_bytes: int | None = None
    """No rule takes more of a body that is read; None: nobody says."""
    generic: tuple[Candidate, ...] = ()
    """Rules that pass on unread what is in no format, in their precedence."""
    routes: tuple[str, ...] = ()
    models: tuple[ListedModel, ...] = ()


Plan = Annotated[VirtualHostPlan | RoutePlan, Field(discriminator="kind")]
