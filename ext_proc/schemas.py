"""JSON Schemas: whether a request or a model's answer fits, and where it does not.

The controller bounds what a schema may cost (`controller.translate.schemas`). The validator
explains a failure by all branches of `anyOf` and `oneOf`, of every item, which a stranger decides;
so these stand here behind a double `not`, which means the same and is not explained. A place is
told in the schema's own names, never in a user's.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

import jsonschema_rs

from crds.plan import FAMILIES, Action, Format, SchemaPlan
from ext_proc.call import Call, Reject, Verdict
from ext_proc.formats import strict
from ext_proc.formats.dialect import unreadable
from ext_proc.formats.multipart import File
from ext_proc.stages.inspection import Phase
from ext_proc.translation.codec import UnreadableError
from ext_proc.translation.neutral import Choice, Text, ToolCall
from ext_proc.translation.table import CODECS

CODE = "schema_violation"
JSON_SCHEMA = "JSONSchema"
"""What verdicts call the type."""
NO_STREAM = Reject(
    400,
    "stream_not_allowed",
    "Answers must fit a schema here and are judged whole; ask without a stream.",
)
_UNREADABLE = unreadable("The provider's answer is not what its format's answers are.")
_CHATS = frozenset(FAMILIES[0])
_WORDS: frozenset[Format] = _CHATS | {"OpenAICompletions"}
"""Formats whose answers are a model's words."""
_BRANCHES = ("anyOf", "oneOf")
_VALUES = frozenset({"enum", "const", "default", "examples"})
"""Keywords that hold no schemas."""
_NAMED = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)
"""Keywords that hold schemas by name."""
_OPTIONS = jsonschema_rs.RegexOptions(size_limit=1 << 18, dfa_size_limit=1 << 18)


@dataclass(frozen=True, slots=True)
class Validator:
    """A compiled JSON Schema; equal text is compiled once."""

    names: frozenset[str]
    """The properties it names."""
    compiled: jsonschema_rs.Validator

    def violation(self, value: Any) -> str | None:
        """The JSON pointer of what does not fit; None if all does."""
        try:
            self.compiled.validate(value)
        except jsonschema_rs.ValidationError as error:
            return "".join(map(self._step, error.instance_path))
        except ValueError:  # deeper than the validator goes
            return ""
        return None

    def _step(self, step: str | int) -> str:
        if isinstance(step, int):
            return f"/{step}"
        return "/" + (step.replace("~", "~0").replace("/", "~1") if step in self.names else "*")


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema of an AIPolicy, ready to judge."""

    plan: SchemaPlan
    validator: Validator


@lru_cache(maxsize=1024)
def compiled(text: str) -> Validator:
    """Compile a schema. Raise ValueError."""
    names: set[str] = set()
    validator = jsonschema_rs.validator_for(
        _unexplained(json.loads(text), names),
        validate_formats=False,
        mask="",
        pattern_options=_OPTIONS,
        offline=True,
    )
    return Validator(frozenset(names), validator)


def judge_request(call: Call, schemas: Iterable[Schema], verdicts: list[Verdict]) -> Reject | None:
    """Judge a request as its caller wrote it; every schema is asked, the first refusal counts."""
    asked = [each for each in schemas if call.format in (each.plan.formats or (call.format,))]
    return _judge([_document(call)], asked, "request", verdicts) if asked else None


def demanded(format_: Format, schemas: Iterable[Schema]) -> bool:
    """Whether answers in this format must fit, so that none may pass before it was judged."""
    return format_ in _WORDS and any(each.plan.enforced for each in schemas)


def judge_answer(
    format_: Format, body: bytes, schemas: Iterable[Schema], verdicts: list[Verdict]
) -> Reject | None:
    """Judge what a model said, in the caller's format; tool calls are no answer yet."""
    asked = tuple(schemas)
    if not asked or format_ not in _WORDS:
        return None
    try:
        said = [_loads(text) for text in _said(format_, strict.loads(body))]
    except (strict.InvalidJsonError, UnreadableError):
        return _UNREADABLE
    return _judge(said, asked, "response", verdicts)


def _judge(
    values: list[Any], schemas: Iterable[Schema], phase: Phase, verdicts: list[Verdict]
) -> Reject | None:
    refusals: list[Reject] = []
    for schema in schemas:
        places = [schema.validator.violation(value) for value in values if value is not _NO_JSON]
        wrong = [place for place in places if place is not None]
        count = len(wrong) + values.count(_NO_JSON)
        if not count:
            continue
        plan = schema.plan
        action: Action = "Block" if plan.enforced else "Audit"
        found = (("Violation", count),)
        verdicts.append(Verdict(plan.name, plan.policy, JSON_SCHEMA, action, phase, found))
        if plan.enforced:
            refusals.append(_refusal(plan.name, phase, wrong[0] if wrong else None))
    return refusals[0] if refusals else None


def _refusal(name: str, phase: Phase, place: str | None) -> Reject:
    status, what = (422, "request") if phase == "request" else (502, "model's answer")
    where = f"at {place or 'its top'}" if place is not None else "and is no JSON"
    return Reject(status, CODE, f"The {what} does not fit schema {name} {where}.")


def _document(call: Call) -> Any:
    """A request as its caller wrote it; of a form's files their names."""
    if not any(isinstance(value, File) for value in call.document.values()):
        return json.loads(call.original)
    return {name: _field(value) for name, value in call.document.items()}


def _field(value: Any) -> Any:
    return {"filename": value.filename} if isinstance(value, File) else value


def _said(format_: Format, document: dict[str, Any]) -> Iterator[str]:
    """The words of every choice."""
    if format_ not in _CHATS:
        yield from map(_completion, document.get("choices") or ())
        return
    choices: tuple[Choice, ...] = CODECS[format_].read_response(document).choices
    for choice in choices:
        words = [part.text for part in choice.parts if isinstance(part, Text)]
        if not any(isinstance(part, ToolCall) for part in choice.parts):
            yield "".join(words)


def _completion(choice: Any) -> str:
    text = choice.get("text") if isinstance(choice, dict) else None
    if not isinstance(text, str):
        raise UnreadableError("a choice without text")
    return text


_NO_JSON = object()


def _loads(text: str) -> Any:
    """Decode what a model wrote, if all parsers would read it alike."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, RecursionError):
        return _NO_JSON


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands twice")
    return document


def _constant(_: str) -> NoReturn:
    raise ValueError("no JSON")


def _unexplained(schema: Any, names: set[str]) -> Any:
    """The same schema without branches to explain; the properties it names are added to `names`."""
    if not isinstance(schema, dict):
        return schema
    names.update(schema.get("properties", ()))
    made = {keyword: _below(keyword, value, names) for keyword, value in schema.items()}
    hidden = [{"not": {"not": {each: made.pop(each)}}} for each in _BRANCHES if each in made]
    return {**made, "allOf": [*made.get("allOf", ()), *hidden]} if hidden else made


def _below(keyword: str, value: Any, names: set[str]) -> Any:
    if keyword in _VALUES:
        return value
    if keyword in _NAMED and isinstance(value, dict):
        return {name: _unexplained(each, names) for name, each in value.items()}
    if isinstance(value, list):
        return [_unexplained(each, names) for each in value]
    return _unexplained(value, names)
