"""Credentials: by their vendor's mark, by their frame, or by the name they are given.

Marks are a table in `secret_rules`; here are frames (key blocks, JWTs, URLs with a password,
authorization headers) and names (`password: ...`, `API_KEY=...`), whose values must look
random, or at least not like prose or code.
"""

# ruff: noqa: E501 - one rule a line reads as a table

from functools import cache
from itertools import pairwise
from math import log2

from ext_proc.detectors import rules
from ext_proc.detectors.rules import Rule
from ext_proc.detectors.secret_rules import LETTERS, TOKENS, WEBHOOKS
from ext_proc.detectors.span import SpanDetector

ENTITIES = ("PrivateKey", "JWT", "APIKey", "Password", "BearerToken", "Webhook")

_LEFT = r"(?:\A|[^A-Za-z0-9])"
_END = r"(?:\z|[^A-Za-z0-9_\-])"
_NAME_END = (
    r"(?i:[_\-]?(?:value|string|str|base64|b64|hex|key|secret|token|hash|salt|prod|dev|test|live|default|main|old|new|[0-9]{1,3}))?"
    r"[\"'`\])]{0,2}"
)
_HARMLESS = r"public|csrf|xsrf|forgery|credentials?_?id|foreign|primary|vault|idempotency|cache|sort|partition"
_IS = r"(?: [a-z]{2,8})?[ \t]{0,4}(?:[:=!]?={1,3}|:|=>|:=|,)>?[ \t]{0,4}"
_SAYS = r" (?:is|was|ist|est|es)[:]? "
_WORD = r"(?i:passw(?:or)?t?d?|passwort|passwd|pwd|passphrase|passcode|mot de passe|contrase\xe1a)"
_NAME = r"(?i:key|token|secret|passw(?:or)?d|pwd|pass|pw|credential|auth|pat)s?"
_QUOTED = r"[\"'`]"
_VALUE = r"[^\s\"'`<>=:,;(){}\[\]$\x80][^\s\"'`,;]{5,199}"
_STRONG = r"[A-Za-z0-9+/_.~=@!%&*#^:\-]{12,200}"
_KEY = r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
_HEADERS = r"(?:\r?\n[ \t]{0,16}(?:Proc-Type|DEK-Info|Version|Comment|Hash): [ -~]{0,60}){0,3}"

_PLACEHOLDERS = (
    "example", "placeholder", "changeme", "change_me", "your", "xxxx", "fake", "dummy", "insert", "****", "redacted",
    "password", "passwd", "secret", "undefined", "none", "null", "true", "false", "todo", "sample", "test_key", "here",
    "variable", "string", "abcdefghijklm", "....",
)  # fmt: skip
_CODE = ("(", ")", "{", "}", "${", "%s", "://", "->", "::", "[", "]", "\\", "|", "$")


def entropy(value: str) -> float:
    """Return bits per character."""
    size = len(value)
    counts = [value.count(c) for c in set(value)]
    return -sum(n / size * log2(n / size) for n in counts)


def _placeholder(value: str) -> bool:
    lower = value.lower()
    return any(word in lower for word in _PLACEHOLDERS)


def _kinds(value: str) -> int:
    """Count the kinds of characters: lower and upper case, digits, others."""
    return (
        any(c.islower() for c in value)
        + any(c.isupper() for c in value)
        + any(c.isdigit() for c in value)
        + any(not c.isalnum() for c in value)
    )


def _kind(character: str) -> str:
    if character.isdigit():
        return "digit"
    return ("upper" if character.isupper() else "lower") if character.isalpha() else ""


