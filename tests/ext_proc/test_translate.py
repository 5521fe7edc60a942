import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from crds.plan import QuirksPlan
from ext_proc import wires
from ext_proc.events import RequestBody, RequestHeaders, RequestTrailers
from ext_proc.machine import OutOfOrderError
from ext_proc.translate import Translation
from ext_proc.wires import Wire

TARGETS = {
    "ns/a/*": Wire("OpenAIChat", "gpt-4o", "/v1/chat/completions", QuirksPlan()).metadata(),
    "ns/b/claude": Wire(
        "OpenAIChat", 'odd "name"', "/v1/chat/completions", QuirksPlan()
    ).metadata(),
}
METADATA = {
    "dragoman": {"translate": True, "format": "OpenAIChat", "stream": False, "targets": TARGETS}
}


def test_a_wire_survives_its_way_through_envoy():
    quirks = QuirksPlan(model_in_body=False, rename={"a": "b"}, drop=("c",), set={"d": "e"})
    wire = Wire("OpenAIChat", "m", "/v1", quirks)
    carried = Struct()
    carried.update(wire.metadata())
    assert wires.read(MessageToDict(carried)) == wire


def attempt(cluster, body, metadata=METADATA):
    translation = Translation(cluster)
    translation.receive(RequestHeaders({":method": "POST"}, end=False, metadata=metadata))
    assert not translation.done
    (reply,) = translation.receive(RequestBody(body))
    assert translation.done
    return reply


@pytest.mark.parametrize(
    ("cluster", "body", "expected"),
    [
        ("ns/a/*", b'{"model":"x","n":1.50}', b'{"model":"gpt-4o","n":1.50}'),
        (
            "ns/b/claude",
            b'{"a":[1,{"model":"inner"}],"model":"x"}',
            b'{"a":[1,{"model":"inner"}],"model":"odd \\"name\\""}',
        ),
    ],
)
def test_each_attempt_asks_for_its_own_targets_model(cluster, body, expected):
    reply = attempt(cluster, body)
    assert (reply.body, reply.set_headers) == (expected, (("x-dragoman-translated", "1"),))


@pytest.mark.parametrize(
    "metadata", [{}, {"dragoman": {}}, {"dragoman": {"targets": {}, "stream": False}}]
)
def test_without_the_guards_word_nothing_is_sent(metadata):
    with pytest.raises((KeyError, OutOfOrderError)):
        attempt("ns/a/*", b'{"model":"x"}', metadata)


def test_a_body_before_its_headers_is_an_error():
    with pytest.raises(OutOfOrderError):
        Translation("ns/a/*").receive(RequestBody(b"{}"))


def test_a_request_without_a_body_is_an_error():
    with pytest.raises(OutOfOrderError):
        Translation("ns/a/*").receive(RequestHeaders({}, end=True, metadata=METADATA))


def test_trailers_of_a_request_pass():
    assert len(Translation("ns/a/*").receive(RequestTrailers())) == 1
