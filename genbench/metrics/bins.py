"""Samples counted in bins: how such a histogram varies, and the number of statistically different bins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from scipy.special import xlogy
from scipy.stats import norm
from sklearn.cluster import KMeans
from torch import Tensor

from genbench.metrics.cards import METRICS
from genbench.metrics.memorisation import finite_rows, nearest
from genbench.metrics.score import Score

__all__ = ["Bins", "ndb", "resampled"]

ALPHA = 0.05  # level of each bin's test
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
        rows = finite_rows("bins: training", train).cpu()
        if len(rows) < 40:
            raise ValueError(f"bins: {len(rows)} training rows; at least 40 are needed")
        chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:FITTED]
        clusters = KMeans(min(k, len(rows) // 20), n_init=1, max_iter=100, random_state=seed).fit(rows[chosen].numpy())
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


def ndb(samples: Tensor, bins: Bins, settings: dict[str, Any] | None = None) -> list[Score]:
    """Score samples (n, ...), in the space of the bins, by ndb and ndb_js against the training rows.

    ndb is the share of bins whose proportions differ at level 0.05 by a two-proportion z-test with pooled variance;
    real data get 0.05 in expectation, with about `null_sd` in its settings. ndb_js is the Jensen-Shannon divergence of
    the two histograms in nats. Raises ValueError for rows that are not finite or of another width.
    References: Richardson and Weiss 2018, arXiv:1805.12462.
    """
    rows = finite_rows("ndb: sample", samples)
    if rows.shape[1] != bins.centres.shape[1]:
        raise ValueError(f"ndb: samples of width {rows.shape[1]}, bins of width {bins.centres.shape[1]}")
    n, m, k = len(rows), int(bins.counts.sum()), len(bins.counts)
    seen = torch.bincount(nearest(rows, bins.centres)[1].cpu(), minlength=k).numpy()
    train = bins.counts.numpy()
    real = train / m

    def different(counts: np.ndarray) -> np.ndarray:
        pooled = (counts + train) / (n + m)
        error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
        return (np.abs(counts / n - real) > norm.isf(ALPHA / 2) * error).mean(-1)

    def divergence(counts: np.ndarray) -> np.ndarray:
        made = counts / n
        middle = (made + real) / 2
        return (xlogy(made, made) + xlogy(real, real) - 2 * xlogy(middle, middle)).sum(-1) / 2

    common = {**(settings or {}), "reference": "train", "n_reference": m, "bins": k}
    own = {
        "ndb": (different, {"alpha": ALPHA, "floor": ALPHA, "null_sd": (ALPHA * (1 - ALPHA) / k) ** 0.5}),
        "ndb_js": (divergence, {"floor": (k - 1) / 8 * (1 / n + 1 / m)}),
    }
    again = resampled(seen, real)
    return [
        Score(key, float(f(seen)), n, METRICS[key].unit, float(f(again).std(ddof=1)), settings={**common, **extra})
        for key, (f, extra) in own.items()
    ]


def resampled(counts: np.ndarray, reference: np.ndarray, draws: int = 200, seed: int = 0) -> np.ndarray:
    """Draw histograms (draws, K) like the one seen, `counts` (K,), to learn how far its divergences vary.

    `reference` (K,) are positive probabilities. The observed frequencies p hold one sampling error, and drawing from them
    would add a second: near the reference, the standard deviation of a divergence would come out up to 1.7 times too
    large. So p is first shrunk by the factor 1 - (k-1) / (n chi2(p, q)), not below 0 (James and Stein 1961), to q, the
    reference within the k bins that were seen: a lost class must stay lost.
    """
    there, n = counts > 0, counts.sum()
    p, q = counts[there] / n, reference[there] / reference[there].sum()
    chi2 = float(((p - q) ** 2 / q).sum())
    kept = max(0.0, 1 - (len(p) - 1) / (n * chi2)) if chi2 > 0 else 0.0
    drawn = np.zeros((draws, len(counts)), dtype=np.int64)
    drawn[:, there] = np.random.default_rng(seed).multinomial(n, q + kept * (p - q), size=draws)
    return drawn
