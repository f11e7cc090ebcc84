"""Whether Wasserstein critics of fixed pairs know their distance (Stanczuk et al. 2021)."""

from pydantic import Field

from genbench.questions.base import Count, WassersteinCritics

__all__ = ["Settings"]


class Settings(WassersteinCritics):
    """Whether Wasserstein critics of fixed pairs know their distance (Stanczuk et al. 2021)."""

    updates: int = Field(default=600, ge=10)
    dims: tuple[Count, ...] = (2, 16, 64)  # of pairs of distributions whose distance is known
    points: int = Field(default=500, ge=20)  # of each of two sets
