"""Where each format says who asks and how much may be written: fields that are not text.

A field is the path to it in the body.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from crds.plan import Format
from ext_proc.call import Call, Reject

Field = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parameters:
    """The fields of one format; the first that is there counts."""

    user: tuple[Field, ...] = ()
    """An id of the person who asks."""
    output_tokens: tuple[Field, ...] = ()
    """The most tokens to write; the first is set where none is there."""


_OPENAI_USER: tuple[Field, ...] = (("safety_identifier",), ("user",))
PARAMETERS: Mapping[Format, Parameters] = MappingProxyType(
    {
        "OpenAIChat": Parameters(
            user=_OPENAI_USER, output_tokens=(("max_completion_tokens",), ("max_tokens",))
        ),
        "OpenAIResponses": Parameters(user=_OPENAI_USER, output_tokens=(("max_output_tokens",),)),
        "OpenAIEmbeddings": Parameters(user=_OPENAI_USER),
        "AnthropicMessages": Parameters(
            user=(("metadata", "user_id"),), output_tokens=(("max_tokens",),)
        ),
        "GeminiContent": Parameters(
            output_tokens=tuple(
                (config, limit)
                for config in ("generationConfig", "generation_config")
                for limit in ("maxOutputTokens", "max_output_tokens")
            )
        ),
        "GeminiEmbeddings": Parameters(),
        "GeminiEmbedContent": Parameters(),
        "GeminiTokenCount": Parameters(),
        "BedrockConverse": Parameters(output_tokens=(("inferenceConfig", "maxTokens"),)),
        "AnthropicTokenCount": Parameters(user=(("metadata", "user_id"),)),
        "OpenAICompletions": Parameters(user=_OPENAI_USER, output_tokens=(("max_tokens",),)),
        "OpenAIModerations": Parameters(),
        "OpenAIImages": Parameters(user=_OPENAI_USER),
        "OpenAIImageEdits": Parameters(user=_OPENAI_USER),
        "OpenAIImageVariations": Parameters(user=_OPENAI_USER),
        "OpenAISpeech": Parameters(),
        "OpenAITranscription": Parameters(),
        "OpenAIAudioTranslation": Parameters(),
        "Rerank": Parameters(user=_OPENAI_USER),
    }
)
"""Google's servers take names in both spellings."""


def user(call: Call) -> str | None:
    """Who asks, in the caller's own words; None where the request does not say."""
    found = (_read(call.document, field) for field in PARAMETERS[call.format].user)
    return next((each for each in found if isinstance(each, str) and each), None)


def output_tokens(call: Call) -> int | Reject | None:
    """The most tokens the request lets a model write, or None where it does not say."""
    stated = {field: _read(call.document, field) for field in _fields(call)}
    limits = {field: value for field, value in stated.items() if value is not None}
    for field, value in limits.items():
        if type(value) is not int or value < 1:
            message = f"`{'.'.join(field)}` must be a whole number above 0."
            return Reject(400, "malformed_request", message)
    return max(limits.values(), default=None)


def output_limit(call: Call) -> int | None:
    """As `output_tokens`, where it can be read; 0 in formats whose answers are no text."""
    if not _fields(call):
        return 0
    stated = output_tokens(call)
    return stated if isinstance(stated, int) else None


def limit_output(call: Call, limit: int) -> None:
    """Let a model write no more than this; formats whose answers are no text stay as they are.

    An object that is there already is the one to write into: its other spelling would be a second.
    """
    fields = _fields(call)
    stated = [field for field in fields if _read(call.document, field) is not None]
    begun = [field for field in fields if isinstance(call.document.get(field[0]), dict)]
    for field in stated or (begun or fields)[:1]:
        if (asked := _read(call.document, field)) is None or asked > limit:
            _write(call.document, field, limit)
            call.edited = True


def _fields(call: Call) -> tuple[Field, ...]:
    return PARAMETERS[call.format].output_tokens


def _read(document: Mapping[str, Any], field: Field) -> Any:
    *parents, name = field
    for parent in parents:
        inner = document.get(parent)
        if not isinstance(inner, dict):
            return None
        document = inner
    return document.get(name)


def _write(document: dict[str, Any], field: Field, value: int) -> None:
    *parents, name = field
    for parent in parents:
        inner = document.get(parent)
        if not isinstance(inner, dict):
            document[parent] = inner = {}
        document = inner
    document[name] = value
