"""The official SDKs for Node, at providers of other formats: as those for Python."""

import json

import pytest

from tests.e2e import node_programs
from tests.e2e.test_official_sdks import PROVIDERS, Made, made

__all__ = ["made"]
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SAID = "one two [REDACTED:CreditCard] three"


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_node(made: Made, sdk: str, provider: str) -> None:
    told = json.loads(node_programs.run("sdks.mjs", sdk, made.url, provider))
    assert told["tokens"] > 0
    assert (told["chat"], told["streamed"]) == (SAID, SAID)
    assert told["arguments"].keys() == {"order"}
    assert "gone" in told["answered"]
    assert (told["429"], told["500"]) == ("RateLimitError", "InternalServerError")
