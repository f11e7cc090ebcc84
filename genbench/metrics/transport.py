"""Optimal transport between generated and reference points."""

import torch
from torch import Tensor

from genbench.metrics.card import Card, metric
from genbench.metrics.points import equally_many, mean_se, score, subset
from genbench.metrics.score import Score
from genbench.metrics.sets import Points

__all__ = ["sliced_w1", "w1"]

GIVEN = "Over the generated sample, given the reference points"
POTENTIAL = (
    f"{GIVEN}: standard deviation of the optimal dual potential at the samples, over the root of n (central limit theorem of "
    "del Barrio et al. 2022, arXiv:2202.06380)"
)
PROJECTIONS = 200


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
def sliced_w1(points: Points, n: int = 10_000, directions: Tensor | None = None) -> Score:
    """Mean over random directions of the exact Wasserstein-1 distance between projected points (both (., d), raw units).

    Uses at most `n` points of each set; the sets may differ in size, since a distance in one dimension is the area
    between two distribution functions. The 200 directions, uniform on the sphere, are the same in every call
    unless `directions` (p, d), unit vectors, are given. The standard error is as for `w1`. Raises ValueError
    for non-finite points.

    References: Rabin et al. 2011, doi:10.1007/978-3-642-24785-9_37; Bonneel et al. 2015, doi:10.1007/s10851-014-0506-3.
    """
    x, y = subset("sliced_w1", points.samples, n, points.seed), subset("sliced_w1 reference", points.reference, n)
    if directions is None:
        directions = torch.randn(PROJECTIONS, x.shape[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        directions = directions / directions.norm(dim=1, keepdim=True)
    values, order = (directions.double() @ torch.cat([x, y]).T).sort(dim=1)
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
