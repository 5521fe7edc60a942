"""The plan: compiled instructions from the controller to ext_proc, the only contract they share.

One `VirtualHostPlan` per virtual host holds the guards of its Gateway and listener and the index
that finds a rule; one `RoutePlan` per AIRoute holds that AIRoute's own part. A plan names no
secret. Its version is the hash of its canonical JSON, so equal content is never sent twice.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1
"""Raised in a release whose plans an older ext_proc cannot read; see ARCHITECTURE.md."""
TYPE_URL = f"type.googleapis.com/dragoman.plan.v{SCHEMA}.Plan"

METADATA_NAMESPACE = "dragoman"
TARGETS_NAMESPACE = "dragoman.targets"
ATTEMPTS_NAMESPACE = "dragoman.attempts"
"""What targets refused a request with, by cluster: status, a space, Retry-After."""
PLAN_HEADER = "x-dragoman-plan"
FILTER_HEADER = "x-dragoman-filter"
TARGET_HEADER = "x-dragoman-target"
TRANSLATED_HEADER = "x-dragoman-translated"

_Sound = Literal["OpenAISpeech", "OpenAITranscription", "OpenAIAudioTranslation"]
Format = Literal[
    "OpenAIChat",
    "OpenAIResponses",
    "OpenAIEmbeddings",
    "AnthropicMessages",
    "GeminiContent",
    "GeminiEmbeddings",
    "BedrockConverse",
    "AnthropicTokenCount",
    "OpenAICompletions",
    "OpenAIModerations",
    "OpenAIImages",
    _Sound,
    "Rerank",
]
FAMILIES: tuple[tuple[Format, ...], ...] = (
    ("OpenAIChat", "AnthropicMessages", "GeminiContent", "BedrockConverse", "OpenAIResponses"),
    ("OpenAIEmbeddings", "GeminiEmbeddings"),
)
"""Formats that translate into each other, the preferred first; others go to who speaks them."""
_OPENAI: tuple[Format, ...] = ("OpenAIChat", "OpenAIResponses", "OpenAIEmbeddings")
_OPENAI += ("OpenAICompletions", "OpenAIModerations", "OpenAIImages")
_OPENAI += ("OpenAISpeech", "OpenAITranscription", "OpenAIAudioTranslation")
_ANTHROPIC: tuple[Format, ...] = ("AnthropicMessages", "AnthropicTokenCount")
FORMAT_HEADERS: Mapping[Format, tuple[str, ...]] = {
    **dict.fromkeys(_OPENAI, ("openai-beta",)),
    **dict.fromkeys(_ANTHROPIC, ("anthropic-version", "anthropic-beta")),
}
"""Headers in which callers of a format say more; none names an account."""
_Turn = Literal["System", "User", "Assistant", "Reasoning"]
Origin = Literal[_Turn, "ToolCalls", "ToolResults", "ToolDefinitions", "Other"]
Selection = Literal["Weighted", "LowestCost", "LowestLatency", "LeastBusy"]
GuardType = Literal["PII", "Secrets", "PromptInjection", "Keywords"]
Action = Literal["Block", "Redact", "Label", "Audit"]
Labels = tuple[tuple[str, str], ...]
"""Names and values, in order."""


class PlanModel(BaseModel):
    """Frozen and strict; tuples keep the order the controller chose."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GuardPlan(PlanModel):
    """One guard of one AIPolicy, ready to compile."""

    name: str
    policy: str
    """`namespace/name` of the AIPolicy."""
    type: GuardType
    action: Action
    """What to do; `Audit` also where the policy's mode is Audit."""
    entities: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    threshold: float = 0.5
    scope: tuple[Origin, ...] = ()
    """Empty: all text."""
    label: tuple[str, str] | None = None
    """What action Label sets."""


class SchemaPlan(PlanModel):
    """A JSON Schema of one AIPolicy; `formats`: of the requests it judges, empty for all."""

    name: str
    policy: str
    text: str
    enforced: bool
    formats: tuple[Format, ...] = ()


