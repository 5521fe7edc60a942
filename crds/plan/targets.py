"""Where a request may go, and how it is written for that place."""

import operator
from typing import Literal

from pydantic import Field

from crds.plan.formats import Format
from crds.plan.model import PlanModel


class PricePlan(PlanModel):
    """US dollars per million tokens, as decimal strings."""

    input: str
    cached_input: str
    cache_write: str
    output: str


class PathPlan(PlanModel):
    """Where a provider takes one format; `{model}` stands for the model, percent-encoded."""

    call: str
    stream: str
    models: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    """A part of the names of the models that are asked so; empty: all are."""

    def serves(self, model: str) -> bool:
        """Tell whether a model is asked so."""
        return not self.models or any(part in model for part in self.models)


class QuirksPlan(PlanModel):
    """How a provider departs from its format: what becomes of the fields of every body it gets."""

    model_in_body: bool = True
    """Its formats that name the model in the body want it there."""
    rename: dict[str, str] = Field(default_factory=dict)
    drop: tuple[str, ...] = ()
    set: dict[str, str] = Field(default_factory=dict)


class PromptPlan(PlanModel):
    """What a target adds to the system's words; the name is for people."""

    name: str
    mode: Literal["Prepend", "Append", "Replace"]
    text: str


class TargetPlan(PlanModel):
    """One (AIBackend, model) pair: one Envoy cluster."""

    cluster: str
    backend: str
    """`namespace/name` of the AIBackend."""
    provider: str
    model: str | None
    """The model to ask for; None: the caller's."""
    paths: dict[Format, PathPlan] = Field(default_factory=dict)
    """The formats it speaks, and where."""
    path_prefix: str = ""
    """What stands before the path of a Generic request; other paths are whole."""
    quirks: QuirksPlan = QuirksPlan()
    prompt: PromptPlan | None = None
    weight: int
    priority: int
    prices: dict[str, PricePlan] = Field(default_factory=dict)
    """The AIBackend's own prices by model; packaged prices serve the rest."""
    contexts: dict[str, int] = Field(default_factory=dict)
    """The AIBackend's own context lengths by model, in tokens; packaged ones serve the rest."""
    max_concurrent: int | None = None
    """Counted per AIBackend, over all its targets."""
    eject_after: int = 5
    """Failures in a row after which it stands behind its peers."""
    eject_s: float = 5.0
    """For how long at first."""
