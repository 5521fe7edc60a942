"""Bytes to events and replies to bytes, read back with Envoy's own message classes."""

import subprocess
import sys
from pathlib import Path

import pytest
from envoy_data_plane.envoy.extensions.filters.http.ext_proc.v3 import (
    ProcessingModeBodySendMode as Body,
)
from envoy_data_plane.envoy.extensions.filters.http.ext_proc.v3 import (
    ProcessingModeHeaderSendMode as Headers,
)
from envoy_data_plane.envoy.service.discovery.v3 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
)
from envoy_data_plane.envoy.service.ext_proc.v3 import ProcessingRequest, ProcessingResponse
from google.protobuf import descriptor_pb2

from ext_proc import discovery_pb2, extproc_pb2, wire
from ext_proc.events import (
    Answer,
    BodyMode,
    Continue,
    Mode,
    RequestBody,
    RequestHeaders,
    RequestTrailers,
    ResponseBody,
    ResponseHeaders,
    ResponseTrailers,
    Start,
    Stream,
)

ROOT = Path(__file__).parents[2]
HEADERS = RequestHeaders({}, end=False)


def sent(event, reply):
    return ProcessingResponse.parse(wire.encode(event, reply))


def decoded(**given):
    return wire.decode(bytes(ProcessingRequest.from_dict(given)))


def test_headers_arrive_as_bytes_or_text_and_repeated_ones_are_joined():
    pb = extproc_pb2
    values = [("a", b"1"), ("a", b"2"), ("b", "ü".encode("latin-1"))]
    headers = [pb.HeaderValue(key=k, raw_value=v) for k, v in values] + [
        pb.HeaderValue(key="c", value="3")
    ]
    message = pb.ProcessingRequest(
        request_headers=pb.HttpHeaders(headers=pb.HeaderMap(headers=headers), end_of_stream=True)
    )
    assert wire.decode(message.SerializeToString()) == RequestHeaders(
        {"a": "1,2", "b": "ü", "c": "3"}, end=True
    )


def test_metadata_arrives_as_plain_values():
    message = extproc_pb2.ProcessingRequest(request_headers=extproc_pb2.HttpHeaders())
    message.metadata_context.filter_metadata["dragoman"].update(
        {"models": {"a/b": "m"}, "translate": True}
    )
    assert wire.decode(message.SerializeToString()).metadata == {
        "dragoman": {"models": {"a/b": "m"}, "translate": True}
    }
    answer = extproc_pb2.ProcessingRequest(response_headers=extproc_pb2.HttpHeaders())
    answer.metadata_context.filter_metadata["dragoman.attempts"].update({"a/b": "429 7"})
    assert wire.decode(answer.SerializeToString()).metadata == {
        "dragoman.attempts": {"a/b": "429 7"}
    }


@pytest.mark.parametrize(
    ("given", "event"),
    [
        ({"requestBody": {"body": "eA==", "endOfStream": True}}, RequestBody(b"x")),
        ({"responseHeaders": {}}, ResponseHeaders({}, end=False)),
        ({"responseBody": {"body": "eA=="}}, ResponseBody(b"x", end=False)),
        ({"responseBody": {"endOfStream": True}}, ResponseBody(b"", end=True)),
        ({"responseTrailers": {"trailers": {}}}, ResponseTrailers()),
        ({"requestTrailers": {"trailers": {}}}, RequestTrailers()),
    ],
)
def test_every_kind_of_message_is_an_event(given, event):
    assert decoded(**given) == event


def test_a_message_without_a_request_is_refused():
    with pytest.raises(wire.UnknownMessageError):
        wire.decode(b"")


def test_a_mode_is_filled_whole():
    mode = Mode(
        BodyMode.BUFFERED,
        response_headers=True,
        response_body=BodyMode.FULL_DUPLEX_STREAMED,
        response_trailers=True,
    )
    written = sent(HEADERS, Continue(mode=mode)).mode_override
    assert (written.request_header_mode, written.request_trailer_mode) == (
        Headers.SEND,
        Headers.SKIP,
    )
    assert (written.response_header_mode, written.response_trailer_mode) == (
        Headers.SEND,
        Headers.SEND,
    )
    assert (written.request_body_mode, written.response_body_mode) == (
        Body.BUFFERED,
        Body.FULL_DUPLEX_STREAMED,
    )


def test_a_new_body_comes_with_its_length_and_overwrites_headers():
    reply = Continue(
        set_headers=(("x-a", "1"),),
        remove_headers=("cookie",),
        body=b"12345",
        clear_route_cache=True,
        metadata={"dragoman": {"translate": False}},
    )
    message = sent(RequestBody(b""), reply)
    common = message.request_body.response
    written = {
        h.header.key: (h.header.raw_value, int(h.append_action))
        for h in common.header_mutation.set_headers
    }
    assert written == {"x-a": (b"1", 2), "content-length": (b"5", 2)}
    assert (
        common.header_mutation.remove_headers,
        common.body_mutation.body,
        common.clear_route_cache,
    ) == (["cookie"], b"12345", True)
    assert message.dynamic_metadata.to_dict() == {"dragoman": {"translate": False}}


def test_pieces_and_held_back_headers_name_their_own_phase():
    event = ResponseBody(b"", end=True)
    piece = sent(
        event, Stream(b"x", end=True)
    ).response_body.response.body_mutation.streamed_response
    assert (piece.body, piece.end_of_stream) == (b"x", True)
    held = sent(event, Start((("x-a", "1"),), ("x-b",))).response_headers.response.header_mutation
    assert (held.set_headers[0].header.key, held.remove_headers) == ("x-a", ["x-b"])


def test_an_answer_is_immediate():
    answer = sent(
        HEADERS, Answer(403, b"no", (("content-type", "application/json"),), "blocked_by_policy")
    ).immediate_response
    assert (int(answer.status.code), answer.body, answer.details) == (
        403,
        b"no",
        "dragoman:blocked_by_policy",
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (extproc_pb2.ProcessingRequest, ProcessingRequest),
        (extproc_pb2.ProcessingResponse, ProcessingResponse),
        (discovery_pb2.DeltaDiscoveryRequest, DeltaDiscoveryRequest),
        (discovery_pb2.DeltaDiscoveryResponse, DeltaDiscoveryResponse),
    ],
)
def test_field_numbers_are_envoys(ours, theirs):
    numbers = {name: meta.number for name, meta in theirs()._betterproto.meta_by_field_name.items()}
    for field in ours.DESCRIPTOR.fields:
        assert numbers[field.name] == field.number, field.name


@pytest.mark.parametrize("module", [extproc_pb2, discovery_pb2])
def test_generated_messages_are_up_to_date(module, tmp_path):
    source = module.DESCRIPTOR.name
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        "-I.",
        f"--descriptor_set_out={tmp_path}/set",
        f"--pyi_out={tmp_path}",
        source,
    ]
    subprocess.run(command, cwd=ROOT, check=True)
    (file,) = descriptor_pb2.FileDescriptorSet.FromString((tmp_path / "set").read_bytes()).file
    committed = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(committed)
    for message in file.message_type:
        message.ClearField("reserved_name")
    file.ClearField("source_code_info")
    for each in (file, committed):
        _forget_json_names(each.message_type)
    assert file == committed
    stub = source.replace(".proto", "_pb2.pyi")
    assert (tmp_path / stub).read_text() == (ROOT / stub).read_text()


def _forget_json_names(messages):
    for message in messages:
        for field in message.field:
            field.ClearField("json_name")
        _forget_json_names(message.nested_type)