def _scattered(value: str) -> bool:
    """Tell whether kinds of characters change as often as by chance; in names and versions they do not."""
    kinds = [_kind(c) for c in value]
    numeric = mixed = 0
    for a, b in pairwise(kinds):
        if a and b and a != b and (a, b) != ("upper", "lower"):
            mixed += 1
            numeric += "digit" in (a, b)
    size = len(value)
    return numeric >= max(3, size // 12) or (numeric > 0 and mixed >= max(4, size * 0.3))


def _random(value: str) -> bool:
    """A token: digits among letters, spread as by chance; no path, version, name in code or filler."""
    value = value.rstrip(".,:;")
    return (
        len(value) >= 12
        and _scattered(value)
        and not _placeholder(value)
        and value.count("/") < 6
        and entropy(value) >= 2.8
    )


def _password(value: str) -> bool:
    """A password given away: a digit or several kinds of characters, and no code, or too many signs for code."""
    value = value.rstrip(".,:;")
    signs = {c for c in value if not c.isalnum()}
    if len(value) < 6 or _placeholder(value) or entropy(value) < 2.3:
        return False
    if len(signs) >= 5 or value.isdigit():
        return True
    some = any(c.isdigit() for c in value) or _kinds(value) >= 3
    return some and _kinds(value) >= 2 and not any(mark in value for mark in _CODE)


def _signs(value: str) -> bool:
    """A value of so many different signs that it is neither prose nor code."""
    return len({c for c in value if not c.isalnum()}) >= 5 and _password(value)


def _spread(value: str) -> bool:
    return entropy(value) >= 3.8


def _aws(value: str) -> bool:
    return _kinds(value) >= 2 and entropy(value) >= 3.5


def _basic(value: str) -> bool:
    return not _placeholder(value) and not any(
        mark in value for mark in ("${", "{{", "<", "$", "%s", "*")
    )


RULES: tuple[Rule, ...] = (
    *(
        Rule("APIKey", shape, left=_LEFT, right="" if tail else _END, tail=tail, score=0.95)
        for _, shape, tail in TOKENS
    ),
    *(Rule("APIKey", shape, left=_LEFT, right=_END, check=_spread, score=0.9) for _, shape in LETTERS),
    *(Rule("Webhook", shape, left="", right="", tail="token", score=0.95) for shape in WEBHOOKS),
    Rule("PrivateKey", _KEY + _HEADERS + r"(?:[ \t]{1,4}[A-Za-z0-9+/]{24})?", left="", right="", tail="pem", score=1.0),
    Rule("PrivateKey", r"-----END (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----", left="", right="", score=0.9),
    Rule("PrivateKey", r"PuTTY-User-Key-File-[23]: [a-z0-9\-]{3,24}", left="", right="", score=0.9),
    Rule("JWT", r"eyJ[A-Za-z0-9_\-]{8,600}\.ey[A-Za-z0-9_\-]{8}", left=_LEFT, right="", tail="jwt", score=0.95),
    Rule("Password", r"[^\s@/\"'<>]{3,120}", left=r"[a-z]{2}://[^\s:@/\"'<>]{0,60}:", right="@[^\\s]", check=_basic, score=0.85),
    Rule("BearerToken", r"[A-Za-z0-9_.~+/\-]{8,400}", left=r"(?i:bearer|token|basic)[ ]{1,3}", right="", tail="base64",
         check=lambda v: any(c.isdigit() for c in v) and not _placeholder(v) and entropy(v) >= 3, context=r"authorization|x-api-key|-h\b", near=40, score=0.85),
    Rule("Password", _VALUE, left=_WORD + _NAME_END + _IS + _QUOTED, right=_QUOTED, check=_password, score=0.85),
    Rule("Password", _VALUE, left=_WORD + _NAME_END + _IS, right=r"(?:\z|[\s\"'`<>,;])", check=_password, score=0.8),
    Rule("Password", _VALUE, left=_WORD + _SAYS, right=r"(?:\z|[\s\"'`<>,;])", check=_password, score=0.7),
    Rule("APIKey", _STRONG, left=_NAME + _NAME_END + _IS + _QUOTED, right=_QUOTED, check=_random, unless=_HARMLESS, near=48, score=0.8),
    Rule("APIKey", _STRONG, left=_NAME + _NAME_END + _IS, right=r"(?:\z|[\s\"'`<>,;)\]}])", check=_random, unless=_HARMLESS, near=48, score=0.7),
    Rule("APIKey", _STRONG, left=_NAME + _SAYS, right=r"(?:\z|[\s\"'`<>,;)\]}])", check=_random, unless=_HARMLESS, near=48, score=0.7),
    Rule("Password", _VALUE, left=_NAME + _NAME_END + _IS + _QUOTED + "?", right=r"(?:\z|[\s\"'`,;])", check=_signs, score=0.6),
    Rule("APIKey", r"[A-Za-z0-9+/]{40}", left=r"(?i:aws)[A-Za-z_.\-]{0,24}(?i:key)" + _NAME_END + _IS + _QUOTED + "?",
         right=r"(?:\z|[^A-Za-z0-9+/=])", check=_aws, score=0.9),
    Rule("APIKey", r"[A-Za-z0-9+/]{86}==", left=r"(?i:account_?key|access_?key)=", right="", score=0.95),
    Rule("APIKey", r"[A-Za-z0-9+/]{43}=", left=r"(?i:shared_?access_?key)=", right="", score=0.95),
)  # fmt: skip


@cache  # the same for every policy, and slow to compile
def detector() -> SpanDetector:
    """Return a detector of every kind of secret."""
    return rules.detector(RULES)
