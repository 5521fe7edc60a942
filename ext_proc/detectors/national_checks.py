"""Check digits of single countries' identifiers that python-stdnum lacks or is too strict about.

Each takes a value of its rule's shape (see `national`) and tells whether it holds.
"""

from stdnum import verhoeff as verhoeff_rule
from stdnum.iso7064 import mod_11_10

from ext_proc.detectors.checksums import digits, luhn


def _weighted(number: str, weights: tuple[int, ...]) -> int:
    return sum(int(d) * w for d, w in zip(number, weights, strict=False))


def nino(value: str) -> bool:
    """A British national insurance number: prefixes that are never given out are not."""
    return value[:2].upper() not in {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"}


def dvla(value: str) -> bool:
    """A British driver number: 16 characters, or 18 with an issue number; a date inside."""
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
    """A German passport or identity card: the last is the check digit (7, 3, 1)."""
    return _icao(value.upper())


def _icao(value: str) -> bool:
    numbers = [int(c) if c.isdigit() else ord(c) - 55 for c in value]
    total = sum(n * w for n, w in zip(numbers[:-1], (7, 3, 1) * 4, strict=False))
    return len(value) in (9, 10) and total % 10 == numbers[-1]


def german_pension(value: str) -> bool:
    """A German pension insurance number."""
    letter = f"{ord(value[8]) - 64:02d}"
    number = value[:8] + letter + value[9:]
    products = (
        int(d) * w for d, w in zip(number, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=False)
    )
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
    odd = (
        1,
        0,
        5,
        7,
        9,
        13,
        15,
        17,
        19,
        21,
        2,
        4,
        18,
        20,
        11,
        3,
        6,
        8,
        12,
        14,
        16,
        10,
        22,
        25,
        24,
        23,
    )
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
