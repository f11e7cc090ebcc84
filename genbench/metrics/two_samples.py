"""Kernel, nearest-neighbour and classifier comparisons of generated with reference points."""

import math

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree
from torch import Tensor

from genbench.metrics.card import Card, metric
from genbench.metrics.points import equally_many, mean_se, rms_radius, score, subset
from genbench.metrics.score import Score, root
from genbench.metrics.sets import Points

__all__ = ["c2st", "knn_kl", "mmd2"]

GIVEN = "Over the generated sample, given the reference points"
BANDWIDTHS = (1.0, 1 / 2, 1 / 4, 1 / 8, 1 / 16)  # halved from one to the next: one exponential gives all five kernels
DRAWS = 100  # shuffles of the labels, and halves of the samples, behind a classifier's null and standard error


@metric(
    Card(
        key="mmd2",
        title="Squared MMD",
        unit="",
        direction="lower",
        applies="points",
        group="Distance to the data",
        what="Unbiased squared maximum mean discrepancy between 2000 generated and 2000 reference points, mean of five Gaussian "
        "kernels whose standard deviations are 1, 1/2, 1/4, 1/8 and 1/16 of the data's root mean square distance from its mean.",
        range="-2/n to 2",
        floor="0 in expectation for a perfect sampler, with either sign in a single case: the estimate has no bias.",
        uncertainty=f"{GIVEN}: from the unbiased estimate of the variance of a second-order U-statistic (Sutherland 2019, "
        "arXiv:1906.02104); none where that is negative, as can be with few samples.",
        traps="Depends on the kernels' widths; structure finer than the narrowest of them is not seen. A negative value is "
        "not better than 0.",
        source="Gretton et al. 2012, JMLR 13",
        best=0.0,
        place=30,
    )
)
def mmd2(points: Points, n: int = 2000) -> Score:
    """Unbiased squared MMD between samples and reference points (both (., d)), mean of five Gaussian kernels.

    The kernels' standard deviations are 1, 1/2, ..., 1/16 of the reference's root mean square distance from its mean.
    Both sets are cut to the same number, at most `n`. Values lie between -2/n and 2, around 0 for equal
    distributions. The variance behind the standard error is the unbiased estimate of that of a second-order U-statistic,
    given the reference. Raises ValueError for fewer than 4 or non-finite points.

    References: Gretton et al. 2012, JMLR 13; Sutherland 2019, arXiv:1906.02104 (unbiased variance).
    """
    x, y = equally_many("mmd2", points, n)
    scale = rms_radius(y)
    pairs = len(x) * (len(x) - 1)
    to_reference = _kernel(x, y, scale).mean(dim=1)
    among_reference = (float(_kernel(y, y, scale).sum()) - len(y)) / (len(y) * (len(y) - 1))
    terms = _kernel(x, x, scale) - to_reference[:, None] - to_reference
    mean = float(terms.fill_diagonal_(0).sum()) / pairs
    terms = (terms - mean).fill_diagonal_(0)
    # U^2 minus the mean product of terms that share no sample, which estimates (E U)^2
    spread = 4 * float(terms.sum(dim=1).square().sum()) - 2 * float(terms.square().sum())
    variance = spread / (pairs * (len(x) - 2) * (len(x) - 3))
    settings = {
        "n_reference": len(y),
        "seed": points.seed,
        "kernel": "gaussian",
        "bandwidths": [scale * h for h in BANDWIDTHS],
        **points.about,
    }
    return score("mmd2", mean + among_reference, len(x), root(variance), settings)


@metric(
    Card(
        key="knn_kl",
        title="KL to the data",
        unit="nats",
        direction="lower",
        applies="points",
        group="Distance to the data",
        what="Estimate of KL(generated || data) from the distances of the samples to their fifth nearest neighbours among the "
        "reference points and among the other samples, at most 10,000 of each.",
        range="minus infinity to infinity; the divergence itself is never negative",
        floor="Within a few hundredths of a nat of 0 for a perfect sampler, with either sign: more reference points than samples "
        "raise it, edges of the density lower it.",
        uncertainty=f"{GIVEN}: standard deviation of the samples' terms over the root of n; terms share neighbours, which makes "
        "the true standard error about a tenth larger.",
        traps="Far too small where samples lie outside the data, for there the reference has no points to measure with: a ring "
        "1.7 times too wide gets about 60 % of its divergence. It asks whether samples lie where data are, so a sampler that "
        "leaves out modes pays little. Identical samples have an infinite divergence; they get a large finite value here.",
        source="Wang, Kulkarni & Verdú 2009, doi:10.1109/TIT.2009.2016060",
        best=0.0,
        place=40,
    )
)
def knn_kl(points: Points, n: int = 10_000, k: int = 5) -> Score:
    """Estimate of KL(generated || reference) in nats from distances to the k-th nearest neighbours; points (., d).

    d times the mean log ratio of a sample's distances to its k-th neighbour in the reference and among the other samples,
    plus log(m / (n - 1)), with at most `n` points of each set. Distances below float32 rounding are raised to it: identical
    samples, whose divergence is infinite, get a large finite value; their share is in the settings. Raises
    ValueError for non-finite points or sets of at most k points.

    References: Wang, Kulkarni & Verdú 2009, IEEE Trans. Inf. Theory 55(5).
    """
    x, y = subset("knn_kl", points.samples, n, points.seed), subset("knn_kl reference", points.reference, n)
    if min(len(x), len(y)) <= k:
        raise ValueError(f"knn_kl: {len(x)} and {len(y)} points; more than k={k} are needed")
    smallest = torch.finfo(torch.float32).eps * rms_radius(y)
    own = torch.as_tensor(cKDTree(x).query(x, [k + 1])[0])[:, 0]  # the nearest of all is the point itself
    other = torch.as_tensor(cKDTree(y).query(x, [k])[0])[:, 0]
    terms = x.shape[1] * (other.clamp_min(smallest).log() - own.clamp_min(smallest).log())
    settings = {"n_reference": len(y), "k": k, "identical": float((own < smallest).double().mean()), **points.about}
    return score("knn_kl", float(terms.mean()) + math.log(len(y) / (len(x) - 1)), len(x), mean_se(terms), settings)


