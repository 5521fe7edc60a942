"""Pipelines: the stages one level's guards become, and the order they run in.

A level is a Gateway, a listener, an AIRoute or a rule. Every stage of a level runs, so that each
verdict is recorded, and then the first refusal counts: Block wins over Redact, Redact over Label,
Label over Audit.
Streams are inspected field by field in `field`.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from crds.plan import BindingPlan, GuardPlan, Guards, GuardType, SchemaPlan
from ext_proc import schemas
from ext_proc.call import Reject
from ext_proc.detectors import injection, keywords, pii, secrets
from ext_proc.detectors.injection import Detector as InjectionDetector
from ext_proc.detectors.span import SpanDetector
from ext_proc.schemas import Schema
from ext_proc.stages.injection import injection as score_texts
from ext_proc.stages.inspection import Inspection, Stage
from ext_proc.stages.redact import redact
from ext_proc.stages.spans import spans as find_spans
from ext_proc.stages.unscanned import unscanned

Detector = SpanDetector | InjectionDetector


_COMPILERS = 2
"""Pattern engines compile outside the interpreter's lock, each for seconds."""


class Content(NamedTuple):
    """What decides a detector: equal content is compiled once."""

    type: GuardType
    entities: tuple[str, ...]
    words: tuple[str, ...]


Detectors = dict[Content, Detector]


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard and its compiled detector."""

    plan: GuardPlan
    detector: Detector


@dataclass(frozen=True, slots=True)
class Level:
    """What one level adds, compiled."""

    request: tuple[Stage, ...] = ()
    response: tuple[Stage, ...] = ()
    response_guards: tuple[Guard, ...] = ()
    max_body_bytes: int | None = None
    max_prompt_tokens: int | None = None
    max_output_tokens: int | None = None
    refuse_output_above: int | None = None
    generic_refused_by: tuple[str, ...] = ()
    bindings: tuple[BindingPlan, ...] = ()
    request_schemas: tuple[Schema, ...] = ()
    response_schemas: tuple[Schema, ...] = ()
    refuse_losses: bool = False
    unavailable: bool = False


def content(plan: GuardPlan) -> Content:
    """The part of a guard that its detector depends on."""
    return Content(plan.type, plan.entities, plan.words)


def detectors(plans: Iterable[GuardPlan], known: Detectors) -> Detectors:
    """Return the detectors of some guards; those not known yet are compiled, which is slow."""
    wanted = dict.fromkeys(map(content, plans))
    missing = [each for each in wanted if each not in known]
    with ThreadPoolExecutor(_COMPILERS) as compilers:
        made = dict(zip(missing, compilers.map(_compile, missing), strict=True))
    return {each: made.get(each) or known[each] for each in wanted}


def _compile(wanted: Content) -> Detector:
    """Make a detector and use it once: some read their tables only then."""
    detector = _DETECTORS[wanted.type](wanted)
    match detector:
        case InjectionDetector():
            detector.score("A first text.")
        case _:
            detector.find("A first text.")
    return detector


_DETECTORS: Mapping[GuardType, Callable[[Content], Detector]] = {
    "PII": lambda it: pii.detector(it.entities) if it.entities else pii.detector(),
    "Secrets": lambda _: secrets.detector(),
    "PromptInjection": lambda _: injection.detector(),
    "Keywords": lambda it: keywords.detector(it.words),
}


def compile_level(guards: Guards, known: Detectors) -> Level:
    """Turn one level's guards into stages."""
    request = [Guard(plan, known[content(plan)]) for plan in guards.request]
    response = [Guard(plan, known[content(plan)]) for plan in guards.response]
    return Level(
        request=(*((unscanned,) if guards.block_unscanned else ()), *map(_stage, request)),
        response=tuple(map(_stage, response)),
        response_guards=tuple(response),
        max_body_bytes=guards.max_body_bytes,
        max_prompt_tokens=guards.max_prompt_tokens,
        max_output_tokens=guards.max_output_tokens,
        refuse_output_above=guards.refuse_output_above,
        generic_refused_by=guards.generic_refused_by,
        bindings=guards.bindings,
        request_schemas=tuple(map(_schema, guards.request_schemas)),
        response_schemas=tuple(map(_schema, guards.response_schemas)),
        refuse_losses=guards.refuse_losses,
        unavailable=bool(guards.unavailable),
    )


def _schema(plan: SchemaPlan) -> Schema:
    return Schema(plan, schemas.compiled(plan.text))


def _stage(guard: Guard) -> Stage:
    match guard.detector:
        case InjectionDetector() as scorer:
            return score_texts(guard.plan, scorer)
        case finder:
            return find_spans(guard.plan, finder)


def judge(inspection: Inspection, stages: Iterable[Stage]) -> Reject | None:
    """Run the stages of one level; the first refusal counts."""
    refusals = [refusal for stage in stages if (refusal := stage(inspection)) is not None]
    return refusals[0] if refusals else None


def finish(inspection: Inspection) -> None:
    """Redact, once all levels have judged."""
    redact(inspection)
