"""PromptRef: a system prompt that a target adds."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from crds.meta import DataKey, Model, Name, UniqueNames

VARIABLE = r"^[A-Za-z][A-Za-z0-9_]*$"
VARIABLE_IN_TEXT = r"\$\{([A-Za-z][A-Za-z0-9_]*)\}"
"""Where a prompt's text names a variable."""


class PromptVariable(Model):
    """What `${name}` in a prompt stands for."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=VARIABLE)]
    """As in the text."""
    value: Annotated[str, StringConstraints(max_length=4096)]
    """What stands in its place."""


class PromptRef(Model):
    """A system prompt in a ConfigMap of the AIRoute's own namespace; name a new one per version."""

    name: Name
    """The ConfigMap."""
    key: DataKey = "prompt"
    """The key of the ConfigMap that holds the text; `${name}` in it stands for a variable."""
    mode: Literal["Prepend", "Append", "Replace"] = "Prepend"
    """Where it stands beside the caller's own system prompt, or that it takes its place."""
    variables: Annotated[tuple[PromptVariable, ...], Field(max_length=32), UniqueNames] = ()
    """What the variables of the text stand for."""
