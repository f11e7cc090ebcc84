"""Optimal transport between generated and reference points."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from genbench.metrics.card import Card, metric
from genbench.metrics.points import equally_many, mean_se, score, subset
from genbench.metrics.score import Score
from genbench.metrics.sets import Points

__all__ = ["SlicedTo", "sliced_w1", "w1"]

GIVEN = "Over the generated sample, given the reference points"
POTENTIAL = (
    f"{GIVEN}: standard deviation of the optimal dual potential at the samples, over the root of n (central limit theorem of "
    "del Barrio et al. 2022, arXiv:2202.06380)"
)
PROJECTIONS = 200
LIMIT = 10_000  # points of each side that sliced_w1 uses


@metric(
    Card(
        key="w1",
        title="Wasserstein-1",
        unit="data units",
        direction="lower",
        applies="points",
        group="Distance to the data",
        what="Exact optimal-transport cost between equally many generated and reference points (at most 2000), Euclidean "
        "distance.",
        range="0 to infinity",
        floor="Above 0 for a perfect sampler, since two finite samples differ: compare with real data against real data at "
        "the same n. It shrinks roughly as the root of 1/n.",
        uncertainty=f"{POTENTIAL}.",
        traps="Biased upwards by an amount that depends on n; dominated by how many samples each mode gets, so that a "
        "blurred sampler may get the floor; sensitive to far outliers.",
        source="Kantorovich 1942; Flamary et al. 2021 (POT), JMLR 22(78)",
        main=True,
        place=10,
    )
)
def w1(points: Points, n: int = 2000) -> Score:
    """Exact Wasserstein-1 distance between samples and reference points (both (., d), raw units), Euclidean cost.

    Both sets are cut to the same number, at most `n`, without replacement. Two samples of one distribution do not get 0:
    compare with the floor at the same n. The standard error is that of the optimal potential's mean over the samples,
    the distance's derivative in their weights. Raises ValueError for non-finite points.

    References: Flamary et al. 2021, JMLR 22(78); del Barrio, González-Sanz & Loubes 2022, arXiv:2202.06380 (its
    central limit theorem).
    """
    import ot  # seconds of import: only who needs it pays

    x, y = equally_many("w1", points, n)
    cost = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").numpy()
    value, log = ot.emd2([], [], cost, numItermax=10_000_000, log=True)
    if log.get("warning"):
        raise RuntimeError(f"w1: optimal transport did not converge: {log['warning']}")
    settings = {"n_reference": len(y), "seed": points.seed, "cost": "euclidean", "solver": "ot.emd2", **points.about}
    return score("w1", float(value), len(x), mean_se(torch.as_tensor(log["u"])), settings)


@metric(
    Card(
        key="sliced_w1",
        title="Sliced Wasserstein-1",
        unit="data units",
        direction="lower",
        applies="points",
        group="Distance to the data",
        what="Mean over 200 fixed random directions of the exact Wasserstein-1 distance between the projected generated and "
        "reference points, at most 10,000 of each.",
        range="0 to w1 of the same points; a shift in the plane gets 2/pi, about 0.64, of its length",
        floor="Above 0 for a perfect sampler, as for w1 but smaller: more points are used, and one-dimensional distances "
        "converge faster.",
        uncertainty=f"{POTENTIAL}; somewhat too large (up to a quarter was seen) near the floor.",
        traps="Projections overlay modes: it sees less of a missing mode or of a blur than w1; its size depends on the "
        "dimension, so that values of different datasets do not compare.",
        source="Rabin et al. 2011, doi:10.1007/978-3-642-24785-9_37; Bonneel et al. 2015, doi:10.1007/s10851-014-0506-3",
        place=20,
    )
)
def sliced_w1(points: Points, n: int = LIMIT, directions: Tensor | None = None) -> Score:
    """Mean over random directions of the exact Wasserstein-1 distance between projected points (both (., d), raw units).

    Uses at most `n` points of each set; the sets may differ in size, since a distance in one dimension is the area
    between two distribution functions. The 200 directions, uniform on the sphere, are the same in every call
    unless `directions` (p, d), unit vectors, are given. The standard error is as for `w1`. Raises ValueError
    for non-finite points.

    References: Rabin et al. 2011, doi:10.1007/978-3-642-24785-9_37; Bonneel et al. 2015, doi:10.1007/s10851-014-0506-3.
    """
    x, y = subset("sliced_w1", points.samples, n, points.seed), subset("sliced_w1 reference", points.reference, n)
    directions = _directions(x.shape[1]) if directions is None else directions.double()
    values, order = (directions @ torch.cat([x, y]).T).sort(dim=1)
    gap = values.diff(dim=1)
    weights = torch.tensor([1 / len(x)] * len(x) + [-1 / len(y)] * len(y), dtype=torch.float64)
    between = weights[order].cumsum(dim=1)[:, :-1]  # the samples' distribution function minus the reference's
    value = float((between.abs() * gap).sum(dim=1).mean())
    # an optimal dual potential falls at rate 1 where that difference is positive and rises where it is negative
    potential = torch.zeros_like(values)
    potential[:, 1:] = -(between.sign() * gap).cumsum(dim=1)
    at_samples = torch.empty_like(values).scatter_(1, order, potential)[:, : len(x)].mean(dim=0)
    settings = {"n_reference": len(y), "projections": len(directions), **points.about}
    return score("sliced_w1", value, len(x), mean_se(at_samples), settings)


def _directions(dim: int) -> Tensor:
    """Unit vectors (PROJECTIONS, dim), the same in every call."""
    directions = torch.randn(PROJECTIONS, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return directions / directions.norm(dim=1, keepdim=True)


class SlicedTo:
    """Sliced Wasserstein-1 distances of many samples to the same references (m, d): the values of `sliced_w1`, far sooner.

    References are projected and sorted once, samples once for all references.
    """

    def __init__(self, references: Mapping[str, Tensor]):
        found = {name: subset("sliced_w1 reference", rows, LIMIT) for name, rows in references.items()}
        self.directions = _directions(next(iter(found.values())).shape[1])
        self.sorted = {name: np.sort((self.directions @ rows.T).numpy(), axis=1) for name, rows in found.items()}
        self.quantiles: dict[tuple[str, int], _Quantiles] = {}

    def __call__(self, samples: Tensor, seed: int = 0) -> dict[str, float]:
        """Distances of samples (n, d) in raw units, by reference; ValueError for non-finite samples."""
        x = (self.directions @ subset("sliced_w1", samples, LIMIT, seed).T).numpy()
        x.sort(axis=1)
        found = {}
        for name, rows in self.sorted.items():
            key = (name, x.shape[1])
            if key not in self.quantiles:
                self.quantiles[key] = _Quantiles(rows, x.shape[1])
            found[name] = self.quantiles[key].distance(x)
        return found


class _Quantiles:
    """What n sorted numbers are moved onto: the i-th onto the part of a sorted reference between its quantiles i/n and (i+1)/n.

    A number outside of its part costs its distance to the part's mean; only the few inside look at the part's points.

    Arguments:
        rows: references (p, m), each row sorted. n: numbers that will be compared with a row.
    """

    def __init__(self, rows: np.ndarray, n: int):
        m = rows.shape[1]
        i = np.arange(n)
        first, last = i * m // n, ((i + 1) * m - 1) // n  # in integers: in floats, parts that share no point could seem to
        self.rows, self.low, self.high = rows, rows[:, first], rows[:, last]
        self.index = np.minimum(first[:, None] + np.arange((last - first).max() + 1), m - 1)
        # overlap of quantiles [j/m, (j+1)/m] with [i/n, (i+1)/n], in units of 1/(n m); they sum to m in every row
        j = first[:, None] + np.arange(self.index.shape[1])
        self.share = np.clip(np.minimum((j + 1) * n, (i[:, None] + 1) * m) - np.maximum(j * n, i[:, None] * m), 0, None) / m
        self.mean = sum(rows[:, index] * share for index, share in zip(self.index.T, self.share.T, strict=True))

    def distance(self, x: np.ndarray) -> float:
        """Mean over the rows of the Wasserstein-1 distance of sorted numbers x (p, n) to the reference's row."""
        total = np.abs(x - self.mean)
        row, place = np.nonzero((x > self.low) & (x < self.high))
        parts = self.rows[row[:, None], self.index[place]] - x[row, place][:, None]
        total[row, place] = (np.abs(parts) * self.share[place]).sum(axis=1)
        return float(total.mean())
