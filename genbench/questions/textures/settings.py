"""Whether a maximum-entropy model of one texture resembles others of its kind; textures are made, no dataset is read."""

from typing import Literal, get_args

from pydantic import Field, FiniteFloat

from genbench.questions.base import Question

__all__ = ["Settings"]

Texture = Literal["stripes", "blobs", "labyrinth"]


class Settings(Question):
    """Whether a maximum-entropy model of one texture resembles others of its kind; textures are made, no dataset is read."""

    datasets: tuple[()] = ()
    textures: tuple[Texture, ...] = Field(default=get_args(Texture), min_length=1)
    side: int = Field(default=32, ge=32)  # on fewer pixels labyrinths may die out
    updates: int = Field(default=6000, ge=10)  # of the parameters, each after a step of the chain
    step: FiniteFloat = Field(default=0.1, gt=0, lt=1)  # of the chain, in coordinates where the base measure is N(0, I)
    rate: FiniteFloat = Field(default=0.1, gt=0)  # of the parameters, falling to a tenth
    others: int = Field(default=32, ge=8)  # textures of the kind, which tell how far statistics vary
