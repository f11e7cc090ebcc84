"""What a log-determinant, an exact divergence and an estimate of it cost by dimension; nothing is trained."""

from pydantic import Field, model_validator

from genbench.questions.base import Question

__all__ = ["Settings"]


class Settings(Question):
    """What a log-determinant, an exact divergence and an estimate of it cost by dimension; nothing is trained."""

    datasets: tuple[str, ...] = Field(default=(), max_length=0)  # its points are normal
    dims: tuple[int, ...] = Field(default=(2, 4, 8, 16, 32, 64, 128, 256, 512, 1024), min_length=3)
    points: int = Field(default=32, ge=1)
    width: int = Field(default=64, ge=4)
    probes: int = Field(default=1000, ge=50)  # behind a variance

    @model_validator(mode="after")
    def _in_space(self) -> "Settings":
        if min(self.dims) < 1:
            raise ValueError(f"dims must be >= 1, got {', '.join(map(str, self.dims))}")
        return self
