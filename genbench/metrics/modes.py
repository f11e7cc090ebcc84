"""Generated points against their true density and its modes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import bdtrc, xlogy
from torch import Tensor

from genbench.metrics.bins import LEAST_SHARE, resampled
from genbench.metrics.card import RESAMPLED, Card, metric
from genbench.metrics.points import checked, mean_se, score
from genbench.metrics.score import Score
from genbench.metrics.sets import Points
from genbench.statistics.uncertainty import wilson

__all__ = ["data_nll", "high_quality", "mode_kl", "modes"]

MODES = "Srivastava et al. 2017, arXiv:1705.07761; Lin et al. 2018, arXiv:1712.04086"


@metric(
    Card(
        key="data_nll",
        title="Samples under the true density",
        unit="nats",
        direction="target",
        applies="points",
        group="Distance to the data",
        what="Mean negative log-density of the samples under the true density; a perfect sampler gets its entropy.",
        range="the density's lowest value of -log p to 50, where log-densities are cut",
        floor="The entropy of the data, in the settings where it is known.",
        uncertainty="Over the generated sample: standard deviation over the root of n. No reference points are involved.",
        traps="The entropy alone proves nothing: a sampler that leaves out modes can get it. Below it samples sit too close to "
        "the peaks. Points of zero density count 50 nats each, so that on a density with edges their share decides.",
        source="cross-entropy of the model to the data",
        main=True,
        place=60,
    )
)
def data_nll(points: Points, floor: float = -50.0) -> Score:
    """Mean negative log-density (nats) of samples (n, d) under the true density, with its standard error.

    Where the true density is (nearly) zero, log p is cut at `floor`, so that one stray point does not decide; the share
    of points that were cut is in the settings. The target is the `entropy` of the data: a value below it means samples
    that sit too close to the peaks. Raises ValueError for non-finite samples or a NaN density.
    """
    x = checked("data_nll", points.samples)
    density = torch.as_tensor(points.density.log_prob(x)).detach().double().cpu().reshape(-1)
    if density.shape != (len(x),) or bool(torch.isnan(density).any()):
        raise ValueError(f"data_nll: log_prob gave shape {tuple(density.shape)} or NaN for {len(x)} samples")
    values = -density.clamp_min(floor)
    settings = {"cut": floor, "clipped": float((density < floor).double().mean())}
    if points.density.entropy is not None:
        settings["entropy"] = points.density.entropy
    return score("data_nll", float(values.mean()), len(values), mean_se(values), settings)


@dataclass(frozen=True, eq=False)
class _Visits:
    """Samples within 3 std of an equal mixture of Gaussians N(means[k], std^2 I), counted by their nearest mode (K,)."""

    histogram: Tensor
    kept: int
    n: int
    dim: int
    rule: dict[str, Any]


def _visits(points: Points) -> _Visits | None:
    """None where the density has no modes; ValueError for non-finite samples."""
    means, std = points.density.means, points.density.std
    if means is None:
        return None
    x, centres = checked("modes", points.samples), torch.as_tensor(means).double().cpu()
    distance, nearest = torch.cdist(x, centres, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
    good = distance <= 3 * float(std)
    histogram = torch.bincount(nearest[good], minlength=len(centres)).double()
    return _Visits(histogram, int(good.sum()), len(x), x.shape[1], {"modes": len(centres), "radius": 3 * float(std)})


@metric(
    Card(
        key="modes",
        title="Modes covered",
        unit="modes",
        direction="higher",
        applies="points",
        group="Modes",
        what="Number of the mixture's modes that get at least a quarter of their share of the samples, n/(4 K) of n samples for "
        "K modes: samples within three standard deviations of the mode and nearer to it than to any other.",
        range="0 to the number of modes",
        floor="All modes for a perfect sampler: with 2500 samples, 8 or 25 modes are always met.",
        uncertainty="Over the generated sample: a mode seen c times counts next time with the probability that a binomial count "
        "of share c/n reaches the threshold. A fifth too small for a mode at its threshold, up to twice too large for one two "
        "standard deviations off it, and 0 far from it.",
        traps="A mode with a quarter of its share counts like one with all of it: see the KL of modes for the shares. The "
        "literature counts a mode from one sample on, which a neighbouring mode's tail can give: of sets of 2500 samples that "
        "never draw one of the eight modes of ring8, a third would count all eight.",
        source=MODES,
        main=True,
        place=70,
    )
)
def modes(points: Points) -> Score | None:
    """Number of modes with a quarter of an equal share of the samples within 3 std; None where the density has no modes."""
    seen = points.once(_visits)
    if seen is None:
        return None
    counts, least = seen.histogram.numpy(), LEAST_SHARE * seen.n / seen.rule["modes"]
    met = bdtrc(np.ceil(least) - 1, seen.n, counts / seen.n)  # chances that modes are met next time
    settings = {**seen.rule, "ceiling": seen.rule["modes"], "least_share": LEAST_SHARE}
    return score("modes", int((counts >= least).sum()), seen.n, float((met * (1 - met)).sum() ** 0.5), settings)


@metric(
    Card(
        key="high_quality",
        title="High-quality samples",
        unit="share",
        direction="higher",
        applies="points",
        group="Modes",
        what="Share of samples within three standard deviations of a mode; a perfect sampler gets 0.989, not 1.",
        range="0 to 1",
        floor="1 - exp(-9/2) = 0.989 for a perfect sampler in the plane, a little more where modes overlap.",
        uncertainty="Over the generated sample: half the width of Wilson's 95 % interval of a share, over 1.96.",
        traps="A value above 0.989 means modes that are too narrow, not a better sampler; a sampler of one single point gets 1.",
        source=MODES,
        main=True,
        best=0.98889,
        place=80,
    )
)
def high_quality(points: Points) -> Score | None:
    """Share of samples within 3 std of a mode, 0 to 1; None where the density has no modes.

    What a perfect sampler gets is the setting "ceiling", 1 - exp(-9/2) in two dimensions.

    References: Wilson 1927, JASA 22.
    """
    seen = points.once(_visits)
    if seen is None:
        return None
    # P(chi_d <= 3): the share of a Gaussian in d dimensions within three standard deviations
    ceiling = float(torch.special.gammainc(torch.tensor(seen.dim / 2).double(), torch.tensor(4.5).double()))
    centre, half = wilson(seen.kept / seen.n, seen.n, 1.96)
    settings = {**seen.rule, "ceiling": ceiling, "interval": [centre - half, centre + half]}
    return score("high_quality", seen.kept / seen.n, seen.n, half / 1.96, settings)


@metric(
    Card(
        key="mode_kl",
        title="KL of modes",
        unit="nats",
        direction="lower",
        applies="points",
        group="Modes",
        what="KL divergence from the modes of the high-quality samples to the uniform distribution over all modes.",
        range="0 to the logarithm of the number of modes",
        floor="(K - 1)/2n in expectation for a perfect sampler with K modes and n high-quality samples: 0.0014 for 8 modes and "
        "2500 samples, 0.0048 for 25.",
        uncertainty=RESAMPLED,
        traps="Says nothing about samples off the modes, nor about their shape; without a high-quality sample there is no value.",
        source="Lin et al. 2018, arXiv:1712.04086",
        place=90,
    )
)
def mode_kl(points: Points) -> Score | None:
    """KL in nats from the high-quality samples' modes to equal shares; None without modes or without such a sample.

    What a perfect sampler gets is the setting "floor", (K-1)/2n with n the high-quality samples.
    """
    seen = points.once(_visits)
    if seen is None or not seen.kept:
        return None
    kept, count = seen.kept, seen.rule["modes"]
    counts = seen.histogram.numpy()

    def divergence(counts: np.ndarray) -> np.ndarray:
        return xlogy(counts / kept, counts * count / kept).sum(-1).clip(min=0)

    se = float(divergence(resampled(counts, np.full(count, 1 / count))).std(ddof=1))
    settings = {**seen.rule, "n_high_quality": kept, "floor": (count - 1) / (2 * kept)}
    return score("mode_kl", float(divergence(counts)), seen.n, se, settings)
