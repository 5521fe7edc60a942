"""Retry: what happens when a target fails before it answers."""

from typing import Annotated

from pydantic import Field

from crds.meta import Model


class Retry(Model):
    """What happens when a target fails before it answers."""

    attempts: Annotated[int, Field(ge=0, le=8, strict=True)]
    """Further tries after the first; 2 by default where the rule has a second target, else 0."""
