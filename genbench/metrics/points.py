"""Scores of low-dimensional samples whose true distribution is known."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from genbench.metrics.cards import METRICS
from genbench.metrics.score import Score

__all__ = ["data_nll", "modes", "wasserstein1"]


def modes(samples: Tensor, means: Tensor, std: float) -> list[Score]:
    """Score samples (n, d) against an equal mixture of Gaussians N(means[k], std^2 I), means (K, d), in raw units.

    Returns modes, high_quality and mode_kl; the last is left out if no sample is within 3 std of a mode, for then there
    are no modes to count. What a perfect sampler gets is in the settings: "ceiling" of high_quality (1 - exp(-9/2) in
    two dimensions) and "floor" of mode_kl, (K-1)/2n with n the high-quality samples. Raises ValueError for non-finite
    samples.
    """
    points = _checked("modes", samples)
    centres = torch.as_tensor(means).double().cpu()
    n, count = len(points), len(centres)
    distance, nearest = torch.cdist(points, centres, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
    good = distance <= 3 * float(std)
    histogram = torch.bincount(nearest[good], minlength=count).double()
    kept = int(good.sum())
    share = kept / n
    # P(chi_d <= 3): the share of a Gaussian in d dimensions within three standard deviations
    ceiling = float(torch.special.gammainc(torch.tensor(points.shape[1] / 2).double(), torch.tensor(4.5).double()))
    rule = {"modes": count, "radius": 3 * float(std)}
    scores = [
        Score("modes", int((histogram > 0).sum()), n, METRICS["modes"].unit, settings={**rule, "ceiling": count}),
        Score(
            "high_quality",
            share,
            n,
            METRICS["high_quality"].unit,
            se=math.sqrt(share * (1 - share) / n),
            settings={**rule, "ceiling": ceiling},
        ),
    ]
    if kept:
        weights = histogram / kept
        kl = float(torch.special.xlogy(weights, weights * count).sum())
        settings = {**rule, "n_high_quality": kept, "floor": (count - 1) / (2 * kept)}
        scores.append(Score("mode_kl", max(kl, 0.0), n, METRICS["mode_kl"].unit, settings=settings))
    return scores


def wasserstein1(samples: Tensor, reference: Tensor, n: int = 2000, seed: int = 0) -> Score:
    """Exact Wasserstein-1 distance between samples and reference points (both (., d), raw units), Euclidean cost.

    Sets of more than `n` points are subsampled without replacement. Two samples of one distribution do not get 0:
    compare with the floor at the same n. Raises ValueError for non-finite points.
    """
    import ot  # seconds of import: only who needs it pays

    generator = np.random.default_rng(seed)
    sets = []
    for name, points in (("w1", samples), ("w1 reference", reference)):
        array = _checked(name, points).numpy()
        sets.append(array if len(array) <= n else array[generator.choice(len(array), n, replace=False)])
    cost = np.linalg.norm(sets[0][:, None, :] - sets[1][None, :, :], axis=-1)
    value, log = ot.emd2([], [], cost, numItermax=10_000_000, log=True)
    if log.get("warning"):
        raise RuntimeError(f"w1: optimal transport did not converge: {log['warning']}")
    settings = {"n_reference": len(sets[1]), "seed": seed, "cost": "euclidean", "solver": "ot.emd2"}
    return Score("w1", float(value), len(sets[0]), METRICS["w1"].unit, settings=settings)


def data_nll(samples: Tensor, log_prob: Callable[[Tensor], Tensor], floor: float = -50.0) -> Score:
    """Mean negative log-density (nats) of samples (n, d) under the true density, with its standard error.

    Where the true density is (nearly) zero, log p is cut at `floor`, so that one stray point does not decide; the share
    of points that were cut is in the settings. The target is the entropy of the data: a value below it means samples
    that sit too close to the peaks. Raises ValueError for non-finite samples or a NaN density.
    """
    points = _checked("data_nll", samples)
    density = torch.as_tensor(log_prob(points)).detach().double().cpu().reshape(-1)
    if density.shape != (len(points),) or bool(torch.isnan(density).any()):
        raise ValueError(f"data_nll: log_prob gave shape {tuple(density.shape)} or NaN for {len(points)} samples")
    values = -density.clamp_min(floor)
    se = float(values.std() / math.sqrt(len(values))) if len(values) > 1 else None
    settings = {"floor": floor, "clipped": float((density < floor).double().mean())}
    return Score("data_nll", float(values.mean()), len(values), METRICS["data_nll"].unit, se, settings=settings)


def _checked(name: str, points: Tensor) -> Tensor:
    """Return points as float64 on the CPU."""
    if points.ndim != 2 or len(points) == 0:
        raise ValueError(f"{name}: points of shape {tuple(points.shape)}; (n, d) is needed")
    bad = int((~torch.isfinite(points).all(dim=1)).sum())
    if bad:
        raise ValueError(f"{name}: {bad} of {len(points)} points are not finite")
    return points.detach().double().cpu()
