"""The official SDKs, pointed at the gateway, with nothing else changed."""

import json
from decimal import Decimal

import anthropic
import httpx2
import openai
import pytest

from tests.e2e.conftest import Setup

pytestmark = pytest.mark.e2e

ADDRESS = "jane.roe@example.org"
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "finds an order",
        "parameters": {
            "type": "object",
            "properties": {"order": {"type": "string"}},
            "required": ["order"],
        },
    },
}


@pytest.fixture(scope="module")
def oai(setup: Setup):
    with openai.OpenAI(
        base_url=f"{setup.url}/v1",
        api_key="sk-of-the-caller",
        project="proj-1",
        organization="org-1",
        max_retries=0,
    ) as client:
        yield client


@pytest.fixture(scope="module")
def claude(setup: Setup):
    with anthropic.Anthropic(
        base_url=setup.url, api_key="sk-of-the-caller", max_retries=0
    ) as client:
        yield client


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_openai_chat_is_redacted_on_the_way_and_priced(setup: Setup, oai: openai.OpenAI) -> None:
    """What reaches the provider has no address and only the gateway's own key; the line has usage and cost."""
    raw = oai.chat.completions.with_raw_response.create(
        model="echo", messages=user(f"write to {ADDRESS}")
    )
    completion = raw.parse()
    assert completion.choices[0].message.content == "write to [REDACTED:Email]"
    request = setup.provider.last()
    assert ADDRESS.encode() not in request.body
    headers = dict(request.headers)
    assert headers["authorization"] == "Bearer planted-key-of-openai"
    assert int(headers["content-length"]) == len(request.body)
    assert not [
        h
        for h in headers
        if h.startswith(("x-dragoman", "openai-", "x-stainless", "x-forwarded", "x-envoy"))
    ], headers
    record = setup.run.record(raw.headers["x-request-id"])
    assert record["route"] == "default/assistant"
    assert record["rule"] == "openai"
    assert record["backend"] == "default/openai"
    assert record["status"] == 200
    assert record["attempts"] == 1
    assert record["usage"]["input_tokens"] == completion.usage.prompt_tokens
    assert record["usage"]["output_tokens"] == completion.usage.completion_tokens
    assert record["usage"]["estimated"] is False
    assert record["cost"] == "unpriced"
    assert record["plan"]
    assert {g["guard"]: g["found"] for g in record["guards"]} == {"pii": {"Email": 1}}


def test_a_renamed_model_reaches_the_provider_under_its_own_name(
    setup: Setup, oai: openai.OpenAI
) -> None:
    oai.chat.completions.create(model="chat-default", messages=user("hello"))
    assert json.loads(setup.provider.last().body)["model"] == "echo"


def test_known_models_are_priced_exactly(setup: Setup, oai: openai.OpenAI) -> None:
    raw = oai.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=user("hello there")
    )
    record = setup.run.record(raw.headers["x-request-id"])
    assert Decimal(record["cost"]) > 0
    assert raw.headers["x-dragoman-model"] == "gpt-4o"
    assert raw.headers["x-dragoman-backend"] == "default/openai"


