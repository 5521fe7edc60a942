"""What every part of a plan is."""

from pydantic import BaseModel, ConfigDict

Labels = tuple[tuple[str, str], ...]
"""Names and values, in order."""


class PlanModel(BaseModel):
    """Frozen and strict; tuples keep the order the controller chose."""

    model_config = ConfigDict(frozen=True, extra="forbid")
