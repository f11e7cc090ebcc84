"""Distances between the features of generated and of reference images: Fréchet and kernel."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench.metrics.card import FEATURES, Card, metric
from genbench.metrics.cards import METRICS
from genbench.metrics.score import Score, root
from genbench.metrics.sets import Images

__all__ = ["FrechetTo", "checked", "fid", "fid_bias", "fid_infinity", "frechet", "kid", "pair"]

BIAS = "(1/n + 1/m) (tr C + 1/2 sum_ij l_i l_j (1 + d_ij) / (l_i + l_j))"
SIZES = 15  # subset sizes of the extrapolation in 1/N
BLOCK = 1024  # rows of a kernel matrix held at a time


@metric(
    Card(
        key="fid",
        title="Fréchet distance",
        unit="",
        direction="lower",
        applies="images",
        group="Distance to the data",
        what="Squared Fréchet distance between Gaussians fitted to features of generated and of reference images.",
        range="0 to infinity, in squared units of the features.",
        floor="Positive at finite n and m: about " + BIAS + " for Gaussian features with covariance C and eigenvalues l, "
        "given as `bias` in the settings; heavy tails raise it. The report shows what real data get at the same n and m.",
        uncertainty="Standard error over the generated images, given the reference: standard deviation of their influence on the "
        "distance (infinitesimal jackknife) over the square root of n. Not a percentile interval of a bootstrap, which adds the "
        "bias a second time. Near the floor and with heavy tails "
        "it errs on the large side, by up to a half.",
        traps="Biased upwards by about 1/n at a rate that depends on the model, so values at different n do not compare. "
        "Sees only means and covariances: copies of the training images score best. " + FEATURES,
        source="Heusel et al. 2017, arXiv:1706.08500; bias: Chong and Forsyth 2020, arXiv:1911.07023",
        main=True,
        place=100,
        encoders="all",
    )
)
def fid(images: Images) -> Score:
    """Fréchet distance of generated features (n, d) to the reference's (m, d), with its bias of finite samples.

    In float64, where the features are. ValueError for non-finite features, unequal widths or fewer than 10 rows.
    """
    x, y = images.once(pair)
    value, influence = images.once(_frechet)
    return _score("fid", images, value, _standard_error(influence), {"bias": fid_bias(y, len(x), len(y))})


@metric(
    Card(
        key="fid_infinity",
        title="Fréchet distance, n to infinity",
        unit="",
        direction="lower",
        applies="images",
        group="Distance to the data",
        what="Fréchet distance extrapolated to infinitely many generated images, by a line in 1/N through 15 subset sizes.",
        range="0 to infinity but for noise, which can make it slightly negative.",
        floor="The reference's part of the bias stays, about the FID's floor with 1/m in place of 1/n + 1/m: only the generated "
        "side is extrapolated. Keep the reference fixed.",
        uncertainty="Standard error over the generated images, given the reference: each image's influence on the distance times "
        "its share in the line's intercept. The seed's choice of subsets is held fixed.",
        traps="Noisier than the FID: it pays where models differ in bias. Left out below n = 8 d (d features), since "
        "the FID is linear in 1/N only for N well above d; there it is a few hundredths of the bias too small. Features with "
        "heavy tails make the standard error too small at n of a few d: 600 real polygons got -0.40, with 0.10. " + FEATURES,
        source="Chong and Forsyth 2020, arXiv:1911.07023",
        place=110,
    )
)
def fid_infinity(images: Images) -> Score | None:
    """FID extrapolated to infinitely many generated examples; None below n = 8 d, where FID is not linear in 1/N.

    A line in 1/N is fitted to the FIDs of random subsets of 15 sizes N from max(n/10, 4 d) to n; its intercept is the
    value. Below 4 d the FID bends away from the line.

    References: Chong and Forsyth 2020, arXiv:1911.07023.
    """
    x, y = images.once(pair)
    n = len(x)
    if n < 8 * x.shape[1]:
        return None
    _, influence = images.once(_frechet)
    generator = torch.Generator().manual_seed(images.seed)
    sizes = np.linspace(max(n / 10, 4 * x.shape[1]), n, SIZES).astype(int)
    intercept = np.linalg.pinv(np.stack([np.ones(SIZES), 1 / sizes], 1))[0]  # of least squares, linear in the FIDs
    value, share = 0.0, torch.zeros_like(influence)
    for size, weight in zip(sizes.tolist(), intercept.tolist(), strict=True):
        part = torch.randperm(n, generator=generator)[:size].to(x.device)
        value += weight * frechet(x[part], y)[0]
        share[part] += weight / size  # of each row's influence in the value
    se = float((share * influence).square().sum().sqrt())
    return _score("fid_infinity", images, value, se, {"sizes": [int(sizes[0]), n, SIZES], "seed": images.seed})


@metric(
    Card(
        key="kid",
        title="Kernel distance",
        unit="",
        direction="lower",
        applies="images",
        group="Distance to the data",
        what="Unbiased squared MMD with the kernel (x.y/d + 1)^3 between features of generated and of reference images.",
        range="About 0 to infinity; unbiased, so slightly negative values occur and mean zero.",
        floor="0 in expectation, at every n and m.",
        uncertainty="Standard error over the generated images, given the reference: unbiased variance of the U-statistic. "
        "`se_both` in the settings also covers the draw of the reference and tells whether a value differs from 0. Neither is "
        "given where the estimate of its variance is negative, as can be with few images.",
        traps="Depends on the scale of the features. The usual spread over 100 overlapping subsets is no standard error; here "
        "all pairs are used once. A cubic kernel sees moments up to the third. " + FEATURES,
        source="Bińkowski et al. 2018, arXiv:1801.01401",
        main=True,
        best=0.0,
        place=120,
        encoders="all",
    )
)
def kid(images: Images) -> Score:
    """Unbiased squared MMD with the kernel (x.y/d + 1)^3 between features (n, d) and the reference's (m, d).

    Given the reference the value is a U-statistic in h(x, x') = k(x, x') - a(x) - a(x') with a the mean kernel to the
    reference, so its variance is (4 (n-2) z1 + 2 z2) / (n (n-1)), z1 = Var E[h | x], z2 = Var h, both unbiased.
    "se_both" also covers the draw of the reference.

    References: Bińkowski et al. 2018, arXiv:1801.01401; Hoeffding 1948.
    """
    x, y = images.once(pair)
    n, m = len(x), len(y)
    across, (across_x, across_y) = 0.0, (x.new_zeros(n), x.new_zeros(m))
    for start in range(0, n, BLOCK):
        block = _kernel(x[start : start + BLOCK], y)
        across_x[start : start + BLOCK] = block.mean(1)
        across_y += block.sum(0) / n
        across += float(block.square().sum()) / (n * m)
    within_x, variance_x = _within(x, across_x)
    within_y, variance_y = _within(y, across_y)
    mean = across_x.mean()
    # interaction of the two draws: both conditional variances hold it
    twice = across - float(across_x.square().mean() + across_y.square().mean() - mean.square())
    both = variance_x + variance_y - 4 * twice / (n * m)
    value = within_x + within_y - 2 * float(mean)
    return _score("kid", images, value, root(variance_x), {"se_both": root(both)})


def frechet(features: Tensor, reference: Tensor) -> tuple[float, Tensor]:
    """Squared Fréchet distance of Gaussians fitted to (n, d) and (m, d), and each generated row's influence (n,) on it.

    |a - b|^2 + tr A + tr B - 2 tr (AB)^1/2; the last trace is the sum of the singular values of R_A R_B^T with
    A = R_A^T R_A, which keeps all digits even when the distance is nearly zero. The influence of a row is the derivative
    of the distance in the row's weight, times n; its mean is zero.

    References: Dowson and Landau 1982; Heusel et al. 2017, arXiv:1706.08500.
    """
    centre, root = _moments(features)
    centre_y, root_y = _moments(reference)
    _, values, right = torch.linalg.svd(root @ root_y.T, full_matrices=False)
    shift = centre - centre_y
    value = shift @ shift + root.square().sum() + root_y.square().sum() - 2 * values.sum()
    # the derivative of the trace is the optimal map R_B^T V S^-1 V^T R_B, which lives where S > 0
    kept = values > values.max() * len(values) * torch.finfo(values.dtype).eps
    rows = features - centre
    mapped = rows @ (root_y.T @ right[kept].T / values[kept].sqrt())
    influence = rows.square().sum(1) - mapped.square().sum(1) + 2 * rows @ shift
    return max(float(value), 0.0), influence - influence.mean()


class FrechetTo:
    """Squared Fréchet distances of many sets of features to the same references (m, d), by name: the values of `frechet`.

    The references' covariances are factored once, those of features once for all references, and no influence is computed.
    """

    def __init__(self, references: Mapping[str, Tensor]):
        self.moments = {name: _moments(checked("reference features", rows)) for name, rows in references.items()}

    def __call__(self, features: Tensor, seed: int = 0) -> dict[str, float]:
        """Distances of features (n, d), by reference; ValueError unless all are finite. `seed`: for the interface of SlicedTo."""
        centre, root = _moments(checked("generated features", features))
        own, found = root.square().sum(), {}
        for name, (mean, factor) in self.moments.items():
            crossed = torch.linalg.svdvals(root @ factor.T).sum()
            value = (centre - mean).square().sum() + own + factor.square().sum() - 2 * crossed
            found[name] = max(float(value), 0.0)
        return found


def fid_bias(features: Tensor, n: int, m: int) -> float:
    """Expected FID of two samples of sizes n and m from one Gaussian with the covariance of `features`, leading order.

    (1/n + 1/m) [tr C + 1/2 sum_ij l_i l_j (1 + d_ij) / (l_i + l_j)] with l the eigenvalues of C.
    """
    values = np.linalg.eigvalsh(np.atleast_2d(np.cov(features.double().cpu().numpy(), rowvar=False))).clip(min=0)
    sums = values[:, None] + values[None, :]
    terms = np.divide(values[:, None] * values[None, :], sums, out=np.zeros_like(sums), where=sums > 0)
    return float((1 / n + 1 / m) * (values.sum() + 0.5 * (terms.sum() + np.trace(terms))))


def pair(images: Images) -> tuple[Tensor, Tensor]:
    """Features of the generated and of the reference images in float64, checked."""
    x = checked("generated features", images.features)
    y = checked("reference features", images.reference.features).to(x.device)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"distances: generated features have width {x.shape[1]}, reference {y.shape[1]}")
    return x, y


def _frechet(images: Images) -> tuple[float, Tensor]:
    return frechet(*images.once(pair))


def _score(key: str, images: Images, value: float, se: float | None, own: dict[str, Any]) -> Score:
    x, y = images.once(pair)
    return Score(key, value, len(x), METRICS[key].unit, se, settings={**images.about, "n_reference": len(y), **own})


def checked(name: str, rows: Tensor) -> Tensor:
    """Finite float64 rows (n >= 10, d), where they are; ValueError for others."""
    if rows.ndim != 2 or len(rows) < 10:
        raise ValueError(f"distances: {name} of shape {tuple(rows.shape)}; (n >= 10, d) is needed")
    bad = int((~torch.isfinite(rows).all(dim=1)).sum())
    if bad:
        raise ValueError(f"distances: {bad} of {len(rows)} rows of {name} are not finite")
    return rows.detach().double()


def _moments(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (d,) and a root R (min(n, d), d) of the covariance R^T R."""
    mean = rows.mean(0)
    return mean, torch.linalg.qr(rows - mean, mode="r").R / (len(rows) - 1) ** 0.5


def _standard_error(influence: Tensor) -> float:
    """Standard error of a statistic from the influence (n,) of its rows."""
    return float(influence.std()) / len(influence) ** 0.5


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    return torch.mm(a, b.T).div_(a.shape[1]).add_(1).pow_(3)


def _within(rows: Tensor, across: Tensor) -> tuple[float, float]:
    """Mean kernel between different rows, and the variance of the U-statistic in k(x, x') - across(x) - across(x')."""
    n = len(rows)
    means, squares = torch.empty_like(across), 0.0
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        block = _kernel(rows[start:stop], rows)
        block.sub_(across[None]).sub_(across[start:stop, None])
        block[torch.arange(stop - start), torch.arange(start, stop)] = 0.0
        means[start:stop] = block.sum(1) / (n - 1)
        squares += float(block.square().sum())
    mean = means.mean()
    whole = squares / (n * (n - 1)) - float(mean**2)
    main = (float(means.var()) - whole / (n - 1)) / (1 - 2 / (n - 1))
    return float(mean + 2 * across.mean()), (4 * (n - 2) * main + 2 * whole) / (n * (n - 1))
