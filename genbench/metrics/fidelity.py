"""Distances between generated and reference features: Fréchet, kernel, Inception score, and nearest-neighbour counts."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench.metrics.cards import METRICS
from genbench.metrics.neighbours import neighbours
from genbench.metrics.score import Score

__all__ = ["distances", "fid_bias", "fid_infinity", "fidelity", "frechet", "inception_score", "kid"]

SIZES = 15  # subset sizes of the extrapolation in 1/N
SPLITS = 10  # disjoint parts of the generated images, whose Inception scores are averaged
BLOCK = 1024  # rows of a kernel matrix held at a time


def fidelity(
    features: Tensor,
    reference: Tensor,
    *,
    logits: Tensor | None = None,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
) -> list[Score]:
    """Score generated features (n, d) against reference features (m, d), and their logits (n, K) if given.

    Gives fid, fid_infinity, kid, precision, recall, density, coverage, and inception_score with logits; fid_infinity is
    left out below n = 8 d, since FID is linear in 1/N only for N well above d. `settings`, such as {"encoder": name, "reference":
    "test"}, goes into every score beside n_reference. Works where `features` are, in float64. Every se is over the
    generated examples, given the reference. Raises ValueError for non-finite input, unequal widths or fewer than 10
    examples.
    """
    x, y = _pair(features, reference)
    value, influence = frechet(x, y)
    results = {"fid": _fid(value, influence, x, y)}
    if len(x) >= 8 * x.shape[1]:
        results["fid_infinity"] = fid_infinity(x, y, influence, seed)
    results["kid"] = kid(x, y)
    if logits is not None:
        results["inception_score"] = inception_score(_checked("logits", logits), seed)
    return _scores(results, x, y, settings) + neighbours(x, y, seed=seed, settings=settings)


def distances(features: Tensor, reference: Tensor, settings: dict[str, Any] | None = None) -> list[Score]:
    """Only fid and kid, otherwise as `fidelity`: what further encoders are asked for."""
    x, y = _pair(features, reference)
    return _scores({"fid": _fid(*frechet(x, y), x, y), "kid": kid(x, y)}, x, y, settings)


def _fid(value: float, influence: Tensor, x: Tensor, y: Tensor) -> tuple[float, float, dict[str, Any]]:
    return value, _standard_error(influence), {"bias": fid_bias(y, len(x), len(y))}


def _pair(features: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    x = _checked("generated features", features)
    y = _checked("reference features", reference).to(x.device)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"fidelity: generated features have width {x.shape[1]}, reference {y.shape[1]}")
    return x, y


def _scores(results: dict[str, tuple], x: Tensor, y: Tensor, settings: dict[str, Any] | None) -> list[Score]:
    common = {**(settings or {}), "n_reference": len(y)}
    return [
        Score(key, value, len(x), METRICS[key].unit, se, settings={**common, **own}) for key, (value, se, own) in results.items()
    ]


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


def fid_infinity(features: Tensor, reference: Tensor, influence: Tensor, seed: int) -> tuple[float, float, dict[str, Any]]:
    """FID extrapolated to infinitely many generated examples: value, se and settings; n >= 8 d is needed.

    A line in 1/N is fitted to the FIDs of random subsets of 15 sizes N from max(n/10, 4 d) to n; its intercept is the
    value. Below 4 d the FID bends away from the line. `influence` (n,) comes from `frechet`.

    References: Chong and Forsyth 2020, arXiv:1911.07023.
    """
    n = len(features)
    generator = torch.Generator().manual_seed(seed)
    sizes = np.linspace(max(n / 10, 4 * features.shape[1]), n, SIZES).astype(int)
    intercept = np.linalg.pinv(np.stack([np.ones(SIZES), 1 / sizes], 1))[0]  # of least squares, linear in the FIDs
    value, share = 0.0, torch.zeros_like(influence)
    for size, weight in zip(sizes.tolist(), intercept.tolist(), strict=True):
        part = torch.randperm(n, generator=generator)[:size].to(features.device)
        value += weight * frechet(features[part], reference)[0]
        share[part] += weight / size  # of each row's influence in the value
    se = float((share * influence).square().sum().sqrt())
    return value, se, {"sizes": [int(sizes[0]), n, SIZES], "seed": seed}


def fid_bias(features: Tensor, n: int, m: int) -> float:
    """Expected FID of two samples of sizes n and m from one Gaussian with the covariance of `features`, leading order.

    (1/n + 1/m) [tr C + 1/2 sum_ij l_i l_j (1 + d_ij) / (l_i + l_j)] with l the eigenvalues of C.
    """
    values = np.linalg.eigvalsh(np.atleast_2d(np.cov(features.double().cpu().numpy(), rowvar=False))).clip(min=0)
    sums = values[:, None] + values[None, :]
    terms = np.divide(values[:, None] * values[None, :], sums, out=np.zeros_like(sums), where=sums > 0)
    return float((1 / n + 1 / m) * (values.sum() + 0.5 * (terms.sum() + np.trace(terms))))


def kid(features: Tensor, reference: Tensor) -> tuple[float, float, dict[str, Any]]:
    """Unbiased squared MMD with the kernel (x.y/d + 1)^3 between (n, d) and (m, d): value, se, {"se_both"}.

    Given the reference the value is a U-statistic in h(x, x') = k(x, x') - a(x) - a(x') with a the mean kernel to the
    reference, so its variance is (4 (n-2) z1 + 2 z2) / (n (n-1)), z1 = Var E[h | x], z2 = Var h, both unbiased.
    "se_both" also covers the draw of the reference.

    References: Bińkowski et al. 2018, arXiv:1801.01401; Hoeffding 1948.
    """
    n, m = len(features), len(reference)
    across, (across_x, across_y) = 0.0, (features.new_zeros(n), features.new_zeros(m))
    for start in range(0, n, BLOCK):
        block = _kernel(features[start : start + BLOCK], reference)
        across_x[start : start + BLOCK] = block.mean(1)
        across_y += block.sum(0) / n
        across += float(block.square().sum()) / (n * m)
    within_x, variance_x = _within(features, across_x)
    within_y, variance_y = _within(reference, across_y)
    mean = across_x.mean()
    # interaction of the two draws: both conditional variances hold it
    twice = across - float(across_x.square().mean() + across_y.square().mean() - mean.square())
    both = variance_x + variance_y - 4 * max(twice, 0.0) / (n * m)
    return within_x + within_y - 2 * float(mean), variance_x**0.5, {"se_both": max(both, variance_x) ** 0.5}


def inception_score(logits: Tensor, seed: int) -> tuple[float, float, dict[str, Any]]:
    """Inception score of logits (n, K), the mean over 10 disjoint parts in a seeded order: value, se, settings.

    exp of the mean KL from p(class | image) to the part's p(class); 1 to K, equal to torch-fidelity's for the same seed.

    References: Salimans et al. 2016, arXiv:1606.03498.
    """
    n = len(logits)
    order = torch.from_numpy(np.random.RandomState(seed).permutation(n)).to(logits.device)
    log_p = logits[order].log_softmax(1)
    values = []
    for i in range(SPLITS):
        part = log_p[i * n // SPLITS : (i + 1) * n // SPLITS]
        marginal = part.logsumexp(0) - np.log(len(part))
        values.append(float((part.exp() * (part - marginal)).sum(1).mean().exp()))
    return float(np.mean(values)), float(np.std(values, ddof=1)) / SPLITS**0.5, {"splits": SPLITS, "seed": seed}


def _checked(name: str, rows: Tensor) -> Tensor:
    """Return finite float64 rows, where they are."""
    if rows.ndim != 2 or len(rows) < 10:
        raise ValueError(f"fidelity: {name} of shape {tuple(rows.shape)}; (n >= 10, d) is needed")
    bad = int((~torch.isfinite(rows).all(dim=1)).sum())
    if bad:
        raise ValueError(f"fidelity: {bad} of {len(rows)} rows of {name} are not finite")
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
    whole = max(squares / (n * (n - 1)) - float(mean**2), 0.0)
    main = max((float(means.var()) - whole / (n - 1)) / (1 - 2 / (n - 1)), 0.0)
    return float(mean + 2 * across.mean()), (4 * (n - 2) * main + 2 * whole) / (n * (n - 1))
