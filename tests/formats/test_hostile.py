"""The bad-input suite at the JSON door, one row each: refused, or every hidden text found."""

import json
from pathlib import Path

import pytest
import yaml

from ext_proc.call import Call, Line, Reject
from ext_proc.formats.table import DIALECTS

ROWS = yaml.safe_load((Path(__file__).parent / "hostile.yaml").read_text(encoding="utf-8"))


def body(row):
    if "hex" in row:
        return bytes.fromhex(row["hex"])
    if "repeat" in row:
        before, unit, count, after = row["repeat"]
        closing = row["close"] * count + "}" if "close" in row else ""
        return (before + unit * count + after + closing).encode()
    return row["body"].encode()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['item']} {row['name']}")
def test_row(row):
    dialect = DIALECTS[row.get("format", "OpenAIChat")]
    sent = body(row)
    call = dialect.decode_request(sent, Line())
    if "refused" in row:
        assert isinstance(call, Reject)
        assert (call.status, call.code) == (row["refused"], "malformed_request")
        assert "ana" not in call.message
        return
    assert isinstance(call, Call), call
    if "texts" in row:
        assert [[text.origin, text.value] for text in call.texts] == row["texts"]
    for part in row.get("sees", ()):
        assert any(part in text.value for text in call.texts)
    if "unscanned" in row:
        assert dict(call.unscanned) == row["unscanned"]
    if "kept" in row:
        assert dialect.encode_request(call, False) is sent
    if "replace" in row:
        old, new = row["replace"]
        next(text for text in call.texts if text.value == old).replace(new)
        assert dialect.encode_request(call, False).decode() == row["encoded"]


def test_every_number_of_the_parsers_part_has_a_row():
    assert {11, 12, 13, 14, 15, 16, 17} <= {row["item"] for row in ROWS}


AMBIGUOUS = {"type": "text", "text": "a", "Text": "b"}


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("AnthropicMessages", {"content": [AMBIGUOUS]}),
        ("OpenAIChat", {"choices": [{"message": {"role": "assistant", "content": [AMBIGUOUS]}}]}),
        ("OpenAIResponses", {"output": [{"type": "message", "content": [{**AMBIGUOUS, "type": "output_text"}]}]}),
        ("BedrockConverse", {"output": {"message": {"content": [{"text": "a", "toolUse": {"name": "n", "Name": "m"}}]}}}),
    ],
)  # fmt: skip
def test_an_answer_with_an_ambiguous_key_is_502(name, answer):
    found = DIALECTS[name].decode_response(json.dumps(answer).encode())
    assert isinstance(found, Reject)
    assert found.status == 502


def test_a_stream_with_an_ambiguous_key_fails():
    event = {"type": "content_block_start", "index": 0, "content_block": AMBIGUOUS}
    call = DIALECTS["AnthropicMessages"].decode_request(
        b'{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}', Line()
    )
    codec = DIALECTS["AnthropicMessages"].stream(call, lambda _: pytest.fail("nothing is read"))
    assert codec.feed(b"data: " + json.dumps(event).encode() + b"\n\n") == b""
    assert codec.failed.status == 502
