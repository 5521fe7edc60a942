"""Personal data: the rule table of identifiers known everywhere and those of the United States;
those of other countries are in `national`. A rule is here only if its structure, check digits or a
word before it make it sure; what no pattern can find (names, addresses) is not claimed.
"""

from ext_proc.detectors import checksums as check
from ext_proc.detectors import national, phones, rules
from ext_proc.detectors.rules import LEFT, RIGHT, Rule
from ext_proc.detectors.span import SpanDetector

_DIGIT_LEFT = r"(?:\A|[^0-9A-Za-z_.\-]|(?:\A|[^0-9])[.\-])"
_DIGIT_RIGHT = r"(?:\z|[^0-9A-Za-z_.\-]|[.\-](?:\z|[^0-9]))"
_PHONE_WORDS = (
    r"(?:tele)?phone|tel\b|mobile|cell|handy\b|call|dial|fax|whatsapp|sms|text me|reach|contact|hotline|ring"
    r"|telefon|t[e\xe1]l[e\xe1]?fono?|celular|m[o\xe1]vil|numero|rufnummer|telefoon|phone number|number is"
)
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_GROUPS = r"[ .\-/\x80]{0,2}"

GENERIC: tuple[Rule, ...] = (
    Rule(
        "Email",
        r"[A-Za-z0-9\xe1._%+'&#=~^{}!$*?/`|\-]{1,64}@(?:[A-Za-z0-9\xe1](?:[A-Za-z0-9\xe1\-]{0,61}[A-Za-z0-9\xe1])?\.){1,6}"
        r"(?:[A-Za-z\xe1]{2,24}|xn--[A-Za-z0-9\-]{2,40})",
        left=r"(?:\A|[^A-Za-z0-9\xe1._%+'&#=~^{}!$*?/`|\-]|[=:'`/(])",
        right=r"(?:\z|[^A-Za-z0-9_\-\xe1])",
        hint=r"[^ ]@[A-Za-z0-9\xe1]",
        score=0.95,
    ),
    Rule("Phone", rf"(?:\+|00)[1-9](?:{_GROUPS}[(]?[0-9][)]?){{6,15}}",
         left=r"(?:\A|[^0-9A-Za-z+.])", right=r"(?:\z|[^0-9])", check=phones.international, score=0.9),
    Rule("Phone", r"(?:\+?1[\-. ]?)?(?:[(][0-9]{3}[)][\-. ]?|[0-9]{3}[\-. ])[0-9]{3}[\-. ][0-9]{4}",
         left=r"(?:\A|[^0-9A-Za-z\-.+/_])", right=r"(?:\z|[^0-9\-./]|[\-./](?:\z|[^0-9]))", check=phones.grouped, score=0.8),
    Rule("Phone", r"[(]?0[1-9][0-9]{0,3}[)]?(?:[ \-./][0-9]{2,5}){1,4}",
         left=r"(?:\A|[^0-9A-Za-z_.\-/+:,]|(?:\A|[^0-9])[,:])", right=_DIGIT_RIGHT, check=phones.national, score=0.7),
    Rule("Phone", r"[(]?[0-9]{2,13}[)]?(?:[ \-./]{1,3}[(]?[0-9]{2,5}[)]?){0,5}",
         left=r"(?:\A|[^0-9A-Za-z_.\-/+$,])", right=_DIGIT_RIGHT, check=phones.named, context=_PHONE_WORDS, near=28, score=0.7),
    Rule("Phone", r"[(]?[0-9]{2,13}[)]?(?:[ \-./]{1,3}[(]?[0-9]{2,5}[)]?){0,5}",
         left=r"(?:\A|[^0-9A-Za-z_.\-/+$,]|(?:\A|[^0-9]),)", right=r"[ ]?[\-(]?[ ]?(?i:fax|office|mobile|cell|home|work|tel)\b",
         check=phones.named, score=0.7),
    Rule("CreditCard", r"[1-9][0-9]{11,18}", left=_DIGIT_LEFT, right=_DIGIT_RIGHT, check=check.card, score=0.95),
    Rule("CreditCard", r"[2-9][0-9]{3}(?:[ \-.\x80][0-9]{4}){3}", left=_DIGIT_LEFT,
         right=r"(?:\z|[^0-9])", check=check.card, score=0.95),
    Rule("CreditCard", r"[2-9][0-9]{3}(?:[ \-.\x80][0-9]{4}){2,3}[ \-.\x80][0-9]{1,3}", left=_DIGIT_LEFT,
         right=r"(?:\z|[^0-9])", check=check.card, score=0.9),
    Rule("CreditCard", r"3[0-9]{3}[ \-.\x80][0-9]{6}[ \-.\x80][0-9]{4,5}", left=_DIGIT_LEFT,
         right=r"(?:\z|[^0-9])", check=check.card, score=0.95),
    Rule("CreditCard", r"[1-9][0-9]{2,5}(?:[ \-.\x80]?[0-9]){9,16}", left=_DIGIT_LEFT, right=_DIGIT_RIGHT, check=check.any_card,
         context=r"card|cc\b|credit|debit|visa|maestro|amex|mastercard|karte|tarjeta|carte", near=32, score=0.8),
    Rule("IBAN", r"[A-Za-z]{2}[0-9]{2}(?:[ \-]?[A-Za-z0-9]){11,31}", left=r"(?:\A|[^0-9A-Za-z_])", right="",
         check=check.iban, score=0.95),
    Rule("IPAddress", _IPV4 + r"(?:/[0-9]{1,2})?", left=r"(?:\A|[^0-9A-Za-z_.:\-]|(?:\A|[^0-9])[.:\-])",
         right=r"(?:\z|[^0-9A-Za-z_.]|\.(?:\z|[^0-9]))", score=0.8),
    Rule("IPAddress", rf"(?:[0-9A-Fa-f]{{0,4}}:){{2,7}}(?:{_IPV4}|[0-9A-Fa-f]{{1,4}}|:)?(?:%[0-9A-Za-z]{{1,15}})?(?:/[0-9]{{1,3}})?",
         left=r"(?:\A|[^0-9A-Za-z_:.\]\[]|[/@ ,\"(]\[)", right=r"(?:\z|[^0-9A-Za-z_:.]|[.:](?:\z|[^0-9A-Za-z:]))", check=check.ipv6, score=0.8),
    Rule("MACAddress", r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}", left=r"(?:\A|[^0-9A-Za-z:\-])", right=r"(?:\z|[^0-9A-Za-z:])"),
    Rule("MACAddress", r"[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}", left=r"(?:\A|[^0-9A-Za-z:\-])", right=r"(?:\z|[^0-9A-Za-z\-])"),
    Rule("MACAddress", r"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}", left=r"(?:\A|[^0-9A-Za-z.])", right=r"(?:\z|[^0-9A-Za-z.])",
         context=r"mac\b|ethernet|hardware|address|interface", score=0.7),
    Rule("Crypto", r"[13][1-9A-HJ-NP-Za-km-z]{25,34}", check=check.base58, score=0.95),
    Rule("Crypto", r"(?:bc1[02-9ac-hj-np-z]{11,71}|BC1[02-9AC-HJ-NP-Z]{11,71})", check=check.bech32, score=0.95),
    Rule("Crypto", r"0x[0-9a-fA-F]{40}", score=0.7),
    Rule("URL", r"(?i:https?|ftp)://[^\s\"'<>()\x80-\xff]{1,500}", score=0.6, right=""),
)

