"""Identifiers known everywhere, as data: the rules themselves.

Those of the United States are in `american`, of other countries in `national`. A rule is here only if its structure, its check
digits or a word before it make it sure; what no pattern can find (names, addresses) is not
claimed.
"""

# ruff: noqa: E501 - one rule a line reads as a table

from ext_proc.detectors import checksums as check
from ext_proc.detectors import phones
from ext_proc.detectors.rules import Rule

_DIGIT_LEFT = r"(?:\A|[^0-9A-Za-z_.\-]|(?:\A|[^0-9])[.\-])"
_DIGIT_RIGHT = r"(?:\z|[^0-9A-Za-z_.\-]|[.\-](?:\z|[^0-9]))"
_PHONE_WORDS = (
    r"(?:tele)?phone|tel\b|mobile|cell|handy\b|call|dial|fax|whatsapp|sms|text me|reach|contact|hotline|ring"
    r"|telefon|t[e\xe1]l[e\xe1]?fono?|celular|m[o\xe1]vil|numero|rufnummer|telefoon|phone number|number is"
)
_LOCAL = r"(?:[0-9]{7,13}|[(]?[0-9]{2,5}[)]?(?:[ \-./]{1,3}[(]?[0-9]{2,5}[)]?){1,5})"
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_GROUPS = r"[ .\-/\x80]{0,2}"

