"""Requests, answers and streams that hold anything: read or refused, by every pair of formats."""

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ext_proc.call import Line, Reject
from ext_proc.formats import sse, strict
from ext_proc.formats.table import DIALECTS
from ext_proc.translation.answers import Answer
from ext_proc.translation.codec import Asked, UnspeakableError
from ext_proc.translation.table import CODECS

ASKED = Asked("m", "req-1", 1)
CONVERSATIONS = (
    *("OpenAIChat", "AnthropicMessages", "GeminiContent", "BedrockConverse", "OpenAIResponses"),
)
FIELDS = {
    "OpenAIChat": (
        *("max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "stop", "n"),
        *("seed", "frequency_penalty", "presence_penalty", "reasoning_effort", "response_format"),
        *("tools", "functions", "tool_choice", "function_call", "parallel_tool_calls", "user"),
    ),
    "AnthropicMessages": (
        *("max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "tools", "tool_choice"),
        *("thinking", "metadata", "system", "output_config", "output_format", "mcp_servers"),
    ),
}
NAMES = (
    *("type", "text", "name", "id", "input", "content", "source", "data", "media_type", "function"),
    *("arguments", "url", "image_url", "file", "tool_use_id", "tool_calls", "signature", "schema"),
    *("thinking", "index", "delta", "usage", "message", "json_schema", "budget_tokens", "effort"),
    *("citations", "citation", "annotations", "url_citation", "cited_text", "title", "start_index"),
    *("end_index", "document_index", "start_char_index", "end_char_index"),
)
TYPES = (
    *("text", "image", "image_url", "file", "document", "tool_use", "tool_result", "thinking"),
    *("redacted_thinking", "base64", "function", "custom", "json_schema", "json_object", "enabled"),
    *("input_audio", "refusal", "auto", "tool", "text_delta", "input_json_delta", "reasoning.text"),
    *("citations_delta", "char_location", "web_search_result_location", "url_citation"),
)
WRONG = (None, True, -1, 1.5, 5000, "hot", [], [{}], ["a"], {}, {"type": 5}, {"type": "tool"})
SCALARS = (
    st.none() | st.booleans() | st.integers(-2, 5000) | st.floats(0, 9) | st.text("a1{", max_size=3)
)
JUNK = st.recursive(
    SCALARS | st.sampled_from(TYPES),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inside, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES), inside, max_size=4).flatmap(
            lambda held: st.sampled_from(TYPES).map(lambda kind: {**held, "type": kind})
        )
    ),
    max_leaves=12,
)
ROLES = {
    "OpenAIChat": ("user", "assistant", "system", "tool"),
    "AnthropicMessages": ("user", "assistant"),
}
MANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("value", WRONG, ids=str)
@pytest.mark.parametrize(
    ("spoken", "field"), [(spoken, field) for spoken, fields in FIELDS.items() for field in fields]
)
def test_a_field_of_any_value_is_translated_or_refused(spoken, field, value):
    """Whatever stands in a field, every target's body is written or the field is refused."""
    translate(spoken, {"messages": [{"role": "user", "content": "hi"}], field: value})


@pytest.mark.parametrize("spoken", list(FIELDS))
@MANY
@given(data=st.data())
def test_content_of_any_value_is_translated_or_refused(spoken, data):
    """Whatever is said, every target's body is written or the place is refused."""
    more = data.draw(st.dictionaries(st.sampled_from(("tool_calls", "name", "audio")), JUNK))
    roles = st.sampled_from(ROLES[spoken])
    turns = data.draw(st.lists(st.tuples(roles, JUNK, JUNK), min_size=1, max_size=3))
    said = [{**more, "role": role, "content": [one, two]} for role, one, two in turns]
    translate(spoken, {"messages": said})


def translate(spoken, document):
    """Translate a request to all, as far as its own format takes it."""
    line = Line("us.anthropic.claude", stream=False)
    body = json.dumps({"model": "m", **document}).encode()
    call = DIALECTS[spoken].decode_request(body, line)
    if isinstance(call, Reject):
        return
    with suppress(UnspeakableError):
        request = CODECS[spoken].read_request(call.document, line)
        for target in CONVERSATIONS:
            with suppress(UnspeakableError):
                strict.dumps(CODECS[target].write_request(request).document)


@pytest.mark.parametrize("provider", list(FIELDS))
@MANY
@given(data=st.data())
def test_an_answer_is_translated_or_refused(provider, data):
    """Whatever a provider answers, the caller gets an answer of its format, or a refusal."""
    names = ("content", "choices", "usage", "id", "model", "stop_reason", "stop_sequence")
    document = data.draw(st.dictionaries(st.sampled_from(names), JUNK))
    message = data.draw(st.dictionaries(st.sampled_from((*NAMES, "reasoning_details")), JUNK))
    if data.draw(st.booleans()):
        document["choices"] = [{"message": message, "finish_reason": data.draw(SCALARS)}]
        document["content"] = [message]
    for caller in CONVERSATIONS:
        answer = Answer(provider, caller, ASKED).whole(json.dumps(document).encode())
        assert isinstance(answer, bytes | Reject)


@pytest.mark.parametrize("provider", list(FIELDS))
@MANY
@given(data=st.data())
def test_a_stream_is_translated_or_refused(provider, data):
    """Whatever a provider streams, it is read to its end or to a failure."""
    kinds = (
        *("message_start", "content_block_start", "content_block_delta", "message_delta", "error"),
        *("content_block_stop", "message_stop", "chunk"),
    )
    choices = st.fixed_dictionaries({"delta": JUNK, "index": SCALARS, "finish_reason": SCALARS})
    events = data.draw(
        st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(kinds)},
                optional={
                    **dict.fromkeys(("content_block", "delta", "message", "usage", "index"), JUNK),
                    "choices": st.lists(choices, max_size=2),
                },
            ),
            max_size=5,
        )
    )
    sent = b"".join(sse.encode(json.dumps(event).encode()) for event in events)
    for caller in CONVERSATIONS:
        if caller != provider:
            answer = Answer(provider, caller, ASKED)
            written = answer.feed(sent) + answer.end()
            assert answer.failed or written