AMERICAN: tuple[Rule, ...] = (
    Rule("USSSN", r"[0-9]{3}-[0-9]{2}-[0-9]{4}", left=LEFT, right=RIGHT, check=check.ssn, score=0.85),
    Rule("USSSN", r"[0-9]{3}[ .][0-9]{2}[ .][0-9]{4}", left=LEFT, right=RIGHT, check=check.ssn,
         context=r"ssns?\b|ss#|social|soc\b|ss\b", score=0.85),
    Rule("USSSN", r"[0-9]{9}", left=LEFT, right=RIGHT, check=check.ssn, context=r"ssns?\b|ss#|social.?sec|soc\b", score=0.7),
    Rule("USITIN", r"9[0-9]{2}[ \-][0-9]{2}[ \-][0-9]{4}", left=LEFT, right=RIGHT, check=check.itin, score=0.8),
    Rule("USITIN", r"9[0-9]{2}-?[0-9]{2}-?[0-9]{4}", left=LEFT, right=RIGHT, check=check.itin, context=r"itin\b|tax|individual|irs\b", score=0.8),
    Rule("USEIN", r"[0-9]{2}-[0-9]{7}", left=LEFT, right=RIGHT, context=r"ein\b|fein\b|employer|tax|irs\b", score=0.8),
    Rule("USPassport", r"(?:[0-9]{9}|[A-Za-z][0-9]{8})", left=LEFT, right=RIGHT, context=r"passport", score=0.7),
    Rule("USDriverLicense", r"(?:[A-Za-z][0-9]{4,14}|[0-9]{7,9}|[A-Za-z]{2}[0-9]{5,7}|[A-Za-z][0-9]{3}[ \-][0-9]{4}[ \-][0-9]{4})",
         left=LEFT, right=RIGHT, context=r"driv(?:er|ing)'?s?.{0,3}(?:licen[cs]e|permit)|licen[cs]e (?:no|num|#|id)|d\.?l\.? ?(?:no|num|#|:)|dmv\b", near=40, score=0.6),
    Rule("USBankAccount", r"[0-9]{8,17}", left=LEFT, right=RIGHT,
         context=r"(?:bank|checking|savings?|deposit) ?(?:account|acct)|account ?(?:no|num|number|#)|acct\b", near=40, score=0.6),
    Rule("USBankRouting", r"[0-9]{4}-?[0-9]{4}-?[0-9]", left=LEFT, right=RIGHT, check=check.routing, context=r"routing|aba\b|rtn\b|transit|bank|wire", score=0.8),
    Rule("NPI", r"[12][0-9]{3}[ \-]?[0-9]{3}[ \-]?[0-9]{3}", left=LEFT, right=RIGHT, check=check.npi, context=r"npi\b|provider|prescriber|physician", score=0.8),
    Rule("MBI", r"[1-9][AC-HJKMNP-RT-Yac-hjkmnp-rt-y][AC-HJKMNP-RT-Yac-hjkmnp-rt-y0-9][0-9]-?[AC-HJKMNP-RT-Yac-hjkmnp-rt-y][AC-HJKMNP-RT-Yac-hjkmnp-rt-y0-9][0-9]-?"
         r"[AC-HJKMNP-RT-Yac-hjkmnp-rt-y]{2}[0-9]{2}", left=LEFT, right=RIGHT, score=0.85),
    Rule("MedicalLicense", r"[ABCDEFGHJKLMPRSTUXabcdefghjklmprstux][A-Za-z9][0-9]{7}", left=LEFT, right=RIGHT, check=check.dea, score=0.7),
    Rule("MedicalRecord", r"[A-Za-z]{0,3}[\-#]?[0-9]{5,12}(?:-[0-9]{1,4})?", left=LEFT, right=RIGHT,
         context=r"mrn\b|medical.?rec|patient.?(?:id|no|num|#)|chart.?(?:no|num|#)|health.?record|hospital.?(?:id|no|num)", near=32, score=0.7),
)

RULES = (*GENERIC, *AMERICAN, *national.RULES)
ENTITIES = tuple(dict.fromkeys(rule.entity for rule in RULES))
# What a policy that lists nothing gets: the sure ones.
DEFAULT = tuple(e for e in ENTITIES if e not in {"URL", "USDriverLicense", "USBankAccount", *national.OPTIONAL})


def detector(entities: tuple[str, ...] = DEFAULT) -> SpanDetector:
    """Return a detector of these entities."""
    return rules.detector([rule for rule in RULES if rule.entity in entities])
