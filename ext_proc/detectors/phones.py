"""Whether digits are a telephone number, by libphonenumber's tables.

Which digits to ask about is in `identifiers`.
"""

from functools import cache

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, phonemetadata

from ext_proc.detectors.checksums import digits


@cache
def _lengths(code: int) -> frozenset[int]:
    """Return how many digits a calling code's national numbers may have."""
    region = COUNTRY_CODE_TO_REGION_CODE[code][0]
    metadata = (
        phonemetadata.PhoneMetadata.metadata_for_nongeo_region(code)
        if region == "001"
        else phonemetadata.PhoneMetadata.metadata_for_region(region)
    )
    general = None if metadata is None else metadata.general_desc
    return frozenset() if general is None else frozenset(general.possible_length)


def _possible(number: str) -> bool:
    for width in (1, 2, 3):
        code = int(number[:width])
        if code in COUNTRY_CODE_TO_REGION_CODE:
            return len(number) - width in _lengths(code)
    return False


def international(value: str) -> int:
    """Return how much of `+49 (0)30 1234567 8 ...` is a number of its country's length."""
    plain = value.replace("(0)", "   ")
    start = 2 if plain.startswith("00") else 0
    for end in range(len(value), 6, -1):
        ends_here = plain[end - 1].isdigit() and not plain[end : end + 1].isdigit()
        if ends_here and _possible(digits(plain[start:end])):
            return end
    return 0


def national(value: str) -> bool:
    """A national number as people group it: 9 to 11 digits, one leading zero, and no date."""
    number = digits(value)
    return 9 <= len(number) <= 11 and number[1] != "0" and len(set(number)) > 2


def named(value: str) -> bool:
    """A number after a word that says it is one: 7 to 13 digits, not a year and a date."""
    number = digits(value)
    return 7 <= len(number) <= 13 and len(set(number)) > 1 and not _date(value)


def _date(value: str) -> bool:
    parts = value.replace("/", "-").replace(".", "-").split("-")
    return len(parts) == 3 and sorted(map(len, parts)) in ([2, 2, 4], [1, 2, 4], [1, 1, 4])


def grouped(value: str) -> bool:
    """Three, three and four digits: what North America writes, and its fictitious numbers."""
    return len(set(digits(value))) > 1
