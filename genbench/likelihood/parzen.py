"""The Parzen window, only to show why no model here is scored by it."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from genbench.results.files import atomic

__all__ = ["fit_bandwidth", "parzen_figure", "parzen_log_prob", "parzen_table"]

BLOCK = 1000  # examples scored at once


def parzen_log_prob(x: Tensor, centres: Tensor, sigma: float) -> Tensor:
    """Log-density (n,) at x (n, ...), in nats, of the equal mixture of N(c, sigma^2 I) over centres c (m, ...); float64."""
    x, centres = x.flatten(1).double(), centres.flatten(1).double()
    norm = math.log(len(centres)) + x.shape[1] * math.log(sigma * math.sqrt(2 * math.pi))
    kernels = ((-0.5 / sigma**2 * torch.cdist(part, centres).square()).logsumexp(1) for part in x.split(BLOCK))
    return torch.cat(list(kernels)) - norm


def fit_bandwidth(x: Tensor, centres: Tensor) -> float:
    """The sigma of greatest mean log-density at validation examples x, by bounded search over two decades."""
    spread = float((x.double() - x.double().mean(0)).square().mean().sqrt())
    bounds, options = (math.log(spread / 100), math.log(spread)), {"xatol": 0.01}
    loss = lambda log_sigma: -float(parzen_log_prob(x, centres, math.exp(log_sigma)).mean())  # noqa: E731
    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options=options).x)


def parzen_table(
    train: Tensor, validation: Tensor, test: Tensor, sizes: tuple[int, ...] = (100, 300, 1000, 3000), seed: int = 0
) -> pd.DataFrame:
    """Score two "models" by Parzen windows on test examples: `count` training examples themselves, and `count` k-means centres.

    The first is as good as a model can be, the second is not a model of the data at all: its samples are averages. Still it
    wins, for the window rewards whoever puts few centres in the middle of the crowd.

    Returns columns samples ("training examples", "k-means centres"), count, sigma, log_density (nats), se (over test examples).

    References:
        A note on the evaluation of generative models (Theis et al., 2016), arXiv 1511.01844

    Arguments:
        train, validation, test: (n, ...) on one scale. Sizes beyond the training set are left out, and k-means needs fewer.
    """
    rows = []
    for count in (c for c in sizes if c <= len(train)):
        for name, centres in _sets(train, count, seed).items():
            sigma = fit_bandwidth(validation, centres)
            values = parzen_log_prob(test, centres, sigma)
            rows.append((name, count, sigma, float(values.mean()), float(values.std() / len(values) ** 0.5)))
    return pd.DataFrame(rows, columns=["samples", "count", "sigma", "log_density", "se"])


def parzen_figure(train: Tensor, validation: Tensor, test: Tensor, out: str | Path, sizes=(100, 300, 1000, 3000)) -> pd.DataFrame:
    """Draw `parzen_table` to the picture `out`, with square images some of both kinds, and return it; a CSV lies beside."""
    from matplotlib.figure import Figure

    table = parzen_table(train, validation, test, sizes)
    side = math.isqrt(train[0].numel())
    square = side**2 == train[0].numel()
    figure = Figure(figsize=(10 if square else 5, 3.4), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, 3 if square else 1, width_ratios=[2, 1, 1] if square else None))
    for name, rows in table.groupby("samples", sort=False):
        axes[0].errorbar(rows["count"], rows["log_density"], 1.96 * rows["se"], marker="o", capsize=2, label=name)
    axes[0].set(xscale="log", xlabel="number of samples", ylabel="Parzen log-density of test data [nats]")
    axes[0].set_xticks(table["count"].unique(), table["count"].unique())
    axes[0].minorticks_off()
    axes[0].legend(frameon=False)
    for ax, (name, images) in zip(axes[1:], _sets(train, min(300, len(train) - 1), 0).items(), strict=False):
        tiles = images[:36].reshape(6, 6, side, side).permute(0, 2, 1, 3).reshape(6 * side, 6 * side)
        ax.imshow(tiles, cmap="gray_r")
        ax.set(title=name, xticks=[], yticks=[])
    with atomic(out) as temporary:
        figure.savefig(temporary, dpi=150)
    with atomic(Path(out).with_suffix(".csv")) as temporary:
        table.to_csv(temporary, index=False)
    return table


def _sets(train: Tensor, count: int, seed: int) -> dict[str, Tensor]:
    """`count` samples of each of the two "models"; k-means with as many centres as examples would be the examples."""
    from sklearn.cluster import KMeans

    flat = train.flatten(1).double().cpu()
    sets = {"training examples": flat[torch.from_numpy(np.random.default_rng(seed).permutation(len(flat))[:count])]}
    if count < len(flat):
        fitted = KMeans(count, n_init=1, max_iter=30, random_state=seed).fit(flat.float().numpy())
        sets["k-means centres"] = torch.from_numpy(fitted.cluster_centers_).double()
    return sets
