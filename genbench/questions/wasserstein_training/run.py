"""Does the critic that knows the Wasserstein distance better make the better generator?"""

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from genbench.data import Dataset, space
from genbench.questions import transport
from genbench.questions.quality import sample_distance
from genbench.questions.training import ALONE, Bench, train
from genbench.questions.wasserstein_critics import PLAYING, Player, regularised, value
from genbench.training.replicas import stream
from genbench.training.trainer import Result, Switches

if TYPE_CHECKING:
    from genbench.questions.wasserstein_training.settings import Settings as WassersteinTraining

__all__ = ["run"]

CENTROIDS = 50
LATENT = {"points": 2, "images": 16}
LAST = Switches(ema=0.0)  # the players of the last look, with learning rates that fall to zero


def run(settings: "WassersteinTraining", bench: Bench) -> dict[str, pd.DataFrame]:
    """Train generators against Wasserstein critics of every regularisation; compare the critic's value with W1 on the way.

    Everything is in the models' space. All games share networks and optimiser.
    Table `looks` (dataset, critic, seed, update): `value`, the distance as the critic says, of training data and as many fresh
    fakes, `samples` each; `exact`, W1 of these two finite sets; `batch` and `debiased`, of batches of them (see
    transport.Batches). Table `ends` (dataset, critic, seed, status): `quality`, the distance of samples to the test split at the
    end, exact W1 in raw units for points and the Fréchet distance of a small classifier's features for images; `centred`, mean
    distance of samples to the nearest of 50 centroids of the training data, over that of test data: 1 for real data, less where
    samples are like centroids. Table `pictures` (dataset, kind, index, levels, height, width, pixels): of images, some
    of the first seed's samples by critic and of test images, and all centroids, pixels in raw grey values, row by row.

    References:
        Wasserstein GANs Work Because They Fail (to Approximate the Wasserstein Distance) (Stanczuk et al. 2021), arXiv 2103.01678
        How Well Do WGANs Estimate the Wasserstein Metric? (Mallasto et al., 2019), arXiv 1910.03875
    """
    looks, ends, pictures = [], [], []
    for name in settings.datasets:
        data = bench.data[name]
        seen = space(data, Player.space[data.kind])
        distance = sample_distance(data, settings, bench.device)
        test, fitted = seen.encode(data.splits["test"]), seen.encode(data.splits["train"])
        count = min(CENTROIDS, len(fitted) // 2)
        centres = KMeans(count, n_init=1, random_state=0).fit(fitted.flatten(1).numpy()).cluster_centers_
        centroids = torch.from_numpy(centres).reshape(count, *data.shape).float()
        pictures += _pictures(data, "centroids", seen.decode(centroids))
        pictures += _pictures(data, "test images", data.splits["test"][: settings.shown])
        for critic in settings.critics:
            rows, results = _game(name, critic, settings, bench)
            looks += rows
            for seed, result in enumerate(results):
                ends.append({"dataset": name, "critic": critic, "seed": seed, "status": result.status})
                if result.model is None:
                    continue
                samples = result.model.sample(
                    settings.samples, torch.Generator(bench.device).manual_seed(stream(seed, "end"))
                ).cpu()
                ends[-1]["quality"] = distance(seen.decode(samples))
                ends[-1]["centred"] = _near(samples, centroids) / _near(test, centroids)
                if not seed:
                    pictures += _pictures(data, critic, seen.decode(samples[: settings.shown]))
            mine = [end.get("quality", math.nan) for end in ends if end["dataset"] == name and end["critic"] == critic]
            last = rows[-1] if rows else {}
            said = ", ".join(f"{key} {last[key]:.3g}" for key in ("value", "exact", "batch", "debiased") if key in last)
            bench.log(f"{name}/{critic}: {said}; quality {', '.join(f'{each:.3g}' for each in mine)}")
    columns = ["dataset", "kind", "index", "levels", "height", "width", "pixels"]
    return {"looks": pd.DataFrame(looks), "ends": pd.DataFrame(ends), "pictures": pd.DataFrame(pictures, columns=columns)}


def _game(name: str, critic: str, settings: "WassersteinTraining", bench: Bench) -> tuple[list[dict], list[Result]]:
    data = bench.data[name]
    net, hp = regularised(critic, settings.limit, settings.gp)
    net = {"latent": LATENT[data.kind], "width": settings.width, "depth": settings.depth, **net}
    train_set = space(data, Player.space[data.kind]).encode(data.splits["train"].to(bench.device)).flatten(1)
    rows: list[dict] = []

    def look(replicas, update):
        for seed in range(replicas.count):
            model = replicas.extract(seed).double()
            generator = torch.Generator(bench.device).manual_seed(stream(seed, f"look {update}"))
            picked = torch.randperm(len(train_set), generator=generator, device=bench.device)[: settings.samples]
            real = train_set[picked].double()
            z = torch.randn(len(real), model.latent, generator=generator, device=bench.device).double()
            fake = model.generate(z)
            row = {"dataset": name, "critic": critic, "seed": seed, "update": update}
            rows.append(row)
            if bool(fake.isfinite().all()):
                row["value"] = value(model, real, fake, settings.batch, settings.draws)
                real, fake = real.cpu(), fake.cpu()
                found = transport.batches(real, fake, settings.batch, settings.draws, seed=update)
                row |= {"exact": transport.distance(real, fake), "batch": found.raw, "debiased": found.debiased}

    every = [round(settings.updates * (i + 1) / settings.looks) for i in range(settings.looks)]
    hp = {"lr": settings.lr, **ALONE, **hp}
    return rows, train(PLAYING.get(critic, Player), name, settings, bench, net, hp, LAST, every, look)


def _near(x: Tensor, centroids: Tensor) -> float:
    """Mean distance of examples to the nearest centroid."""
    return float(transport.costs(x.flatten(1), centroids.flatten(1)).min(1).values.mean())


def _pictures(data: Dataset, kind: str, images: Tensor) -> list[dict]:
    if data.kind != "images":
        return []
    about = {"dataset": data.name, "kind": kind, "levels": data.levels, "height": data.shape[1], "width": data.shape[2]}
    grey = images.double().mean(1).round().flatten(1).numpy().astype(np.int64)
    return [{**about, "index": i, "pixels": pixels.tolist()} for i, pixels in enumerate(grey)]
