"""Requests of Bedrock's Converse, read into neutral ones.

A guardrail and a stored prompt are AWS's own: whoever asks for them means no other answer, so they
are essential losses. What is said of tiers, latency and logs is lost. Source: `Converse` of the
Amazon Bedrock Runtime API reference.
"""

from typing import Any, cast

from ext_proc.call import Line
from ext_proc.formats import strict
from ext_proc.translation import bedrock_blocks, bedrock_models, bedrock_tools, unread
from ext_proc.translation.bedrock_fields import count, fields, items, needed, number, text, union
from ext_proc.translation.codec import Json, UnspeakableError
from ext_proc.translation.neutral import Loss, Message, Output, Request, Role, Text

_READ = frozenset(
    {"messages", "system", "inferenceConfig", "toolConfig", "outputConfig"}
    | {"additionalModelRequestFields"}
)
_ESSENTIAL = frozenset({"guardrailConfig", "promptVariables"})
_SAID = {
    "system": "system",
    "max_tokens": "inferenceConfig.maxTokens",
    "temperature": "inferenceConfig.temperature",
    "top_p": "inferenceConfig.topP",
    "stop": "inferenceConfig.stopSequences",
    "output": "outputConfig.textFormat",
    **bedrock_tools.SAID,
}
_ROLES = ("user", "assistant", "system")


def read_request(document: Json, line: Line) -> Request:
    """Read a request. Raise UnspeakableError."""
    system, losses = _system(document.get("system"))
    messages, more, others = _messages(document.get("messages"))
    tools, choice, unusable = bedrock_tools.read(document.get("toolConfig"))
    extra = bedrock_models.read(document)
    config, stop, unsaid = _inference(document.get("inferenceConfig"))
    unknown = [Loss(name, name in _ESSENTIAL) for name in document if _unread(document, name)]
    return Request(
        model=line.model,
        messages=messages,
        stream=line.stream,
        system=(*system, *more),
        tools=tools,
        tool_choice=choice,
        top_k=extra.top_k,
        stop=stop,
        reasoning=extra.reasoning,
        output=_output(document.get("outputConfig")),
        said={**_SAID, **extra.said},
        lost=(
            *(*losses, *others, *unusable, *extra.lost, *unsaid, *unknown),
            *unread.losses("BedrockConverse", document),
        ),
        **config,
    )


def _unread(document: Json, name: str) -> bool:
    return name not in _READ and document[name] not in (None, {}, [])


def _system(value: Any, where: str = "system") -> tuple[tuple[Text, ...], tuple[Loss, ...]]:
    blocks = bedrock_blocks.read_system(value, where)
    texts = tuple(part for part in blocks.parts if isinstance(part, Text))
    lost = () if len(texts) == len(blocks.parts) else (Loss(where, essential=True),)
    return texts, (*blocks.lost, *lost)


def _messages(value: Any) -> tuple[tuple[Message, ...], tuple[Text, ...], tuple[Loss, ...]]:
    """Read the turns, and apart from them what stands in turns of the system."""
    messages: list[Message] = []
    system: list[Text] = []
    lost: list[Loss] = []
    for position, each in enumerate(items(value, "messages")):
        where = f"messages[{position}]"
        stated = fields(each, where)
        role = stated.get("role")
        if role not in _ROLES:
            raise UnspeakableError(f"{where}.role", "must be user, assistant or system")
        if role == "system":
            texts, losses = _system(stated.get("content"), f"{where}.content")
            system += texts
            lost += losses
            continue
        blocks = bedrock_blocks.read(stated.get("content"), f"{where}.content")
        messages.append(Message(cast("Role", role), tuple(blocks.parts), where))
        lost += blocks.lost
    if not messages:
        raise UnspeakableError("messages", "must not be empty")
    return tuple(messages), tuple(system), tuple(lost)


def _inference(value: Any) -> tuple[Json, tuple[str, ...], tuple[Loss, ...]]:
    where = "inferenceConfig"
    stated = fields(value, where)
    config = {
        "max_tokens": count(stated, "maxTokens", where),
        "temperature": number(stated, "temperature", where),
        "top_p": number(stated, "topP", where),
    }
    stop = items(stated.get("stopSequences"), f"{where}.stopSequences")
    if not all(isinstance(each, str) for each in stop):
        raise UnspeakableError(f"{where}.stopSequences", "must be a list of strings")
    known = ("maxTokens", "temperature", "topP", "stopSequences")
    lost = tuple(Loss(f"{where}.{name}") for name in stated if name not in known)
    return config, tuple(stop), lost


def _output(value: Any) -> Output | None:
    config = fields(value, "outputConfig")
    where = "outputConfig.textFormat"
    stated = fields(config.get("textFormat"), where)
    if not stated:
        return None
    kind, held = union(stated.get("structure"), f"{where}.structure")
    where = f"{where}.structure.{kind}"
    if kind != "jsonSchema":
        raise UnspeakableError(where, "must be jsonSchema")
    wanted = fields(held, where)
    try:
        schema = strict.loads(needed(wanted, "schema", where).encode())
    except (strict.InvalidJsonError, UnicodeEncodeError):
        raise UnspeakableError(f"{where}.schema", "must be a JSON Schema, as text") from None
    name = text(wanted, "name", where) or "answer"
    return Output(schema, name, text(wanted, "description", where))
