"""An error within a translated stream tells no more than an error's body would."""

import json

import pytest

from ext_proc.call import Usage
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


FAILED = {
    "GeminiContent": (
        {
            "candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL"}],
            "usageMetadata": {"promptTokenCount": 33, "candidatesTokenCount": 4},
        },
        {"usageMetadata": {"promptTokenCount": 33, "candidatesTokenCount": 4}},
    ),
    "OpenAIChat": ({"choices": [], "usage": {"prompt_tokens": 33, "completion_tokens": 4}},),
    "AnthropicMessages": ({"type": "message", "usage": {"input_tokens": 33, "output_tokens": 4}},),
    "OpenAIResponses": (
        {
            "status": "failed",
            "error": {"code": "server_error", "message": "a"},
            "output": [],
            "usage": {"input_tokens": 33, "output_tokens": 4, "total_tokens": 37},
        },
    ),
    "BedrockConverse": (
        {"output": {}, "usage": {"inputTokens": 33, "outputTokens": 4, "totalTokens": 37}},
    ),
}


@pytest.mark.parametrize(
    ("provider", "document"), [(each, body) for each, bodies in FAILED.items() for body in bodies]
)
def test_an_answer_that_cannot_be_used_was_paid_for(provider, document):
    """Its usage is known all the same."""
    caller = "OpenAIChat" if provider != "OpenAIChat" else "AnthropicMessages"
    answer = Answer(provider, caller, Asked("m", "req", 1))
    assert answer.whole(json.dumps(document).encode()).code == "provider_bad_response"
    assert answer.usage == Usage(33, 4)
    wrong = Answer(provider, caller, Asked("m", "req", 1))
    wrong.whole(json.dumps(document).replace("33", "-33").encode())
    assert (wrong.usage, wrong.usage_invalid) == (None, True)