@metric(
    Card(
        key="c2st",
        title="Two-sample classifier",
        unit="accuracy",
        direction="lower",
        applies="points",
        group="Distance to the data",
        what="Leave-one-out accuracy of a nearest-neighbour classifier (k about the root of all points) that tells 2000 "
        "generated from 2000 reference points.",
        range="0 to 1; 0.5 if they cannot be told apart, 1 if always",
        floor="0.5 for a perfect sampler, a little less in expectation because a point's own label is left out; values below "
        "it are chance. The settings hold mean and standard deviation (about 0.01) over shuffled labels.",
        uncertainty=f"{GIVEN}: standard deviation over random halves of the samples, each with weight 2. For whether samples "
        "differ from the data at all use the standard deviation over shuffled labels.",
        traps="Saturates at 1 for a sampler that is merely shifted by a little where the data are thin; a missing mode of eight "
        "raises it by 0.03 to 0.05 only. The binomial standard deviation is too small, since the answers depend on each other.",
        source="Lopez-Paz & Oquab 2017, arXiv:1610.06545",
        best=0.5,
        place=50,
    )
)
def c2st(points: Points, n: int = 2000) -> Score:
    """Leave-one-out accuracy of a nearest-neighbour classifier that tells samples from reference points, both (., d).

    Both sets are cut to the same number, at most `n`; k is the largest odd number up to the root of all points.
    Settings hold the mean "null" and "null_sd" of the accuracy when labels are shuffled: leave-one-out answers depend on
    each other, and the binomial standard deviation .5/sqrt(2n) is a fifth too small. The standard error is over random
    halves of the samples, each with weight 2. Raises ValueError for fewer than 4 or non-finite points.

    References: Lopez-Paz & Oquab 2017, arXiv:1610.06545.
    """
    x, y = equally_many("c2st", points, n)
    n, total = len(x), 2 * len(x)
    k = max(1, int(math.sqrt(total)) - 1 | 1)
    neighbours = _neighbours(torch.cat([x, y]).numpy(), k)
    graph = csr_matrix((np.ones(total * k), neighbours.ravel(), np.arange(0, total * k + 1, k)), shape=(total, total))
    labels = np.repeat([1.0, -1.0], n)
    generator = np.random.default_rng(points.seed)
    value = float((labels * (graph @ labels) > 0).mean())
    shuffled = np.stack([generator.permutation(labels) for _ in range(DRAWS)], axis=1)
    null = (shuffled * (graph @ shuffled) > 0).mean(axis=0)
    weights = np.ones((total, DRAWS))
    for column in weights.T:
        column[:n] = 0
        column[generator.permutation(n)[: n // 2]] = n / (n // 2)
    margin = labels[:, None] * (graph @ (labels[:, None] * weights))
    right = (weights * ((margin > 0) + (margin == 0) / 2)).sum(axis=0) / total
    settings = {
        "n_reference": n,
        "seed": points.seed,
        "k": k,
        "null": float(null.mean()),
        "null_sd": float(null.std(ddof=1)),
        **points.about,
    }
    return score("c2st", value, n, float(right.std(ddof=1)), settings)


def _kernel(x: Tensor, y: Tensor, scale: float) -> Tensor:
    """Mean of the Gaussian kernels (n, m) with standard deviations BANDWIDTHS * scale."""
    kernel = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").div_(scale).square_().div_(-2).exp_()
    total = kernel.clone()
    for _ in BANDWIDTHS[1:]:
        total += kernel.square_().square_()  # half the width is the fourth power
    return total.div_(len(BANDWIDTHS))


def _neighbours(points: np.ndarray, k: int) -> np.ndarray:
    """Indices (n, k) of the nearest other points; identical points may come in any order, never the point itself."""
    found = cKDTree(points).query(points, k + 1)[1]
    own = found == np.arange(len(points))[:, None]
    own[~own.any(axis=1), -1] = True
    return found[~own].reshape(len(points), k)
