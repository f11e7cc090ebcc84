"""Simulated studies with known truth, and how often the verdicts on them are wrong."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from genbench.statistics.distribution import cap
from genbench.statistics.search_curve import Pair, best_contrast
from genbench.statistics.verdict import Verdict, decide, verdicts

__all__ = ["ErrorRates", "Truth", "confirm", "crossed", "error_rates", "of_search", "of_seeds", "of_winners", "search"]

COLLAPSED = 5.0  # factor of a collapsed score
UNTRAINED = 20.0  # factor of a configuration that does not train


@dataclass(frozen=True)
class Truth:
    """Lognormal scores: log score = log ratio of the model + configuration + seed + evaluation, all normal.

    `ratios`: factor of each model's score, lower is better. Standard deviations of the log score: `configuration`, of which
    the share `common` of the variance is the same for all models, as of one stream of configurations; `seed`, likewise with
    `shared` of its variance the same for all models, times a model's `spreads` (1 where it has none); `evaluation`: of a
    score given the trained model. `fails`: the chance that a trial fails; `untrained`: that a configuration of a model scores 20
    times as high, so that searches have two heaps; `collapses`: per model, that a fresh seed scores 5
    times as high.
    """

    ratios: Mapping[str, float]
    configuration: float = 0.4
    common: float = 0.0
    seed: float = 0.06
    shared: float = 0.0
    evaluation: float = 0.02
    fails: float = 0.0
    untrained: float = 0.0
    spreads: Mapping[str, float] = field(default_factory=dict)
    collapses: Mapping[str, float] = field(default_factory=dict)

    def mean(self, model: str) -> float:
        """Expected log score of a seed of a model, up to what is common to all."""
        return math.log(self.ratios[model]) + self.collapses.get(model, 0.0) * math.log(COLLAPSED)


@dataclass(frozen=True)
class ErrorRates:
    """Shares of simulated studies with any false verdict, and of pairs with a right one: family-wise error and power.

    `false_better`: "better" or "worse" of models that are equal or the other way round; `false_equivalent`: of models whose
    scores differ by the margin or more. `found_better` of the pairs that truly differ, `found_equivalent` of the truly equal
    ones; nan where there are none.
    """

    studies: int
    false_better: float
    false_equivalent: float
    found_better: float
    found_equivalent: float


def search(truth: Truth, configurations: int, rng: np.random.Generator) -> pd.DataFrame:
    """A search: columns model, configuration, validation, test (inf where the trial failed) and effect, the configuration's
    true factor, which no study knows."""
    together = math.sqrt(truth.common) * rng.standard_normal(configurations)
    tables = []
    for model, ratio in truth.ratios.items():
        alone = math.sqrt(1 - truth.common) * rng.standard_normal(configurations)
        effect = ratio * np.exp(truth.configuration * (together + alone))
        effect = effect * np.where(rng.random(configurations) < truth.untrained, UNTRAINED, 1.0)
        trained = effect * np.exp(truth.seed * rng.standard_normal(configurations))
        trained[rng.random(configurations) < truth.fails] = math.inf
        noise = np.exp(truth.evaluation * rng.standard_normal((2, configurations)))
        columns = {"configuration": np.arange(configurations), "validation": trained * noise[0], "test": trained * noise[1]}
        tables.append(pd.DataFrame({"model": model, **columns, "effect": effect}))
    return pd.concat(tables, ignore_index=True)


def crossed(
    effects: np.ndarray, factors: Sequence[str], configurations: int, rng: np.random.Generator, **truth: Any
) -> pd.DataFrame:
    """A search of every cell of a grid: columns of `factors` with levels "0", "1" and so on, and those of `search`.

    `effects`: log ratios of the cells' scores, an axis per factor. `truth`: further arguments of `Truth`, of which `common` is
    the part of the configurations' variance that their shared stream gives to all cells.
    """
    names = {" ".join(map(str, at)): math.exp(effect) for at, effect in np.ndenumerate(effects)}
    found = search(Truth(names, **truth), configurations, rng)
    levels = found["model"].str.split(" ", expand=True).set_axis(list(factors), axis=1)
    return pd.concat([levels, found.drop(columns="model")], axis=1)


def confirm(effects: Mapping[str, float], truth: Truth, seeds: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Scores (seeds,) of fresh seeds of each model whose true factor is given; inf where a seed failed."""
    together = math.sqrt(truth.shared) * rng.standard_normal(seeds)
    out = {}
    for model, effect in effects.items():
        alone = math.sqrt(1 - truth.shared) * rng.standard_normal(seeds)
        noise = truth.spreads.get(model, 1.0) * truth.seed * (together + alone)
        noise = noise + truth.evaluation * rng.standard_normal(seeds)
        noise = noise + np.where(rng.random(seeds) < truth.collapses.get(model, 0.0), math.log(COLLAPSED), 0.0)
        out[model] = np.where(rng.random(seeds) < truth.fails, math.inf, effect * np.exp(noise))
    return out


