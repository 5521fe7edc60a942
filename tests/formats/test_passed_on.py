"""Formats that are only passed on: whose text is whose, what is recorded, what is refused, usage."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext_proc.call import Call, Line, Reject, Usage
from ext_proc.formats.table import DIALECTS

PNG = "data:image/png;base64,QUJD"
JSON_FORMATS = {
    "AnthropicTokenCount": {"model": "m", "messages": [{"role": "user", "content": "a"}]},
    "OpenAICompletions": {"model": "m", "prompt": "a"},
    "OpenAIModerations": {"model": "m", "input": "a"},
    "OpenAIImages": {"model": "m", "prompt": "a"},
    "OpenAISpeech": {"model": "m", "input": "a", "voice": "alloy"},
    "Rerank": {"model": "m", "query": "a", "documents": ["a"]},
}


def decode(name, **document):
    return DIALECTS[name].decode_request(json.dumps(document).encode(), Line())


@pytest.mark.parametrize(
    ("name", "document", "texts", "unscanned"),
    [
        ("OpenAICompletions", {"prompt": "one", "suffix": "two", "stop": ["three"]}, [("User", "one"), ("User", "two"), ("Other", "three")], {}),
        ("OpenAICompletions", {"prompt": ["one", "two"]}, [("User", "one"), ("User", "two")], {}),
        ("OpenAICompletions", {"prompt": [1, 2]}, [], {"tokens": 1}),
        ("OpenAIModerations", {"input": ["one", {"type": "text", "text": "two"}, {"type": "image_url", "image_url": {"url": PNG}}]}, [("User", "one"), ("User", "two")], {"image": 1}),
        ("OpenAIImages", {"prompt": "one", "size": "1024x1024", "user": "two"}, [("User", "one"), ("Other", "two")], {"image_answer": 1}),
        ("OpenAISpeech", {"input": "one", "instructions": "two", "voice": "alloy"}, [("User", "one"), ("System", "two")], {"audio_answer": 1}),
        ("Rerank", {"query": "one", "documents": ["two", {"text": "three", "image": PNG}], "rank_fields": ["text"]}, [("User", "one"), ("User", "two"), ("User", "three"), ("Other", "text")], {"image": 1}),
        ("AnthropicTokenCount", {"system": "one", "messages": [{"role": "user", "content": "two"}]}, [("System", "one"), ("User", "two")], {}),
    ],
)  # fmt: skip
def test_whose_text_is_whose(name, document, texts, unscanned):
    call = decode(name, model="m", **document)
    assert [(text.origin, text.value) for text in call.texts] == texts
    assert dict(call.unscanned) == unscanned
    assert (call.format, call.stream) == (name, False)
    assert DIALECTS[name].encode_request(call, True) is call.original
    for text in call.texts:
        text.replace("[M]")
    sent = DIALECTS[name].encode_request(call, True).decode()
    assert sent.count("[M]") == len(texts)
    assert not any(f'"{value}"' in sent for _, value in texts if value != "text")


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("OpenAICompletions", {"prompt": None}),
        ("OpenAICompletions", {"prompt": ["a", 1]}),
        ("OpenAICompletions", {"prompt": "a", "stream_options": "x"}),
        ("OpenAIModerations", {"input": []}),
        ("OpenAIModerations", {"input": [1]}),
        ("OpenAIImages", {"prompt": ["a"]}),
        ("OpenAIImages", {"prompt": "a", "stream": "yes"}),
        ("OpenAISpeech", {"input": 1}),
        ("Rerank", {"query": None, "documents": ["a"]}),
        ("Rerank", {"query": "a", "documents": "a"}),
        ("Rerank", {"query": "a", "documents": []}),
        ("Rerank", {"query": "a", "documents": [1]}),
        ("AnthropicTokenCount", {"messages": []}),
        ("OpenAIImages", {"prompt": "a", "Prompt": "b"}),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(name, document):
    refused = decode(name, model="m", **document)
    assert (refused.status, refused.code) == (400, "malformed_request")


@pytest.mark.parametrize("name", sorted(set(JSON_FORMATS) - {"OpenAIModerations"}))
def test_a_model_must_be_named(name):
    document = {key: value for key, value in JSON_FORMATS[name].items() if key != "model"}
    assert decode(name, **document).code == "malformed_request"


def test_moderations_mean_their_default_model_and_say_so_to_the_provider():
    call = decode("OpenAIModerations", input="a")
    assert call.model == "omni-moderation-latest"
    sent = json.loads(DIALECTS["OpenAIModerations"].encode_request(call, False))
    assert sent == {"input": "a", "model": "omni-moderation-latest"}


@pytest.mark.parametrize(
    ("name", "answer", "used", "seen"),
    [
        ("OpenAIImages", {"data": [{"b64_json": "QUJD", "revised_prompt": "P-1"}], "usage": {"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"text_tokens": 2, "image_tokens": 7}}}, Usage(input_tokens=9, output_tokens=4, media_tokens=7), "P-1"),
        ("OpenAIImages", {"data": [{"url": "https://P-1.example/a.png"}]}, None, "P-1"),
        ("Rerank", {"results": [{"index": 0, "document": {"text": "P-1"}}], "usage": {"total_tokens": 5, "prompt_tokens": 5}}, Usage(input_tokens=5), "P-1"),
        ("Rerank", {"results": [{"index": 0, "document": "P-1"}], "meta": {"billed_units": {"search_units": 1}, "tokens": {"input_tokens": 7}}}, Usage(input_tokens=7), "P-1"),
        ("Rerank", {"results": [], "meta": {"billed_units": {"search_units": 1}, "warnings": ["P-1"]}}, None, "P-1"),
        ("OpenAIModerations", {"model": "m", "results": [{"flagged": True, "categories": {"hate": True}, "x": "P-1"}]}, None, "P-1"),
        ("OpenAICompletions", {"choices": [{"index": 0, "text": "P-1"}], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}, Usage(input_tokens=3, output_tokens=2), "P-1"),
        ("AnthropicTokenCount", {"input_tokens": 14, "x": "P-1"}, None, "P-1"),
        ("OpenAITranscription", {"text": "P-1", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 5, "input_token_details": {"audio_tokens": 14}}}, Usage(input_tokens=14, output_tokens=5, media_tokens=14), "P-1"),
    ],
)  # fmt: skip
def test_answers(name, answer, used, seen):
    dialect, body = DIALECTS[name], json.dumps(answer).encode()
    response = dialect.decode_response(body)
    assert response.encode() is body
    assert any(seen in text.value for text in response.texts)
    measured = dialect.measure(body)
    assert (response.usage, response.usage_invalid) == (used, False)
    assert (measured.usage, measured.usage_invalid) == (used, False)


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("OpenAIImages", {"input_tokens": -1, "output_tokens": 4}),
        ("OpenAIImages", {"input_tokens": 1, "input_tokens_details": {"image_tokens": 2}}),
        ("OpenAIImages", {"output_tokens": 4}),
        ("Rerank", {"total_tokens": 10**12}),
        ("Rerank", {"other": 1}),
        ("Rerank", "many"),
        ("OpenAITranscription", {"input_tokens": True}),
    ],
)
def test_usage_that_cannot_be_is_none(name, usage):
    body = json.dumps({"usage": usage}).encode()
    for read in (DIALECTS[name].measure(body), DIALECTS[name].decode_response(body)):
        assert (read.usage, read.usage_invalid) == (None, True)


def test_tokens_of_completions_spell_what_they_hide():
    choice = {
        "index": 0,
        "text": "ok",
        "logprobs": {
            "tokens": ["se", "cret"],
            "token_logprobs": [None, -0.5],
            "top_logprobs": [None, {"cret": -0.5, "x": -1.5}],
            "text_offset": [0, 2],
        },
    }
    dialect = DIALECTS["OpenAICompletions"]
    response = dialect.decode_response(json.dumps({"choices": [choice]}).encode())
    texts = {text.value: text for text in response.texts}
    texts["secret\ncret\nx"].replace("")
    assert json.loads(response.encode())["choices"][0]["logprobs"] is None
    choice["logprobs"]["note"] = "secret"
    odd = dialect.decode_response(json.dumps({"choices": [choice]}).encode())
    assert any('"note":"secret"' in text.value for text in odd.texts)


def test_a_streamed_completion_whose_choice_is_none_is_refused():
    call = decode("OpenAICompletions", model="m", prompt="a", stream=True)

    class Scan:
        blocked = False

        def push(self, text):
            return text

        def finish(self):
            return ""

    for odd in ({"index": 0, "text": ["ana@"]}, {"index": 0, "text": "a", "delta": {"x": "ana@"}}):
        codec = DIALECTS["OpenAICompletions"].stream(call, lambda _: Scan(), len)
        out = codec.feed(b"data: " + json.dumps({"choices": [odd]}).encode() + b"\n\n")
        assert codec.failed.status == 502
        assert b"ana@" not in out


def test_errors_of_rerank_are_coheres():
    dialect = DIALECTS["Rerank"]
    said = json.loads(dialect.error(Reject(403, "blocked_by_policy", "Blocked."), "r-1"))
    assert said == {"id": "r-1", "message": "Blocked.", "code": "blocked_by_policy"}
    for body in (
        {"message": "too long"},
        {"detail": "too long"},
        {"error": {"message": "too long"}},
    ):
        error = dialect.provider_error(400, json.dumps(body).encode())
        assert json.loads(error.encode()) == {"message": "too long"}


JUNK = st.sampled_from(
    [None, True, 0, 1.5, "", "text", [], [None], [[]], {}, {"a": 1}, [{"type": 1}]]
)


@pytest.mark.parametrize("name", JSON_FORMATS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_odd_types_never_crash(name, data):
    keys = [
        *JSON_FORMATS[name],
        "stream",
        "n",
        "usage",
        "results",
        "data",
        "choices",
        "meta",
        "text",
    ]
    document = {**JSON_FORMATS[name], **data.draw(st.dictionaries(st.sampled_from(keys), JUNK))}
    body = json.dumps(document).encode()
    call = DIALECTS[name].decode_request(body, Line())
    if isinstance(call, Call):
        assert DIALECTS[name].encode_request(call, False)
    DIALECTS[name].decode_response(body)
    DIALECTS[name].measure(body)
