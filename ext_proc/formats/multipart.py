"""The form door: multipart/form-data (RFC 7578) becomes a document only if all parsers agree on it.

Fields become strings, files `File`s, fields that stand more than once lists. Refused is what
parsers read differently: text around the parts, line ends without CR, other charsets, escapes in
names, headers that are no part's own. A form that a guard does not change goes out as it came.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import re2

MOST_PARTS = 100
_MOST_HEADER = 2048
_BOUNDARY = re2.compile(r"[0-9A-Za-z'()+_,./:=?-]{1,70}")
_MEDIA = re2.compile(r'(?i)multipart/form-data;\s*boundary=(?:"([^"\\]+)"|([0-9A-Za-z\'+_.-]+))\s*')
_NAMED = re2.compile(r'(?i)form-data;\s*name="([^"\\]+)"(?:;\s*filename="([^"\\]*)")?\s*')
_NAME = re2.compile(r"[0-9A-Za-z_.\-]{1,100}(?:\[[0-9A-Za-z_.\-]{0,100}\])*")
_TYPE = re2.compile(r"[0-9A-Za-z!#$&^_.+-]{1,100}/[0-9A-Za-z!#$&^_.+-]{1,100}")
_PLAIN = re2.compile(r'(?i)(?:text/plain|application/json)(?:;\s*charset="?(?:utf-8|us-ascii)"?)?')
_UNCODED = frozenset({"binary", "8bit", "7bit"})


class InvalidFormError(ValueError):
    """The bytes are refused; the message never holds any of them."""


@dataclass(frozen=True, slots=True)
class File:
    """A part with a filename."""

    filename: str
    media: str
    """Its content type; empty if it has none."""
    content: bytes


Form = dict[str, Any]


def boundary_of(content_type: str) -> str | None:
    """The boundary a content type names; None if it is not that of a form."""
    found = _MEDIA.fullmatch(content_type)
    boundary = (found[1] or found[2]) if found else ""
    return boundary if _BOUNDARY.fullmatch(boundary) else None


def stated_boundary(body: bytes) -> str:
    """The boundary of a form that was read before."""
    return body[2 : body.index(b"\r\n")].decode()


def loads(body: bytes, boundary: str) -> Form:
    """Decode a form, or raise InvalidFormError."""
    form: Form = {}
    for name, value in _parts(body, boundary):
        if name not in form:
            form[name] = value
        elif isinstance(form[name], list):
            form[name].append(value)
        else:
            form[name] = [form[name], value]
    return form


def dumps(form: Form, boundary: str) -> bytes:
    """Encode what `loads` decoded; a value that a redaction made JSON of is written as JSON.

    Raise InvalidFormError if a field now holds the boundary.
    """
    pieces = [
        b"--%b\r\n%b" % (boundary.encode(), _part(name, each))
        for name, value in form.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    body = b"".join([*pieces, b"--%b--\r\n" % boundary.encode()])
    if body.count(b"--" + boundary.encode()) != len(pieces) + 1:
        raise InvalidFormError("The form's boundary stands in one of its fields.")
    return body


def _parts(body: bytes, boundary: str) -> Iterator[tuple[str, str | File]]:
    """Every place where the boundary stands must be a delimiter: then no parser sees another."""
    before, *parts = body.split(b"--" + boundary.encode(), MOST_PARTS + 1)
    after = parts.pop() if parts else b""
    if before or after not in (b"--", b"--\r\n") or not parts:
        raise InvalidFormError(
            f"The form must begin and end with its boundary, and have at most {MOST_PARTS} parts."
        )
    for part in parts:
        if not part.startswith(b"\r\n") or not part.endswith(b"\r\n"):
            raise InvalidFormError("The form's boundary stands where no part begins.")
        yield _read(part[2:-2])


def _read(part: bytes) -> tuple[str, str | File]:
    head, blank, content = part.partition(b"\r\n\r\n")
    if not blank or len(head) > _MOST_HEADER:
        raise InvalidFormError("A part of the form has no headers, or too long ones.")
    headers = _headers(head)
    named = _NAMED.fullmatch(headers.pop("content-disposition", ""))
    if named is None or not _NAME.fullmatch(named[1]):
        raise InvalidFormError(
            "A part of the form needs `content-disposition: form-data` with a plain name."
        )
    media = headers.pop("content-type", "")
    _check_rest(headers, len(content))
    if named[2] is not None:
        if media and not _TYPE.fullmatch(media):
            raise InvalidFormError("A file of the form has a content type with parameters.")
        return named[1], File(named[2], media, content)
    return named[1], _text(media, content)


def _headers(head: bytes) -> dict[str, str]:
    try:
        lines = head.decode().split("\r\n")
    except UnicodeDecodeError:
        raise InvalidFormError("A header of the form is not UTF-8.") from None
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not line.isprintable() or name in headers:
            raise InvalidFormError("A part of the form has a header that cannot be.")
        headers[name] = value.strip()
    return headers


def _check_rest(headers: dict[str, str], length: int) -> None:
    """What some clients add: a coding that is none, and the length."""
    coding = headers.pop("content-transfer-encoding", "binary")
    stated = headers.pop("content-length", str(length))
    if headers or coding.lower() not in _UNCODED or stated != str(length):
        raise InvalidFormError("A part of the form has a header that is not served.")


def _text(media: str, content: bytes) -> str:
    if media and not _PLAIN.fullmatch(media):
        raise InvalidFormError("A field of the form is no text in UTF-8; files need a filename.")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InvalidFormError("A field of the form is no text in UTF-8.") from None


def _part(name: str, value: Any) -> bytes:
    named = f'content-disposition: form-data; name="{_quoted(name)}"'
    match value:
        case File():
            media = f"\r\ncontent-type: {value.media}" if value.media else ""
            head, content = f'{named}; filename="{_quoted(value.filename)}"{media}', value.content
        case str():
            head, content = named, value.encode()
        case _:
            head, content = named, orjson.dumps(value)
    return b"%b\r\n\r\n%b\r\n" % (head.encode(), content)


def _quoted(text: str) -> str:
    return "".join(
        f"%{ord(char):02X}" if char in '"\\' or not char.isprintable() else char for char in text
    )
