"""Every client's own SDK, served by a provider of another format."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anthropic
import httpx2
import openai
import pytest

from tests.e2e import harness

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ADDRESS = "jane.roe@example.org"
CARD = "4111 1111 1111 1111"
POLICY = """\
  request:
    guards:
    - {name: pii, type: PII, entities: [Email], action: Redact}
  response:
    guards:
    - {name: leak, type: PII, entities: [CreditCard], action: Redact}
    - {name: never, type: Keywords, words: [unspeakable word], action: Block}
"""
SPEAKERS = (
    "echo",
    "plain",
    "reason",
    "fault-status-429",
    "fault-status-500",
    "fault-error-event+echo",
)
PROVIDERS = {"openai": "OpenAI", "anthropic": "Anthropic"}
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


def rules() -> str:
    """A rule for each provider and each way the mock provider speaks, and one for each failover."""
    rows = [
        f"  - name: {provider}-{number}\n"
        f"    matches: [{{model: {{value: at-{provider}-{speaker}}}}}]\n"
        f"    backendRefs: [{{name: {provider}, model: {speaker}}}]\n"
        for provider in PROVIDERS
        for number, speaker in enumerate(SPEAKERS)
    ]
    rows += [
        f"  - name: {first}-{second}-{way}\n"
        f"    matches: [{{model: {{value: {first}-or-{second}-{way}}}}}]\n"
        f"    backendRefs: [{{name: {first}, model: echo-{way}}}, {{name: {second}, model: echo-too, priority: 1}}]\n"
        for way in ("whole", "stream")  # what failed for one is ejected, and not asked by the next
        for first in PROVIDERS
        for second in PROVIDERS
        if first != second
    ]
    return "".join(rows)


@dataclass
class Made:
    """A gateway and one mock provider for each backend."""

    run: harness.Running
    url: str
    providers: dict[str, harness.Provider]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    directory: Path = tmp_path_factory.mktemp("translation")
    providers = {name: harness.Provider() for name in PROVIDERS}
    port = harness.free_port()
    harness.write(
        directory,
        gateway=harness.gateway(port),
        route=harness.route("assistant", rules()),
        policy=harness.policy("baseline", POLICY),
        **{
            name: harness.backend(name, providers[name].port, provider=PROVIDERS[name])
            for name in PROVIDERS
        },
    )
    with harness.running(directory) as run:
        yield Made(run, f"http://127.0.0.1:{port}", providers)
    for provider in providers.values():
        provider.close()


@pytest.fixture
def oai(made: Made) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{made.url}/v1", api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(made: Made) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=made.url, api_key="k", max_retries=0) as client:
        yield client


def user(text: str) -> list:
    return [{"role": "user", "content": text}]


def test_openai_client_at_anthropic(made: Made, oai: openai.OpenAI) -> None:
    raw = oai.chat.completions.with_raw_response.create(
        model="at-anthropic-echo",
        messages=[{"role": "system", "content": "be kind"}, *user(f"write {ADDRESS} {CARD}")],
        seed=7,
        max_tokens=100,
    )
    completion = raw.parse()
    assert completion.choices[0].message.content == "write [REDACTED:Email] [REDACTED:CreditCard]"
    assert completion.choices[0].finish_reason == "stop"
    assert raw.headers["x-dragoman-dropped"] == "seed"
    sent = json.loads(made.providers["anthropic"].last().body)
    assert sent["system"] == [{"type": "text", "text": "be kind"}]
    assert (sent["model"], sent["max_tokens"]) == ("echo", 100)
    headers = dict(made.providers["anthropic"].last().headers)
    assert made.providers["anthropic"].last().path == "/v1/messages"
    assert headers["x-api-key"] == "planted-key-of-anthropic"
    assert headers["anthropic-version"] == "2023-06-01"
    record = made.run.record(raw.headers["x-request-id"])
    usage = completion.usage
    assert (record["usage"]["input_tokens"], record["usage"]["output_tokens"]) == (
        usage.prompt_tokens,
        usage.completion_tokens,
    )
    assert usage.prompt_tokens_details.cached_tokens == record["usage"]["cache_read_tokens"] > 0


def test_openai_client_streams_from_anthropic(made: Made, oai: openai.OpenAI) -> None:
    chunks = list(
        oai.chat.completions.create(
            model="at-anthropic-echo",
            messages=user(f"one two {CARD} three"),
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "one two [REDACTED:CreditCard] three"
    assert chunks[-1].usage.completion_tokens > 0
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"


def test_anthropic_client_at_openai(made: Made, claude: anthropic.Anthropic) -> None:
    message = claude.messages.create(
        model="at-openai-echo",
        max_tokens=50,
        system="be kind",
        messages=user(f"write {ADDRESS} {CARD}"),
    )
    assert message.content[0].text == "write [REDACTED:Email] [REDACTED:CreditCard]"
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0
    sent = json.loads(made.providers["openai"].last().body)
    assert sent["messages"][0] == {"role": "system", "content": "be kind"}
    assert sent["max_completion_tokens"] == 50
    headers = dict(made.providers["openai"].last().headers)
    assert headers["authorization"] == "Bearer planted-key-of-openai"
    assert not [name for name in headers if name.startswith("anthropic")]


def test_anthropic_client_streams_from_openai(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(
        model="at-openai-echo", max_tokens=50, messages=user(f"one two {CARD} three")
    ) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == final.content[0].text == "one two [REDACTED:CreditCard] three"
    assert final.usage.output_tokens > 0
    assert final.usage.input_tokens > 0


TOOL = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}


def test_a_tools_round_trip_for_an_openai_client(made: Made, oai: openai.OpenAI) -> None:
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": TOOL}}]
    asked = user("where is it")
    first = oai.chat.completions.create(
        model="at-anthropic-plain", messages=asked, tools=tools, tool_choice="required"
    )
    call = first.choices[0].message.tool_calls[0]
    assert first.choices[0].finish_reason == "tool_calls"
    assert json.loads(call.function.arguments).keys() == {"order"}
    told = [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "gone"}]
    second = oai.chat.completions.create(
        model="at-anthropic-plain", messages=[*asked, *told], tools=tools
    )
    assert "gone" in second.choices[0].message.content
    blocks = json.loads(made.providers["anthropic"].last().body)["messages"][-1]["content"]
    assert (blocks[0]["type"], blocks[0]["tool_use_id"]) == ("tool_result", call.id)


def test_a_tools_round_trip_for_an_anthropic_client(
    made: Made, claude: anthropic.Anthropic
) -> None:
    tools = [{"name": "look_up", "input_schema": TOOL}]
    with claude.messages.stream(
        model="at-openai-plain",
        max_tokens=99,
        messages=user("where"),
        tools=tools,
        tool_choice={"type": "any"},
    ) as stream:
        first = stream.get_final_message()
    [call] = [block for block in first.content if block.type == "tool_use"]
    assert first.stop_reason == "tool_use"
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "gone"}
    second = claude.messages.create(
        model="at-openai-plain",
        max_tokens=99,
        messages=[
            *user("where"),
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [result]},
        ],
        tools=tools,
    )
    assert "gone" in second.content[0].text
    last = json.loads(made.providers["openai"].last().body)["messages"][-1]
    assert (last["role"], last["tool_call_id"]) == ("tool", call.id)


@pytest.mark.parametrize(
    ("speaker", "error"),
    [("fault-status-429", openai.RateLimitError), ("fault-status-500", openai.InternalServerError)],
)
def test_errors_are_the_openai_sdks_own(oai: openai.OpenAI, speaker: str, error: type) -> None:
    with pytest.raises(error) as caught:
        oai.chat.completions.create(model=f"at-anthropic-{speaker}", messages=user("x"))
    assert caught.value.body["message"]


@pytest.mark.parametrize(
    ("speaker", "error"),
    [
        ("fault-status-429", anthropic.RateLimitError),
        ("fault-status-500", anthropic.InternalServerError),
    ],
)
def test_errors_are_the_anthropic_sdks_own(
    claude: anthropic.Anthropic, speaker: str, error: type
) -> None:
    with pytest.raises(error) as caught:
        claude.messages.create(model=f"at-openai-{speaker}", max_tokens=9, messages=user("x"))
    assert caught.value.body["type"] == "error"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("first", "second"), [("openai", "anthropic"), ("anthropic", "openai")])
def test_failover_crosses_formats(
    made: Made, oai: openai.OpenAI, first: str, second: str, stream: bool
) -> None:
    """Each attempt has its own credential, path, body and length; the request is charged once."""
    failing, answering = made.providers[first], made.providers[second]
    failing.fault = "status-429"
    try:
        raw = oai.chat.completions.with_raw_response.create(
            model=f"{first}-or-{second}-{'stream' if stream else 'whole'}",
            messages=user("hello there"),
            stream=stream,
        )
        parsed = raw.parse()
        said = (
            "".join(c.choices[0].delta.content or "" for c in parsed if c.choices)
            if stream
            else parsed.choices[0].message.content
        )
    finally:
        failing.fault = ""
    assert said == "hello there"
    assert [each.last().path for each in (failing, answering)] == [PATHS[first], PATHS[second]]
    for name, provider in ((first, failing), (second, answering)):
        headers = dict(provider.last().headers)
        assert int(headers["content-length"]) == len(provider.last().body)
        assert f"planted-key-of-{name}" in str(headers)
        assert str(headers).count("planted-key-of-") == 1
    assert json.loads(answering.last().body)["model"] == "echo-too"
    record = made.run.record(raw.headers["x-request-id"])
    assert (record["attempts"], record["backend"]) == (2, f"default/{second}")


def test_what_cannot_be_said_is_refused(made: Made) -> None:
    """Three answers cannot be asked of a messages API: 400 that names the field."""
    answer = httpx2.post(
        f"{made.url}/v1/chat/completions",
        json={"model": "at-anthropic-echo", "messages": user("x"), "n": 3},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "untranslatable"
    assert "n" in answer.json()["error"]["message"]