def test_openai_streams_without_usage_unless_asked(setup: Setup, oai: openai.OpenAI) -> None:
    """The provider is asked for usage all the same, so the cost is counted."""
    with oai.chat.completions.with_streaming_response.create(
        model="echo", messages=user("one two three"), stream=True
    ) as response:
        request_id = response.headers["x-request-id"]
        chunks = list(response.parse())
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "one two three"
    assert all(c.usage is None for c in chunks)
    assert json.loads(setup.provider.last().body)["stream_options"] == {"include_usage": True}
    record = setup.run.record(request_id)
    assert record["usage"]["output_tokens"] > 0
    assert record["usage"]["estimated"] is False

    chunks = list(
        oai.chat.completions.create(
            model="echo", messages=user("one"), stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].usage is not None


def test_openai_stream_is_redacted(setup: Setup, oai: openai.OpenAI) -> None:
    """The response guard masks across chunks; `onebyte` sends the stream one byte at a time."""
    for model in ("echo", "fault-onebyte+echo"):
        chunks = list(
            oai.chat.completions.create(
                model=model,
                messages=user("card 4111 1111 1111 1111 or the word zebra"),
                stream=True,
            )
        )
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text == "card [REDACTED:CreditCard] or the word zebra"


def test_openai_tools_round_trip(oai: openai.OpenAI) -> None:
    messages = user("use the tool please")
    first = oai.chat.completions.create(
        model="gpt-4o", messages=messages, tools=[TOOL], tool_choice="required"
    )
    call = first.choices[0].message.tool_calls[0]
    assert call.function.name == "look_up"
    json.loads(call.function.arguments)
    messages += [
        {"role": "assistant", "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": call.id, "content": "order found"},
    ]
    second = oai.chat.completions.create(model="gpt-4o", messages=messages, tools=[TOOL])
    assert second.choices[0].message.content
    chunks = list(
        oai.chat.completions.create(
            model="gpt-4o",
            messages=user("use the tool"),
            tools=[TOOL],
            tool_choice="required",
            stream=True,
        )
    )
    arguments = "".join(
        t.function.arguments or ""
        for c in chunks
        if c.choices
        for t in c.choices[0].delta.tool_calls or []
    )
    json.loads(arguments)


def test_openai_embeddings(setup: Setup, oai: openai.OpenAI) -> None:
    result = oai.embeddings.create(model="text-embedding-3-small", input=["a", f"mail {ADDRESS}"])
    assert len(result.data) == 2
    assert ADDRESS.encode() not in setup.provider.last().body


def test_model_lists(setup: Setup, oai: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    names = [m.id for m in oai.models.list()]
    assert "chat-default" in names
    assert "echo" in names
    assert "echo-claude" in [m.id for m in claude.models.list()]
    assert oai.models.retrieve("echo").id == "echo"


def test_a_blocked_prompt_is_permission_denied(
    setup: Setup, oai: openai.OpenAI, claude: anthropic.Anthropic
) -> None:
    before = len(setup.provider.received)
    with pytest.raises(openai.PermissionDeniedError) as refused:
        oai.chat.completions.create(model="echo", messages=user("this is a Forbidden Phrase."))
    assert refused.value.code == "blocked_by_policy"
    assert "forbidden" not in str(refused.value).lower()
    with pytest.raises(anthropic.PermissionDeniedError) as denied:
        claude.messages.create(model="claude-x", max_tokens=50, messages=user("a forbidden phrase"))
    assert "blocked_by_policy" in str(denied.value.body)
    assert len(setup.provider.received) == before


def test_an_unknown_model_is_not_found(oai: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        oai.chat.completions.create(model="no-such-model", messages=user("hello"))
    assert missing.value.code == "model_not_found"
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.create(model="no-such-model", max_tokens=50, messages=user("hello"))


def test_anthropic_messages_and_streams(setup: Setup, claude: anthropic.Anthropic) -> None:
    message = claude.messages.create(
        model="echo-claude", max_tokens=50, system="be brief", messages=user(f"write to {ADDRESS}")
    )
    assert message.content[0].type == "text"
    headers = dict(setup.provider.last().headers)
    assert headers["x-api-key"] == "planted-key-of-anthropic"
    assert ADDRESS.encode() not in setup.provider.last().body
    with claude.messages.stream(model="claude-x", max_tokens=50, messages=user("hello")) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text
    assert final.usage.output_tokens > 0
    tools = [
        {"name": "look_up", "description": "finds", "input_schema": TOOL["function"]["parameters"]}
    ]
    called = claude.messages.create(
        model="claude-x",
        max_tokens=50,
        tools=tools,
        tool_choice={"type": "any"},
        messages=user("use the tool"),
    )
    assert [b for b in called.content if b.type == "tool_use"]


def test_a_response_word_that_is_blocked_ends_the_answer(oai: openai.OpenAI) -> None:
    with pytest.raises(openai.PermissionDeniedError):
        oai.chat.completions.create(model="echo", messages=user("say the unspeakable word now"))
    chunks = list(
        oai.chat.completions.create(
            model="echo", messages=user("say the unspeakable word now please"), stream=True
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert "unspeakable" not in text
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "content_filter"


def test_client_credentials_and_unlisted_headers_stop_here(setup: Setup) -> None:
    response = httpx2.post(
        f"{setup.url}/v1/chat/completions?key=planted-query&api-version=1",
        headers={
            "authorization": "Bearer planted-caller",
            "cookie": "session=planted-cookie",
            "x-dragoman-class": "anything",
            "x-dragoman-target": "default/openai/*",
            "openai-project": "planted-project",
            "x-goog-api-key": "planted-goog",
            "x-amz-security-token": "planted-amz",
        },
        json={"model": "echo", "messages": user("hi")},
    )
    assert response.status_code == 200
    request = setup.provider.last()
    assert request.path == "/v1/chat/completions"
    assert "planted" not in str([v for n, v in request.headers if n != "authorization"])
    assert dict(request.headers)["authorization"] == "Bearer planted-key-of-openai"


def test_a_providers_own_401_shows_nothing_of_it(setup: Setup, oai: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as failed:
        oai.chat.completions.create(model="fault-status-401", messages=user("hello"))
    assert failed.value.status_code == 502
    assert failed.value.code == "provider_auth_failed"
    assert "planted" not in failed.value.response.text
