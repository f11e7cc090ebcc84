"""Precision, recall, density and coverage: counts of nearest neighbours, from one computation of the distances."""

from dataclasses import dataclass

import torch
from scipy.spatial import KDTree
from torch import Tensor

from genbench.metrics.card import FEATURES, Card, metric
from genbench.metrics.cards import METRICS
from genbench.metrics.distances import pair
from genbench.metrics.order import drawn
from genbench.metrics.score import Score
from genbench.metrics.sets import Images

__all__ = ["Counts", "Coverage", "coverage", "density", "neighbours", "precision", "recall"]

LARGE = "Of more than 10,000 images of a side, 10,000 are drawn. "
ROWS = "Standard error over the generated images, given the reference: their standard deviation over the square root of n."
LIMIT = 10_000  # examples of each side; time and memory grow with the square
PRECISION, COVERAGE = 3, 5  # neighbours, as the papers have them
BLOCK = 1024
FLAT = 8  # dimensions up to which a tree finds neighbours sooner than all distances


@metric(
    Card(
        key="precision",
        title="Precision",
        unit="share",
        direction="higher",
        applies="images",
        group="Fidelity and coverage",
        what="Share of generated images within some reference image's ball to its third nearest reference image.",
        range="0 to 1.",
        floor="Real data get less than 1, about 0.9 on digits and less the more dimensions the data fill: see the floor shown.",
        uncertainty=ROWS + " Zero where all or none are inside.",
        traps="Rewards collapse: a generator of one good image gets 1. One outlier in the reference has a huge ball. Read "
        "together with recall. " + LARGE + FEATURES,
        source="Kynkäänniemi et al. 2019, arXiv:1904.06991",
        ranked=False,
        main=True,
        place=140,
    )
)
def precision(images: Images) -> Score:
    """Share of generated rows in a reference row's ball (k = 3); their mean, which gives its standard error."""
    counts = images.once(_counts)
    return _score("precision", images, counts, PRECISION, *counts.precision)


@metric(
    Card(
        key="recall",
        title="Recall",
        unit="share",
        direction="higher",
        applies="images",
        group="Fidelity and coverage",
        what="Share of reference images within some generated image's ball to its third nearest generated image.",
        range="0 to 1.",
        floor="Real data get less than 1, about 0.9 on digits and less the more dimensions the data fill: see the floor shown.",
        uncertainty="No standard error: each image's ball hangs on its neighbours, and no cheap way is right. A bootstrap's "
        "duplicates shrink the balls; in simulations random halves gave 0.76 to 1.24 of the spread over fresh samples, "
        "and a jackknife twice as much. The spread over seeds covers it.",
        traps="Rewards diffuse samples: a few far outliers have balls that hold much of the data, which can "
        "beat real data. Grows with n. " + LARGE + FEATURES,
        source="Kynkäänniemi et al. 2019, arXiv:1904.06991",
        ranked=False,
        main=True,
        place=150,
    )
)
def recall(images: Images) -> Score:
    """Share of reference rows in a generated row's ball (k = 3), without a standard error."""
    counts = images.once(_counts)
    return _score("recall", images, counts, PRECISION, *counts.recall)


@metric(
    Card(
        key="density",
        title="Density",
        unit="",
        direction="higher",
        applies="images",
        group="Fidelity and coverage",
        what="Mean number of reference images in whose ball (fifth nearest neighbour) a generated image lies, divided by 5.",
        range="0 to m/5.",
        floor="1 in expectation for real data; more is not better.",
        uncertainty=ROWS,
        traps="Above 1 the samples crowd where data are dense, as with truncation or collapse. Read together with coverage. "
        + LARGE
        + FEATURES,
        source="Naeem et al. 2020, arXiv:2002.09797",
        ranked=False,
        place=160,
    )
)
def density(images: Images) -> Score:
    """Mean number of reference rows whose ball (k = 5) a generated row lies in, over 5."""
    counts = images.once(_counts)
    return _score("density", images, counts, COVERAGE, *counts.density)


@metric(
    Card(
        key="coverage",
        title="Coverage",
        unit="share",
        direction="higher",
        applies="images",
        group="Fidelity and coverage",
        what="Share of reference images whose ball to the fifth nearest reference image holds a generated image.",
        range="0 to 1.",
        floor="Real data get 1 - [(n-1)...(n-5)] / [(2n-1)...(2n-5)] at n = m, about 0.969, in any feature space.",
        uncertainty="Standard error over the generated images, given the reference: delete-one jackknife. Conservative: close "
        "where much is uncovered, up to three times too large near the value of real data.",
        traps="Grows with n/m: at n = m/10 real data get only about 0.38. Blind to how many samples a ball holds. "
        + LARGE
        + FEATURES,
        source="Naeem et al. 2020, arXiv:2002.09797",
        ranked=False,
        place=170,
    )
)
def coverage(images: Images) -> Score:
    """Share of reference rows whose ball (k = 5) holds a generated row.

    Its standard error is the delete-one jackknife, exact as no ball depends on generated rows, and conservative: up to
    twice the truth where nearly everything is covered.
    """
    counts = images.once(_counts)
    return _score("coverage", images, counts, COVERAGE, *counts.coverage)


