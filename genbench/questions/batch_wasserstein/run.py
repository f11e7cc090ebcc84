"""Does the Wasserstein distance of batches prefer a few repeated centres to real data?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from genbench.questions import transport
from genbench.questions.training import Bench
from genbench.training.replicas import stream

if TYPE_CHECKING:
    from genbench.questions.batch_wasserstein.settings import Settings as BatchWasserstein

__all__ = ["geometric_median", "run"]

STEPS = 200  # of Weiszfeld's iteration


def run(settings: "BatchWasserstein", bench: Bench) -> dict[str, pd.DataFrame]:
    """W1 of a batch of data with another one, and with batches of distributions that know a few centres only.

    Images are in grey values from 0 to 1, points in units of their standard deviation, Gaussians standard normal. Table
    `batches` (data, kind, dim, size, candidate, draw): `raw`, W1 of a batch of data and one of the candidate: "data", the
    "median" (the point of the least mean distance, repeated) or "k = 10", centres of that many clusters, drawn as often as
    clusters are large; `debiased`, that minus half of W1 of two batches of data and half of W1 of two of the candidate: 0 on
    average for the data themselves, for which it is left out. The centres are fitted to the same examples that batches are drawn
    from, as a generator's are. Sizes that a dataset has not twice are cut to half of it.

    References:
        Wasserstein GANs Work Because They Fail (to Approximate the Wasserstein Distance) (Stanczuk et al. 2021), arXiv 2103.01678
    """
    rows = []
    for name, kind, x in _data(settings, bench):
        candidates = {"median": (geometric_median(x)[None], torch.ones(1, dtype=torch.float64))}
        for k in settings.centres:
            fit = KMeans(k, n_init=1, random_state=0).fit(x.numpy())
            counts = torch.from_numpy(np.bincount(fit.labels_, minlength=k)).double()
            candidates[f"k = {k}"] = torch.from_numpy(fit.cluster_centers_).double(), counts / counts.sum()
        rng = np.random.default_rng(0)
        for size in sorted({min(size, len(x) // 2) for size in settings.sizes}):
            for draw in range(settings.draws):
                about = {"data": name, "kind": kind, "dim": x.shape[1], "size": size, "draw": draw}
                a, b = transport.drawn(len(x), size, rng)
                real = transport.distance(x[a], x[b])
                rows.append({**about, "candidate": "data", "raw": real})
                for candidate, (centres, shares) in candidates.items():
                    first, second = (torch.from_numpy(rng.multinomial(size, shares.numpy())) for _ in range(2))
                    raw = transport.distance(x[a], centres, of_y=first)
                    own = transport.distance(centres, centres, first, second)
                    rows.append({**about, "candidate": candidate, "raw": raw, "debiased": raw - (real + own) / 2})
        bench.log(f"{name}: " + pd.DataFrame(rows[-1 - len(candidates) :]).set_index("candidate")["raw"].round(3).to_string())
    return {"batches": pd.DataFrame(rows)}


def _data(settings: "BatchWasserstein", bench: Bench) -> Iterator[tuple[str, str, Tensor]]:
    for name in settings.datasets:
        data = bench.data[name]
        every = (
            torch.cat([data.splits[split] for split in ("train", "validation", "test")])[: settings.points].flatten(1).double()
        )
        if data.kind == "points":
            yield name, "points", every / data.meta["scale"]
        else:
            yield name, "images", every / (data.levels - 1)
    for dim in settings.dims:
        generator = torch.Generator().manual_seed(stream(dim, "normal"))
        yield f"N(0, I), d = {dim}", "normal", torch.randn(settings.points, dim, generator=generator, dtype=torch.float64)


def geometric_median(x: Tensor) -> Tensor:
    """The point (d,) with the least mean distance to x (n, d), by Weiszfeld's iteration from the mean.

    References: Weiszfeld 1937.
    """
    point = x.mean(0)
    for _ in range(STEPS):
        weight = 1 / (x - point).norm(dim=1).clamp(min=1e-9)
        point = (weight[:, None] * x).sum(0) / weight.sum()
    return point
