"""An error within a translated stream tells no more than an error's body would."""

import json

import pytest

from ext_proc.translation.answers import Answer
from ext_proc.translation.codec import Asked

SECRET = "account acct-123 of team payments is suspended"


@pytest.mark.parametrize("caller", ["AnthropicMessages", "GeminiContent", "OpenAIResponses"])
@pytest.mark.parametrize(("code", "shown"), [(403, False), (500, False), (429, True)])
def test_the_providers_words_pass_only_where_they_help(caller, code, shown):
    answer = Answer("OpenAIChat", caller, Asked("m", "req", 1))
    error = {"error": {"code": code, "message": SECRET + "x" * 10_000}}
    said = answer.feed(b"data: " + json.dumps(error).encode() + b"\n\n") + answer.end()
    assert (SECRET.encode() in said) == shown
    assert len(said) < 9_000
