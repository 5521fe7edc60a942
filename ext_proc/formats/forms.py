"""Forms: what formats share whose requests are multipart/form-data with files in them.

Fields are read, files are recorded. Which fields may be files is for each format.
"""

# ruff: noqa: D102 -- what `read` and `fields` do is said once, in Rule

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from crds.plan import Origin
from ext_proc.call import Call, Line, Reject, Text
from ext_proc.formats import multipart
from ext_proc.formats.dialect import Dialect, malformed
from ext_proc.formats.multipart import File, Form
from ext_proc.formats.rules import Path
from ext_proc.formats.tabled import Tabled
from ext_proc.formats.texts import Found


@dataclass(frozen=True, slots=True)
class Upload:
    """A file: its name is text, its content is recorded."""

    kind: str

    def read(self, found: Found, owner: Any, key: Any, origin: Origin) -> None:
        value = owner[key]
        if isinstance(value, File):
            found.unscanned[self.kind] += 1
            if value.filename:
                place = partial(_rename, owner, key)
                found.texts.append(Text(origin, value.filename, place))
        else:
            found.anything(owner, key, origin)

    def fields(self, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, f"recorded as unscanned ({self.kind}); its name is text"


def _rename(owner: Any, key: Any, filename: str) -> None:
    owner[key] = replace(owner[key], filename=filename)


def is_file(value: Any) -> bool:
    """Tell whether a field is one file."""
    return isinstance(value, File)


def every(form: Form, name: str) -> list[Any]:
    """All that stands in fields of this name."""
    value = form.get(name, [])
    return value if isinstance(value, list) else [value]


def misplaced(form: Form, files: Collection[str]) -> bool:
    """Tell whether a file stands in a field that is not for files."""
    return any(is_file(each) for name in form if name not in files for each in every(form, name))


def stream_of(form: Form) -> bool | Reject:
    """Return whether a form asks for a stream."""
    stream = form.get("stream", "false")
    known = isinstance(stream, str) and stream.lower() in ("true", "false")
    return stream.lower() == "true" if known else malformed("`stream` must be true or false.")


def encode_request(call: Call, _ask_usage: bool) -> bytes:  # noqa: FBT001 -- Dialect's signature
    """Encode a form. Raise InvalidFormError if what a guard changed cannot stand in it."""
    if call.edited or any(text.changed for text in call.texts):
        return multipart.dumps(call.document, multipart.stated_boundary(call.original))
    return call.original


def dialect_of(tabled: Tabled) -> Dialect:
    """All that a format can do whose requests are forms."""

    def decode_request(body: bytes, line: Line) -> Call | Reject:
        try:
            form = multipart.loads(body, line.boundary)
        except multipart.InvalidFormError as refused:
            return malformed(str(refused))
        return tabled.read(form, body)

    return replace(
        tabled.as_dialect(),
        decode_request=decode_request,
        encode_request=encode_request,
        is_form=True,
        unstated="unpriced",
    )
