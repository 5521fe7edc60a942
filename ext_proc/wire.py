"""The edge to Envoy: bytes of its external processing protocol to Events, Replies to bytes.

The only file that knows protobuf's shape of an exchange; what a reply means is decided in
`exchange`, and how messages travel in `server`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToDict

from ext_proc import extproc_pb2 as pb
from ext_proc.events import (
    Answer,
    BodyMode,
    Continue,
    Event,
    Mode,
    Reply,
    RequestBody,
    RequestHeaders,
    RequestTrailers,
    ResponseBody,
    ResponseHeaders,
    ResponseTrailers,
    Start,
    Stream,
)

_OVERWRITE = pb.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_SEND = pb.ProcessingMode.SEND
_SKIP = pb.ProcessingMode.SKIP


class UnknownMessageError(Exception):
    """A message of a kind our processing modes never ask for."""


def decode(message: bytes) -> Event:
    """Read one message from Envoy."""
    request = pb.ProcessingRequest.FromString(message)
    match request.WhichOneof("request"):
        case "request_headers":
            sent = request.request_headers
            metadata = _metadata(request.metadata_context)
            return RequestHeaders(_headers(sent.headers), sent.end_of_stream, metadata)
        case "request_body":
            return RequestBody(request.request_body.body)
        case "response_headers":
            got = request.response_headers
            metadata = _metadata(request.metadata_context)
            return ResponseHeaders(_headers(got.headers), got.end_of_stream, metadata)
        case "response_body":
            return ResponseBody(request.response_body.body, request.response_body.end_of_stream)
        case "response_trailers":
            return ResponseTrailers()
        case "request_trailers":
            return RequestTrailers()
        case _:
            raise UnknownMessageError


def encode(event: Event, reply: Reply) -> bytes:
    """Write one reply to the event."""
    match reply:
        case Answer():
            return _answer(reply).SerializeToString()
        case Start():
            return _start(reply).SerializeToString()
        case Stream():
            return _stream(reply).SerializeToString()
        case Continue():
            return _continue(event, reply).SerializeToString()


def _headers(headers: pb.HeaderMap) -> dict[str, str]:
    """Repeated headers that Envoy sends apart are joined as RFC 9110 says."""
    found: dict[str, str] = {}
    for header in headers.headers:
        value = header.raw_value.decode("latin-1") if header.raw_value else header.value
        found[header.key] = f"{found[header.key]},{value}" if header.key in found else value
    return found


def _metadata(context: pb.Metadata) -> Mapping[str, Any]:
    return {name: MessageToDict(values) for name, values in context.filter_metadata.items()}


def _mutation(
    headers: Sequence[tuple[str, str]], removed: Sequence[str] = (), length: int | None = None
) -> pb.HeaderMutation | None:
    if length is not None:
        headers = (*headers, ("content-length", str(length)))
    if not headers and not removed:
        return None
    return pb.HeaderMutation(
        set_headers=[
            pb.HeaderValueOption(
                header=pb.HeaderValue(key=name, raw_value=value.encode("latin-1", "replace")),
                append_action=_OVERWRITE,
            )
            for name, value in headers
        ],
        remove_headers=removed,
    )


def _answer(answer: Answer) -> pb.ProcessingResponse:
    return pb.ProcessingResponse(
        immediate_response=pb.ImmediateResponse(
            status=pb.HttpStatus(code=answer.status),
            headers=_mutation(answer.headers),
            body=answer.body,
            details=f"dragoman:{answer.details}",  # so Envoy passes it on as it is
        )
    )


def _start(start: Start) -> pb.ProcessingResponse:
    common = pb.CommonResponse(header_mutation=_mutation(start.set_headers, start.remove_headers))
    return pb.ProcessingResponse(response_headers=pb.HeadersResponse(response=common))


def _stream(piece: Stream) -> pb.ProcessingResponse:
    streamed = pb.StreamedBodyResponse(body=piece.body, end_of_stream=piece.end)
    body = pb.BodyMutation(streamed_response=streamed)
    return pb.ProcessingResponse(
        response_body=pb.BodyResponse(response=pb.CommonResponse(body_mutation=body))
    )


def _continue(event: Event, reply: Continue) -> pb.ProcessingResponse:
    body = reply.body
    common = pb.CommonResponse(
        header_mutation=_mutation(
            reply.set_headers, reply.remove_headers, None if body is None else len(body)
        ),
        body_mutation=None if body is None else pb.BodyMutation(body=body),
        clear_route_cache=reply.clear_route_cache,
    )
    response = _phase(event, common)
    if reply.metadata is not None:
        response.dynamic_metadata.CopyFrom(_struct(reply.metadata))
    if reply.mode is not None:
        response.mode_override.CopyFrom(_mode(reply.mode))
    return response


def _phase(event: Event, common: pb.CommonResponse) -> pb.ProcessingResponse:
    """Wrap a reply as the answer to its event."""
    match event:
        case RequestHeaders():
            return pb.ProcessingResponse(request_headers=pb.HeadersResponse(response=common))
        case RequestBody():
            return pb.ProcessingResponse(request_body=pb.BodyResponse(response=common))
        case RequestTrailers():
            return pb.ProcessingResponse(request_trailers=pb.TrailersResponse())
        case ResponseHeaders():
            return pb.ProcessingResponse(response_headers=pb.HeadersResponse(response=common))
        case ResponseBody():
            return pb.ProcessingResponse(response_body=pb.BodyResponse(response=common))
        case ResponseTrailers():
            return pb.ProcessingResponse(response_trailers=pb.TrailersResponse())


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Build by hand what `Struct.update` does at three times the cost."""
    return struct_pb2.Struct(fields={name: _value(value) for name, value in values.items()})


def _value(value: Any) -> struct_pb2.Value:
    match value:
        case str():
            return struct_pb2.Value(string_value=value)
        case bool():
            return struct_pb2.Value(bool_value=value)
        case int():
            return struct_pb2.Value(number_value=value)
        case list():
            values = struct_pb2.ListValue(values=map(_value, value))
            return struct_pb2.Value(list_value=values)
        case _:
            return struct_pb2.Value(struct_value=_struct(value))


def _mode(mode: Mode) -> pb.ProcessingMode:
    """Every field is filled: Envoy takes an override whole."""
    return pb.ProcessingMode(
        request_header_mode=_SEND,
        response_header_mode=_SEND if mode.response_headers else _SKIP,
        request_body_mode=_BODY_MODES[mode.request_body],
        response_body_mode=_BODY_MODES[mode.response_body],
        request_trailer_mode=_SKIP,
        response_trailer_mode=_SEND if mode.response_trailers else _SKIP,
    )


_BODY_MODES = {
    BodyMode.NONE: pb.ProcessingMode.NONE,
    BodyMode.STREAMED: pb.ProcessingMode.STREAMED,
    BodyMode.BUFFERED: pb.ProcessingMode.BUFFERED,
    BodyMode.FULL_DUPLEX_STREAMED: pb.ProcessingMode.FULL_DUPLEX_STREAMED,
}
