"""Wires: what one target is sent: in which format, where, and for which model.

The caller's own format where the target speaks it, else the first of the format's family that it
speaks. One request may have a wire of its own for every target.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from crds.plan import FAMILIES, Format, PathPlan, PromptPlan, QuirksPlan, TargetPlan
from ext_proc.translation import prompts


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
    format_ = _format(target, spoken)
    if format_ is None:
        return None
    named = target.model or model
    path = _path(target.paths[format_], named, stream=stream)
    prompt = target.prompt if prompts.taken(spoken) else None
    return Wire(format_, named, path, target.quirks, prompt)


def reachable(target: TargetPlan) -> set[Format]:
    """The formats in which callers may speak to a target."""
    own = set(target.paths)
    return own.union(*(family for family in FAMILIES if not own.isdisjoint(family)))


def _format(target: TargetPlan, spoken: Format) -> Format | None:
    if spoken in target.paths:
        return spoken
    family = next((each for each in FAMILIES if spoken in each), ())
    return next((each for each in family if each in target.paths), None)


def _path(path: PathPlan, model: str, *, stream: bool) -> str:
    return (path.stream if stream else path.call).replace("{model}", quote(model, safe=""))
