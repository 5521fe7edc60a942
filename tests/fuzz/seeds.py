"""Where fuzzing begins: what the SDKs and providers of every format say."""

import json
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz import targets
from tests.translation import frames
from tests.translation.matrix.cells import FORMATS

RECORDED = Path(__file__).parents[1] / "translation" / "recorded"


def of(target: str) -> Iterator[bytes]:
    """The seeds of a target."""
    yield from {"json_body": _bodies, "sse": _events, "event_stream": _messages}[target]()


def _bodies() -> Iterator[bytes]:
    places = list(targets.DIALECTS)
    for format_, fixtures in FORMATS.items():
        bodies = [*fixtures.requests.values(), *fixtures.answers.values()]
        for number, body in enumerate(bodies):
            head = bytes([places.index(format_), number % len(targets.FORMATS)])
            yield head + json.dumps(body).encode()


def _events() -> Iterator[bytes]:
    for place, format_ in enumerate(targets._SSE):
        for number, raw in enumerate(FORMATS[format_].streams.values()):
            yield bytes([place, number % len(targets.FORMATS), 17]) + raw
    for path in sorted((RECORDED / "openai_chat").glob("*.sse")):
        chat = targets._SSE.index("OpenAIChat")
        for caller in range(len(targets.FORMATS)):
            yield bytes([chat, caller, 17]) + path.read_bytes()


def _messages() -> Iterator[bytes]:
    for number, path in enumerate(frames.STREAMS):
        head = bytes([0, number % len(targets.FORMATS), 17])
        yield head + frames.read(path)
        yield b"\1" + head[1:] + path.read_bytes()
