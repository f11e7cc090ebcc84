"""What the settings of all questions have."""

from pydantic import Field, model_validator

from genbench.config.budget import Frozen

__all__ = ["Question", "Training"]


class Question(Frozen):
    """What all questions have: datasets, and seeds of whatever is trained."""

    datasets: tuple[str, ...] = Field(default=(), min_length=1)
    seeds: int = Field(default=3, ge=1, le=16)

    @property
    def recipes(self) -> tuple[str, ...]:
        """Models whose recipes the question takes."""
        return ()

    @model_validator(mode="after")
    def _distinct(self) -> "Question":
        for key, value in self:
            if isinstance(value, tuple) and len(set(value)) < len(value):
                raise ValueError(f"{key}: values must be distinct, got {', '.join(map(str, value))}")
        return self


class Training(Question):
    """What questions on models have besides: the length of trainings that differ in their seeds alone."""

    updates: int = Field(default=500, ge=10)
    batch: int = Field(default=128, ge=8)