class BindingPlan(PlanModel):
    """Requests with these labels are served by none but these AIBackends."""

    name: str
    policy: str
    """`namespace/name` of the AIPolicy."""
    labels: Labels
    backends: tuple[str, ...]
    enforced: bool
    """False: the policy's mode is Audit, so it is recorded only."""


class Guards(PlanModel):
    """What one level (Gateway, listener, AIRoute or rule) adds."""

    request: tuple[GuardPlan, ...] = ()
    response: tuple[GuardPlan, ...] = ()
    request_schemas: tuple[SchemaPlan, ...] = ()
    response_schemas: tuple[SchemaPlan, ...] = ()
    max_body_bytes: int | None = None
    block_unscanned: bool = False
    refuse_losses: bool = False
    """A target that cannot be told a parameter is not asked."""
    max_prompt_tokens: int | None = None
    max_output_tokens: int | None = None
    """A request that asks for more, or does not say, is sent with this."""
    refuse_output_above: int | None = None
    """A request that asks for more is refused."""
    bindings: tuple[BindingPlan, ...] = ()
    """All of them hold."""
    unavailable: str = ""
    """Not empty: an AIPolicy of this level is broken and has no accepted version; answer 503."""


class PricePlan(PlanModel):
    """US dollars per million tokens, as decimal strings."""

    input: str
    cached_input: str
    cache_write: str
    output: str


class PathPlan(PlanModel):
    """Where a provider takes one format; `{model}` stands for the model, percent-encoded."""

    call: str
    stream: str


class QuirksPlan(PlanModel):
    """How a provider departs from its format: what becomes of the fields of every body it gets."""

    model_in_body: bool = True
    """Its formats that name the model in the body want it there."""
    rename: dict[str, str] = Field(default_factory=dict)
    drop: tuple[str, ...] = ()
    set: dict[str, str] = Field(default_factory=dict)


class PromptPlan(PlanModel):
    """What a target adds to the system's words; the name is for people."""

    name: str
    mode: Literal["Prepend", "Append", "Replace"]
    text: str


class TargetPlan(PlanModel):
    """One (AIBackend, model) pair: one Envoy cluster."""

    cluster: str
    backend: str
    """`namespace/name` of the AIBackend."""
    provider: str
    model: str | None
    """The model to ask for; None: the caller's."""
    paths: dict[Format, PathPlan] = Field(default_factory=dict)
    """The formats it speaks, and where."""
    quirks: QuirksPlan = QuirksPlan()
    prompt: PromptPlan | None = None
    weight: int
    priority: int
    prices: dict[str, PricePlan] = Field(default_factory=dict)
    """The AIBackend's own prices by model; packaged prices serve the rest."""
    max_concurrent: int | None = None
    """Counted per AIBackend, over all its targets."""
    eject_after: int = 5
    """Failures in a row after which it stands behind its peers."""
    eject_s: float = 5.0
    """For how long at first."""


class StickinessPlan(PlanModel):
    """What binds requests to one side of the weights."""

    by: Literal["Header", "Cookie", "User"]
    name: str = ""
    """The header or cookie."""


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
    guards: Guards = Guards()


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
    routes: tuple[str, ...] = ()
    models: tuple[ListedModel, ...] = ()


Plan = Annotated[VirtualHostPlan | RoutePlan, Field(discriminator="kind")]


def canonical(plan: VirtualHostPlan | RoutePlan) -> bytes:
    """The plan as JSON whose bytes depend on its content alone."""
    return json.dumps(
        plan.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


def version(content: bytes) -> str:
    """The version of a resource: the hash of its bytes."""
    return hashlib.sha256(content).hexdigest()[:16]


def resource_name(plan: VirtualHostPlan | RoutePlan) -> str:
    """The xDS name: `vh/…` or `route/…`."""
    return f"{'vh' if plan.kind == 'VirtualHost' else 'route'}/{plan.name}"
