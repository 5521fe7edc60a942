"""Gemini's generateContent and streamGenerateContent as one codec."""

from ext_proc.translation import (
    gemini_answer,
    gemini_read,
    gemini_stream,
    gemini_write,
)
from ext_proc.translation.codec import Codec

CODEC = Codec(
    read_request=gemini_read.read,
    write_request=gemini_write.write,
    read_response=gemini_answer.read,
    write_response=gemini_answer.write,
    reader=gemini_stream.Reader,
    writer=gemini_stream.Writer,
)
