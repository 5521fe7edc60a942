"""Fields that are not text: who asks, and how much may be written, in every format."""

import copy
from typing import Any, get_args

import pytest

from crds.plan import CallerFormat
from ext_proc import lengths
from ext_proc.call import Reject
from ext_proc.formats import parameters
from ext_proc.formats.parameters import PARAMETERS
from ext_proc.pipeline import Level


class Asked:
    """A decoded request of which only the document matters."""

    def __init__(self, spoken: str, **document: Any) -> None:
        self.format = spoken
        self.document = document
        self.edited = False


def test_every_format_has_a_row() -> None:
    assert set(PARAMETERS) == set(get_args(CallerFormat))


@pytest.mark.parametrize(
    ("call", "user"),
    [
        (Asked("OpenAIChat", user="u"), "u"),
        (Asked("OpenAIChat", user="u", safety_identifier="s"), "s"),
        (Asked("OpenAIEmbeddings", user="u"), "u"),
        (Asked("OpenAIResponses", safety_identifier="s"), "s"),
        (Asked("AnthropicMessages", metadata={"user_id": "u"}), "u"),
        (Asked("AnthropicMessages", metadata="u"), None),
        (Asked("OpenAIChat", user=""), None),
        (Asked("OpenAIChat", user=7), None),
        (Asked("GeminiContent", user="u"), None),
    ],
)
def test_who_asks(call: Asked, user: str | None) -> None:
    assert parameters.user(call) == user


@pytest.mark.parametrize(
    ("spoken", "asked", "sent"),
    [
        ("OpenAIChat", {"max_tokens": 900}, {"max_tokens": 100}),
        ("OpenAIChat", {"max_completion_tokens": 900}, {"max_completion_tokens": 100}),
        ("OpenAIChat", {"max_tokens": 50}, {"max_tokens": 50}),
        ("OpenAIChat", {}, {"max_completion_tokens": 100}),
        ("OpenAIChat", {"max_tokens": None}, {"max_tokens": None, "max_completion_tokens": 100}),
        (
            "OpenAIChat",
            {"max_tokens": 900, "max_completion_tokens": 50},
            {"max_tokens": 100, "max_completion_tokens": 50},
        ),
        ("OpenAIResponses", {}, {"max_output_tokens": 100}),
        ("OpenAIEmbeddings", {}, {}),
        ("AnthropicMessages", {"max_tokens": 900}, {"max_tokens": 100}),
        (
            "GeminiContent",
            {"generationConfig": {"topK": 1, "maxOutputTokens": 900}},
            {"generationConfig": {"topK": 1, "maxOutputTokens": 100}},
        ),
        (
            "GeminiContent",
            {"generation_config": {"max_output_tokens": 900}},
            {"generation_config": {"max_output_tokens": 100}},
        ),
        ("GeminiContent", {}, {"generationConfig": {"maxOutputTokens": 100}}),
        ("BedrockConverse", {}, {"inferenceConfig": {"maxTokens": 100}}),
    ],
)
def test_output_is_clamped_in_the_formats_own_field(spoken, asked, sent) -> None:
    call = Asked(spoken, **copy.deepcopy(asked))
    assert lengths.limit(call, 10, [Level(), Level(max_output_tokens=100)]) is None
    assert call.document == sent
    assert call.edited == (sent != asked)


@pytest.mark.parametrize("wrong", ["900", 900.0, True, -1, 0, [900]])
def test_a_limit_that_cannot_be_read_is_no_way_around_ours(wrong) -> None:
    call = Asked("OpenAIChat", max_tokens=wrong)
    refused = lengths.limit(call, 10, [Level(max_output_tokens=100)])
    assert isinstance(refused, Reject)
    assert (refused.status, refused.code) == (400, "malformed_request")
    assert lengths.limit(call, 10, [Level()]) is None


def test_the_smallest_limit_of_all_levels_holds() -> None:
    call = Asked("OpenAIChat", max_tokens=900)
    levels = [Level(max_output_tokens=500), Level(max_output_tokens=200), Level()]
    assert lengths.limit(call, 10, levels) is None
    assert call.document == {"max_tokens": 200}


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ({}, {"generationConfig": {"maxOutputTokens": 9}}),
        (
            {"generationConfig": {"topK": 1}},
            {"generationConfig": {"topK": 1, "maxOutputTokens": 9}},
        ),
        (
            {"generation_config": {"topK": 1}},
            {"generation_config": {"topK": 1, "maxOutputTokens": 9}},
        ),
        (
            {"generation_config": {"max_output_tokens": 99}},
            {"generation_config": {"max_output_tokens": 9}},
        ),
    ],
)
def test_googles_fields_are_never_said_in_two_spellings(said, sent) -> None:
    call = Asked("GeminiContent", **said)
    assert lengths.limit(call, 10, [Level(max_output_tokens=9)]) is None
    assert call.document == sent


def test_what_asks_for_more_is_refused_where_a_level_says_so() -> None:
    levels = [
        Level(max_output_tokens=500, refuse_output_above=500),
        Level(max_output_tokens=200),
    ]
    refused = lengths.limit(Asked("OpenAIChat", max_tokens=501), 10, levels)
    assert isinstance(refused, Reject)
    assert (refused.status, refused.code) == (400, "output_limit_exceeded")
    for asked, sent in ((500, 200), (None, 200), (100, 100)):
        call = Asked("OpenAIChat", max_completion_tokens=asked)
        assert lengths.limit(call, 10, levels) is None
        assert call.document == {"max_completion_tokens": sent}


def test_a_prompt_beyond_the_limit_is_refused() -> None:
    levels = [Level(max_prompt_tokens=1000), Level(max_prompt_tokens=100)]
    assert lengths.limit(Asked("OpenAIChat"), 100, levels) is None
    refused = lengths.limit(Asked("OpenAIChat"), 101, levels)
    assert isinstance(refused, Reject)
    assert (refused.status, refused.code) == (400, "context_length_exceeded")


@pytest.mark.parametrize(
    ("call", "limit"),
    [
        (Asked("OpenAIChat"), None),
        (Asked("OpenAIChat", max_tokens=7), 7),
        (Asked("OpenAIChat", max_tokens="x"), None),
        (Asked("OpenAIEmbeddings"), 0),
        (Asked("GeminiEmbeddings"), 0),
    ],
)
def test_what_a_request_allows_to_be_written(call, limit) -> None:
    assert parameters.output_limit(call) == limit
