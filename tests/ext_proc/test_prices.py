from datetime import UTC, datetime
from decimal import Decimal

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.plan import PricePlan, TargetPlan
from ext_proc import prices
from ext_proc.call import Usage

NOW = datetime(2026, 11, 23, tzinfo=UTC)
OWN = PricePlan(input="2.50", cached_input="1.25", cache_write="3.125", output="10.00")


def target(provider="OpenAI", **own):
    return TargetPlan(
        cluster="c", backend="ns/b", provider=provider, model=None, weight=1, priority=0, prices=own
    )


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(), "0"),
        (Usage(input_tokens=1), "0.0000025"),
        (Usage(input_tokens=1_000_000, output_tokens=1_000_000), "12.5"),
        (
            Usage(
                input_tokens=1000, cache_read_tokens=400, cache_write_tokens=100, output_tokens=7
            ),
            "0.0021325",
        ),
        (Usage(input_tokens=10, output_tokens=5, reasoning_tokens=5), "0.000075"),
        (Usage(input_tokens=3, output_tokens=3, estimated=True), "0.0000375"),
    ],
)
def test_costs_are_exact(usage, expected):
    assert prices.cost(usage, prices.own_rates(OWN)) == Decimal(expected)


@given(st.tuples(*[st.integers(0, 10**7)] * 4), st.tuples(*[st.decimals(0, 1000, places=6)] * 4))
def test_no_digit_is_lost(counts, rates):
    fresh, read, write, out = counts
    plan = PricePlan(
        **dict(
            zip(("input", "cached_input", "cache_write", "output"), map(str, rates), strict=True)
        )
    )
    usage = Usage(
        input_tokens=fresh + read + write,
        cache_read_tokens=read,
        cache_write_tokens=write,
        output_tokens=out,
    )
    scaled = [int(rate * 10**6) for rate in rates]
    units = fresh * scaled[0] + read * scaled[1] + write * scaled[2] + out * scaled[3]
    assert prices.cost(usage, prices.own_rates(plan)) == Decimal(units).scaleb(-12)


@pytest.mark.parametrize(
    ("provider", "id_", "model", "usage"),
    [
        ("OpenAI", "openai", "gpt-4o", Usage(input_tokens=1234, output_tokens=567)),
        (
            "OpenAI",
            "openai",
            "gpt-4o-mini-2024-07-18",
            Usage(input_tokens=9999, cache_read_tokens=1000, output_tokens=1),
        ),
        (
            "OpenAI",
            "openai",
            "gpt-5",
            Usage(input_tokens=50, output_tokens=7000, reasoning_tokens=6000),
        ),
        ("OpenAI", "openai", "text-embedding-3-small", Usage(input_tokens=8000)),
        (
            "Anthropic",
            "anthropic",
            "claude-sonnet-4-5",
            Usage(
                input_tokens=1300, cache_read_tokens=1000, cache_write_tokens=200, output_tokens=10
            ),
        ),
        (
            "Anthropic",
            "anthropic",
            "claude-sonnet-4-5",
            Usage(input_tokens=200_001, output_tokens=10),
        ),
        (
            "Anthropic",
            "anthropic",
            "claude-sonnet-4-5",
            Usage(input_tokens=200_000, output_tokens=10),
        ),
    ],
)
def test_packaged_prices_agree_with_the_library(provider, id_, model, usage):
    theirs = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
        ),
        model_ref=model,
        provider_id=id_,
        genai_request_timestamp=NOW,
    )
    assert prices.cost(usage, prices.find(target(provider), (model,), NOW)) == theirs.total_price


def test_the_backends_own_price_comes_first_under_any_of_the_names():
    own = target(**{"gpt-4o": OWN})
    assert prices.find(own, ("gpt-4o-2024-08-06", "gpt-4o"), NOW) == prices.own_rates(OWN)
    assert prices.find(own, ("gpt-5",), NOW) != prices.own_rates(OWN)


@pytest.mark.parametrize("provider", ["OpenAI", "OpenAICompatible"])
@pytest.mark.parametrize("name", ["never-heard-of", "gpt-4o" + "x" * 200])
def test_what_no_one_prices_has_no_price(provider, name):
    assert prices.find(target(provider), (name,), NOW) is None


def test_packaged_prices_are_not_taken_for_other_providers():
    assert prices.find(target("OpenAICompatible"), ("gpt-4o",), NOW) is None


def test_output_without_a_price_for_output_is_unpriced():
    rates = prices.find(target(), ("text-embedding-3-small",), NOW)
    assert prices.cost(Usage(input_tokens=1, output_tokens=1), rates) is None


def test_input_that_is_images_or_sound_has_its_own_price():
    """6 dollars for sound and 2.50 for text, where the list tells them apart; else one price."""
    usage = Usage(input_tokens=1000, media_tokens=600, output_tokens=10)
    rates = prices.find(target(), ("gpt-4o-transcribe",), NOW)
    assert prices.cost(usage, rates) == Decimal("0.0047")
    assert prices.cost(usage, prices.own_rates(OWN)) == Decimal("0.0026")


def test_input_that_could_have_either_of_two_prices_is_unpriced():
    listed = genai_prices.types.ModelPrice(
        input_mtok=Decimal(1),
        input_audio_mtok=Decimal(2),
        input_image_mtok=Decimal(3),
        output_mtok=Decimal(4),
    )
    rates = prices._packaged_rates(listed)
    assert prices.cost(Usage(input_tokens=5, media_tokens=1), rates) is None
    assert prices.cost(Usage(input_tokens=5), rates) == Decimal("0.000005")
