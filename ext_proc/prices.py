"""What a request costs: exact Decimal US dollars from usage and prices per million tokens.

An AIBackend's own prices come first, then those of the catalogue. A model nobody knows the price of
is unpriced, never free.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal

from genai_prices.types import ModelPrice, TieredPrices

from crds.plan import PricePlan, TargetPlan
from ext_proc import catalogue
from ext_proc.call import Usage

_MEDIA = ("input_audio_mtok", "input_image_mtok")
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Rate:
    """A price per million tokens; its steps apply to whole requests with longer input."""

    base: Decimal
    steps: tuple[tuple[int, Decimal], ...] = ()

    def at(self, input_tokens: int) -> Decimal:
        """The price that holds for a request with this input."""
        reached = [price for start, price in self.steps if input_tokens > start]
        return reached[-1] if reached else self.base


@dataclass(frozen=True, slots=True)
class Rates:
    """The prices of one model; None where the price list has no such price."""

    input: Rate
    cached_input: Rate
    cache_write: Rate
    output: Rate | None
    media: Rate | None = None
    """Of input that is images or sound; `input` where the list does not tell them apart."""
    media_known: bool = True


def cost(usage: Usage, rates: Rates) -> Decimal | None:
    """Price a request; None if it used something that has no price."""
    if usage.output_tokens and rates.output is None:
        return None
    if usage.media_tokens and not rates.media_known:
        return None
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    parts = (
        (usage.input_tokens - cached - usage.media_tokens, rates.input),
        (usage.media_tokens, rates.media or rates.input),
        (usage.cache_read_tokens, rates.cached_input),
        (usage.cache_write_tokens, rates.cache_write),
        (usage.output_tokens, rates.output),
    )
    total = Decimal(0)
    for tokens, rate in parts:
        if rate is not None:
            total = _EXACT.fma(Decimal(max(tokens, 0)), rate.at(usage.input_tokens), total)
    return _EXACT.scaleb(total, -6)


def find(target: TargetPlan, names: tuple[str, ...], now: datetime) -> Rates | None:
    """Look up the first name that has a price: the AIBackend's own, then the packaged ones."""
    for name in names:
        if (own := target.prices.get(name)) is not None:
            return own_rates(own)
    for name in names:
        if (packaged := catalogue.find(target.provider, name)) is not None:
            return _packaged_rates(packaged.get_prices(now))
    return None


def own_rates(plan: PricePlan) -> Rates:
    """Read the prices of an AIBackend."""
    return Rates(
        input=Rate(Decimal(plan.input)),
        cached_input=Rate(Decimal(plan.cached_input)),
        cache_write=Rate(Decimal(plan.cache_write)),
        output=Rate(Decimal(plan.output)),
    )


def _packaged_rates(prices: ModelPrice) -> Rates | None:
    listed: Mapping[str, Decimal | TieredPrices | None] = vars(prices)
    fresh = _rate(listed.get("input_mtok"))
    if fresh is None:
        return None
    apart = {_rate(listed.get(name)) for name in _MEDIA if listed.get(name) is not None}
    return Rates(
        media=next(iter(apart), None),
        media_known=len(apart) < 2,
        input=fresh,
        cached_input=_rate(listed.get("cache_read_mtok")) or fresh,
        cache_write=_rate(listed.get("cache_write_mtok")) or fresh,
        output=_rate(listed.get("output_mtok")),
    )


def _rate(price: Decimal | TieredPrices | None) -> Rate | None:
    match price:
        case None:
            return None
        case TieredPrices():
            return Rate(price.base, tuple((tier.start, tier.price) for tier in price.tiers))
        case _:
            return Rate(price)
