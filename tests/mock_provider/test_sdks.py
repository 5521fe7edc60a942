"""The official SDKs take the mock for the provider."""

import json

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

PARAMETERS = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "unit": {"enum": ["C", "F"]},
        "days": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}
OPENAI_TOOL = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}
ANTHROPIC_TOOL = {"name": "weather", "input_schema": PARAMETERS}
EXAMPLE = {"city": "example", "unit": "C", "days": 1, "tags": ["example"]}


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.fixture
async def oai(mock):
    async with openai.AsyncOpenAI(
        base_url=f"{mock.url}/v1", api_key="sk-test", max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def claude(mock):
    async with anthropic.AsyncAnthropic(
        base_url=mock.url, api_key="sk-test", max_retries=0
    ) as client:
        yield client


async def test_chat_echoes_and_counts_words(oai) -> None:
    answer = await oai.chat.completions.create(
        model="echo",
        messages=[{"role": "system", "content": "be brief"}, *user("one  two\nthree ")],
        n=2,
    )
    assert [c.message.content for c in answer.choices] == ["one  two\nthree "] * 2
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "echo"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 6)
    assert answer.usage.prompt_tokens_details.cached_tokens == 2


async def test_other_models_say_their_name_and_reasoning_models_think(oai) -> None:
    plain = await oai.chat.completions.create(model="gpt-4o", messages=user("hello"))
    assert "answering as gpt-4o" in plain.choices[0].message.content
    assert not hasattr(plain.choices[0].message, "reasoning_content")
    thinking = await oai.chat.completions.create(model="reason-1", messages=user("hello"))
    assert thinking.choices[0].message.reasoning_content
    assert thinking.usage.completion_tokens_details.reasoning_tokens > 0


@pytest.mark.parametrize("usage", [False, True])
async def test_chat_streams(oai, usage: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if usage else {}
    stream = await oai.chat.completions.create(
        model="reason-echo", messages=user("one two three"), n=2, stream=True, **options
    )
    chunks = [chunk async for chunk in stream]
    for index in (0, 1):
        deltas = [c.choices[0].delta for c in chunks if c.choices and c.choices[0].index == index]
        assert deltas[0].role == "assistant"
        assert "".join(d.content or "" for d in deltas) == "one two three"
        assert "".join(getattr(d, "reasoning_content", "") for d in deltas) == "one two three"
    assert [c.usage.completion_tokens for c in chunks if c.usage] == ([12] if usage else [])


@pytest.mark.parametrize(
    ("text", "choice", "called"),
    [
        ("use the tool", "auto", True),
        ("hello", "auto", False),
        ("hello", "required", True),
        ("use the tool", "none", False),
        ("hello", {"type": "function", "function": {"name": "weather"}}, True),
    ],
)
async def test_chat_calls_tools(oai, text: str, choice, called: bool) -> None:
    ask = {"model": "gpt-4o", "messages": user(text), "tools": [OPENAI_TOOL], "tool_choice": choice}
    message = (await oai.chat.completions.create(**ask)).choices[0].message
    stream = await oai.chat.completions.create(**ask, stream=True)
    deltas = [c.choices[0].delta async for c in stream]
    calls = [call for d in deltas for call in d.tool_calls or []]
    assert bool(message.tool_calls) == bool(calls) == called
    assert (message.content is None) == called
    if called:
        assert message.tool_calls[0].function.name == calls[0].function.name == "weather"
        assert json.loads(message.tool_calls[0].function.arguments) == EXAMPLE
        assert json.loads("".join(c.function.arguments for c in calls)) == EXAMPLE
        assert len(calls) > 2


async def test_a_tool_result_is_answered_with_text(oai) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        *user("use the tool"),
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "sunny"},
    ]
    answer = await oai.chat.completions.create(
        model="gpt-4o", messages=messages, tools=[OPENAI_TOOL]
    )
    assert "sunny" in answer.choices[0].message.content


async def test_responses_think_speak_and_count(oai) -> None:
    answer = await oai.responses.create(
        model="reason-echo",
        instructions="be brief",
        input="one two",
        include=["reasoning.encrypted_content"],
    )
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert (answer.output[0].summary[0].text, answer.output_text) == ("one two", "one two")
    assert answer.output[0].encrypted_content
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (4, 4)
    assert answer.usage.input_tokens_details.cached_tokens == 2
    assert answer.usage.output_tokens_details.reasoning_tokens == 2


async def test_responses_stream(oai) -> None:
    async with oai.responses.stream(model="reason-echo", input=user("one two")) as stream:
        seen = [event async for event in stream]
        final = await stream.get_final_response()
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert "".join(e.delta for e in seen if e.type == "response.output_text.delta") == "one two"
    assert (final.output[0].summary[0].text, final.output_text) == ("one two", "one two")
    assert final.usage.output_tokens == 4


