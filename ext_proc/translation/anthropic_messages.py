"""Anthropic messages as a codec, with its whole answers; its streams are in `anthropic_stream`."""

from ext_proc.formats import usage
from ext_proc.translation import anthropic_blocks, anthropic_read, anthropic_write
from ext_proc.translation import anthropic_parts as parts
from ext_proc.translation import anthropic_stream as stream
from ext_proc.translation import anthropic_stream_writer as writer
from ext_proc.translation.codec import Asked, Codec, Json, UnreadableError
from ext_proc.translation.neutral import (
    Choice,
    Response,
)
from ext_proc.translation.values import (
    string,
)


def read_response(document: Json) -> Response:
    """Read a message."""
    if document.get("type") == "error" or not isinstance(document.get("content"), list):
        raise UnreadableError("The provider's answer is no message.")
    stated = document.get("usage")
    used = usage.anthropic(stated)
    choice = Choice(
        parts.read_answer(document["content"]),
        stream.FINISHES.get(string(document.get("stop_reason"))),
        string(document.get("stop_sequence")) or None,
    )
    return Response(
        id=string(document.get("id")),
        model=string(document.get("model")),
        choices=(choice,),
        usage=used,
        usage_invalid=stated is not None and used is None,
    )


def write_response(response: Response, asked: Asked) -> Json:
    """Write a message; this format has one answer alone."""
    choice = response.choices[0]
    return {
        "id": response.id or asked.request_id,
        "type": "message",
        "role": "assistant",
        "model": response.model or asked.model,
        "content": anthropic_blocks.write_answer(choice.parts),
        "stop_reason": writer.REASONS[choice.finish or "stop"],
        "stop_sequence": choice.stop_sequence,
        "usage": writer.stated(response.usage),
    }


CODEC = Codec(
    read_request=anthropic_read.read_request,
    write_request=anthropic_write.write_request,
    read_response=read_response,
    write_response=write_response,
    reader=stream.Reader,
    writer=writer.Writer,
)
