"""Reasoning across formats: what one provider signed stands in another format's own field.

A Responses caller finds what other providers want to see again in `encrypted_content`, sealed:
`dragoman-1-` and then JSON in base64. A caller of another format finds OpenAI's
`encrypted_content` as a signature with a prefix. So a writer can tell whose reasoning comes back:
a provider refuses what it did not sign itself.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import orjson

from ext_proc.translation.neutral import Thinking

SEAL = "dragoman-1-"
"""The number is raised when what follows it changes."""
OPENAI_SIGNED = "OpenAIResponses1"
"""Letters and figures alone, and so many that base64 goes on after it: some SDKs decode it."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What stands in an `encrypted_content` of ours; never the reasoning itself."""

    signature: str = ""
    redacted: str = ""
    call: str = ""
    """The signature belongs to the tool call of this id."""


def seal(sealed: Sealed) -> str:
    """Write an `encrypted_content`."""
    stated = {"s": sealed.signature, "r": sealed.redacted, "c": sealed.call}
    written = orjson.dumps({name: value for name, value in stated.items() if value})
    return SEAL + base64.urlsafe_b64encode(written).decode()


def is_ours(content: Any) -> bool:
    """Tell whether an `encrypted_content` was written here."""
    return isinstance(content, str) and content.startswith(SEAL)


def unseal(content: Any) -> Sealed | None:
    """Read an `encrypted_content`; None if it is not one of ours."""
    if not is_ours(content):
        return None
    try:
        stated = orjson.loads(base64.urlsafe_b64decode(content.removeprefix(SEAL)))
    except (ValueError, binascii.Error):
        return None
    if not isinstance(stated, dict):
        return None
    read = [stated.get(name, "") for name in ("s", "r", "c")]
    return Sealed(*read) if all(isinstance(value, str) for value in read) else None


def from_openai(text: str, encrypted: Any) -> Thinking:
    """OpenAI's reasoning as a caller of another format keeps it."""
    if not isinstance(encrypted, str) or not encrypted:
        return Thinking(text)
    marked = OPENAI_SIGNED + encrypted
    return Thinking(text, signature=marked) if text else Thinking(redacted=marked)


def to_openai(thinking: Thinking) -> str:
    """The `encrypted_content` OpenAI wrote; empty if it did not write this reasoning."""
    marked = thinking.signature or thinking.redacted
    return marked.removeprefix(OPENAI_SIGNED) if marked.startswith(OPENAI_SIGNED) else ""