async def test_responses_call_tools(oai) -> None:
    tool = {"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": False}
    ask = {"model": "gpt-4o", "tools": [tool]}
    items = user("use the tool")
    whole = await oai.responses.create(input=items, **ask)
    async with oai.responses.stream(input=items, **ask) as stream:
        streamed = await stream.get_final_response()
    for answer in (whole, streamed):
        assert [(item.type, item.name) for item in answer.output] == [("function_call", "weather")]
        assert json.loads(answer.output[0].arguments) == EXAMPLE
    named = {"type": "function", "name": "weather"}
    forced = await oai.responses.create(input="hello", tool_choice=named, **ask)
    assert forced.output[0].type == "function_call"
    call_id = whole.output[0].call_id
    result = {"type": "function_call_output", "call_id": call_id, "output": "sunny"}
    after = await oai.responses.create(input=[*items, *whole.output, result], **ask)
    assert "sunny" in after.output_text


async def test_embeddings(oai) -> None:
    first = await oai.embeddings.create(model="e", input=["a", "b c"])
    assert [len(row.embedding) for row in first.data] == [256, 256]
    assert first.data[0].embedding != first.data[1].embedding
    assert first.usage.prompt_tokens == 3
    floats = await oai.embeddings.create(model="e", input="a", encoding_format="float")
    assert floats.data[0].embedding == pytest.approx(first.data[0].embedding, abs=1e-6)
    for tokens, rows in (([1, 2, 3], 1), ([[1, 2], [3]], 2)):
        answer = await oai.embeddings.create(model="e", input=tokens, dimensions=8)
        assert [len(row.embedding) for row in answer.data] == [8] * rows
        assert answer.usage.prompt_tokens == 3


async def test_models_in_both_shapes(oai, claude) -> None:
    assert "echo" in [m.id async for m in oai.models.list()]
    assert (await oai.models.retrieve("gpt-4o")).id == "gpt-4o"
    with pytest.raises(openai.NotFoundError):
        await oai.models.retrieve("nobody")
    listed = [m async for m in claude.models.list()]
    assert listed[0].type == "model"
    assert (await claude.models.retrieve(listed[0].id)).display_name


async def test_messages_think_speak_and_count(claude) -> None:
    message = await claude.messages.create(
        model="reason-echo", max_tokens=9, system="be very brief", messages=user("one two")
    )
    assert [b.type for b in message.content] == ["thinking", "text"]
    assert (message.content[0].thinking, message.content[1].text) == ("one two", "one two")
    assert message.stop_reason == "end_turn"
    assert (
        message.usage.input_tokens,
        message.usage.cache_read_input_tokens,
        message.usage.output_tokens,
    ) == (3, 2, 4)


async def test_messages_stream(claude) -> None:
    kinds = []
    async with claude.messages.stream(
        model="reason-echo", max_tokens=9, messages=user("one two")
    ) as stream:
        async for event in stream:
            kinds.append(event.type)
        final = await stream.get_final_message()
    assert (final.content[0].thinking, final.content[1].text) == ("one two", "one two")
    assert final.content[0].signature
    assert final.usage.output_tokens == 4
    assert {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    } <= set(kinds)


@pytest.mark.parametrize(
    "choice", [{"type": "any"}, {"type": "tool", "name": "weather"}, {"type": "auto"}]
)
async def test_messages_call_tools(claude, choice) -> None:
    text = "use the tool" if choice["type"] == "auto" else "hello"
    ask = {
        "model": "claude-x",
        "max_tokens": 9,
        "messages": user(text),
        "tools": [ANTHROPIC_TOOL],
        "tool_choice": choice,
    }
    message = await claude.messages.create(**ask)
    async with claude.messages.stream(**ask) as stream:
        streamed = await stream.get_final_message()
    for one in (message, streamed):
        assert one.stop_reason == "tool_use"
        assert [(b.type, b.name, b.input) for b in one.content] == [
            ("tool_use", "weather", EXAMPLE)
        ]
    result = {"type": "tool_result", "tool_use_id": message.content[0].id, "content": "sunny"}
    turns = [
        *user(text),
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [result]},
    ]
    after = await claude.messages.create(
        **{**ask, "messages": turns, "tool_choice": {"type": "auto"}}
    )
    assert "sunny" in after.content[0].text


async def test_echo_fills_tool_arguments_with_the_users_text(oai) -> None:
    answer = await oai.chat.completions.create(
        model="echo", messages=user("hello"), tools=[OPENAI_TOOL], tool_choice="required"
    )
    assert json.loads(answer.choices[0].message.tool_calls[0].function.arguments)["city"] == "hello"


