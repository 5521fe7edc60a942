"""A provider's stream, cut anywhere, is one stream to every caller; and guards read all of it.

The streams: those of this folder and those recorded for each codec.
"""

from contextlib import suppress
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.call import Line
from ext_proc.detectors import pii
from ext_proc.detectors.span import redact
from ext_proc.detectors.stream import Redactor
from ext_proc.formats.table import DIALECTS
from ext_proc.translation.answers import Answer
from ext_proc.translation.codec import UnreadableError
from ext_proc.translation.neutral import Failed
from ext_proc.translation.table import CODECS
from tests.translation import frames
from tests.translation.matrix import cells
from tests.translation.matrix.cells import ASKED, FORMATS
from tests.translation.matrix.features import ANSWERS, PLANTED

RECORDED = Path(__file__).parents[1] / "recorded"
FOLDERS = {
    "openai_chat": "OpenAIChat",
    "anthropic": "AnthropicMessages",
    "gemini": "GeminiContent",
    "responses": "OpenAIResponses",
    "bedrock": "BedrockConverse",
}
FORMAT_OF = {"openai": "OpenAIChat", "anthropic": "AnthropicMessages", "gemini": "GeminiContent"}
INSPECTED = Path(__file__).parents[2] / "formats" / "streams"
DETECTOR = pii.detector(("Email", "CreditCard"))


def streams():
    """Every stream there is, as (provider's format, name, bytes)."""
    for format_, fixtures in FORMATS.items():
        for name, raw in fixtures.streams.items():
            yield format_, name, raw
        yield format_, "failing", fixtures.failing
    for folder, format_ in FOLDERS.items():
        for path in sorted((RECORDED / folder).iterdir()):
            if path.suffix == ".sse":
                yield format_, path.stem, path.read_bytes()
            elif path.suffix == ".stream":
                yield format_, path.stem, frames.read(path)
    for path in sorted(INSPECTED.glob("*.sse")):
        if path.name.partition("_")[0] in FORMAT_OF:
            yield FORMAT_OF[path.name.partition("_")[0]], path.stem, path.read_bytes()


STREAMS = list(streams())
IDS = [f"{format_}-{name}" for format_, name, _ in STREAMS]


def pieces_of(raw, cuts):
    places = sorted({0, len(raw), *cuts})
    return [raw[a:b] for a, b in pairwise(places)]


def translated(provider, client, pieces):
    """What a caller reads, whatever becomes of it, and what is billed."""
    answer = Answer(provider, client, ASKED)
    out = b"".join(map(answer.feed, pieces)) + answer.end()
    return meant(client, out), answer.usage, answer.failed


def meant(client, raw):
    reader = CODECS[client].reader()
    deltas = [*reader.feed(raw)]
    with suppress(UnreadableError):  # what was cut for the provider is cut for the caller
        deltas += reader.end()
    failed = [each for each in deltas if isinstance(each, Failed)]
    return cells.told(each for each in deltas if each not in failed), failed


@cache
def at_once(number, client):
    provider, _, raw = STREAMS[number]
    return translated(provider, client, [raw])


@pytest.mark.parametrize("number", range(len(STREAMS)), ids=IDS)
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_any_split_says_the_same_to_every_caller(number, data):
    provider, _, raw = STREAMS[number]
    cuts = data.draw(st.sets(st.integers(1, max(1, len(raw) - 1)), max_size=30))
    for client in FORMATS:
        if client != provider:
            assert translated(provider, client, pieces_of(raw, cuts)) == at_once(number, client)


@pytest.mark.parametrize("number", range(len(STREAMS)), ids=IDS)
def test_byte_by_byte(number):
    provider, _, raw = STREAMS[number]
    single = [raw[at : at + 1] for at in range(len(raw))]
    for client in FORMATS:
        if client != provider:
            assert translated(provider, client, single) == at_once(number, client)


class Scan:
    """A guard that redacts and remembers what it was shown."""

    blocked = False

    def __init__(self, seen):
        self.redactor, self.seen, self.text = Redactor(DETECTOR), seen, ""

    def push(self, text):
        self.text += text
        return self.redactor.push(text)

    def finish(self):
        self.seen.append(self.text)
        return self.redactor.finish()


def guarded(provider, client, pieces):
    """What a caller reads behind a guard that redacts, and all texts that the guard saw."""
    fixtures, seen = FORMATS[client], []
    body = cells.json.dumps(fixtures.requests["stream"]).encode()
    call = DIALECTS[client].decode_request(body, Line(fixtures.model, stream=True))
    codec = DIALECTS[client].stream(call, lambda origin: Scan(seen), len)
    answer = Answer(provider, client, ASKED) if provider != client else None
    out = b""
    for piece in pieces:
        out += codec.feed(answer.feed(piece) if answer else piece)
    out += codec.feed(answer.end()) if answer else b""
    out += codec.end()
    assert codec.failed is None
    return cells.streamed(client, out), sorted(filter(None, seen))


WHOLE = redact(PLANTED, DETECTOR.find(PLANTED))[0]


@pytest.mark.parametrize("provider", FORMATS)
@pytest.mark.parametrize("client", FORMATS)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_guards_read_the_same_and_callers_get_it_redacted(client, provider, data):
    raw = FORMATS[provider].streams["planted"]
    cuts = data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=30))
    said, seen = guarded(provider, client, pieces_of(raw, cuts))
    call = ("call", "call_9", "weather", {"city": "[REDACTED:Email]"})
    texts = [each for each in said.parts if isinstance(each, str)]
    assert "".join(texts) == WHOLE
    assert [each for each in said.parts if each not in texts] == [call]
    assert (said.finish, said.usage) == (ANSWERS["planted"].finish, ANSWERS["planted"].usage)
    assert PLANTED in seen
    assert any("ana@mail.example" in each for each in seen if each != PLANTED)
