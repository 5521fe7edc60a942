"""Renewal: when a token is asked for again. Pure; seconds."""

EARLY = 0.25
"""The part of a token's life that is left when it is renewed."""
MARGIN_S = 300.0
"""No token is renewed earlier before its end than this."""
USELESS_S = 2.0
"""This long before its end a token counts as gone: requests are on their way."""
FIRST_S, MOST_S = 1.0, 60.0
SPREAD = 0.2
"""The part of a wait that chance may take off."""


def renew_after(lasts_s: float) -> float:
    """How long a token is used before it is renewed: at least half a second."""
    return max(lasts_s - min(lasts_s * EARLY, MARGIN_S), 0.5)


def again_after(failures: int) -> float:
    """How long to wait after this many failures in a row."""
    return min(FIRST_S * 2.0 ** (min(failures, 16) - 1), MOST_S)


def usable_for(lasts_s: float) -> float:
    """How long a token that cannot be renewed serves on."""
    return max(lasts_s - USELESS_S, lasts_s / 2)


def spread(wait_s: float, chance: float) -> float:
    """The wait less a little, so that what began together does not ask together for ever."""
    return wait_s * (1 - SPREAD * chance)