def of_seeds(truth: Truth, seeds: int, margin: float, paired: bool = False) -> Callable[[np.random.Generator], list[Verdict]]:
    """A study that compares given configurations by their seeds."""
    return lambda rng: verdicts(confirm(truth.ratios, truth, seeds, rng), margin, paired=paired)


def of_winners(truth: Truth, configurations: int, seeds: int, margin: float) -> Callable[[np.random.Generator], list[Verdict]]:
    """A study that searches once per model and compares the winners by their seeds.

    Its verdicts are right of the winners. Of the models they are not: which of two equal models finds the better configuration
    is luck that seeds don't show.
    """

    def draw(rng: np.random.Generator) -> list[Verdict]:
        found = search(truth, configurations, rng)
        best = found.loc[found.groupby("model", sort=False)["validation"].idxmin()]
        return verdicts(confirm(dict(zip(best["model"], best["effect"], strict=True)), truth, seeds, rng), margin)

    return draw


def of_search(truth: Truth, configurations: int, k: int, margin: float) -> Callable[[np.random.Generator], list[Verdict]]:
    """A study that compares what models are expected to score after a search of k configurations."""

    def draw(rng: np.random.Generator) -> list[Verdict]:
        found = search(truth, configurations, rng)
        tables = {model: (part["validation"], part["test"]) for model, part in found.groupby("model", sort=False)}
        limit = cap([found["test"]])
        pairs = combinations(tables, 2)
        return decide([best_contrast(a, b, [Pair(tables[a], tables[b], limit)], k) for a, b in pairs], margin)

    return draw


def error_rates(
    study: Callable[[np.random.Generator], list[Verdict]], truth: Truth, margin: float, studies: int, seed: int = 0
) -> ErrorRates:
    """How often the verdicts of a simulated study are wrong, over independent repetitions of it.

    Failures only enter through the scores: models of equal ratio fail equally often, and so are equal.
    """
    rng = np.random.default_rng(seed)
    false_better, false_equivalent = np.zeros(studies, dtype=bool), np.zeros(studies, dtype=bool)
    better, equivalent = [], []
    for i in range(studies):
        for verdict in study(rng):
            gap = truth.mean(verdict.a) - truth.mean(verdict.b)
            said = {"better": -1, "worse": 1}.get(verdict.word, 0)
            false_better[i] |= said != 0 and said * gap <= 0
            false_equivalent[i] |= verdict.word == "equivalent" and abs(gap) >= math.log(margin) - 1e-9
            if gap:
                better.append(said * gap > 0)
            else:
                equivalent.append(verdict.word == "equivalent")
    found = [float(np.mean(each)) if each else math.nan for each in (better, equivalent)]
    return ErrorRates(studies, float(false_better.mean()), float(false_equivalent.mean()), *found)
