"""Stickiness: what binds the requests of a caller or of a conversation together."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from crds.meta import COOKIE_OR_HEADER, Model, Rule

_HEADER = re.compile(r"(?!x-dragoman-)[a-z0-9][-a-z0-9]*\Z")
_NAMED = ("Header", "Cookie")


class Stickiness(Model):
    """What binds requests to one side of the weights, and to one endpoint of it."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.by in ['Header', 'Cookie']) == has(self.name)",
            "name is required with by Header or Cookie and not allowed with others",
            lambda self: (self.by in _NAMED) == (self.name is not None),
        ),
        Rule(
            "self.by != 'Header' || !has(self.name)"
            " || (self.name.matches('^[a-z0-9][-a-z0-9]*$')"
            " && !self.name.startsWith('x-dragoman-'))",
            "a header's name is in lower case and does not begin with x-dragoman-",
            lambda self: self.by != "Header" or self.name is None or bool(_HEADER.match(self.name)),
            "name",
        ),
    )

    by: Literal["Header", "Cookie", "User", "Conversation"]
    """`User` is the request's own field for it, such as OpenAI's `safety_identifier`.

    `Conversation` is the system's words and the user's first turn, which all turns of it repeat.
    """
    name: (
        Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=COOKIE_OR_HEADER)]
        | None
    ) = None
    """The header, in lower case, or the cookie."""
