"""What AIPolicies add to a request: guards, schemas, lengths and bindings."""

from typing import Literal

from crds.plan.formats import Format
from crds.plan.model import Labels, PlanModel

_Turn = Literal["System", "User", "Assistant", "Reasoning"]
Origin = Literal[_Turn, "ToolCalls", "ToolResults", "ToolDefinitions", "Other"]
GuardType = Literal["PII", "Secrets", "PromptInjection", "Keywords"]
Action = Literal["Block", "Redact", "Label", "Audit"]


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
    generic_refused_by: tuple[str, ...] = ()
    """AIPolicies that read content without `unscanned: Allow`, or that block what is not read."""
    bindings: tuple[BindingPlan, ...] = ()
    """All of them hold."""
    unavailable: str = ""
    """Not empty: an AIPolicy of this level is broken and has no accepted version; answer 503."""
