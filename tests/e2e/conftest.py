"""One gateway for the tests that only send requests; others start their own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import harness

POLICY = """\
  request:
    guards:
    - {name: pii, type: PII, entities: [Email], action: Redact}
    - {name: secrets, type: Secrets, action: Block}
    - {name: words, type: Keywords, words: [forbidden phrase], action: Block}
  response:
    guards:
    - {name: leak, type: PII, entities: [Email, CreditCard], action: Redact}
    - {name: never, type: Keywords, words: [unspeakable word], action: Block}
"""

RULES = """\
  - name: renamed
    matches: [{model: {value: chat-default}}]
    backendRefs: [{name: openai, model: echo}]
  - name: openai
    matches: [{model: {type: Prefix, value: fault-}}, {model: {value: echo}}, {model: {type: Prefix, value: gpt-}}, {model: {type: Prefix, value: omni-}}, {model: {type: Prefix, value: tts-}}, {model: {type: Prefix, value: text-embedding-}}, {model: {type: Prefix, value: reason}}]
    backendRefs: [{name: openai}]
  - name: ranked
    matches: [{model: {type: Prefix, value: rerank-}}]
    backendRefs: [{name: vllm, model: bge-reranker}]
  - name: heard
    matches: [{model: {type: Prefix, value: whisper-}}]
    backendRefs: [{name: openai, model: gpt-4o-transcribe}, {name: vllm, model: whisper-large, weight: 0}]
  - name: anthropic
    matches: [{model: {type: Prefix, value: claude-}}, {model: {value: echo-claude}}]
    backendRefs: [{name: anthropic}]
"""


@dataclass
class Setup:
    """A running gateway, its provider, and where to reach it."""

    run: harness.Running
    provider: harness.Provider
    url: str


@pytest.fixture(scope="session")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    directory: Path = tmp_path_factory.mktemp("config")
    provider = harness.Provider()
    port = harness.free_port()
    harness.write(
        directory,
        gateway=harness.gateway(port),
        openai=harness.backend("openai", provider.port),
        vllm=harness.backend("vllm", provider.port, provider="OpenAICompatible"),
        anthropic=harness.backend("anthropic", provider.port, provider="Anthropic"),
        route=harness.route("assistant", RULES),
        policy=harness.policy("baseline", POLICY),
    )
    with harness.running(directory) as run:
        yield Setup(run, provider, f"http://127.0.0.1:{port}")
    provider.close()


@pytest.fixture
def provider() -> Iterator[harness.Provider]:
    started = harness.Provider()
    yield started
    started.close()
