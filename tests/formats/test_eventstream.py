"""AWS event streams against botocore's own parser, both ways, and against whatever bytes come."""

import struct
import zlib
from contextlib import suppress
from itertools import pairwise

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ext_proc.formats import eventstream
from ext_proc.formats.eventstream import BrokenFrameError, Messages

NAMES = st.text(min_size=1, max_size=20)
VALUES = st.text(max_size=60)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=6)
EVENTS = st.tuples(
    st.sampled_from(["event", "exception"]), st.text(max_size=30), st.binary(max_size=200)
)


def raw(block, payload=b"{}", *, size=None, checksum=None, total=None):
    """A message made of a block of headers, and wrong where a test says so."""
    lengths = struct.pack("!II", 16 + len(block) + len(payload) if total is None else total,
                          len(block) if size is None else size)  # fmt: skip
    checked = lengths + struct.pack("!I", zlib.crc32(lengths)) + block + payload
    return checked + struct.pack("!I", zlib.crc32(checked) if checksum is None else checksum)


def header(name, kind, value=b""):
    return bytes([len(name)]) + name + bytes([kind]) + value


EVERY_TYPE = b"".join(
    [
        header(b"true", 0),
        header(b"false", 1),
        header(b"byte", 2, b"\x81"),
        header(b"short", 3, b"\x01\x02"),
        header(b"int", 4, b"\x01\x02\x03\x04"),
        header(b"long", 5, b"\x01" * 8),
        header(b"bytes", 6, b"\x00\x03abc"),
        header(b":message-type", 7, b"\x00\x05event"),
        header(b":event-type", 7, b"\x00\x04m\xc3\xa9h"),
        header(b"time", 8, b"\x00" * 8),
        header(b"uuid", 9, b"\x07" * 16),
    ]
)


@given(headers=HEADERS, payload=st.binary(max_size=300))
def test_botocore_reads_what_we_write(headers, payload):
    buffer = EventStreamBuffer()
    buffer.add_data(eventstream.encode(headers, payload))
    (read,) = buffer
    assert read.headers == headers
    assert read.payload == payload


def test_botocore_and_we_read_every_type_of_header_alike():
    buffer = EventStreamBuffer()
    buffer.add_data(raw(EVERY_TYPE))
    (theirs,) = buffer
    (ours,) = Messages().push(raw(EVERY_TYPE))
    assert len(theirs.headers) == 11
    assert (ours.kind, ours.name) == ("event", "méh")
    assert ours.name == theirs.headers[":event-type"]
    assert ours.payload == theirs.payload == b"{}"


@given(events=st.lists(EVENTS, max_size=6), data=st.data())
def test_any_split_gives_the_same_messages(events, data):
    stream = b"".join(getattr(eventstream, kind)(name, body) for kind, name, body in events)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    messages = Messages()
    read = [
        message
        for start, end in pairwise([0, *sorted(cuts), len(stream)])
        for message in messages.push(stream[start:end])
    ]
    assert [(each.kind, each.name, each.payload) for each in read] == events
    assert b"".join(each.raw for each in read) == stream
    assert not messages.cut


def test_a_message_that_is_cut_is_known_to_be():
    whole = eventstream.event("messageStop", b"{}")
    for end in range(1, len(whole)):
        messages = Messages()
        assert list(messages.push(whole[:end])) == []
        assert messages.cut


BROKEN = {
    "prelude checksum": b"\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00",
    "message checksum": raw(EVERY_TYPE, checksum=1),
    "shorter than itself": raw(b"", b"", total=15),
    "headers longer than the message": raw(b"", b"", size=4),
    "too large": raw(b"", total=eventstream.MAX_MESSAGE + 1),
    "too many headers": raw(b"", size=eventstream.MAX_HEADERS + 1, total=1 << 20),
    "unknown type": raw(header(b"a", 10)),
    "no name": raw(header(b"", 0)),
    "name cut": raw(b"\x09abc"),
    "no type": raw(b"\x01a"),
    "length cut": raw(header(b"a", 7, b"\x00")),
    "value cut": raw(header(b"a", 7, b"\x00\x09abc")),
    "number cut": raw(header(b"a", 5, b"\x00")),
    "twice": raw(header(b"a", 0) + header(b"a", 1)),
    "not UTF-8": raw(header(b"a", 7, b"\x00\x01\xff")),
    "name not UTF-8": raw(header(b"\xff", 7, b"\x00\x01a")),
    "server-sent events": b'data: {"a": 1}\n\n',
    "JSON": b'{"message": "no"}',
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_refused_after_what_came_before_it(broken):
    good = eventstream.event("messageStart", b"{}")
    for size in (1, 5, 1 << 20):
        read, messages = [], Messages()
        stream = good + broken
        with pytest.raises(BrokenFrameError):
            for start in range(0, len(stream), size):
                for message in messages.push(stream[start : start + size]):
                    read.append(message.raw)
        assert read == [good]


@given(st.binary(max_size=80), st.binary(max_size=60))
@settings(max_examples=300)
def test_whatever_comes_is_read_or_refused(stream, block):
    for sent in (stream, raw(block)):
        with suppress(BrokenFrameError):
            list(Messages().push(sent))


@given(st.binary(max_size=60))
@example(b"\x02\x00\x80\x00")
@settings(max_examples=300)
def test_headers_are_refused_where_botocore_refuses_them(block):
    """Every block we read, botocore reads too (it takes some that are cut)."""
    try:
        list(Messages().push(raw(block)))
    except BrokenFrameError:
        return
    buffer = EventStreamBuffer()
    buffer.add_data(raw(block))
    assert len(list(buffer)) == 1
