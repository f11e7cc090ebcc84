"""Whether the sum of two trained energies is sampled as the product of their densities, and how near it is to the truth."""

from pydantic import Field, FiniteFloat

from genbench.questions.base import Chains

__all__ = ["Settings"]


class Settings(Chains):
    """Whether the sum of two trained energies is sampled as the product of their densities, and how near it is to the truth."""

    updates: int = Field(default=800, ge=10)
    lr: FiniteFloat = Field(default=3e-3, gt=0)
    samples: int = Field(default=2000, ge=50)
    sample_steps: int = Field(default=500, ge=20)  # of the chains that sample a product
