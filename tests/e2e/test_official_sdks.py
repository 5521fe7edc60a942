"""Every official SDK at every provider: chat, stream, a round of tools, and the SDK's own errors."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import harness
from tests.e2e.clients import CLIENTS, RESULT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CARD = "4111 1111 1111 1111"
POLICY = """\
  response:
    guards:
    - {name: leak, type: PII, entities: [CreditCard], action: Redact}
"""
OPENAI = "  openai: {api: %s}\n"
PROVIDERS = {
    "chat": ("OpenAI", OPENAI % "ChatCompletions"),
    "responses": ("OpenAI", OPENAI % "Responses"),
    "anthropic": ("Anthropic", ""),
    "gemini": ("Gemini", ""),
    "bedrock": ("Bedrock", "  aws: {region: us-east-1}\n"),
}
SPEAKERS = ("echo", "plain", "fault-status-429", "fault-status-500")


def rules() -> str:
    return "".join(
        f"  - name: {provider}-{number}\n"
        f"    matches: [{{model: {{value: at-{provider}-{speaker}}}}}]\n"
        f"    backendRefs: [{{name: {provider}, model: {speaker}}}]\n"
        for provider in PROVIDERS
        for number, speaker in enumerate(SPEAKERS)
    )


@dataclass
class Made:
    url: str
    providers: dict[str, harness.Provider]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    directory: Path = tmp_path_factory.mktemp("sdks")
    providers = {name: harness.Provider() for name in PROVIDERS}
    port = harness.free_port()
    harness.write(
        directory,
        gateway=harness.gateway(port),
        route=harness.route("assistant", rules()),
        policy=harness.policy("baseline", POLICY),
        **{
            name: harness.backend(name, providers[name].port, provider=kind, more=more)
            for name, (kind, more) in PROVIDERS.items()
        },
    )
    with harness.running(directory):
        yield Made(f"http://127.0.0.1:{port}", providers)
    for provider in providers.values():
        provider.close()


both = pytest.mark.parametrize("provider", PROVIDERS)


each = pytest.mark.parametrize("client", CLIENTS)


@both
@each
def test_chat(made: Made, client: str, provider: str) -> None:
    said = CLIENTS[client].chat(made.url, f"at-{provider}-echo", f"one two {CARD} three")
    assert said == "one two [REDACTED:CreditCard] three"
    sent = made.providers[provider].last()
    assert "callers-word" not in f"{sent.headers} {sent.path} {sent.body!r}"


@both
@each
def test_stream(made: Made, client: str, provider: str) -> None:
    said, tokens = CLIENTS[client].stream(made.url, f"at-{provider}-echo", f"one two {CARD} three")
    assert said == "one two [REDACTED:CreditCard] three"
    assert tokens > 0


@both
@each
def test_a_round_of_tools(made: Made, client: str, provider: str) -> None:
    arguments, said = CLIENTS[client].tools(made.url, f"at-{provider}-plain")
    assert arguments.keys() == {"order"}
    assert RESULT in said


@pytest.mark.parametrize("status", ["429", "500"])
@both
@each
def test_errors_are_the_sdks_own(made: Made, client: str, provider: str, status: str) -> None:
    sdk = CLIENTS[client]
    with pytest.raises(Exception) as caught:
        sdk.chat(made.url, f"at-{provider}-fault-status-{status}", "x")
    assert sdk.raised[status](caught.value), caught.value


@both
@each
def test_an_error_within_a_stream_is_the_sdks_own(made: Made, client: str, provider: str) -> None:
    """Not a status: the answer had begun."""
    failing = made.providers[provider]
    failing.fault = "error-event"
    try:
        with pytest.raises(Exception) as caught:
            CLIENTS[client].stream(made.url, f"at-{provider}-echo", "one two three")
    finally:
        failing.fault = ""
    assert CLIENTS[client].raised["midway"](caught.value), repr(caught.value)
