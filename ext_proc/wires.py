"""Wires: what one target is sent: in which format, where, and for which model.

The caller's own format where the target speaks it, else the first of the format's family that it
speaks. One request may have a wire of its own for every target.
"""

from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import quote

from crds.plan import (
    FAMILIES,
    CallerFormat,
    Format,
    PathPlan,
    PromptPlan,
    QuirksPlan,
    TargetPlan,
)
from ext_proc.translation import prompts

_CALLERS: frozenset[Format] = frozenset(get_args(CallerFormat))


@dataclass(frozen=True, slots=True)
class Wire:
    """How a request travels to one target."""

    format: Format
    model: str
    path: str
    quirks: QuirksPlan
    prompt: PromptPlan | None = None

    def metadata(self) -> dict[str, Any]:
        """As the guard tells it to the target's own filters."""
        return {
            "format": self.format,
            "model": self.model,
            "path": self.path,
            "quirks": self.quirks.model_dump(mode="json", exclude_defaults=True),
            **({"prompt": self.prompt.model_dump()} if self.prompt else {}),
        }


def read(metadata: dict[str, Any]) -> Wire:
    """What `metadata` said."""
    quirks = QuirksPlan.model_validate(metadata["quirks"])
    prompt = metadata.get("prompt")
    return Wire(
        metadata["format"],
        metadata["model"],
        metadata["path"],
        quirks,
        PromptPlan.model_validate(prompt) if prompt else None,
    )


def find(target: TargetPlan, spoken: Format, model: str, *, stream: bool) -> Wire | None:
    """The wire for a request in this format and, unless the target has its own, for this model."""
    named = target.model or model
    format_ = _format(target, spoken, named)
    if format_ is None:
        return None
    path = _path(target.paths[format_], named, stream=stream)
    prompt = target.prompt if prompts.taken(spoken) else None
    return Wire(format_, named, path, target.quirks, prompt)


def reachable(target: TargetPlan, model: str) -> set[Format]:
    """The formats in which callers may speak to a target."""
    own = _own(target, target.model or model)
    families = (family for family in FAMILIES if not own.isdisjoint(family))
    return own.union(*families) & _CALLERS


def _format(target: TargetPlan, spoken: Format, model: str) -> Format | None:
    own = _own(target, model)
    if spoken in own:
        return spoken
    family = next((each for each in FAMILIES if spoken in each), ())
    return next((each for each in family if each in own), None)


def _own(target: TargetPlan, model: str) -> set[Format]:
    return {format_ for format_, path in target.paths.items() if path.serves(model)}


def _path(path: PathPlan, model: str, *, stream: bool) -> str:
    return (path.stream if stream else path.call).replace("{model}", quote(model, safe=""))
