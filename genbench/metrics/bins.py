"""Samples counted in bins: how such a histogram varies, and the number of statistically different bins."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from scipy.special import ndtri, xlogy
from torch import Tensor

from genbench.metrics.card import MOST, RESAMPLED, Card, metric
from genbench.metrics.cards import METRICS
from genbench.metrics.memorisation import finite_rows, nearest
from genbench.metrics.order import canonical, drawn
from genbench.metrics.score import Score
from genbench.metrics.sets import Images

__all__ = ["Bins", "ndb", "ndb_js", "resampled"]

ALPHA = 0.05  # level of each bin's test
LEAST_SHARE = 1 / 4  # of the samples expected of a mode or class, from which on it is covered
FITTED = 10_000  # training rows that place the centres; all rows are counted


@dataclass(frozen=True)
class Bins:
    """Voronoi cells of k-means centres (k, d) with the number of training rows in each, `counts` (k,)."""

    centres: Tensor
    counts: Tensor

    @classmethod
    def fit(cls, train: Tensor, k: int = 100, seed: int = 0) -> Self:
        """Cluster training pixels or features (n, ...) into at most k bins, with 20 rows each on average at the least.

        Raises ValueError for rows that are not finite, or fewer than 40 of them.
        """
        from sklearn.cluster import KMeans  # its import takes seconds, and what was fitted is read

        rows = finite_rows("bins: training", train).cpu()
        if len(rows) < 40:
            raise ValueError(f"bins: {len(rows)} training rows; at least 40 are needed")
        placing = canonical(drawn(rows, FITTED, seed))[0].numpy()
        clusters = KMeans(min(k, len(rows) // 20), n_init=1, max_iter=100, random_state=seed).fit(placing)
        centres = torch.from_numpy(clusters.cluster_centers_).float()
        counts = torch.bincount(nearest(rows, centres)[1], minlength=len(centres))
        return cls(centres[counts > 0], counts[counts > 0])  # equal rows can leave a bin without any

    def arrays(self) -> dict[str, np.ndarray]:
        """Return arrays for an npz file."""
        return {"centres": self.centres.numpy(), "counts": self.counts.numpy()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild what `arrays` gave."""
        return cls(torch.from_numpy(arrays["centres"]), torch.from_numpy(arrays["counts"]))


@dataclass(frozen=True, eq=False)
class _Filled:
    """Histograms over the bins: of generated images, `seen` (k,), and of training images, `train` (k,)."""

    seen: np.ndarray
    train: np.ndarray
    n: int
    m: int

    @property
    def real(self) -> np.ndarray:
        return self.train / self.m

    def score(self, key: str, f: Callable[[np.ndarray], np.ndarray], own: dict[str, Any]) -> Score:
        """The value of `f` of histograms (..., k), with its standard error over resampled ones."""
        se = float(f(resampled(self.seen, self.real)).std(ddof=1))
        settings = {"reference": "train", "n_reference": self.m, "bins": len(self.train), **own}
        return Score(key, float(f(self.seen)), self.n, METRICS[key].unit, se, settings=settings)


def _filled(images: Images) -> _Filled | None:
    """None without bins; ValueError for images that are not finite or of another size than the bins."""
    if images.training is None or images.training.bins is None:
        return None
    bins, rows = images.training.bins, finite_rows("ndb: sample", images.samples)
    if rows.shape[1] != bins.centres.shape[1]:
        raise ValueError(f"ndb: samples of width {rows.shape[1]}, bins of width {bins.centres.shape[1]}")
    rows = drawn(rows, images.training.most or len(rows), images.seed)
    seen = torch.bincount(nearest(rows, bins.centres)[1].cpu(), minlength=len(bins.counts)).numpy()
    return _Filled(seen, bins.counts.numpy(), len(rows), int(bins.counts.sum()))


