"""`generationConfig`, both ways: sampling, limits, structured answers and thinking.

Sources: `GenerationConfig` of the Gemini API reference; for what an effort means to models that
take a budget, the guide to Gemini's OpenAI compatibility. Models before Gemini 3 think by budget,
later ones by level.
"""

from dataclasses import replace
from typing import Any

import re2

from ext_proc.translation import gemini_schema
from ext_proc.translation.codec import UnspeakableError
from ext_proc.translation.efforts import EFFORTS
from ext_proc.translation.gemini_fields import fields, items, whole
from ext_proc.translation.neutral import Json, Loss, Output, Reasoning, Request
from ext_proc.translation.values import number, text

_WHERE = "generationConfig"
_NUMBERS = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "seed": "seed",
}
_OTHERS = frozenset(
    {"maxOutputTokens", "stopSequences", "candidateCount", "thinkingConfig", "responseMimeType"}
    | {"responseSchema", "responseJsonSchema", "responseModalities"}
)
_JSON = "application/json"
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576}
_LEVELS = {"none": "MINIMAL", "minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM"}
_BY_BUDGET = re2.compile(r"gemini-[12][.-].*")


def read(value: Any, request: Request) -> Request:
    """Add what is said. Raise UnspeakableError."""
    if value is None:
        return request
    named = fields(value, _WHERE)
    numbers = {
        ours: number(named[name], f"{_WHERE}.{name}")
        for name, ours in _NUMBERS.items()
        if name in named
    }
    choices = whole(named.get("candidateCount"), f"{_WHERE}.candidateCount")
    if choices is not None and not 1 <= choices <= 128:
        raise UnspeakableError(f"{_WHERE}.candidateCount", "must be from 1 to 128")
    stops = items(named.get("stopSequences"), f"{_WHERE}.stopSequences")
    said = {ours: f"{_WHERE}.{name}" for name, ours in _SAID.items() if name in named}
    return replace(
        request,
        **numbers,
        max_tokens=whole(named.get("maxOutputTokens"), f"{_WHERE}.maxOutputTokens"),
        stop=tuple(text(stop, f"{_WHERE}.stopSequences[{n}]") for n, stop in enumerate(stops)),
        choices=choices or 1,
        output=_output(named),
        reasoning=_reasoning(named.get("thinkingConfig")),
        said={**request.said, **said},
        lost=(*request.lost, *_lost(named)),
    )


_SAID = {
    **_NUMBERS,
    "maxOutputTokens": "max_tokens",
    "stopSequences": "stop",
    "candidateCount": "choices",
    "responseMimeType": "output",
    "responseSchema": "output",
    "responseJsonSchema": "output",
    "thinkingConfig": "reasoning",
}


def _output(named: Json) -> Output | None:
    if named.get("responseMimeType") != _JSON:
        return None
    if "responseJsonSchema" in named:
        schema = named["responseJsonSchema"]
        if not isinstance(schema, dict):
            raise UnspeakableError(f"{_WHERE}.responseJsonSchema", "must be a schema")
        return Output(schema)
    if "responseSchema" in named:
        where = f"{_WHERE}.responseSchema"
        return Output(gemini_schema.read(named["responseSchema"], where))
    return Output()


def _reasoning(value: Any) -> Reasoning | None:
    if value is None:
        return None
    where = f"{_WHERE}.thinkingConfig"
    named = fields(value, where)
    level = text(named.get("thinkingLevel"), f"{where}.thinkingLevel").lower()
    shown = named.get("includeThoughts")
    budget = named.get("thinkingBudget")
    if budget != -1:
        budget = whole(budget, f"{where}.thinkingBudget")
    return Reasoning(EFFORTS.get(level), budget, shown if isinstance(shown, bool) else None)


def _lost(named: Json) -> list[Loss]:
    """What there is no place for; another kind of answer than words is not the same answer."""
    kind, modalities = named.get("responseMimeType"), named.get("responseModalities")
    lost = [Loss(f"{_WHERE}.{name}") for name in named if name not in _SAID | _ALSO]
    if kind not in (None, "text/plain", _JSON):
        lost.append(Loss(f"{_WHERE}.responseMimeType"))
    if kind != _JSON:
        schemas = ("responseSchema", "responseJsonSchema")
        lost += [Loss(f"{_WHERE}.{name}", essential=True) for name in schemas if name in named]
    if modalities not in (None, [], ["TEXT"]):
        lost.append(Loss(f"{_WHERE}.responseModalities", essential=True))
    return lost


_ALSO = dict.fromkeys(_OTHERS, "")


def write(request: Request) -> tuple[Json, list[Loss]]:
    """Say it in `generationConfig`; return what of it cannot be said."""
    written: Json = {
        name: value
        for name, ours in _NUMBERS.items()
        if (value := getattr(request, ours)) is not None
    }
    if request.max_tokens is not None:
        written["maxOutputTokens"] = request.max_tokens
    if request.stop:
        written["stopSequences"] = list(request.stop)
    if request.choices > 1:
        written["candidateCount"] = request.choices
    lost = []
    if request.output is not None:
        written["responseMimeType"] = _JSON
        if request.output.schema is not None:
            written["responseJsonSchema"] = request.output.schema
        if request.output.description:
            lost.append(Loss(f"{request.said.get('output', 'output')}.description"))
    if request.reasoning is not None and (thinking := _thinking(request)):
        written["thinkingConfig"] = thinking
    return written, lost


def _thinking(request: Request) -> Json:
    asked = request.reasoning or Reasoning()
    written: Json = {}
    if asked.budget_tokens is not None:
        written["thinkingBudget"] = asked.budget_tokens
    elif asked.effort is not None and _BY_BUDGET.fullmatch(request.model):
        written["thinkingBudget"] = _BUDGETS[asked.effort]
    elif asked.effort is not None:
        written["thinkingLevel"] = _LEVELS.get(asked.effort, "HIGH")
    if asked.shown is not None:
        written["includeThoughts"] = asked.shown
    return written


def signs_calls(model: str) -> bool:
    """Whether the model refuses calls in its history that it has not signed: Gemini 3 does."""
    return model.startswith("gemini-") and not _BY_BUDGET.fullmatch(model)
