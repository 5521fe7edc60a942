"""Wordings: how a caller is told of an error, with what content type."""

from collections.abc import Callable
from dataclasses import dataclass

from ext_proc.call import Reject
from ext_proc.formats import plain
from ext_proc.formats.dialect import Dialect

JSON_TYPE = ("content-type", "application/json")


@dataclass(frozen=True, slots=True)
class Wording:
    """One way to write errors."""

    error: Callable[[Reject, str], bytes]
    """From the refusal and the request's id."""
    headers: tuple[tuple[str, str], ...] = (JSON_TYPE,)


PLAIN = Wording(plain.error)
GRPC = Wording(plain.message, headers=())


def of(dialect: Dialect) -> Wording:
    """The words of a format."""
    return Wording(dialect.error)
