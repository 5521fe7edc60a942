"""The codec of OpenAI's Responses format."""

from ext_proc.translation.codec import Codec
from ext_proc.translation.responses_answer import read_response, write_response
from ext_proc.translation.responses_read import read_request
from ext_proc.translation.responses_stream import Reader
from ext_proc.translation.responses_write import write_request
from ext_proc.translation.responses_writer import Writer

CODEC = Codec(
    read_request=read_request,
    write_request=write_request,
    read_response=read_response,
    write_response=write_response,
    reader=Reader,
    writer=Writer,
)
