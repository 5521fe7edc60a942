"""Check digits and structures of identifiers: whether, or how far, a matched value holds.

Those that python-stdnum computes fast enough are named in the rule tables; those of single
countries are in `national_checks`.
"""

import hashlib
import ipaddress
from collections.abc import Callable
from functools import cache
from importlib import import_module

from stdnum import iban as iban_registry

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_CONSTANTS = (1, 0x2BC830A3)  # version 0, and later versions (bech32m)
_BECH32_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_LUHN_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
# Card networks: first digits from, to (both inclusive), lengths.
_CARDS = (
    (4, 4, (13, 16, 19)),  # Visa
    (51, 55, (16,)),  # Mastercard
    (2221, 2720, (16,)),  # Mastercard, 2-series
    (34, 34, (15,)),  # American Express
    (37, 37, (15,)),
    (300, 305, (14, 16)),  # Diners
    (3095, 3095, (14, 16)),
    (36, 36, (14, 16, 17, 18, 19)),
    (38, 39, (14, 16, 17, 18, 19)),
    (35, 35, (16, 17, 18, 19)),  # JCB
    (1800, 1800, (15,)),
    (2131, 2131, (15,)),
    (6011, 6011, (16, 17, 18, 19)),  # Discover
    (644, 659, (16, 17, 18, 19)),
    (622126, 622925, (16, 17, 18, 19)),
    (62, 62, (16, 17, 18, 19)),  # UnionPay
    (50, 50, (16,)),  # Maestro
    (56, 58, (16,)),
    (81, 81, (16, 17, 18, 19)),
    (5018, 5018, tuple(range(12, 20))),  # Maestro
    (5020, 5020, tuple(range(12, 20))),
    (5038, 5038, tuple(range(12, 20))),
    (5893, 5893, tuple(range(12, 20))),
    (6304, 6304, tuple(range(12, 20))),
    (6706, 6709, tuple(range(16, 20))),
    (6759, 6759, tuple(range(12, 20))),
    (6761, 6763, tuple(range(12, 20))),
    (6771, 6771, tuple(range(16, 20))),
    (2200, 2204, (16, 17, 18, 19)),  # Mir
    (60, 60, (16,)),  # RuPay
    (636, 639, (16, 17, 18, 19)),  # InstaPayment, Maestro
    (9792, 9792, (16,)),  # Troy
)


def digits(value: str) -> str:
    """Return only the digits."""
    return "".join(c for c in value if c.isdigit())


def luhn(value: str) -> bool:
    """Check the last digit by Luhn's rule; other characters do not count."""
    number = digits(value)
    total = sum(map(int, number[-1::-2])) + sum(_LUHN_DOUBLED[int(d)] for d in number[-2::-2])
    return total % 10 == 0


def card(value: str) -> bool:
    """A payment card: a known network's first digits and length, not all alike, and Luhn."""
    number = digits(value)
    known = any(
        low <= int(number[: len(str(low))]) <= high and len(number) in lengths
        for low, high, lengths in _CARDS
    )
    return known and len(set(number)) > 1 and luhn(number)


def any_card(value: str) -> bool:
    """A number that is said to be a card: only Luhn, and not all alike."""
    number = digits(value)
    return 12 <= len(number) <= 19 and number[0] != "0" and len(set(number)) > 2 and luhn(number)


@cache
def _iban_length(country: str) -> int:
    found = iban_registry._ibandb.info(country + "00")[0][1]  # noqa: SLF001 - its table, no copy of it
    if "bban" not in found:
        return 0
    return 4 + sum(int(digits(part)) for part in found["bban"].split("!") if digits(part))


def iban(value: str) -> int:
    """Return how much of a value is an IBAN: as long as its country says, and 1 modulo 97."""
    country = value[:2].upper()
    wanted = _iban_length(country) if country.isascii() and country.isalpha() else 0
    compact, end = "", 0
    for character in value:
        end += 1
        if character.isalnum():
            compact += character
            if len(compact) == wanted:
                break
    whole = len(compact) == wanted and not value[end : end + 1].isalnum()
    if not whole or not iban_registry.is_valid(compact.upper()):
        return 0
    return end


def ipv6(value: str) -> bool:
    """An IPv6 address with something in it: `::`, and words of hexadecimal letters, are code."""
    address = value.partition("/")[0].partition("%")[0]
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return any(c.isdigit() for c in address)


def unpunctuated(value: str) -> int:
    """Leave out the punctuation of the sentence an address ends."""
    return len(value.rstrip(".,;:!?"))


def base58(value: str) -> bool:
    """A Bitcoin address with its four bytes of double SHA-256."""
    number = 0
    for character in value:
        number = number * 58 + _BASE58.index(character)
    if number.bit_length() > 200:
        return False
    raw = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def bech32(value: str) -> bool:
    """A segregated-witness address with its checksum."""
    prefix, _, payload = value.lower().partition("1")
    if value not in (value.lower(), value.upper()) or any(c not in _BECH32 for c in payload):
        return False
    numbers = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    numbers += [_BECH32.index(c) for c in payload]
    state = 1
    for number in numbers:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ number
        for bit, generator in enumerate(_BECH32_GENERATORS):
            state ^= generator if top >> bit & 1 else 0
    return state in _BECH32_CONSTANTS


def ssn(value: str) -> bool:
    """A United States social security number that could have been issued."""
    number = digits(value)
    area, group, serial = number[:3], number[3:5], number[5:]
    return (
        area not in ("000", "666")
        and area[0] != "9"
        and group != "00"
        and serial != "0000"
        and (len(set(number)) > 1)
    )


def itin(value: str) -> bool:
    """A United States taxpayer number: 9xx, and the groups in use."""
    group = int(digits(value)[3:5])
    return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99


def routing(value: str) -> bool:
    """A United States bank routing number: weights 3, 7, 1, and a district that exists."""
    number = [int(d) for d in digits(value)]
    district = number[0] * 10 + number[1]
    exists = district <= 12 or 21 <= district <= 32 or 61 <= district <= 72 or district == 80
    return exists and sum(d * w for d, w in zip(number, (3, 7, 1) * 3, strict=True)) % 10 == 0


def npi(value: str) -> bool:
    """A United States provider number: Luhn over the card-like prefix 80840."""
    return luhn("80840" + digits(value))


def dea(value: str) -> bool:
    """A United States prescriber number."""
    d = [int(c) for c in value[2:]]
    return (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10 == d[6]


def stdnum(*modules: str) -> Callable[[str], bool]:
    """Return a check that any of these python-stdnum modules accepts a value."""
    loaded = [import_module(f"stdnum.{name}") for name in modules]

    def check(value: str) -> bool:
        try:
            return any(module.is_valid(value) for module in loaded)
        except (LookupError, ValueError):  # gaps in its tables; letters where it expects digits
            return False

    return check
