"""Texts and how they go back: changed ones leave JSON, unchanged ones leave the bytes."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crds.plan import QuirksPlan
from ext_proc.call import Call, Line
from ext_proc.formats import inner, strict
from ext_proc.formats.table import DIALECTS
from ext_proc.translation import requests
from ext_proc.wires import Wire

CHAT = DIALECTS["OpenAIChat"]
MESSAGES = DIALECTS["AnthropicMessages"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4)


def chat(**fields):
    call = CHAT.decode_request(
        json.dumps(
            {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
        ).encode(),
        Line(),
    )
    assert isinstance(call, Call)
    return call


def swap(call, old, new):
    for text in call.texts:
        if old in text.value:
            text.replace(text.value.replace(old, new))


def encoded(call):
    return json.loads(CHAT.encode_request(call, False))


@given(OBJECTS)
@settings(deadline=None)
def test_what_is_read_is_written_back(value):
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only)
        if inner.QUOTE in json.dumps(value, ensure_ascii=False):
            continue
        assert json.loads(inner.write(inner.read(text))) == value


@given(OBJECTS, st.data())
@settings(deadline=None)
def test_reading_and_writing_in_pieces_is_the_same(value, data):
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()))
    cuts = [0, *sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=9))), len(text)]
    reader, writer = inner.Reader(), inner.Writer()
    read = "".join(reader.push(text[a:b]) for a, b in pairwise(cuts)) + reader.finish()
    assert read == inner.read(text)
    marked = read.replace("0", "[REDACTED:X]")
    cuts = [0, *sorted(data.draw(st.sets(st.integers(0, len(marked)), max_size=9))), len(marked)]
    written = "".join(writer.push(marked[a:b]) for a, b in pairwise(cuts)) + writer.finish()
    assert written == inner.write(marked)


@given(st.text())
@settings(deadline=None)
def test_any_text_can_be_read(text):
    inner.write(inner.read(text))
    inner.write_valid(inner.read(text))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (r'{"a":"\u0065mail"}', '{"a":"email"}'),
        (r'{"a":"\\u0065"}', '{"a":"\\u0065"}'),
        (r'{"a":"x\ny\t\/"}', '{"a":"x\ny\t/"}'),
        (r'{"a":"\"q\" \u0022"}', f'{{"a":"{inner.QUOTE}q{inner.QUOTE} {inner.QUOTE}"}}'),
        (r'{"a":"\ud83d\ude00"}', '{"a":"😀"}'),
        (r'{"a":"\ud83d!"}', '{"a":"\ufffd!"}'),
        (r'{"a":"\ude00"}', '{"a":"\ufffd"}'),
        (r'{"a":"\u00"', '{"a":"\\u00"'),
        (r'{"a":"\u', '{"a":"\ufffd'),
        (r'{"a":"\ue022"}', '{"a":"\ufffd"}'),
    ],
)
def test_escapes(text, read):
    assert inner.read(text) == read


def test_a_redacted_number_becomes_a_string():
    call = chat(
        messages=[
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "c", "function": {"name": "f", "arguments": '{"n": 4111, "m":[4111]}'}}
                ],
            }
        ]
    )
    swap(call, "4111", "[REDACTED:CreditCard]")
    arguments = encoded(call)["messages"][0]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == {"n": "[REDACTED:CreditCard]", "m": ["[REDACTED:CreditCard]"]}


def test_json_that_a_redaction_breaks_is_given_up_whole():
    call = chat(messages=[{"role": "user", "content": '{"a": "b", "c": "secret"}'}])
    swap(call, '"b", "c": "sec', "[REDACTED:X]")
    content = encoded(call)["messages"][0]["content"]
    assert json.loads(content) == {"redacted": True}


def test_changed_keys_stay_apart_and_beside_the_known_ones():
    call = chat(metadata={"a@x": "1", "b@x": "2", "c": "3"}, **{"a@x": 1, "b@x": 2})
    for name in ("a@x", "b@x"):
        swap(call, name, "[M]")
    sent = encoded(call)
    assert sorted(sent["metadata"].values()) == ["1", "2", "3"]
    assert sorted(value for key, value in sent.items() if key.startswith("[M]")) == [1, 2]
    assert "@x" not in json.dumps(sent)
    assert sent["messages"][0]["content"] == "hi"


def test_a_text_may_be_replaced_twice():
    call = chat(unknown={"k@x": "v"}, stop=["q", "z"])
    swap(call, "k@x", "two")
    swap(call, "two", "three")
    swap(call, "q", "Q")
    assert encoded(call)["unknown"] == {"three": "v"}
    assert encoded(call)["stop"] == ["Q", "z"]


@given(OBJECTS)
@settings(deadline=None)
def test_unknown_fields_survive_a_change_elsewhere(value):
    call = chat(x_unknown=value)
    call.texts[0].replace("ho")
    assert encoded(call)["x_unknown"] == value


def test_json_in_json_in_json_is_read_without_escapes():
    hidden = {"e": "ana@mail.example", "b": "x"}
    for depth in (1, 2, 3, 4):
        hidden = (
            json.dumps(hidden).replace("ana@", "\\u0061na\\u0040")
            if depth == 1
            else json.dumps({"in": hidden})
        )
        for call in (
            chat(x_unknown={"deep": [hidden]}),
            chat(stop=hidden),
            chat(metadata={"k": hidden}),
        ):
            swap(call, "ana@mail.example", "[M]")
            value = encoded(call)
            if depth == 1:
                assert "[M]" in json.dumps(value)
            assert "mail.example" not in json.dumps(value)


def test_tool_input_is_one_text_with_its_keys():
    body = {
        "model": "m",
        "messages": [
            {
                "role": "assistant",
                "content": [
                    {
                        "type": "tool_use",
                        "id": "t",
                        "name": "n",
                        "input": {"password": 'a "b" 4111'},
                    }
                ],
            }
        ],
    }
    call = MESSAGES.decode_request(json.dumps(body).encode(), Line())
    text = next(text for text in call.texts if "password" in text.value)
    text.replace(text.value.replace("4111", "[REDACTED:X]"))
    sent = json.loads(MESSAGES.encode_request(call, False))
    assert sent["messages"][0]["content"][0]["input"] == {"password": 'a "b" [REDACTED:X]'}


def test_streams_are_asked_for_usage_once():
    call = chat(stream=True, stream_options={"include_obfuscation": False})
    assert json.loads(CHAT.encode_request(call, True))["stream_options"] == {
        "include_obfuscation": False,
        "include_usage": True,
    }
    asked = chat(stream=True, stream_options={"include_usage": True})
    assert asked.wants_usage
    assert CHAT.encode_request(asked, True) is asked.original
    unary = chat()
    assert CHAT.encode_request(unary, True) is unary.original


def test_another_model_changes_nothing_else():
    body = b'{"a":1.10,"mod\\u0065l":"x","b":[123456789012345678901234567890, -0]}'
    wire = Wire("OpenAIChat", 'y"', "", QuirksPlan())
    assert (
        requests.fit(body, wire)[0]
        == b'{"a":1.10,"model":"y\\"","b":[123456789012345678901234567890, -0]}'
    )
    call = chat()
    call.rename_model("other")
    assert encoded(call)["model"] == "other"


ANSWER = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1731000000,
    "model": "gpt-4o-2024",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "logprobs": {
                "content": [
                    {
                        "token": "P-",
                        "logprob": -0.1,
                        "bytes": [80],
                        "top_logprobs": [{"token": "Q", "logprob": -1.5, "bytes": [81]}],
                    },
                    {"token": "1", "logprob": -0.1, "bytes": None},
                ],
                "refusal": None,
            },
            "message": {
                "role": "assistant",
                "content": "P-1",
                "refusal": "P-2",
                "reasoning_content": "P-3",
                "annotations": [{"title": "P-4"}],
                "tool_calls": [
                    {
                        "id": "t",
                        "type": "function",
                        "function": {"name": "P-5", "arguments": '{"a":"P\\u002d6"}'},
                    }
                ],
                "audio": {"id": "a", "data": "QUJD", "transcript": "P-7"},
                "x": "P-8",
            },
        },
        {"index": 1, "finish_reason": "stop", "message": {"role": "assistant", "content": "P-9"}},
    ],
    "x_vendor": "P-10",
    "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
}


def test_every_text_of_an_answer():
    response = CHAT.decode_response(json.dumps(ANSWER).encode())
    assert (response.usage.input_tokens, response.usage.output_tokens, response.model) == (
        9,
        4,
        "gpt-4o-2024",
    )
    seen = "\n".join(text.value for text in response.texts)
    assert all(f"P-{number}" in seen for number in range(1, 11))
    assert response.unscanned == {"audio": 2}
    assert response.encode() is response.original
    for text in response.texts:
        text.replace(text.value.replace("P-", "[M]"))
    sent = json.loads(response.encode())
    assert "P-" not in json.dumps(sent)
    assert sent["choices"][0]["logprobs"] is None
    assert json.loads(sent["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]) == {
        "a": "[M]6"
    }


def test_logprobs_spell_what_they_hide():
    hidden = {
        "index": 0,
        "message": {"content": "ok"},
        "logprobs": {
            "content": [
                {"token": "se", "top_logprobs": [{"token": "x"}]},
                {"token": "cret", "top_logprobs": [{"token": "y"}]},
            ]
        },
    }
    response = CHAT.decode_response(json.dumps({"choices": [hidden]}).encode())
    texts = {text.value: text for text in response.texts}
    texts["secret\nxy"].replace("")
    assert json.loads(response.encode())["choices"][0]["logprobs"] is None
    odd = CHAT.decode_response(
        json.dumps(
            {"choices": [{**hidden, "logprobs": {"content": [{"token": "a", "note": "secret"}]}}]}
        ).encode()
    )
    assert any("secret" in text.value for text in odd.texts)


def test_every_text_of_a_message():
    message = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn", "stop_sequence": "P-1", "usage": {"input_tokens": 1, "output_tokens": 2}, "content": [
        {"type": "text", "text": "P-2", "citations": [{"cited_text": "P-3"}]},
        {"type": "thinking", "thinking": "P-4", "signature": "QUJD"},
        {"type": "tool_use", "id": "t", "name": "P-5", "input": {"P-6": "P-7"}},
        {"type": "code_execution_tool_result", "content": {"stdout": "P-8"}},
    ]}  # fmt: skip
    response = MESSAGES.decode_response(json.dumps(message).encode())
    seen = "\n".join(text.value for text in response.texts)
    assert all(f"P-{number}" in seen for number in range(1, 9))
    origins = {text.origin for text in response.texts}
    assert origins == {"Assistant", "Reasoning", "ToolCalls"}
    assert (response.usage.input_tokens, response.usage.output_tokens) == (1, 2)


def test_errors_instead_of_answers():
    for dialect, error in (
        (CHAT, {"error": {"message": "P-1"}}),
        (MESSAGES, {"type": "error", "error": {"message": "P-1"}}),
        (DIALECTS["OpenAIEmbeddings"], {"error": {"message": "P-1"}}),
    ):
        response = dialect.decode_response(json.dumps(error).encode())
        assert any("P-1" in text.value for text in response.texts)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"choices":1', b'{"a":1,"a":2}'])
def test_answers_that_cannot_be_read_are_bad_gateway(body):
    for dialect in DIALECTS.values():
        assert dialect.decode_response(body).status == 502
        assert dialect.measure(body).usage is None


def test_embedding_vectors_are_no_text():
    embeddings = DIALECTS["OpenAIEmbeddings"]
    rows = [
        {"object": "embedding", "index": 0, "embedding": [0.1, -2, 3e-5]},
        {"object": "embedding", "index": 1, "embedding": "AAAA"},
    ]
    body = {
        "object": "list",
        "data": rows,
        "model": "e",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    response = embeddings.decode_response(json.dumps(body).encode())
    assert response.texts == []
    assert (
        response.usage.input_tokens
        == embeddings.measure(json.dumps(body).encode()).usage.input_tokens
        == 3
    )
    odd = {
        **body,
        "data": [{"object": "embedding", "embedding": ["P-1"]}, {"embedding": "P-2 ", "x": 1}],
    }
    seen = str([text.value for text in embeddings.decode_response(json.dumps(odd).encode()).texts])
    assert "P-1" in seen
    assert "P-2" in seen


def test_measuring_agrees_with_decoding():
    body = json.dumps(ANSWER).encode()
    measured, decoded = CHAT.measure(body), CHAT.decode_response(body)
    assert (measured.usage, measured.model) == (decoded.usage, decoded.model)
    unstated = json.dumps({**ANSWER, "usage": None}).encode()
    assert all(part in CHAT.measure(unstated).text for part in ("P-1", "P-2", "P-3", "P-9"))


def test_depth_is_bounded():
    deep = b'{"a":' * 64 + b"1" + b"}" * 64
    assert strict.loads(deep)
    with pytest.raises(strict.InvalidJsonError):
        strict.loads(b'{"a":' + deep + b"}")
    wide = b'{"a":[' + b"{}," * 1000 + b"{}]}"
    assert strict.loads(wide)
