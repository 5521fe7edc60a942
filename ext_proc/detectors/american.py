"""Identifiers of the United States, as data; the ones known everywhere are in `identifiers`."""

# ruff: noqa: E501 - one rule a line reads as a table

from ext_proc.detectors import checksums as check
from ext_proc.detectors.rules import LEFT, RIGHT, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "USSSN", r"[0-9]{3}-[0-9]{2}-[0-9]{4}", left=LEFT, right=RIGHT, check=check.ssn, score=0.85
    ),
    Rule(
        "USSSN",
        r"[0-9]{3}[ .][0-9]{2}[ .][0-9]{4}",
        left=LEFT,
        right=RIGHT,
        check=check.ssn,
        context=r"ssns?\b|ss#|social|soc\b|ss\b",
        score=0.85,
    ),
    Rule(
        "USSSN",
        r"[0-9]{9}",
        left=LEFT,
        right=RIGHT,
        check=check.ssn,
        context=r"ssns?\b|ss#|social.?sec|soc\b",
        score=0.7,
    ),
    Rule(
        "USITIN",
        r"9[0-9]{2}[ \-][0-9]{2}[ \-][0-9]{4}",
        left=LEFT,
        right=RIGHT,
        check=check.itin,
        score=0.8,
    ),
    Rule(
        "USITIN",
        r"9[0-9]{2}-?[0-9]{2}-?[0-9]{4}",
        left=LEFT,
        right=RIGHT,
        check=check.itin,
        context=r"itin\b|tax|individual|irs\b",
        score=0.8,
    ),
    Rule(
        "USEIN",
        r"[0-9]{2}-[0-9]{7}",
        left=LEFT,
        right=RIGHT,
        context=r"ein\b|fein\b|employer|tax|irs\b",
        score=0.8,
    ),
    Rule(
        "USPassport",
        r"(?:[0-9]{9}|[A-Za-z][0-9]{8})",
        left=LEFT,
        right=RIGHT,
        context=r"passport",
        score=0.7,
    ),
    Rule(
        "USDriverLicense",
        r"(?:[A-Za-z][0-9]{4,14}|[0-9]{7,9}|[A-Za-z]{2}[0-9]{5,7}|[A-Za-z][0-9]{3}[ \-][0-9]{4}[ \-][0-9]{4})",
        left=LEFT,
        right=RIGHT,
        context=r"driv(?:er|ing)'?s?.{0,3}(?:licen[cs]e|permit)|licen[cs]e (?:no|num|#|id)|d\.?l\.? ?(?:no|num|#|:)|dmv\b",
        near=40,
        score=0.6,
    ),
    Rule(
        "USBankAccount",
        r"[0-9]{8,17}",
        left=LEFT,
        right=RIGHT,
        context=r"(?:bank|checking|savings?|deposit) ?(?:account|acct)|account ?(?:no|num|number|#)|acct\b",
        near=40,
        score=0.6,
    ),
    Rule(
        "USBankRouting",
        r"[0-9]{4}-?[0-9]{4}-?[0-9]",
        left=LEFT,
        right=RIGHT,
        check=check.routing,
        context=r"routing|aba\b|rtn\b|transit|bank|wire",
        score=0.8,
    ),
    Rule(
        "NPI",
        r"[12][0-9]{3}[ \-]?[0-9]{3}[ \-]?[0-9]{3}",
        left=LEFT,
        right=RIGHT,
        check=check.npi,
        context=r"npi\b|provider|prescriber|physician",
        score=0.8,
    ),
    Rule(
        "MBI",
        r"[1-9][AC-HJKMNP-RT-Yac-hjkmnp-rt-y][AC-HJKMNP-RT-Yac-hjkmnp-rt-y0-9][0-9]-?[AC-HJKMNP-RT-Yac-hjkmnp-rt-y][AC-HJKMNP-RT-Yac-hjkmnp-rt-y0-9][0-9]-?"
        r"[AC-HJKMNP-RT-Yac-hjkmnp-rt-y]{2}[0-9]{2}",
        left=LEFT,
        right=RIGHT,
        score=0.85,
    ),
    Rule(
        "MedicalLicense",
        r"[ABCDEFGHJKLMPRSTUXabcdefghjklmprstux][A-Za-z9][0-9]{7}",
        left=LEFT,
        right=RIGHT,
        check=check.dea,
        score=0.7,
    ),
    Rule(
        "MedicalRecord",
        r"[A-Za-z]{0,3}[\-#]?[0-9]{5,12}(?:-[0-9]{1,4})?",
        left=LEFT,
        right=RIGHT,
        context=r"mrn\b|medical.?rec|patient.?(?:id|no|num|#)|chart.?(?:no|num|#)|health.?record|hospital.?(?:id|no|num)",
        near=32,
        score=0.7,
    ),
)
