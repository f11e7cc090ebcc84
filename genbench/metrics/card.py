"""What is known of a metric, written once: the report's tables and docs/metrics.md are made from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

__all__ = ["ALARM", "ANNEALED", "FEATURES", "GROUPS", "MOST", "RESAMPLED", "Card", "metric"]

ALARM = 0.01  # share of sets of fresh real data that are said to hold copies, by all tests of copies together, at most

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

# said on cards of several files
FEATURES = (
    "Holds for the encoder in the score's name: the dataset's own small classifier unless another is named, and its values "
    "compare models on one dataset in this report, never with published values, which use Inception."
)
RESAMPLED = (
    "Standard error over the generated sample, given the reference: the spread over 200 multinomial draws from the "
    "observed frequencies, moved towards the reference's until their chi-squared distance is an unbiased estimate, since drawing "
    "from the observed ones themselves would count their sampling error twice; within 15 % of the spread over fresh samples in "
    "simulations."
)
ANNEALED = (
    "Standard error over the examples, with the chains' own noise in it; how far the bound is from the truth is the "
    "annealing gap's matter."
)

MOST = (
    "At most as many generated images are looked at as real ones can be for the real-vs-real baseline, half of those outside "
    "the training split (n in the score's name), so that both stand at the same n."
)

Function = TypeVar("Function", bound=Callable)


@dataclass(frozen=True)
class Card:
    """A metric's name, unit and meaning, with all that a reader needs to judge one of its values.

    `ranked`: False for what is shown but makes no better or worse by itself. `main`: among the report's first metrics.
    `range`: values that can occur. `floor`: what real data get against real data, or a perfect sampler, and why.
    `best`: what a perfect sampler gets in expectation, past which no value is better; None where there is no such value.
    `uncertainty`: what its standard error covers, and how it is computed. `traps`: how it misleads.
    `place`: the order of tables and of scores. `standard`: False for what only studies that name it compute.
    `needs`: what is seen beside samples of a model and of test data: nothing ("samples"), the class "labels" that it was asked
    for, the "training" split, its "decoder" from latents to examples, or its "density". `encoders`: "all" for what further
    encoders are asked for as well, "first" else.
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
    place: int = 1000
    standard: bool = True
    needs: Literal["samples", "labels", "training", "decoder", "density"] = "samples"
    encoders: Literal["first", "all"] = "first"

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f"card {self.key}: no group {self.group!r}; allowed: {', '.join(GROUPS)}")


def metric(card: Card) -> Callable[[Function], Function]:
    """Mark a module-level function of genbench/metrics/*.py or genbench/likelihood/*.py as the one that gives a metric.

    The card is read from the file's text (see `genbench.metrics.cards`), so it may use literals, constants of its own file
    and the phrases of this one. Metrics that share one random stream are one function with several cards.
    """
    return lambda function: function
