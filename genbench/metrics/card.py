"""What is known of a metric, written once: the report's tables and docs/metrics.md are made from it."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["GROUPS", "Card"]

# headings of the report's tables and of docs/metrics.md, in their order
GROUPS = (
    "Distance to the data",
    "Fidelity and coverage",
    "Modes",
    "Classes and diversity",
    "Manifold",
    "Memorisation",
    "Likelihood",
    "Surrogate likelihood",
)


@dataclass(frozen=True)
class Card:
    """A metric's name, unit and meaning, with all that a reader needs to judge one of its values.

    `ranked`: False for what is shown but makes no better or worse by itself. `main`: among the report's first metrics.
    `range`: values that can occur. `floor`: what real data get against real data, or a perfect sampler, and why.
    `best`: what a perfect sampler gets in expectation, past which no value is better; None where there is no such value.
    `uncertainty`: what its standard error covers, and how it is computed. `traps`: how it misleads.
    """

    key: str
    title: str
    unit: str
    direction: Literal["lower", "higher", "target", "none"]
    applies: Literal["points", "images", "both"]
    group: str
    what: str
    range: str
    floor: str
    uncertainty: str
    traps: str
    source: str
    ranked: bool = True
    main: bool = False
    best: float | None = None

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f"card {self.key}: no group {self.group!r}; allowed: {', '.join(GROUPS)}")
