"""What Bedrock's common fields have no place for, as each family of models takes it.

Top-k and reasoning stand in `additionalModelRequestFields`, which goes to the model as it is, and
Claude's effort in `outputConfig`. An application inference profile names no family, so nothing can
be said there. Sources: the model parameters in the Amazon Bedrock user guide, and `OutputConfig`
of its API reference.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ext_proc.translation import claude_thinking
from ext_proc.translation.bedrock_fields import count, fields, number, text
from ext_proc.translation.codec import Json, UnspeakableError
from ext_proc.translation.efforts import EFFORTS
from ext_proc.translation.neutral import Effort, Loss, Reasoning, Request

_ADDITIONAL = "additionalModelRequestFields"
_FAMILIES = (
    ("anthropic.", "claude"),
    ("amazon.nova", "nova"),
    ("openai.", "gpt"),
    ("mistral.", "mistral"),
    ("cohere.", "cohere"),
)
"""By what stands in the name of a model or of a system-defined inference profile."""
_TOP_K = {"claude": "top_k", "mistral": "top_k", "cohere": "k"}
_CACHING = {"messages": ("claude", "nova"), "tools": ("claude",)}
_STEPS: Mapping[str, str] = {"minimal": "low", "xhigh": "high"}
"""Efforts of others, for models that know three."""


@dataclass(slots=True)
class Extra:
    """What a request says in fields of its model's own."""

    top_k: Any = None
    reasoning: Reasoning | None = None
    said: dict[str, str] = field(default_factory=dict)
    lost: list[Loss] = field(default_factory=list)


def read(document: Json) -> Extra:
    """Read the fields, whichever model they are for. Raise UnspeakableError."""
    extra = Extra()
    for name, value in fields(document.get(_ADDITIONAL), _ADDITIONAL).items():
        where = f"{_ADDITIONAL}.{name}"
        reader = _READERS.get(name)
        if reader is None:
            extra.lost.append(Loss(where))
        else:
            reader(extra, name, value)
    effort = text(fields(document.get("outputConfig"), "outputConfig"), "effort", "outputConfig")
    if effort:
        _reason(extra, "outputConfig.effort", effort=_effort(effort, "outputConfig.effort"))
    return extra


def _effort(stated: str, where: str) -> Effort:
    if stated not in EFFORTS:
        raise UnspeakableError(where, f"must be one of {', '.join(EFFORTS)}")
    return EFFORTS[stated]


def _reason(
    extra: Extra, said: str, *, effort: Effort | None = None, budget: int | None = None
) -> None:
    before = extra.reasoning or Reasoning()
    budget = before.budget_tokens if budget is None else budget
    extra.reasoning = Reasoning(effort or before.effort, budget)
    extra.said.setdefault("reasoning", said)


def _read_top_k(extra: Extra, name: str, value: Any) -> None:
    extra.top_k = number({name: value}, name, _ADDITIONAL)
    extra.said["top_k"] = f"{_ADDITIONAL}.{name}"


def _read_nova(extra: Extra, name: str, value: Any) -> None:
    where = f"{_ADDITIONAL}.{name}"
    for inner, inside in fields(value, where).items():
        if inner == "topK":
            extra.top_k = number({inner: inside}, inner, where)
            extra.said["top_k"] = f"{where}.{inner}"
        else:
            extra.lost.append(Loss(f"{where}.{inner}"))


def _read_thinking(extra: Extra, name: str, value: Any) -> None:
    where = f"{_ADDITIONAL}.{name}"
    stated = fields(value, where)
    match text(stated, "type", where):
        case "enabled":
            budget = count(stated, "budget_tokens", where)
            _reason(extra, where, budget=-1 if budget is None else budget)
        case "adaptive":
            _reason(extra, where, budget=-1)
        case "disabled":
            _reason(extra, where, budget=0)
        case _:
            raise UnspeakableError(f"{where}.type", "must be enabled, adaptive or disabled")


def _read_effort(extra: Extra, name: str, value: Any) -> None:
    where = f"{_ADDITIONAL}.{name}"
    _reason(extra, where, effort=_effort(text({name: value}, name, _ADDITIONAL), where))