@dataclass(frozen=True)
class Counts:
    """Values with their standard errors, where there is one, and how many rows of each side were used."""

    precision: tuple[float, float]
    recall: tuple[float, None]
    density: tuple[float, float]
    coverage: tuple[float, float]
    n: int
    m: int


def _counts(images: Images) -> Counts:
    return neighbours(*images.once(pair), images.seed)


def _score(key: str, images: Images, counts: Counts, k: int, value: float, se: float | None) -> Score:
    settings = {**images.about, "n_reference": counts.m, "neighbours": k, "seed": images.seed}
    return Score(key, value, counts.n, METRICS[key].unit, se, settings=settings)


def neighbours(features: Tensor, reference: Tensor, seed: int = 0) -> Counts:
    """Precision and recall (k = 3), density and coverage (k = 5) of generated (n, d) against reference features (m, d).

    A ball reaches from an example to its k-th nearest neighbour on its own side, itself not counted, and is closed: equal
    to prdc but for exact ties. Of more than 10,000 rows of a side 10,000 are drawn, of the generated ones by `seed`; n and
    n_reference are what was used.
    Needs finite features and at least 10 examples of each side.

    References: Kynkäänniemi et al. 2019, arXiv:1904.06991; Naeem et al. 2020, arXiv:2002.09797.
    """
    x = drawn(features.double(), LIMIT, seed)
    y = drawn(reference.to(x), LIMIT)  # the same for every model and seed
    centre = y.mean(0)
    x, y = x - centre, y - centre  # smaller numbers, smaller rounding errors
    n, m = len(x), len(y)
    reach = _nearest(x, PRECISION)[:, -1]
    own = _nearest(y, COVERAGE)
    inner, outer = own[:, PRECISION - 1], own[:, COVERAGE - 1]
    precise, inside = x.new_zeros(n, dtype=torch.bool), x.new_zeros(n)
    recalled, covered = 0, 0  # reference rows in a row's ball, and with a row in theirs
    alone = x.new_zeros(n)  # reference rows that this row alone covers
    for start in range(0, m, BLOCK):
        here = slice(start, start + BLOCK)
        distances = _squared(y[here], x)
        precise |= (distances <= inner[here, None]).any(0)
        hit = distances <= outer[here, None]
        inside += hit.sum(0)
        hits = hit.sum(1)
        covered += int((hits > 0).sum())
        alone += hit[hits == 1].sum(0)
        recalled += int((distances <= reach).any(1).sum())
    return Counts(
        precision=_mean(precise.double()),
        recall=(recalled / m, None),
        density=_mean(inside / COVERAGE),
        coverage=(covered / m, float((alone - alone.mean()).square().sum().sqrt()) / m),
        n=n,
        m=m,
    )


class Coverage:
    """Coverage alone of many sets by one reference (m, d): the value that `neighbours` gives with seed 0, far sooner.

    In a few dimensions by trees. References: Naeem et al. 2020, arXiv:2002.09797.
    """

    def __init__(self, reference: Tensor):
        y = drawn(reference.double(), LIMIT)
        if y.shape[1] <= FLAT:
            tree = KDTree(y.cpu().numpy())
            self.reference = tree.data[tree.indices]  # neighbours follow each other, which queries like
            # of equal points a row's nearest may be another than itself, as near
            self.radii = tree.query(self.reference, COVERAGE + 1)[0][:, -1]
        else:
            self.centre = y.mean(0)
            self.reference = y - self.centre
            self.radii = _nearest(self.reference, COVERAGE)[:, -1]

    def __call__(self, features: Tensor) -> float:
        """The share of reference rows whose ball to the fifth neighbour holds a row of features (n, d)."""
        x = drawn(features.double(), LIMIT)
        if x.shape[1] <= FLAT:
            return float((KDTree(x.cpu().numpy()).query(self.reference)[0] <= self.radii).mean())
        parts, x = zip(self.reference.split(BLOCK), self.radii.split(BLOCK), strict=True), x - self.centre
        return sum(int((_squared(rows, x).min(1).values <= radii).sum()) for rows, radii in parts) / len(self.reference)


def _squared(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances (len(a), len(b)); what is within rounding of zero is zero, so that equal rows tie exactly."""
    lengths_a, lengths_b = a.square().sum(1), b.square().sum(1)
    squared = torch.addmm(lengths_b[None], a, b.T, alpha=-2).add_(lengths_a[:, None])
    return squared.masked_fill_(squared < 1e-13 * lengths_a[:, None], 0.0)


def _nearest(rows: Tensor, count: int) -> Tensor:
    """Squared distances (n, count) to the nearest other rows, ascending."""
    parts = []
    for start in range(0, len(rows), BLOCK):
        block = _squared(rows[start : start + BLOCK], rows)
        here = torch.arange(len(block))
        block[here, here + start] = torch.inf
        parts.append(block.topk(count, dim=1, largest=False).values)
    return torch.cat(parts)


def _mean(rows: Tensor) -> tuple[float, float]:
    return float(rows.mean()), float(rows.std()) / len(rows) ** 0.5
