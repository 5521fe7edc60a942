"""Streamed completions: the chunks of chat completions, but that a choice holds its text itself.

Under inspection they are read as chunks of chat completions whose deltas have that text as content,
and written back as they came.
"""

from typing import Any

from ext_proc.call import Call, OpenField
from ext_proc.formats.codec import BrokenStreamError, Codec, Tally
from ext_proc.formats.dialect import Count
from ext_proc.formats.openai_inspected import Inspected, Place
from ext_proc.formats.openai_stream import Passing
from ext_proc.formats.scans import Scans


def open_stream(call: Call, open_field: OpenField | None, count: Count | None = None) -> Codec:
    """Start a streamed completion."""
    tally = Tally(count)
    if open_field is None:
        return Codec(Passing(tally, hide_usage=not call.wants_usage))
    return Codec(InspectedTexts(tally, Scans(open_field), call))


class InspectedTexts(Inspected):
    """Chunks whose every text a guard inspects."""

    def __init__(self, tally: Tally, scans: Scans[Place], call: Call) -> None:
        super().__init__(tally, scans, call)
        self._envelope["object"] = "text_completion"

    def _chunk(self, chunk: dict[str, Any]) -> bytes:
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                _as_delta(choice)
        return super()._chunk(chunk)

    def _write(self, chunk: dict[str, Any]) -> bytes:
        choices = [_as_text(choice) for choice in chunk.get("choices") or ()]
        return super()._write({**chunk, "choices": choices})


def _as_delta(choice: dict[str, Any]) -> None:
    text = choice.pop("text", "")
    if not isinstance(text, str | None) or "delta" in choice:
        raise BrokenStreamError("A choice of the provider's stream is not what it should be.")
    if "logprobs" in choice:
        choice["logprobs"] = None
    choice["delta"] = {"content": text or ""}


def _as_text(choice: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in choice.items() if name != "delta"}
    return {"text": choice["delta"].get("content", ""), "logprobs": None, **kept}