@pytest.mark.parametrize(
    ("status", "openai_error", "anthropic_error"),
    [
        (401, openai.AuthenticationError, anthropic.AuthenticationError),
        (429, openai.RateLimitError, anthropic.RateLimitError),
        (500, openai.InternalServerError, anthropic.InternalServerError),
        (529, openai.InternalServerError, anthropic.InternalServerError),
    ],
)
async def test_errors_are_in_the_providers_shape(
    oai, claude, status: int, openai_error, anthropic_error
) -> None:
    with pytest.raises(openai_error) as refused:
        await oai.chat.completions.create(model=f"fault-status-{status}", messages=user("x"))
    assert refused.value.body["message"]
    with pytest.raises(anthropic_error) as denied:
        await claude.messages.create(
            model=f"fault-status-{status}", max_tokens=9, messages=user("x")
        )
    assert denied.value.body["type"] == "error"
    for error in (refused, denied):
        assert ("sk-test" in str(error.value)) == (status == 401)


@pytest.fixture
async def google(mock):
    async with httpx2.AsyncClient() as client:
        options = types.HttpOptions(base_url=mock.url, httpx_async_client=client)
        yield genai.Client(api_key="sk-test", http_options=options).aio


async def test_content_echoes_and_counts_words(google, mock) -> None:
    config = types.GenerateContentConfig(system_instruction="be brief", candidate_count=2)
    answer = await google.models.generate_content(
        model="echo", contents="one  two\nthree ", config=config
    )
    assert [c.content.parts[0].text for c in answer.candidates] == ["one  two\nthree "] * 2
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    used = answer.usage_metadata
    assert (used.prompt_token_count, used.candidates_token_count) == (5, 6)
    assert mock.received[0].header("x-goog-api-key") == "sk-test"


async def test_content_streams_thinks_and_calls_tools(google) -> None:
    stream = await google.models.generate_content_stream(model="reason-1", contents="hello")
    chunks = [chunk async for chunk in stream]
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    assert any(part.thought for part in parts)
    spoken = "".join(part.text for part in parts if not part.thought)
    assert "answering as reason-1" in spoken
    assert chunks[-1].usage_metadata.thoughts_token_count > 0
    declared = types.FunctionDeclaration(name="weather", parameters_json_schema=PARAMETERS)
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declared])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    answer = await google.models.generate_content(model="m", contents="use the tool", config=config)
    (call,) = answer.function_calls
    assert (call.name, call.args) == ("weather", EXAMPLE)
    result = types.Part.from_function_response(name="weather", response={"output": "sunny"})
    history = ["use the tool", answer.candidates[0].content, types.Content(parts=[result])]
    again = await google.models.generate_content(model="m", contents=history, config=config)
    assert "sunny" in again.text


async def test_content_counts_embeds_lists_and_fails(google) -> None:
    counted = await google.models.count_tokens(model="m", contents="one two three")
    assert counted.total_tokens == 3
    embedded = await google.models.embed_content(model="m", contents=["a", "b"])
    assert [len(each.values) for each in embedded.embeddings] == [256, 256]
    listed = [model.name async for model in await google.models.list()]
    assert "models/gemini-2.5-flash" in listed
    assert (await google.models.get(model="echo")).name == "models/echo"
    with pytest.raises(genai.errors.ClientError) as caught:
        await google.models.generate_content(model="fault-status-429+m", contents="hi")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    with pytest.raises(genai.errors.ServerError):
        async for _ in await google.models.generate_content_stream(
            model="fault-error-event+m", contents="hi"
        ):
            pass


async def test_bedrock_and_vertex_ai_embed_texts(mock) -> None:
    """And names of models are taken from paths as they are meant."""
    asked = {
        "/model/amazon.titan-embed-text-v2%3A0/invoke": {"inputText": "a b", "dimensions": 256},
        "/model/cohere.embed-v4%3A0/invoke": {"texts": ["a b", "c"], "output_dimension": 256},
        "/v1/publishers/google/models/m:predict": {"instances": [{"content": "a b"}]},
    }
    async with httpx2.AsyncClient(base_url=mock.url) as client:
        titan, cohere, vertex = [await client.post(path, json=asked[path]) for path in asked]
        failed = await client.post("/v1beta/models/fault-status-429%2Bm:countTokens", json={})
    assert (len(titan.json()["embedding"]), titan.json()["inputTextTokenCount"]) == (256, 2)
    assert [len(each) for each in cohere.json()["embeddings"]["float"]] == [256, 256]
    assert cohere.headers["x-amzn-bedrock-input-token-count"] == "3"
    [prediction] = vertex.json()["predictions"]
    assert prediction["embeddings"]["statistics"]["token_count"] == 2
    assert failed.status_code == 429


async def test_images_are_edited(oai) -> None:
    edited = await oai.images.edit(model="m", image=b"PNG", prompt="a cat")
    assert edited.usage.input_tokens_details.image_tokens == 1