def _read_nova_reasoning(extra: Extra, name: str, value: Any) -> None:
    where = f"{_ADDITIONAL}.{name}"
    stated = fields(value, where)
    if text(stated, "type", where) == "disabled":
        _reason(extra, where, budget=0)
    elif stated.get("maxReasoningEffort"):
        _reason(extra, where, effort=_effort(text(stated, "maxReasoningEffort", where), where))
    else:
        _reason(extra, where, budget=-1)


def _read_output_config(extra: Extra, name: str, value: Any) -> None:
    where = f"{_ADDITIONAL}.{name}"
    for inner, inside in fields(value, where).items():
        if inner == "effort":
            place = f"{where}.effort"
            _reason(extra, place, effort=_effort(text({inner: inside}, inner, where), place))
        else:
            extra.lost.append(Loss(f"{where}.{inner}"))


_READERS: Mapping[str, Callable[[Extra, str, Any], None]] = {
    "top_k": _read_top_k,
    "k": _read_top_k,
    "inferenceConfig": _read_nova,
    "thinking": _read_thinking,
    "reasoning_config": _read_thinking,
    "reasoning_effort": _read_effort,
    "reasoningConfig": _read_nova_reasoning,
    "output_config": _read_output_config,
}


def _family(model: str) -> str:
    return next((name for part, name in _FAMILIES if part in model), "")


def caches(model: str, what: Literal["messages", "tools"]) -> bool:
    """Tell whether a model takes cache points there; others refuse a request that has one."""
    return _family(model) in _CACHING[what]


def cites(model: str) -> bool:
    """Tell whether a model takes documents that are to be cited, and earlier citations of them."""
    return _family(model) == "claude"


def write(request: Request, document: Json) -> tuple[Loss, ...]:
    """Add to a document what its model can be told; return what it cannot."""
    family = _family(request.model)
    missing = []
    extra: Json = {}
    if request.top_k is not None:
        if family == "nova":
            extra["inferenceConfig"] = {"topK": request.top_k}
        elif family in _TOP_K:
            extra[_TOP_K[family]] = request.top_k
        else:
            missing.append("top_k")
    if request.reasoning is not None:
        writer = _WRITERS.get(family)
        if writer is None or not writer(request.reasoning, extra):
            missing.append("reasoning")
    if "thinking" in extra:
        missing += _think(request, document, extra)
    if extra:
        document[_ADDITIONAL] = extra
    return tuple(Loss(request.said.get(name, name)) for name in missing)


def _think(request: Request, document: Json, extra: Json) -> list[str]:
    """Claude thinks within its limit of tokens, and with no other temperature or forced tool."""
    choice = request.tool_choice
    forced = choice is not None and choice.mode in ("required", "named")
    budget = claude_thinking.fitted(extra["thinking"]["budget_tokens"], request.max_tokens)
    if forced or budget == 0 or claude_thinking.thoughtless(request):
        del extra["thinking"]
        return ["reasoning"]
    extra["thinking"]["budget_tokens"] = budget
    config = document.get("inferenceConfig", {})
    unsaid = [("temperature", config), ("top_k", extra)]
    return [name for name, place in unsaid if place.pop(name, None) is not None]


def _off(asked: Reasoning) -> bool:
    return asked.effort == "none" or asked.budget_tokens == 0


def _write_claude(asked: Reasoning, extra: Json) -> bool:
    budget = claude_thinking.budget(asked)
    if budget:  # it thinks only if it is told to
        extra["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return True


def _write_nova(asked: Reasoning, extra: Json) -> bool:
    if _off(asked):
        extra["reasoningConfig"] = {"type": "disabled"}
    elif asked.effort is not None:
        effort = _STEPS.get(asked.effort, asked.effort)
        extra["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": effort}
    return "reasoningConfig" in extra


def _write_gpt(asked: Reasoning, extra: Json) -> bool:
    if _off(asked) or asked.effort is None:
        return False
    extra["reasoning_effort"] = _STEPS.get(asked.effort, asked.effort)
    return True


_WRITERS: Mapping[str, Callable[[Reasoning, Json], bool]] = {
    "claude": _write_claude,
    "nova": _write_nova,
    "gpt": _write_gpt,
}