RULES: tuple[Rule, ...] = (
    Rule(
        "Email",
        r"[A-Za-z0-9\xe1._%+'&#=~^{}!$*?/`|\-]{1,64}@(?:[A-Za-z0-9\xe1](?:[A-Za-z0-9\xe1\-]{0,61}[A-Za-z0-9\xe1])?\.){1,6}"
        r"(?:[A-Za-z\xe1]{2,24}|xn--[A-Za-z0-9\-]{2,40})",
        left=r"(?:\A|[^A-Za-z0-9\xe1._%+'&#=~^{}!$*?/`|\-]|[=:'`/(])",
        right=r"(?:\z|[^A-Za-z0-9_\-\xe1])",
        hint=r"[^ ]@[A-Za-z0-9\xe1]",
        score=0.95,
    ),
    Rule(
        "Phone",
        rf"(?:\+|00)[1-9](?:{_GROUPS}[(]?[0-9][)]?){{6,15}}",
        left=r"(?:\A|[^0-9A-Za-z+.])",
        right=r"(?:\z|[^0-9])",
        check=phones.international,
        score=0.9,
    ),
    Rule(
        "Phone",
        r"(?:\+?1[\-. ]?)?(?:[(][0-9]{3}[)][\-. ]?|[0-9]{3}[\-. ])[0-9]{3}[\-. ][0-9]{4}",
        left=r"(?:\A|[^0-9A-Za-z\-.+/_])",
        right=r"(?:\z|[^0-9\-./]|[\-./](?:\z|[^0-9]))",
        check=phones.grouped,
        score=0.8,
    ),
    Rule(
        "Phone",
        r"[(]?0[1-9][0-9]{0,3}[)]?(?:[ \-./][0-9]{2,5}){1,4}",
        left=r"(?:\A|[^0-9A-Za-z_.\-/+:,]|(?:\A|[^0-9])[,:])",
        right=_DIGIT_RIGHT,
        check=phones.national,
        score=0.7,
    ),
    Rule(
        "Phone",
        _LOCAL,
        left=r"(?:\A|[^0-9A-Za-z_.\-/+$,])",
        right=_DIGIT_RIGHT,
        check=phones.named,
        context=_PHONE_WORDS,
        near=28,
        score=0.7,
    ),
    Rule(
        "Phone",
        _LOCAL,
        left=r"(?:\A|[^0-9A-Za-z_.\-/+$,]|(?:\A|[^0-9]),)",
        right=r"[ ]?[\-(]?[ ]?(?i:fax|office|mobile|cell|home|work|tel)\b",
        check=phones.named,
        score=0.7,
    ),
    Rule(
        "CreditCard",
        r"[1-9][0-9]{11,18}",
        left=_DIGIT_LEFT,
        right=_DIGIT_RIGHT,
        check=check.card,
        score=0.95,
    ),
    Rule(
        "CreditCard",
        r"[2-9][0-9]{3}(?:[ \-.\x80][0-9]{4}){3}",
        left=_DIGIT_LEFT,
        right=r"(?:\z|[^0-9])",
        check=check.card,
        score=0.95,
    ),
    Rule(
        "CreditCard",
        r"[2-9][0-9]{3}(?:[ \-.\x80][0-9]{4}){2,3}[ \-.\x80][0-9]{1,3}",
        left=_DIGIT_LEFT,
        right=r"(?:\z|[^0-9])",
        check=check.card,
        score=0.9,
    ),
    Rule(
        "CreditCard",
        r"3[0-9]{3}[ \-.\x80][0-9]{6}[ \-.\x80][0-9]{4,5}",
        left=_DIGIT_LEFT,
        right=r"(?:\z|[^0-9])",
        check=check.card,
        score=0.95,
    ),
    Rule(
        "CreditCard",
        r"[1-9][0-9]{2,5}(?:[ \-.\x80]?[0-9]){9,16}",
        left=_DIGIT_LEFT,
        right=_DIGIT_RIGHT,
        check=check.any_card,
        context=r"card|cc\b|credit|debit|visa|maestro|amex|mastercard|karte|tarjeta|carte",
        near=32,
        score=0.8,
    ),
    Rule(
        "IBAN",
        r"[A-Za-z]{2}[0-9]{2}(?:[ \-]?[A-Za-z0-9]){11,31}",
        left=r"(?:\A|[^0-9A-Za-z_])",
        right="",
        check=check.iban,
        score=0.95,
    ),
    Rule(
        "IPAddress",
        _IPV4 + r"(?:/[0-9]{1,2})?",
        left=r"(?:\A|[^0-9A-Za-z_.:\-]|(?:\A|[^0-9])[.:\-])",
        right=r"(?:\z|[^0-9A-Za-z_.]|\.(?:\z|[^0-9]))",
        score=0.8,
    ),
    Rule(
        "IPAddress",
        rf"(?:[0-9A-Fa-f]{{0,4}}:){{2,7}}(?:{_IPV4}|[0-9A-Fa-f]{{1,4}}|:)?(?:%[0-9A-Za-z]{{1,15}})?(?:/[0-9]{{1,3}})?",
        left=r"(?:\A|[^0-9A-Za-z_:.\]\[]|[/@ ,\"(]\[)",
        right=r"(?:\z|[^0-9A-Za-z_:.]|[.:](?:\z|[^0-9A-Za-z:]))",
        check=check.ipv6,
        score=0.8,
    ),
    Rule(
        "IPAddress",
        rf"192\.168(?:\.{_OCTET}){{2}}",
        left=_DIGIT_LEFT,
        right=r"(?:\z|[^0-9])",
        score=0.8,
    ),
    Rule(
        "IPAddress",
        "::",
        left=r"(?:\A|[^0-9A-Za-z_:.\]\[])",
        right=r"(?:\z|[^0-9A-Za-z_:.\]\[])",
        context=r"src|dst|addr|listen|bind|host|ip(?:v6)?\b",
        near=16,
        score=0.6,
    ),
    Rule(
        "MACAddress",
        r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}",
        left=r"(?:\A|[^0-9A-Za-z:\-])",
        right=r"(?:\z|[^0-9A-Za-z:])",
    ),
    Rule(
        "MACAddress",
        r"[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}",
        left=r"(?:\A|[^0-9A-Za-z:\-])",
        right=r"(?:\z|[^0-9A-Za-z\-])",
    ),
    Rule(
        "MACAddress",
        r"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}",
        left=r"(?:\A|[^0-9A-Za-z.])",
        right=r"(?:\z|[^0-9A-Za-z.])",
        context=r"mac\b|ethernet|hardware|address|interface",
        score=0.7,
    ),
    Rule("Crypto", r"[13][1-9A-HJ-NP-Za-km-z]{25,34}", check=check.base58, score=0.95),
    Rule(
        "Crypto",
        r"(?:bc1[02-9ac-hj-np-z]{11,71}|BC1[02-9AC-HJ-NP-Z]{11,71})",
        check=check.bech32,
        score=0.95,
    ),
    Rule("Crypto", r"0x[0-9a-fA-F]{40}", score=0.7),
    Rule(
        "URL",
        r"(?:(?i:https?|ftp)://|www\.)[^\s\"'<>()\x80-\xff]{1,500}",
        score=0.6,
        right="",
        check=check.unpunctuated,
    ),
)
