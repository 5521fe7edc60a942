"""boto3 takes the mock for Bedrock."""

import asyncio

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
}
TOOLS = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": PARAMETERS}}}]}


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


@pytest.fixture
def ask(mock):
    """Calls boto3 on another thread, so that the mock's loop can answer."""
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=mock.url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )

    async def call(model="echo", *messages, stream=False, **fields):
        def answer():
            asked = client.converse_stream if stream else client.converse
            given = asked(
                modelId=model, messages=list(messages) or [user({"text": "a b"})], **fields
            )
            return [*given["stream"]] if stream else given

        return await asyncio.to_thread(answer)

    yield call
    client.close()


async def test_it_echoes_and_counts_words(ask) -> None:
    answer = await ask("echo", user({"text": "one  two"}), system=[{"text": "be brief"}])
    assert answer["output"]["message"]["content"] == [{"text": "one  two"}]
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"]["totalTokens"] == 6
    assert (answer["usage"]["inputTokens"], answer["usage"]["cacheReadInputTokens"]) == (2, 2)


async def test_it_streams_thoughts_and_text(ask) -> None:
    events = await ask("reason-echo", user({"text": "one two"}), stream=True)
    assert events[0] == {"messageStart": {"role": "assistant"}}
    deltas = [
        event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event
    ]
    assert "".join(delta.get("text", "") for delta in deltas) == "one two"
    thoughts = [delta["reasoningContent"] for delta in deltas if "reasoningContent" in delta]
    assert "".join(each.get("text", "") for each in thoughts) == "one two"
    assert thoughts[-1]["signature"]
    assert events[-2] == {"messageStop": {"stopReason": "end_turn"}}
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 4


async def test_a_tool_is_called_and_its_result_is_read(ask, mock) -> None:
    asked = user({"text": "use the tool"})
    answer = await ask("gpt", asked, toolConfig=TOOLS)
    message = answer["output"]["message"]
    call = message["content"][0]["toolUse"]
    assert (call["name"], call["input"]) == ("weather", {"city": "example", "days": 1})
    assert answer["stopReason"] == "tool_use"
    result = {"toolUseId": call["toolUseId"], "content": [{"json": {"sky": "blue"}}]}
    after = await ask("gpt", asked, message, user({"toolResult": result}), toolConfig=TOOLS)
    assert '{"sky": "blue"}' in after["output"]["message"]["content"][0]["text"]
    events = await ask("gpt", user({"text": "hi"}), stream=True, toolConfig={**TOOLS, "toolChoice": {"any": {}}})  # fmt: skip
    start = next(event["contentBlockStart"] for event in events if "contentBlockStart" in event)
    assert start["start"]["toolUse"]["name"] == "weather"
    assert mock.received[0].path == "/model/gpt/converse"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
async def test_errors_have_bedrocks_classes(ask, status, code) -> None:
    with pytest.raises(ClientError) as caught:
        await ask(f"fault-status-{status}+echo")
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["RequestId"].startswith("req_")


async def test_it_fails_within_a_stream(ask) -> None:
    with pytest.raises(EventStreamError) as caught:
        await ask("fault-error-event+echo", stream=True)
    assert caught.value.response["Error"]["Code"] == "internalServerException"
    events = await ask("fault-onebyte+fault-no-done+fault-no-usage+echo", stream=True)
    names = [next(iter(event)) for event in events]
    assert names == ["messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop", "metadata"]  # fmt: skip
    assert "usage" not in events[-1]["metadata"]
