"""What separates from the best: intervals over seeds for all models together, paired where they saw the same examples."""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache

import numpy as np
import pandas as pd

from genbench.results.study import Results
from genbench.statistics.uncertainty import Difference, paired, welch

__all__ = ["against_best", "losses", "on_same_examples"]

Against = Callable[[str, str, int], Difference | None]


def losses(values: Iterable[float], direction: str, target: float | None = None, best: float | None = None) -> np.ndarray:
    """Finite values as numbers that are better the lower they are: signs turned, distances to a target, cut off at `best`."""
    array = np.asarray([v for v in values if math.isfinite(v)], dtype=float)
    if direction == "target":
        return abs(array - target)
    sign = -1 if direction == "higher" else 1
    return sign * array if best is None else np.maximum(sign * array, sign * best)


def against_best(
    values: Mapping[str, Iterable[float]],
    direction: str,
    target: float | None = None,
    against: Against = lambda label, best, of: None,
    errors: Mapping[str, float] | None = None,
    best: float | None = None,
) -> dict[str, str]:
    """Compare models with the best one; any equal model is called apart with a chance of 5 % at most.

    By `against(label, best, of)`, their difference on the same test examples, where it gives one; else by Games and Howell's
    test over seeds. The best of many is so by chance, too: a t-test calls one of nine equal models apart in a third of tables.
    A model varies at least by its mean squared standard error, `errors[label]`: seeds that happen to agree are no evidence.
    `best`: what a perfect sampler gets; values past it count as it. Returns per label with at least one value "best" (also for
    an equal mean), "tie" (0 lies in the interval of the difference of the two means), "unclear" (it does, but every seed is
    worse than every seed of the best), "apart", or "open" (it or the best has a single seed), and "equal" for all if all means
    are equal; empty without a direction, without a target if one is needed, or for one model alone. For a target the distances
    of the seeds to it are compared.
    """
    if direction == "none" or (direction == "target" and (target is None or not math.isfinite(target))):
        return {}
    samples = {label: losses(each, direction, target, best) for label, each in values.items()}
    samples = {label: each for label, each in samples.items() if each.size}
    if len(samples) < 2:
        return {}
    first = min(samples, key=lambda label: samples[label].mean())
    top, known = samples[first], errors or {}
    equal = [label for label, each in samples.items() if math.isclose(each.mean(), top.mean(), rel_tol=1e-12)]
    if len(equal) == len(samples):
        return dict.fromkeys(samples, "equal")
    states = {}
    for label, each in samples.items():
        if label in equal:
            states[label] = "best"
        elif min(each.size, top.size) < 2:
            states[label] = "open"
        else:
            if (difference := against(label, first, len(samples))) is not None:
                gap, half = abs(difference.mean), difference.half
            else:
                gap = each.mean() - top.mean()
                half = welch(each, top, least=(known.get(label, 0.0), known.get(first, 0.0)), of=len(samples))
            behind = each.min() > top.max()
            states[label] = "apart" if gap > half else "unclear" if behind else "tie"
    return states


def on_same_examples(results: Results, dataset: str, metric: str, kind: str) -> Against:
    """A function (label, other, of) -> Difference of two models' likelihoods on the test examples that both have seen.

    None where a model has no values of single examples, several for one of them, or one that is not finite.
    """
    # kl is nll less the true density's on the same points: their differences are the same
    frame = results.examples
    frame = frame[(frame["dataset"] == dataset) & (frame["metric"] == ("nll" if metric == "kl" else metric))]
    frame = frame[frame["kind"] == kind]
    tables = {label: _table(part) for label, part in frame.groupby("label")}

    @cache
    def difference(label: str, other: str, of: int = 2) -> Difference | None:
        a, b = tables.get(label), tables.get(other)
        if a is None or b is None:
            return None
        common = a.columns.intersection(b.columns)
        return paired(a[common].to_numpy(), b[common].to_numpy(), of=of) if len(common) > 1 else None

    return difference


def _table(part: pd.DataFrame) -> pd.DataFrame | None:
    """Values by trial and example."""
    if part.duplicated(["trial", "index"]).any():
        return None
    table = part.pivot(index="trial", columns="index", values="value").dropna(axis=1)
    return table if np.isfinite(table.to_numpy(dtype=float)).all() else None
