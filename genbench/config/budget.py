"""What a trial may spend; apart from the other specs, because results depend on this file alone."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Budget", "Frozen"]


class Frozen(BaseModel):
    """Base of all specs: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Budget(Frozen):
    """What a trial may spend; every other cost is recorded."""

    unit: Literal["updates", "samples", "evaluations", "flops"] = "updates"
    value: float = Field(gt=0, allow_inf_nan=False)
