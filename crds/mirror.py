"""Mirror: a target that gets copies of a rule's requests and answers nobody."""

from typing import Annotated

from pydantic import Field

from crds.meta import Label, Model, ModelName, Name
from crds.prompt import PromptRef


class Mirror(Model):
    """A target that gets a copy of some requests, as the guards let them pass.

    Its answer is thrown away: it never reaches, delays or fails the caller's request, and counts in
    no usage, cost or health. Its provider charges for it all the same.
    """

    name: Name
    """The AIBackend."""
    namespace: Label | None = None
    """Defaults to the AIRoute's own; another one needs a ReferenceGrant there."""
    model: ModelName | None = None
    """The model to ask for; the caller's own when left out."""
    prompt_ref: PromptRef | None = None
    """A system prompt for the copies."""
    percent: Annotated[int, Field(ge=0, le=100, strict=True)]
    """Share of the rule's requests that are copied, drawn by lots; 0 pauses the mirror."""
