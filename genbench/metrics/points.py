"""Scores of low-dimensional samples whose true distribution is known.

Metrics that compare with a finite reference draw its subset with a fixed seed: all samples meet the same points, and the
standard errors are over the generated sample alone.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree
from torch import Tensor

from genbench.metrics.cards import METRICS
from genbench.metrics.score import Score
from genbench.statistics.uncertainty import wilson

if TYPE_CHECKING:
    from genbench.data.points import PointDensity

__all__ = ["c2st", "data_nll", "knn_kl", "mmd2", "modes", "point_scores", "sliced_w1", "wasserstein1"]

BANDWIDTHS = (1.0, 1 / 2, 1 / 4, 1 / 8, 1 / 16)  # halved from one to the next: one exponential gives all five kernels
PROJECTIONS = 200
DRAWS = 100  # shuffles of the labels, and halves of the samples, behind a classifier's null and standard error


def point_scores(
    samples: Tensor, test: Tensor, density: "PointDensity", seed: int = 0, settings: dict[str, Any] | None = None
) -> list[Score]:
    """Every sample metric of points (n, d) against test points (m, d) and their density, in raw units.

    modes, high_quality and mode_kl only where the density has modes. `seed` draws subsets of the samples; `settings` are
    added to those of the metrics that see the test points. Raises ValueError for non-finite points.
    """
    scores = [metric(samples, test, seed=seed) for metric in (wasserstein1, sliced_w1, mmd2, knn_kl, c2st)]
    for score in scores:
        score.settings.update(settings or {})
    scores.append(data_nll(samples, density.log_prob, entropy=density.entropy))
    return scores + (modes(samples, density.means, density.std) if density.means is not None else [])


def modes(samples: Tensor, means: Tensor, std: float) -> list[Score]:
    """Score samples (n, d) against an equal mixture of Gaussians N(means[k], std^2 I), means (K, d), in raw units.

    Returns modes, high_quality and mode_kl; the last is left out if no sample is within 3 std of a mode, for then there
    are no modes to count. What a perfect sampler gets is in the settings: "ceiling" of high_quality (1 - exp(-9/2) in
    two dimensions) and "floor" of mode_kl, (K-1)/2n with n the high-quality samples. Raises ValueError for non-finite
    samples.

    References: Srivastava et al. 2017, arXiv:1705.07761; Lin et al. 2018, arXiv:1712.04086; Wilson 1927, JASA 22.
    """
    points = _checked("modes", samples)
    centres = torch.as_tensor(means).double().cpu()
    n, count = len(points), len(centres)
    distance, nearest = torch.cdist(points, centres, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
    good = distance <= 3 * float(std)
    histogram = torch.bincount(nearest[good], minlength=count).double()
    kept = int(good.sum())
    # P(chi_d <= 3): the share of a Gaussian in d dimensions within three standard deviations
    ceiling = float(torch.special.gammainc(torch.tensor(points.shape[1] / 2).double(), torch.tensor(4.5).double()))
    rule = {"modes": count, "radius": 3 * float(std)}
    missed = torch.exp(-histogram)  # chance that a mode seen c times is missed next time; one not seen counts as never visited
    modes_se = float((missed * (1 - missed)).sum().sqrt())
    centre, half = wilson(kept / n, n, 1.96)
    interval = [centre - half, centre + half]
    scores = [
        _score("modes", int((histogram > 0).sum()), n, modes_se, {**rule, "ceiling": count}),
        _score("high_quality", kept / n, n, half / 1.96, {**rule, "ceiling": ceiling, "interval": interval}),
    ]
    if kept:
        weights = histogram / kept
        kl = float(torch.special.xlogy(weights, weights * count).sum())
        surprise = (weights * count).clamp_min(1e-300).log()
        first = (float((weights * surprise.square()).sum()) - kl**2) / kept  # the delta method
        # for equal weights 2n KL is chi-squared; the term above is then twice its variance too large
        second = (int((histogram > 0).sum()) - 1) / (2 * kept**2)
        se = math.sqrt(max(first - 2 * second, 0.0) + second)
        settings = {**rule, "n_high_quality": kept, "floor": (count - 1) / (2 * kept)}
        scores.append(_score("mode_kl", max(kl, 0.0), n, se, settings))
    return scores


def wasserstein1(samples: Tensor, reference: Tensor, n: int = 2000, seed: int = 0) -> Score:
    """Exact Wasserstein-1 distance between samples and reference points (both (., d), raw units), Euclidean cost.

    Both sets are cut to the same number, at most `n`, without replacement. Two samples of one distribution do not get 0:
    compare with the floor at the same n. The standard error is that of the optimal potential's mean over the samples,
    the distance's derivative in their weights. Raises ValueError for non-finite points.

    References: Flamary et al. 2021, JMLR 22(78); del Barrio, González-Sanz & Loubes 2022, arXiv:2202.06380 (its
    central limit theorem).
    """
    import ot  # seconds of import: only who needs it pays

    x, y = _pair("w1", samples, reference, n, seed)
    cost = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").numpy()
    value, log = ot.emd2([], [], cost, numItermax=10_000_000, log=True)
    if log.get("warning"):
        raise RuntimeError(f"w1: optimal transport did not converge: {log['warning']}")
    settings = {"n_reference": len(y), "seed": seed, "cost": "euclidean", "solver": "ot.emd2"}
    return _score("w1", float(value), len(x), _mean_se(torch.as_tensor(log["u"])), settings)


def sliced_w1(samples: Tensor, reference: Tensor, n: int = 10_000, seed: int = 0, directions: Tensor | None = None) -> Score:
    """Mean over random directions of the exact Wasserstein-1 distance between projected points (both (., d), raw units).

    Uses at most `n` points of each set; the sets may differ in size, since a distance in one dimension is the area
    between two distribution functions. The 200 directions, uniform on the sphere, are the same in every call
    unless `directions` (p, d), unit vectors, are given. The standard error is as for wasserstein1. Raises ValueError
    for non-finite points.

    References: Rabin et al. 2011, doi:10.1007/978-3-642-24785-9_37; Bonneel et al. 2015, doi:10.1007/s10851-014-0506-3.
    """
    x, y = _subset("sliced_w1", samples, n, seed), _subset("sliced_w1 reference", reference, n)
    if directions is None:
        directions = torch.randn(PROJECTIONS, x.shape[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        directions = directions / directions.norm(dim=1, keepdim=True)
    values, order = (directions.double() @ torch.cat([x, y]).T).sort(dim=1)
    gap = values.diff(dim=1)
    weights = torch.tensor([1 / len(x)] * len(x) + [-1 / len(y)] * len(y), dtype=torch.float64)
    between = weights[order].cumsum(dim=1)[:, :-1]  # the samples' distribution function minus the reference's
    value = float((between.abs() * gap).sum(dim=1).mean())
    # an optimal dual potential falls with slope 1 where that difference is positive and rises where it is negative
    potential = torch.zeros_like(values)
    potential[:, 1:] = -(between.sign() * gap).cumsum(dim=1)
    at_samples = torch.empty_like(values).scatter_(1, order, potential)[:, : len(x)].mean(dim=0)
    settings = {"n_reference": len(y), "projections": len(directions)}
    return _score("sliced_w1", value, len(x), _mean_se(at_samples), settings)


def mmd2(samples: Tensor, reference: Tensor, n: int = 2000, seed: int = 0) -> Score:
    """Unbiased squared MMD between samples and reference points (both (., d)), mean of five Gaussian kernels.

    The kernels' standard deviations are 1, 1/2, ..., 1/16 of the reference's root mean square distance from its mean.
    Both sets are cut to the same number, at most `n`. Values lie between -2/n and 2, around 0 for equal
    distributions. The variance behind the standard error is the unbiased estimate of that of a second-order U-statistic,
    given the reference. Raises ValueError for fewer than 4 or non-finite points.

    References: Gretton et al. 2012, JMLR 13; Sutherland 2019, arXiv:1906.02104 (unbiased variance).
    """
    x, y = _pair("mmd2", samples, reference, n, seed)
    scale = _scale(y)
    pairs = len(x) * (len(x) - 1)
    to_reference = _kernel(x, y, scale).mean(dim=1)
    among_reference = (float(_kernel(y, y, scale).sum()) - len(y)) / (len(y) * (len(y) - 1))
    terms = _kernel(x, x, scale) - to_reference[:, None] - to_reference
    mean = float(terms.fill_diagonal_(0).sum()) / pairs
    terms = (terms - mean).fill_diagonal_(0)
    # U^2 minus the mean product of terms that share no sample, which estimates (E U)^2
    spread = 4 * float(terms.sum(dim=1).square().sum()) - 2 * float(terms.square().sum())
    variance = spread / (pairs * (len(x) - 2) * (len(x) - 3))
    settings = {"n_reference": len(y), "seed": seed, "kernel": "gaussian", "bandwidths": [scale * h for h in BANDWIDTHS]}
    return _score("mmd2", mean + among_reference, len(x), math.sqrt(max(variance, 0.0)), settings)


def knn_kl(samples: Tensor, reference: Tensor, n: int = 10_000, k: int = 5, seed: int = 0) -> Score:
    """Estimate of KL(generated || reference) in nats from distances to the k-th nearest neighbours; points (., d).

    d times the mean log ratio of a sample's distances to its k-th neighbour in the reference and among the other samples,
    plus log(m / (n - 1)), with at most `n` points of each set. Distances below float32 rounding are raised to it: identical
    samples, whose divergence is infinite, get a large finite value; their share is in the settings. Raises
    ValueError for non-finite points or sets of at most k points.

    References: Wang, Kulkarni & Verdú 2009, IEEE Trans. Inf. Theory 55(5).
    """
    x, y = _subset("knn_kl", samples, n, seed), _subset("knn_kl reference", reference, n)
    if min(len(x), len(y)) <= k:
        raise ValueError(f"knn_kl: {len(x)} and {len(y)} points; more than k={k} are needed")
    smallest = torch.finfo(torch.float32).eps * _scale(y)
    own = torch.as_tensor(cKDTree(x).query(x, [k + 1])[0])[:, 0]  # the nearest of all is the point itself
    other = torch.as_tensor(cKDTree(y).query(x, [k])[0])[:, 0]
    terms = x.shape[1] * (other.clamp_min(smallest).log() - own.clamp_min(smallest).log())
    settings = {"n_reference": len(y), "k": k, "identical": float((own < smallest).double().mean())}
    return _score("knn_kl", float(terms.mean()) + math.log(len(y) / (len(x) - 1)), len(x), _mean_se(terms), settings)


def c2st(samples: Tensor, reference: Tensor, n: int = 2000, seed: int = 0) -> Score:
    """Leave-one-out accuracy of a nearest-neighbour classifier that tells samples from reference points, both (., d).

    Both sets are cut to the same number, at most `n`; k is the largest odd number up to the root of all points.
    Settings hold the mean "null" and "null_sd" of the accuracy when labels are shuffled: leave-one-out answers depend on
    each other, and the binomial standard deviation .5/sqrt(2n) is a fifth too small. The standard error is over random
    halves of the samples, each with weight 2. Raises ValueError for fewer than 4 or non-finite points.

    References: Lopez-Paz & Oquab 2017, arXiv:1610.06545.
    """
    x, y = _pair("c2st", samples, reference, n, seed)
    n, total = len(x), 2 * len(x)
    k = max(1, int(math.sqrt(total)) - 1 | 1)
    neighbours = _neighbours(torch.cat([x, y]).numpy(), k)
    graph = csr_matrix((np.ones(total * k), neighbours.ravel(), np.arange(0, total * k + 1, k)), shape=(total, total))
    labels = np.repeat([1.0, -1.0], n)
    generator = np.random.default_rng(seed)
    value = float((labels * (graph @ labels) > 0).mean())
    shuffled = np.stack([generator.permutation(labels) for _ in range(DRAWS)], axis=1)
    null = (shuffled * (graph @ shuffled) > 0).mean(axis=0)
    weights = np.ones((total, DRAWS))
    for column in weights.T:
        column[:n] = 0
        column[generator.permutation(n)[: n // 2]] = n / (n // 2)
    margin = labels[:, None] * (graph @ (labels[:, None] * weights))
    right = (weights * ((margin > 0) + (margin == 0) / 2)).sum(axis=0) / total
    settings = {"n_reference": n, "seed": seed, "k": k, "null": float(null.mean()), "null_sd": float(null.std(ddof=1))}
    return _score("c2st", value, n, float(right.std(ddof=1)), settings)


def data_nll(samples: Tensor, log_prob: Callable[[Tensor], Tensor], floor: float = -50.0, entropy: float | None = None) -> Score:
    """Mean negative log-density (nats) of samples (n, d) under the true density, with its standard error.

    Where the true density is (nearly) zero, log p is cut at `floor`, so that one stray point does not decide; the share
    of points that were cut is in the settings. The target is the `entropy` of the data: a value below it means samples
    that sit too close to the peaks. Raises ValueError for non-finite samples or a NaN density.
    """
    points = _checked("data_nll", samples)
    density = torch.as_tensor(log_prob(points)).detach().double().cpu().reshape(-1)
    if density.shape != (len(points),) or bool(torch.isnan(density).any()):
        raise ValueError(f"data_nll: log_prob gave shape {tuple(density.shape)} or NaN for {len(points)} samples")
    values = -density.clamp_min(floor)
    settings = {"cut": floor, "clipped": float((density < floor).double().mean())}
    if entropy is not None:
        settings["entropy"] = entropy
    return _score("data_nll", float(values.mean()), len(values), _mean_se(values), settings)


def _score(key: str, value: float, n: int, se: float | None, settings: dict[str, Any]) -> Score:
    return Score(key, value, n, METRICS[key].unit, se, settings=settings)


def _mean_se(values: Tensor) -> float | None:
    """Standard error of the mean of (n,) independent values; None for one alone."""
    return float(values.double().std() / math.sqrt(len(values))) if len(values) > 1 else None


def _scale(points: Tensor) -> float:
    """Root mean square distance of points (n, d) from their mean."""
    return float((points - points.mean(dim=0)).square().sum(dim=1).mean().sqrt())


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


def _pair(name: str, samples: Tensor, reference: Tensor, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Equally many points of both sets, at most n."""
    count = min(n, len(samples), len(reference))
    if count < 4:
        raise ValueError(f"{name}: {len(samples)} samples and {len(reference)} reference points; at least 4 are needed")
    return _subset(name, samples, count, seed), _subset(f"{name} reference", reference, count)


def _subset(name: str, points: Tensor, n: int, seed: int = 0) -> Tensor:
    """At most n of the points, drawn without replacement, as float64 on the CPU."""
    points = _checked(name, points)
    if len(points) <= n:
        return points
    return points[torch.as_tensor(np.random.default_rng(seed).choice(len(points), n, replace=False))]


def _checked(name: str, points: Tensor) -> Tensor:
    """Return points as float64 on the CPU."""
    if points.ndim != 2 or len(points) == 0:
        raise ValueError(f"{name}: points of shape {tuple(points.shape)}; (n, d) is needed")
    bad = int((~torch.isfinite(points).all(dim=1)).sum())
    if bad:
        raise ValueError(f"{name}: {bad} of {len(points)} points are not finite")
    return points.detach().double().cpu()
