"""Check digits and structures of identifiers: from a matched value to whether, or how far, it holds.
Those that python-stdnum computes fast enough are named in the rule tables instead.
"""

import hashlib
import ipaddress
from collections.abc import Callable
from functools import cache
from importlib import import_module

from stdnum import iban as iban_registry
from stdnum import verhoeff as verhoeff_rule
from stdnum.iso7064 import mod_11_10

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
    for end, character in enumerate(value, 1):
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
    return area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000" and (
        len(set(number)) > 1
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
    return lambda value: any(module.is_valid(value) for module in loaded)


def _weighted(number: str, weights: tuple[int, ...]) -> int:
    return sum(int(d) * w for d, w in zip(number, weights, strict=False))


def nino(value: str) -> bool:
    """A British national insurance number: prefixes that are never given out are not."""
    return value[:2].upper() not in {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"}


def dvla(value: str) -> bool:
    """A British driver number: 16 characters, or 18 with the issue number; a month and a day inside."""
    compact = value.replace(" ", "")
    if len(compact) not in (16, 18):
        return False
    month, day = int(compact[6:8]) % 50, int(compact[8:10])
    return 1 <= month <= 12 and 1 <= day <= 31 and compact[:5].rstrip("9").isalpha()


def hetu(value: str) -> bool:
    """A Finnish personal code, temporary ones too."""
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(value[:6] + value[7:10]) % 31] == value[-1].upper()


def german_tax(value: str) -> bool:
    """A German tax number for life, by its check digit alone."""
    return mod_11_10.is_valid(digits(value))


def medicare(value: str) -> bool:
    """An Australian Medicare card."""
    number = digits(value)
    return _weighted(number, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(number[8])


def aadhaar(value: str) -> bool:
    """An Indian Aadhaar number: Verhoeff, and no palindrome."""
    number = digits(value)
    return number != number[::-1] and verhoeff_rule.is_valid(number)


def verhoeff(value: str) -> bool:
    """Any number with a Verhoeff check digit."""
    return verhoeff_rule.is_valid(digits(value))


def mixed(value: str) -> bool:
    """Letters as well as digits."""
    return any(c.isdigit() for c in value) and any(c.isalpha() for c in value)


def german_vat(value: str) -> bool:
    """Nine digits that are not all alike; the check digit of ISO 7064 is not always kept."""
    return len(set(digits(value))) > 1


def icao_german(value: str) -> bool:
    """A German passport or identity card: 9 characters with letters, the last its check digit (7, 3, 1)."""
    return _icao(value.upper())


def _icao(value: str) -> bool:
    numbers = [int(c) if c.isdigit() else ord(c) - 55 for c in value]
    total = sum(n * w for n, w in zip(numbers[:-1], (7, 3, 1) * 4, strict=False))
    return len(value) in (9, 10) and total % 10 == numbers[-1]


def german_pension(value: str) -> bool:
    """A German pension insurance number."""
    letter = f"{ord(value[8]) - 64:02d}"
    number = value[:8] + letter + value[9:]
    products = (int(d) * w for d, w in zip(number, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=False))
    return sum(p // 10 + p % 10 for p in products) % 10 == int(value[-1])


def german_health(value: str) -> bool:
    """A German health insurance number."""
    number = f"{ord(value[0]) - 64:02d}" + value[1:]
    products = (int(d) * w for d, w in zip(number, (1, 2) * 5, strict=False))
    return sum(p // 10 + p % 10 for p in products) % 10 == int(value[-1])


def spain(value: str) -> bool:
    """A Spanish identity number, with the leading zero some leave out."""
    number = digits(value)
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == value[-1].upper()


def codice_fiscale(value: str) -> bool:
    """An Italian fiscal code by its check letter."""
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    numbers = [int(c) if c.isdigit() else ord(c) - 65 for c in value.upper()]
    total = sum(odd[n] for n in numbers[:15:2]) + sum(numbers[1:15:2])
    return chr(65 + total % 26) == value[-1].upper()


def personnummer(value: str) -> bool:
    """A Swedish personal number: a real day, and Luhn over the last ten digits."""
    number = digits(value)[-10:]
    return luhn(number) and number[6:] != "0000"


def nric(value: str) -> bool:
    """A Singapore identity number."""
    letter = value[0].upper()
    total = _weighted(value[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(letter, 0)
    table = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "M": "KLJNPQRTUWX"}.get(letter, "XWUTRQPNMLK")
    return table[total % 11 if letter != "M" else 10 - total % 11] == value[-1].upper()


def korean(value: str) -> bool:
    """A Korean registration number; those since October 2020 have no check digit, but a region."""
    number = digits(value)
    rest = (11 - _weighted(number, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5))) % 11 % 10
    shifted = (rest + 2) % 10  # foreigners'
    return int(number[7:9]) <= 95 and (int(number[-1]) in (rest, shifted) or number[:2] >= "20")


def thai(value: str) -> bool:
    """A Thai identity number without separators: two leading digits in use, and modulo 11."""
    rest = (11 - _weighted(value, tuple(range(13, 1, -1))) % 11) % 10
    return rest == int(value[-1]) and value[1] != "0" and len(set(value)) > 1


def taiwan(value: str) -> bool:
    """A Taiwanese identity number."""
    number = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(value[0]) + 10
    total = number // 10 + number % 10 * 9 + _weighted(value[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1))
    return total % 10 == 0
