"""Which signs the two gradients of an energy-based model need: that of its chains and that of its weights."""

from pydantic import Field

from genbench.questions.base import Chains

__all__ = ["Settings"]


class Settings(Chains):
    """Which signs the two gradients of an energy-based model need: that of its chains and that of its weights."""

    updates: int = Field(default=400, ge=10)
    looks: int = Field(default=12, ge=2)  # at the chains during training
