"""A mock provider that someone else wrote: aimock, which speaks as five of our providers do.

What it answers was never seen by whoever wrote our codecs.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import harness, node_programs
from tests.e2e.clients import CLIENTS
from tests.e2e.test_official_sdks import POLICY, PROVIDERS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MODELS = {
    "chat": "gpt-5",
    "responses": "gpt-5",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "bedrock": "anthropic.claude-3-haiku-20240307-v1:0",
}
SAID = "Good day. Card [REDACTED:CreditCard] is yours, and much more besides."


@pytest.fixture(scope="module")
def aimock() -> Iterator[int]:
    """The port of a running aimock."""
    port = harness.free_port()
    command = node_programs.installed() / "node_modules/@copilotkit/aimock/dist/cli.js"
    fixtures = node_programs.SOURCE / "aimock.json"
    options = ["-p", str(port), "-f", str(fixtures), "--strict", "--log-level", "silent"]
    process = subprocess.Popen([node_programs.node(), str(command), *options])
    harness.eventually(lambda: harness.listening(port))
    yield port
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def url(aimock: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("aimock")
    port = harness.free_port()
    rules = "".join(
        f"  - name: {name}\n    matches: [{{model: {{value: at-{name}}}}}]\n"
        f"    backendRefs: [{{name: {name}, model: '{model}'}}]\n"
        for name, model in MODELS.items()
    )
    harness.write(
        directory,
        gateway=harness.gateway(port),
        route=harness.route("assistant", rules),
        policy=harness.policy("baseline", POLICY),
        **{
            name: harness.backend(name, aimock, provider=kind, more=more)
            for name, (kind, more) in PROVIDERS.items()
        },
    )
    with harness.running(directory):
        yield f"http://127.0.0.1:{port}"


OWN_FAULTS = {
    "test_stream[boto3-bedrock]": "aimock begins a block with an empty `start`: boto3 refuses it",
    "test_a_round_of_tools[google-genai-gemini]": "aimock ends with FUNCTION_CALL, which is no"
    " reason of Gemini's",
}
"""Where aimock's words reach the SDK of its own format as they are, and the SDK complains."""


@pytest.fixture(autouse=True)
def _no_fault_of_aimocks(request: pytest.FixtureRequest) -> None:
    if reason := OWN_FAULTS.get(request.node.name):
        pytest.skip(reason)


each = pytest.mark.parametrize("client", CLIENTS)
both = pytest.mark.parametrize("provider", PROVIDERS)


@both
@each
def test_chat(url: str, client: str, provider: str) -> None:
    assert CLIENTS[client].chat(url, f"at-{provider}", "hello there") == SAID


@both
@each
def test_stream(url: str, client: str, provider: str) -> None:
    said, tokens = CLIENTS[client].stream(url, f"at-{provider}", "hello there")
    assert said == SAID
    assert tokens > 0


@both
@each
def test_a_round_of_tools(url: str, client: str, provider: str) -> None:
    arguments, said = CLIENTS[client].tools(url, f"at-{provider}")
    assert arguments == {"order": "A7"}
    assert said == "The order is gone."


@both
@each
def test_an_error(url: str, client: str, provider: str) -> None:
    sdk = CLIENTS[client]
    with pytest.raises(Exception) as caught:
        sdk.chat(url, f"at-{provider}", "too fast")
    assert sdk.raised["429"](caught.value), caught.value