@metric(
    Card(
        key="ndb",
        title="Different bins",
        unit="share",
        direction="lower",
        applies="images",
        group="Classes and diversity",
        what="Share of bins whose proportion of generated images differs from that of the training images at level 0.05 by a "
        "two-proportion z-test; the bins are k-means clusters of the training images' pixels, 100 of them or one for every "
        "20 training images if that is less.",
        range="0 to 1.",
        floor="Real data get 0.05 in expectation, with a standard deviation of about sqrt(0.05 * 0.95 / bins) (settings: floor, "
        "null_sd), 0.05 +- 0.02 for 100 bins; 0.04 with 30 training images per bin, since the images that placed the bins fill "
        "them more evenly than new ones do.",
        uncertainty=RESAMPLED,
        traps="The power of the tests grows with n and with the training set's size, so that any imperfect model tends to 1: "
        "compare at equal n only. Pixels see strokes and backgrounds, not meaning; small blur changes bins. It sees shares "
        "of bins, not what lies within them, and no copying: training images themselves score best. " + MOST,
        source="Richardson and Weiss 2018, arXiv:1805.12462",
        place=230,
        needs="training",
    )
)
def ndb(images: Images) -> Score | None:
    """Share of bins of pixels whose proportions differ from the training rows' at level 0.05; None without a training split.

    By a two-proportion z-test with pooled variance; real data get 0.05 in expectation, with about `null_sd` of the settings.

    References: Richardson and Weiss 2018, arXiv:1805.12462.
    """
    if (filled := images.once(_filled)) is None:
        return None
    n, m, train, real = filled.n, filled.m, filled.train, filled.real

    def different(counts: np.ndarray) -> np.ndarray:
        pooled = (counts + train) / (n + m)
        error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
        return (np.abs(counts / n - real) > -ndtri(ALPHA / 2) * error).mean(-1)

    null_sd = (ALPHA * (1 - ALPHA) / len(train)) ** 0.5
    return filled.score("ndb", different, {"alpha": ALPHA, "floor": ALPHA, "null_sd": null_sd})


@metric(
    Card(
        key="ndb_js",
        title="Divergence of bins",
        unit="nats",
        direction="lower",
        applies="images",
        group="Classes and diversity",
        what="Jensen-Shannon divergence between the histograms of generated and of training images over the same bins as those "
        "of the share of different bins.",
        range="0 to log 2 = 0.693.",
        floor="Real data get about (bins-1)/8 (1/n + 1/n_reference) (settings: floor): 0.0099 for 100 bins and 2500 images of "
        "each side.",
        uncertainty=RESAMPLED,
        traps="As for the share of different bins, but without its threshold: it grows smoothly and is the steadier of the two. "
        + MOST,
        source="Richardson and Weiss 2018, arXiv:1805.12462",
        place=240,
        needs="training",
    )
)
def ndb_js(images: Images) -> Score | None:
    """Jensen-Shannon divergence in nats between both histograms over the bins; None without a training split."""
    if (filled := images.once(_filled)) is None:
        return None
    n, m, real = filled.n, filled.m, filled.real

    def divergence(counts: np.ndarray) -> np.ndarray:
        made = counts / n
        middle = (made + real) / 2
        return (xlogy(made, made) + xlogy(real, real) - 2 * xlogy(middle, middle)).sum(-1) / 2

    return filled.score("ndb_js", divergence, {"floor": (len(real) - 1) / 8 * (1 / n + 1 / m)})


def resampled(counts: np.ndarray, reference: np.ndarray, draws: int = 200, seed: int = 0) -> np.ndarray:
    """Draw histograms (draws, K) like the one seen, `counts` (K,), to learn how far its divergences vary.

    `reference` (K,) are positive probabilities. The observed frequencies p hold one sampling error, and drawing from them
    would add a second: near the reference, the standard deviation of a divergence would come out up to 1.7 times too
    large. So p is first moved towards q, the reference within the k bins that were seen (a lost class must stay lost), until
    its distance chi2 to q, on which that standard deviation depends, is the unbiased estimate of the distribution's own,
    chi2(p, q) - (k-1)/n, not below 0: by the root of James and Stein's factor, which itself would make distance and standard
    deviation too small.
    """
    there, n = counts > 0, counts.sum()
    p, q = counts[there] / n, reference[there] / reference[there].sum()
    chi2 = float(((p - q) ** 2 / q).sum())
    kept = max(0.0, 1 - (len(p) - 1) / (n * chi2)) ** 0.5 if chi2 > 0 else 0.0
    drawn = np.zeros((draws, len(counts)), dtype=np.int64)
    drawn[:, there] = np.random.default_rng(seed).multinomial(n, q + kept * (p - q), size=draws)
    return drawn
