"""Secrets."""

from ext_proc.detectors import rules
from ext_proc.detectors.rules import Rule
from ext_proc.detectors.span import SpanDetector

RULES: tuple[Rule, ...] = (
    Rule("PrivateKey", r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----", left="", right="", tail="pem", score=1.0),
    Rule("JWT", r"eyJ[A-Za-z0-9_\-]{10,600}\.eyJ[A-Za-z0-9_\-]{8}", tail="jwt", right="", score=0.95),
)


def detector() -> SpanDetector:
    """Return a detector of every kind of secret."""
    return rules.detector(RULES)
