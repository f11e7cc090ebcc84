"""Does a critic's loss tell how good the samples are?"""

import math
from typing import TYPE_CHECKING

import pandas as pd
import torch
from scipy import stats

from genbench.data import space
from genbench.models import MODELS
from genbench.questions.quality import sample_distance
from genbench.questions.training import Bench, train
from genbench.training.replicas import stream
from genbench.training.trainer import Switches

if TYPE_CHECKING:
    from genbench.questions.critic_quality.settings import Settings as CriticQuality

__all__ = ["correlations", "run"]

LATE = 3  # the last two of so many parts of training are looked at again on their own


def run(settings: "CriticQuality", bench: Bench) -> dict[str, pd.DataFrame]:
    """Train each model by its recipe and compare its critic's loss with the quality of its samples along the way.

    Tables: `looks` (dataset, model, seed, update, loss, distance), where loss is the critic's mean loss over the updates since
    the look before, and distance that of samples from the generator's current weights to the test split: exact W1 in raw units
    for points, the Fréchet distance of a small classifier's features for images. `correlations`: see there.

    References:
        Wasserstein GAN (Arjovsky et al., 2017), arXiv 1701.07875, figures 3 and 4
    """
    parts = []
    for name in settings.datasets:
        distance = sample_distance(bench.data[name], settings, bench.device)
        for model in settings.models:
            parts.append(_along(name, model, distance, settings, bench))
            bench.log(f"{name}/{model}: distance {parts[-1].groupby('seed')['distance'].last().mean():.4g} in the end")
    looks = pd.concat(parts, ignore_index=True)
    return {"looks": looks, "correlations": correlations(looks)}


def _along(name: str, model: str, distance, settings: "CriticQuality", bench: Bench) -> pd.DataFrame:
    cls, recipe, data = MODELS[model], bench.recipe(model, name), bench.data[name]
    seen = space(data, cls.space[data.kind])
    rows: list[dict] = []

    def look(replicas, update):
        for k in range(replicas.count):
            generator = torch.Generator(bench.device).manual_seed(stream(k, "look"))  # the same z at every look
            samples = seen.decode(replicas.extract(k).sample(settings.samples, generator))
            found = distance(samples) if bool(samples.isfinite().all()) else math.nan  # a diverged training's
            rows.append({"dataset": name, "model": model, "seed": k, "update": update, "distance": found})

    every = [round(settings.updates * (i + 1) / settings.looks) for i in range(settings.looks)]
    results = train(cls, name, settings, bench, recipe.net, recipe.hp, Switches(**recipe.train), every, look)
    frame = pd.DataFrame(rows)
    losses = [_losses(result, sorted(set(frame["update"]))) for result in results]
    return frame.assign(loss=[losses[row.seed][row.update] for row in frame.itertuples()])


def _losses(result, updates: list[int]) -> dict[int, float]:
    """The critic's mean loss over the recorded updates up to each look since the look before."""
    curve = pd.Series({update: value for update, series, value, _ in result.history if series == "loss/critic"}, dtype=float)
    bounds = zip([0, *updates], updates, strict=False)
    return {high: float(curve[(curve.index > low) & (curve.index <= high)].mean()) for low, high in bounds}


def correlations(looks: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlations over the looks of each training, one row per dataset, model and seed.

    Columns: `loss`, of minus the critic's loss with the distance: 1 where the loss tells perfectly which of two moments has the
    better samples; `update`, of minus the number of updates with the distance: what the mere passing of time tells; and both
    over the last two thirds of the looks, `late_loss` and `late_update`. nan where a value is constant or missing.

    References:
        Spearman 1904
    """

    def rank(a: pd.Series, b: pd.Series) -> float:
        constant = a.nunique() < 2 or b.nunique() < 2 or a.isna().any() or b.isna().any()
        return math.nan if constant else float(stats.spearmanr(a, b).statistic)

    rows = []
    for (dataset, model, seed), part in looks.groupby(["dataset", "model", "seed"], sort=False):
        part = part.sort_values("update")
        late = part.iloc[len(part) // LATE :]
        row = {"dataset": dataset, "model": model, "seed": seed}
        for prefix, some in (("", part), ("late_", late)):
            row |= {f"{prefix}{key}": rank(-some[key], some["distance"]) for key in ("loss", "update")}
        rows.append(row)
    return pd.DataFrame(rows)
