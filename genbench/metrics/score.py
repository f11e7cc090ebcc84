"""What a score is, and the table of all metrics that genbench reports."""

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["METRICS", "Card", "Score"]

KINDS = (None, "exact", "lower_bound", "upper_bound", "estimate")


@dataclass(frozen=True)
class Score:
    """One number that a metric gave, with all that is needed to compare it honestly.

    `n` is the number of generated (or, for likelihoods, test) examples, `se` a standard error in the unit of `value` if
    one is known, `kind` the kind of a likelihood, `settings` whatever else changes the value. Raises ValueError for an
    unknown metric or kind.
    """

    metric: str
    value: float
    n: int
    unit: str = ""
    se: float | None = None
    kind: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"unknown metric {self.metric!r}; known: {', '.join(METRICS)}")
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r} of {self.metric}; allowed: {', '.join(map(str, KINDS))}")

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON types; a non-finite value, standard error or setting raises ValueError."""
        plain = asdict(self)
        plain["value"], plain["n"] = float(self.value), int(self.n)
        plain["se"] = None if self.se is None else float(self.se)
        if not math.isfinite(plain["value"]):
            raise ValueError(f"the value of {self.metric} is {plain['value']}, not a finite number")
        try:
            return json.loads(json.dumps(plain, allow_nan=False, default=_plain))
        except ValueError as error:
            raise ValueError(f"{self.metric} holds a number that is not finite: {plain}") from error


def _plain(value: Any) -> Any:
    """Turn a numpy or torch value into plain numbers or lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a score cannot hold a {type(value).__name__}")


@dataclass(frozen=True)
class Card:
    """What a metric is: for the report's tables and for people."""

    key: str
    title: str
    unit: str
    direction: Literal["lower", "higher", "target", "none"]
    applies: Literal["points", "images", "both"]
    what: str
    source: str


FEATURES = (
    "Features of a small classifier trained on this dataset's training split (not Inception): comparable between models on "
    "the same dataset in this report, not with published values."
)
METRICS: dict[str, Card] = {
    card.key: card
    for card in (
        Card(
            "modes",
            "Modes covered",
            "modes",
            "higher",
            "points",
            "Number of the mixture's modes with at least one sample within three standard deviations.",
            "Srivastava et al. 2017, arXiv:1705.07761; Lin et al. 2018, arXiv:1712.04086",
        ),
        Card(
            "high_quality",
            "High-quality samples",
            "share",
            "higher",
            "points",
            "Share of samples within three standard deviations of a mode; a perfect sampler gets 0.989, not 1.",
            "Srivastava et al. 2017, arXiv:1705.07761; Lin et al. 2018, arXiv:1712.04086",
        ),
        Card(
            "mode_kl",
            "KL of modes",
            "nats",
            "lower",
            "points",
            "KL divergence from the modes of the high-quality samples to the uniform distribution over all modes.",
            "Lin et al. 2018, arXiv:1712.04086",
        ),
        Card(
            "w1",
            "Wasserstein-1",
            "data units",
            "lower",
            "points",
            "Exact optimal-transport cost between equally many generated and reference points, Euclidean distance.",
            "Flamary et al. 2021 (POT), JMLR 22(78)",
        ),
        Card(
            "data_nll",
            "Samples under the true density",
            "nats",
            "target",
            "points",
            "Mean negative log-density of the samples under the true density; a perfect sampler gets its entropy.",
            "cross-entropy of the model to the data",
        ),
        Card(
            "nll",
            "Negative log-likelihood",
            "nats",
            "lower",
            "points",
            "Mean negative log-density of test points under the model, exact or bounded as its kind says.",
            "Theis et al. 2016, arXiv:1511.01844",
        ),
        Card(
            "fid",
            "Fréchet distance",
            "",
            "lower",
            "images",
            "Fréchet distance between Gaussians fitted to features of generated and of reference images. " + FEATURES,
            "Heusel et al. 2017, arXiv:1706.08500; torch-fidelity",
        ),
        Card(
            "kid",
            "Kernel distance",
            "",
            "lower",
            "images",
            "Unbiased squared MMD with a cubic kernel between features of generated and of reference images. " + FEATURES,
            "Bińkowski et al. 2018, arXiv:1801.01401; torch-fidelity",
        ),
        Card(
            "precision",
            "Precision",
            "share",
            "higher",
            "images",
            "Share of generated images inside the reference images' manifold (third nearest neighbour balls). " + FEATURES,
            "Kynkäänniemi et al. 2019, arXiv:1904.06991; torch-fidelity",
        ),
        Card(
            "recall",
            "Recall",
            "share",
            "higher",
            "images",
            "Share of reference images inside the generated images' manifold (third nearest neighbour balls). " + FEATURES,
            "Kynkäänniemi et al. 2019, arXiv:1904.06991; torch-fidelity",
        ),
        Card(
            "classes_covered",
            "Classes covered",
            "classes",
            "higher",
            "images",
            "Number of classes that get at least a tenth of an equal share of the generated images.",
            "Metz et al. 2017, arXiv:1611.02163; threshold after a classifier's errors",
        ),
        Card(
            "class_kl",
            "KL of classes",
            "nats",
            "lower",
            "images",
            "KL divergence from the classes of the generated images to those of the reference images.",
            "Metz et al. 2017, arXiv:1611.02163",
        ),
        Card(
            "bpd",
            "Bits per dimension",
            "bits/dim",
            "lower",
            "images",
            "Negative log2-probability of the discrete test images per dimension, exact or bounded as its kind says.",
            "Theis et al. 2016, arXiv:1511.01844",
        ),
    )
}
