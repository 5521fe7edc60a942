"""Bedrock's Converse and ConverseStream as a codec; its parts are in the modules named after it."""

from ext_proc.translation.bedrock_answer import read_response, write_response
from ext_proc.translation.bedrock_read import read_request
from ext_proc.translation.bedrock_stream import Reader
from ext_proc.translation.bedrock_stream_writer import Writer
from ext_proc.translation.bedrock_write import write_request
from ext_proc.translation.codec import Codec

CODEC = Codec(
    read_request=read_request,
    write_request=write_request,
    read_response=read_response,
    write_response=write_response,
    reader=Reader,
    writer=Writer,
)
