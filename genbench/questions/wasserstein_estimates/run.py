"""Do Wasserstein critics of a fixed pair of distributions say how far apart these are, and which way to go?"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from genbench.config.budget import Budget
from genbench.data import Dataset
from genbench.data.space import Standard
from genbench.questions import transport
from genbench.questions.training import ALONE, Bench
from genbench.questions.wasserstein_critics import PAIRED, CriticOfPair, bound, felt, regularised, value
from genbench.questions.wasserstein_estimates.funnels import Funnels, Known, Shift
from genbench.training.replicas import stream
from genbench.training.trainer import Result, Switches, Trainer

if TYPE_CHECKING:
    from genbench.questions.wasserstein_estimates.settings import Settings as WassersteinEstimates

__all__ = ["Pair", "pairs", "run"]

LAST = Switches(ema=0.0)  # the critic itself, not an average of it
POPULATION = 16_384  # examples of a known distribution that critics train on: so many that they do not learn them by heart
CENTROIDS = 50


@dataclass(frozen=True)
class Pair:
    """Two sets of vectors, float64, whose distance critics are asked for.

    `real` (n, d), `fake` (m, d): what everything is computed on. `seen`, `unreal`: what critics train on, the same sets unless
    the distributions are known. `known`: W1 of these, nan where there are none. `directions` (m, d): where an optimal plan
    moves the fakes: of the distributions where these are known, else of the two sets; None where fakes coincide.
    """

    name: str
    kind: str  # "known" | "plane" | "images"
    real: Tensor
    fake: Tensor
    seen: Tensor
    unreal: Tensor
    known: float
    directions: Tensor | None


def run(settings: "WassersteinEstimates", bench: Bench) -> dict[str, pd.DataFrame]:
    """Train critics of every regularisation on fixed pairs of distributions; compare their values and gradients with the truth.

    Points are in units of their standard deviation, images in grey values from 0 to 1. Table `pairs` (pair, kind, dim, n), with
    `known`, the W1 of the distributions; `exact`, that of the two finite sets; `batch` and `debiased`, of batches (see
    transport.Batches), with `batch_se`, `debiased_se`; `nearest`, the mean distance from a fake to the nearest real example,
    which a critic that is 0 everywhere guarantees; `batch_cosine`, of batch plans' moves with the true directions. Table
    `critics` (pair, critic, seed, status): `value`, the distance as the critic says (see wasserstein_critics.value); `half`,
    that on batches after half of the updates over that in the end; `bound`, what its potential guarantees of `exact`; `cosine`,
    mean cosine of what pulls the fakes with the true directions.

    References:
        Wasserstein GANs Work Because They Fail (to Approximate the Wasserstein Distance) (Stanczuk et al. 2021), arXiv 2103.01678
        Kantorovich Strikes Back! Wasserstein GANs are not Optimal Transport? (Korotin et al., 2022), arXiv 2206.07767
    """
    truths, critics = [], []
    for pair in pairs(settings, bench):
        draws = transport.batches(pair.real, pair.fake, settings.batch, settings.draws, directions=pair.directions)
        row = {"pair": pair.name, "kind": pair.kind, "dim": pair.real.shape[1], "n": len(pair.real), "known": pair.known}
        row |= {"exact": transport.distance(pair.real, pair.fake), "batch": draws.raw, "batch_se": draws.raw_se}
        row |= {"debiased": draws.debiased, "debiased_se": draws.debiased_se, "batch_cosine": draws.cosine}
        row["nearest"] = float(transport.costs(pair.real, pair.fake).min(0).values.mean())
        truths.append(row)
        for name in settings.critics:
            for seed, result in enumerate(_trained(pair, name, settings, bench.device)):
                critics.append({"pair": pair.name, "critic": name, "seed": seed, "status": result.status})
                if result.model is not None:
                    critics[-1] |= _judged(result, pair, settings, bench.device)
        said = ", ".join(f"{each['critic']} {each.get('value', math.nan):.3g}" for each in critics if each["pair"] == pair.name)
        bench.log(f"{pair.name}: exact {row['exact']:.3g}, batch {row['batch']:.3g}, known {row['known']:.3g}; {said}")
    return {"pairs": pd.DataFrame(truths), "critics": pd.DataFrame(critics)}


def _trained(pair: Pair, name: str, settings: "WassersteinEstimates", device: torch.device) -> list[Result]:
    net, hp = regularised(name, settings.limit, settings.gp)
    dim = pair.real.shape[1]
    make = functools.partial(
        PAIRED.get(name, CriticOfPair), (dim,), others=pair.unreal.float(), width=settings.width, depth=settings.depth, **net
    )
    trainer = Trainer(
        make, range(settings.seeds), [{"lr": settings.lr, **ALONE, **hp}] * settings.seeds,
        pair.seen.float(), pair.real.float(), Standard((dim,), None, (0.0,) * dim), settings.batch,
        Budget(unit="updates", value=settings.updates), LAST, device=device,
    )  # fmt: skip
    return trainer.run()


def _judged(result: Result, pair: Pair, settings: "WassersteinEstimates", device: torch.device) -> dict[str, float]:
    model = result.model.double()
    real, fake = pair.real.to(device), pair.fake.to(device)
    looks = {update: v for update, series, v, _ in result.history if series == "diagnostic/estimate"}
    last = max(looks, default=0)
    half = looks[min(looks, key=lambda update: abs(update - last / 2))] / looks[last] if looks.get(last) else math.nan
    cosine = math.nan
    if pair.directions is not None:
        pull = felt(model, real, fake, settings.batch).cpu()
        cosine = float(torch.cosine_similarity(pull, pair.directions, dim=1).mean())
    found = {"value": value(model, real, fake, settings.batch, settings.draws), "half": half}
    return found | {"bound": bound(model, real, fake), "cosine": cosine}


# ---- pairs


def pairs(settings: "WassersteinEstimates", bench: Bench) -> Iterator[Pair]:
    """Known distributions of every dimension asked for, then finite pairs of every dataset."""
    for dim in settings.dims:
        yield _of_known(f"funnels, d = {dim}", Funnels(dim), settings.points)
    if settings.dims:
        yield _of_known(f"shifted Gaussian, d = {max(settings.dims)}", Shift(max(settings.dims)), settings.points)
    for name in settings.datasets:
        data = bench.data[name]
        yield from (_planar if data.kind == "points" else _images)(data, settings.points)


def _of_known(name: str, known: Known, points: int) -> Pair:
    def draw(n: int, purpose: str) -> Tensor:
        return known.sample(n, torch.Generator().manual_seed(stream(0, purpose)))

    real, start = draw(points, "real"), draw(points, "fake")  # independent: no example meets its own image
    fake, unreal = known.transport(start), known.transport(draw(POPULATION, "unreal"))
    return Pair(name, "known", real, fake, draw(POPULATION, "seen"), unreal, known.distance(), known.gradient(start))


def _of_sets(name: str, kind: str, real: Tensor, fake: Tensor) -> Pair:
    # fakes that coincide are moved to many places at once: no direction is theirs
    unique = len(fake.unique(dim=0)) == len(fake)
    return Pair(name, kind, real, fake, real, fake, math.nan, transport.ways(real, fake) if unique else None)


def _planar(data: Dataset, points: int) -> Iterator[Pair]:
    """Where critics are expected to be right: modes in the plane against the first half of them."""
    train = data.splits["train"].double()
    means = data.density().means
    mode = torch.cdist(train, means).argmin(1)
    own, others = train[:points], train[points:][mode[points:] < len(means) // 2][:points]
    scale = data.meta["scale"]
    yield _of_sets(f"{data.name}, half of its modes", "plane", own / scale, others / scale)


def _images(data: Dataset, points: int) -> Iterator[Pair]:
    """Images against held-out ones, against a Gaussian and centroids that were fitted to them, against half of their classes."""
    grey = {split: data.splits[split].flatten(1).double() / (data.levels - 1) for split in ("train", "validation", "test")}
    train, held_out = grey["train"], torch.cat([grey["test"], grey["validation"]])
    own, n = train[:points], min(points, len(train))
    yield _of_sets(f"{data.name}, held out", "images", own, held_out[:points])
    mean, generator = own.mean(0), torch.Generator().manual_seed(stream(0, "gaussian"))
    noise = torch.randn(n, n, generator=generator, dtype=torch.float64)  # its products with centred data have their covariance
    yield _of_sets(f"{data.name}, fitted Gaussian", "images", own, mean + noise @ (own - mean) / math.sqrt(n - 1))
    fit = KMeans(min(CENTROIDS, n // 2), n_init=1, random_state=0).fit(own.numpy())
    yield _of_sets(f"{data.name}, {fit.n_clusters} centroids", "images", own, torch.from_numpy(fit.cluster_centers_[fit.labels_]))
    some = held_out if len(train) < 2 * points else train[points:]
    labels = (
        data.labels["train"][points:] if len(train) >= 2 * points else torch.cat([data.labels["test"], data.labels["validation"]])
    )
    yield _of_sets(f"{data.name}, half of its classes", "images", own, some[labels < data.classes // 2][:points])
