"""However a provider's stream is cut into pieces, the client gets the same and so does the account."""

import json
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.events import RequestBody, ResponseBody, ResponseHeaders, ResponseTrailers
from tests.exchange import harness

TEXT = "To Zanzibar, curious as ever; the zanzi bar is closed. ZANZIBAR! Zan"
BLOCKED = "All quiet in zanzibar until the forbidden fruit is named, and more"


def chunk(**choice):
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, **choice}],
    }


def stream(text: str) -> bytes:
    words = [text[i : i + 5] for i in range(0, len(text), 5)]
    chunks = [chunk(delta={"content": word}) for word in words]
    usage = {
        "id": "c",
        "object": "chat.completion.chunk",
        "choices": [],
        "usage": {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17},
    }
    return b"".join(
        map(harness.sse, [*chunks, chunk(delta={}, finish_reason="stop"), usage, "[DONE]"])
    )


def run(pieces, *, trailers=False):
    bench = harness.Bench(harness.snapshot("guarded"))
    exchange = bench.exchange()
    harness.receive(exchange, harness.headers("/v1/chat/completions"))
    body = {"model": "any", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    harness.receive(exchange, RequestBody(json.dumps(body).encode()))
    given_headers = {
        ":status": "200",
        "content-type": "text/event-stream",
        "x-dragoman-target": "ns/first/gpt-4o-mini",
    }
    harness.receive(exchange, ResponseHeaders(given_headers, end=False))
    out, ended = b"", False
    for i, piece in enumerate(pieces):
        last = i == len(pieces) - 1 and not trailers
        for reply in harness.receive(exchange, ResponseBody(piece, end=last)):
            assert not ended
            out += reply.body
            ended = reply.end
    if trailers:
        for reply in harness.receive(exchange, ResponseTrailers()):
            out += getattr(reply, "body", None) or b""
    assert exchange.done
    exchange.close("gone")
    return out, bench.records[0]


def content(out: bytes) -> str:
    texts = [
        chunk["choices"][0]["delta"].get("content", "")
        for chunk in harness.parsed(out)
        if chunk != "[DONE]"
    ]
    return "".join(texts)


def cut(data: bytes, places):
    edges = [0, *sorted(places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_redaction_and_account_do_not_depend_on_chunks(data):
    whole = stream(TEXT)
    places = data.draw(st.lists(st.integers(0, len(whole)), max_size=30))
    out, record = run(cut(whole, places), trailers=data.draw(st.booleans()))
    assert content(out) == TEXT.replace("Zanzibar", "[REDACTED:Keyword]").replace(
        "ZANZIBAR", "[REDACTED:Keyword]"
    )
    assert (record.usage.input_tokens, record.usage.output_tokens, record.usage.estimated) == (
        9,
        8,
        False,
    )
    assert {(v.guard, v.found) for v in record.verdicts} == {
        ("leak", (("Keyword", 2),)),
        ("seen", (("Keyword", 1),)),
    }


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nothing_of_a_blocked_text_or_after_it_passes(data):
    whole = stream(BLOCKED)
    out, record = run(cut(whole, data.draw(st.lists(st.integers(0, len(whole)), max_size=30))))
    assert content(out) == "All quiet in [REDACTED:Keyword] until the "
    assert (record.status, record.error) == (200, "blocked_by_policy")


def test_one_byte_at_a_time():
    whole = stream(TEXT)
    assert content(run([whole[i : i + 1] for i in range(len(whole))])[0]).count("REDACTED") == 2


def test_large_pieces_are_read_on_another_thread_with_the_same_result():
    text = "Zanzibar lies in the sea. " * 400
    out, _ = run([stream(text)])
    assert content(out) == text.replace("Zanzibar", "[REDACTED:Keyword]")
