"""Simulated searches of several models on several datasets, whose true ratios are known, and how often verdicts on them err."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import stats
from scipy.special import ndtr

from genbench.statistics.distribution import cap
from genbench.statistics.looks import Look, Scores, replay

__all__ = ["SEED", "SHAPES", "SPREAD", "Rates", "Searches", "rates"]

SPREAD, SEED = 0.8, 0.12  # standard deviations of log scores over configurations and over seeds: the medians of `laptop`
BASELINE = "baseline"

# from standard normal draws, which carry what models and datasets share, to scores
SHAPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "lognormal": lambda z: np.exp(SPREAD * z),
    "two heaps, 8 times apart": lambda z: np.exp(0.3 * z) * np.where(z > 0, 8.0, 1.0),
    "1 in 20 a tenth": lambda z: np.exp(0.3 * z) * np.where(ndtr(z) < 0.05, 0.1, 1.0),
    "heavy tails, t(2.5)": lambda z: np.exp(0.4 * stats.t.ppf(np.clip(ndtr(z), 1e-9, 1 - 1e-9), 2.5)),
    "lognormal, sd 1.5": lambda z: np.exp(1.5 * z),
    "30 % fail at 50 times": lambda z: np.exp(0.4 * z) * np.where(ndtr(z) > 0.7, 50.0, 1.0),
    "1 in 20 at 30 times": lambda z: np.exp(0.4 * z) * np.where(ndtr(z) > 0.95, 30.0, 1.0),
    "30 % fail": lambda z: np.where(ndtr(z) > 0.7, math.inf, np.exp(0.4 * z)),
}


@dataclass(frozen=True)
class Searches:
    """Searches of a baseline and of rivals.

    `ratios`: of the baseline's tuned score, the expected best of k with capped scores, to each rival's; below 1 where the
    baseline is better. `shape` of the rivals' scores and `own` of the baseline's, of SHAPES: where they differ, rivals are
    scaled until the ratio of what is expected is as given. `common`: share of the variance of log scores that a configuration
    gives to all models; `across`: share that it gives on all datasets.
    """

    ratios: Mapping[str, float]
    shape: str = "lognormal"
    own: str = "lognormal"
    datasets: int = 4
    common: float = 0.5
    across: float = 0.5
    k: int = 4
    scales: dict[str, float] = field(init=False)
    limit: float = field(init=False)  # the cap, as endless searches would set it

    def __post_init__(self) -> None:
        scales, limit = self._scales()
        object.__setattr__(self, "scales", {BASELINE: 1.0, **scales})
        object.__setattr__(self, "limit", limit)

    def draw(self, n: int, rng: np.random.Generator) -> Scores:
        """Scores of n configurations of every model on every dataset."""
        models = list(self.scales)
        z = sum(
            math.sqrt((share if model else 1 - share) * (other if dataset else 1 - other))
            * rng.standard_normal((1 if model else len(models), 1 if dataset else self.datasets, n))
            for model, share in ((1, self.common), (0, self.common))
            for dataset, other in ((1, self.across), (0, self.across))
        )
        z = z * np.ones((len(models), self.datasets, n))
        noise = SEED * rng.standard_normal(z.shape)
        out: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {f"set{d}": {} for d in range(self.datasets)}
        for row, (model, scale) in enumerate(self.scales.items()):
            shape = SHAPES[self.own if model == BASELINE else self.shape]
            test = scale * shape(z[row]) * np.exp(noise[row])
            validation = test * np.exp(0.02 * rng.standard_normal(test.shape))
            for d in range(self.datasets):
                out[f"set{d}"][model] = (validation[d], test[d])
        return out

    def _scales(self) -> tuple[dict[str, float], float]:
        """By rival, the factor of its scores that makes the ratio true, with the cap that all models together give."""
        rng = np.random.default_rng(1)
        size = 4 * 25_000
        own, other = (
            SHAPES[name](rng.standard_normal(size)) * np.exp(SEED * rng.standard_normal(size)) for name in (self.own, self.shape)
        )
        scales = dict.fromkeys(self.ratios, 1.0)
        for _ in range(60):  # the cap depends on all scales
            every = np.concatenate([own, *(scale * other for scale in scales.values())])
            limit = cap([every])
            target = self._tuned(own, limit)
            for name, ratio in self.ratios.items():
                scales[name] *= (target / ratio / self._tuned(scales[name] * other, limit)) ** 0.7
        return scales, limit

    def _tuned(self, scores: np.ndarray, limit: float) -> float:
        return float(np.minimum(scores, limit).reshape(self.k, -1).min(0).mean())


@dataclass(frozen=True)
class Rates:
    """Shares of studies with any false verdict at any look, and of rivals with a right one; nan where there are none.

    `size`: configurations that a rival was searched with, the mean; `at`: verdicts at the last look, a list per study.
    """

    better: float
    equivalent: float
    not_worse: float
    found: float
    found_equivalent: float
    found_not_worse: float
    size: float


def rates(truth: Searches, sizes: tuple[int, ...], margin: float, studies: int, seed: int = 0, level: float = 0.05) -> Rates:
    """How often the verdicts of studies that look at these numbers of configurations are wrong, and how often right."""
    rng, rows = np.random.default_rng(seed), []
    limit, limits = math.log(margin) - 1e-9, {f"set{d}": truth.limit for d in range(truth.datasets)}
    for _ in range(studies):
        scores = truth.draw(sizes[-1], rng)
        looks = replay(scores, BASELINE, list(truth.ratios), dict.fromkeys(scores, sizes), truth.k, limits, margin, level)
        rows.append(_judged(truth, looks, limit, level / len(sizes)))
    frame = {key: [row[key] for row in rows] for key in rows[0]}
    wrong = [float(np.mean(frame[key])) for key in ("better", "equivalent", "not_worse")]
    right = [np.concatenate(frame[key]) for key in ("found", "found_equivalent", "found_not_worse")]
    shares = [float(each.mean()) if each.size else math.nan for each in right]
    return Rates(*wrong, *shares, float(np.mean(frame["size"])))


def _judged(truth: Searches, looks: list[Look], limit: float, level: float) -> dict:
    last = looks[-1].verdicts
    gaps = {name: math.log(ratio) for name, ratio in truth.ratios.items()}
    said = {name: {"better": -1, "worse": 1}.get(v.word, 0) for name, v in last.items()}
    not_worse = {name: v.p_not_worse <= level for name, v in last.items()}
    searched = [next(look for look in reversed(looks) if name in look.tried).sizes["set0"] for name in truth.ratios]
    return {
        "better": any(word and word * gaps[name] <= 0 for name, word in said.items()),
        "equivalent": any(v.word == "equivalent" and abs(gaps[name]) >= limit for name, v in last.items()),
        "not_worse": any(shown and gaps[name] >= limit for name, shown in not_worse.items()),
        "found": np.array([word * gaps[name] > 0 for name, word in said.items() if gaps[name]]),
        "found_equivalent": np.array([v.word == "equivalent" for name, v in last.items() if not gaps[name]]),
        "found_not_worse": np.array([shown for name, shown in not_worse.items() if gaps[name] <= 0]),
        "size": float(np.mean(searched)),
    }
