import pytest
import toktok
from hypothesis import given
from hypothesis import strategies as st

from ext_proc import tokens


@pytest.mark.parametrize(
    ("model", "vocabulary"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("o3-mini", "o200k_base"),
        ("openai/gpt-oss-120b", "o200k_harmony"),
        ("text-embedding-3-large", "cl100k_base"),
        ("Qwen/Qwen3-8B", "qwen3.5"),
        ("claude-sonnet-4-5", "o200k_base"),
        ("", "o200k_base"),
    ],
)
def test_the_vocabulary_of_a_model(model, vocabulary):
    assert tokens.encoding(model) == vocabulary


# Counts as published for these sentences: the OpenAI cookbook's "tiktoken is great!" and 2 + 2 = 4.
@pytest.mark.parametrize(
    ("text", "model", "count"),
    [("tiktoken is great!", "gpt-4o", 6), ("2 + 2 = 4", "gpt-4", 7), ("", "gpt-4", 0)],
)
def test_known_counts(text, model, count):
    assert tokens.count([text], model) == count


@given(st.lists(st.text(max_size=200), max_size=5))
def test_the_private_counter_counts_as_the_public_one(texts):
    for model in ("gpt-4", "gpt-4o"):
        assert tokens.count(texts, model) == sum(toktok.batch_count(texts, tokens.encoding(model)))
