"""A study's searches as arrays: what every configuration scored, which one was chosen, what fresh seeds of it score."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from genbench.metrics.cards import METRICS
from genbench.results.study import GIVEN, Results
from genbench.statistics.search_curve import best_contrast
from genbench.statistics.verdict import Verdict, decide

__all__ = ["BASELINE", "Searched", "Searches", "budget_words", "charge", "counted", "of_searches", "searches"]

BASELINE = "ns_gan"  # the model that Lucic et al. ask about


@dataclass(frozen=True)
class Searched:
    """A model's search on one dataset.

    `validation`, `test`, `coverage` (n,): by configuration, averaged over its seeds, nan where one failed. `chosen`: place of
    the chosen configuration, None where nothing was confirmed or every configuration failed. `confirmed`,
    `confirmed_coverage` (m,): of fresh seeds, nan where one failed. `checkpoints`: of every trial that ended ok, searched or
    fresh, dicts of validation and test scores in the order of training. `space`: what was searched.
    """

    label: str
    model: str
    family: str
    variant: str
    validation: np.ndarray
    test: np.ndarray
    coverage: np.ndarray
    chosen: int | None
    confirmed: np.ndarray
    confirmed_coverage: np.ndarray
    checkpoints: tuple[tuple[dict[str, float], ...], ...] = ()
    space: str = "wide"
    defaults: bool = True  # whether the first configuration is the authors' defaults
    examples: int = 1000  # of the test split, that coverage is the share of

    @property
    def failed(self) -> int:
        """Configurations without a score."""
        return int(np.isnan(self.validation).sum())

    @property
    def uncovered(self) -> np.ndarray:
        """1 / coverage, lower is better; where nothing is covered, as if half an example were."""
        return 1 / np.maximum(self.coverage, 0.5 / self.examples)


@dataclass(frozen=True)
class Searches:
    """The searches of one dataset whose models may be compared; `name`: of the dataset, and what its models are told."""

    dataset: str
    name: str
    metric: str
    floor: float
    found: tuple[Searched, ...]

    @property
    def title(self) -> str:
        return METRICS[self.metric].title

    @property
    def key(self) -> str:
        """`name` for files."""
        return self.name.replace(", ", "_").replace(" ", "_")


def searches(results: Results, confirmed: bool = True) -> list[Searches]:
    """The searches of a study by dataset, those of grids apart from here; `confirmed`: only those that were to be confirmed.

    What is told classes stands by itself.
    """
    rows = results.searched[results.searched["levels"].fillna("").isin(("", "{}"))]
    tunes = _tunes(results)
    out = []
    for dataset in [name for name in results.datasets if name in set(rows["dataset"])]:
        own = rows[rows["dataset"] == dataset]
        told = own["net"].map(lambda net: bool(json.loads(net or "{}").get("conditional")))
        floors = results.floors[(results.floors["dataset"] == dataset) & (results.floors["metric"] == own["metric"].iloc[0])]
        floor = float(floors["value"].mean()) if len(floors) else math.nan
        for given in (False, True):
            found = []
            for (model, variant), part in own[told == given].groupby(["model", "variant"], sort=False):
                tune = tunes.get((dataset, model, variant), {})
                if tune.get("confirm", True) or not confirmed:
                    found.append(_searched(results, dataset, str(model), str(variant), part, tune))
            if found:
                name = f"{dataset}, {GIVEN}" if given and not told.all() else dataset
                out.append(Searches(dataset, name, str(own["metric"].iloc[0]), floor, tuple(found)))
    return out


def _tunes(results: Results) -> dict[tuple[str, str, str], dict]:
    """How each dataset, model and variant is searched."""
    return {
        (dataset, model, cell.get("variant", "")): cell["tune"]
        for cell in results.config.get("cells") or ()
        if cell.get("tune") and not cell.get("grid")
        for dataset in cell["datasets"]
        for model in cell["models"]
    }


def _searched(results: Results, dataset: str, model: str, variant: str, part, tune: dict) -> Searched:
    trials = results.trials
    if "phase" in trials:
        mine = (trials["dataset"] == dataset) & (trials["model"] == model) & (trials["variant"] == variant)
        own = trials[mine & (trials["phase"] == "confirm")].sort_values("seed")
    else:
        own = trials.iloc[:0]
    # a configuration with a failed seed has failed
    means = part.groupby("configuration")[["validation", "test", "coverage"]].agg(lambda s: s.mean(skipna=False)).sort_index()
    chosen = int(own["configuration"].iloc[0]) if len(own) and means["validation"].notna().any() else None
    scores = results.scores.set_index(["trial", "metric"])["value"]
    fresh = {
        metric: np.array([scores.get((trial, metric), math.nan) for trial in own["trial"]], dtype=float)
        for metric in (str(part["metric"].iloc[0]), "coverage")
    }
    kept = [json.loads(each or "[]") for frame in (part, own) if "checkpoints" in frame for each in frame["checkpoints"]]
    space = tune.get("space", "wide")
    return Searched(
        label=f"{model} · {variant}" if variant else model,
        model=model,
        family=str(results.card(model).get("family") or part["family"].iloc[0] or ""),
        variant=variant,
        validation=means["validation"].to_numpy(dtype=float),
        test=means["test"].to_numpy(dtype=float),
        coverage=means["coverage"].to_numpy(dtype=float),
        chosen=None if chosen is None else means.index.get_loc(chosen),
        confirmed=fresh[str(part["metric"].iloc[0])],
        confirmed_coverage=fresh["coverage"],
        checkpoints=tuple(tuple(each) for each in kept if each),
        space=space if isinstance(space, str) else "the study's own",
        defaults=tune.get("defaults", True),
        examples=int((results.meta(dataset).get("n") or {}).get("test", 1000)),
    )


def charge(scores: Sequence[np.ndarray]) -> float:
    """What a failed configuration is charged: the worst of these scores; infinite where there is none."""
    return max((float(np.nanmax(each)) for each in scores if np.isfinite(each).any()), default=math.inf)


def of_searches(found: Sequence[Searched], margin: float, metric: str = "test", level: float = 0.05) -> list[Verdict]:
    """Verdicts on all pairs of models that were searched alike, with equally many configurations, four at least.

    `metric`: "test", the metric that chooses, or "uncovered". The validation split chooses for both. `level` is of all pairs.
    """
    worst = charge([getattr(s, metric) for s in found])
    contrasts = [
        best_contrast(
            (a.label, a.validation, getattr(a, metric)),
            (b.label, b.validation, getattr(b, metric)),
            len(a.validation) // 4,
            worst,
        )
        for a, b in combinations(sorted(found, key=lambda s: s.model != BASELINE), 2)  # its pairs ask about it, not the other
        if len(a.validation) == len(b.validation) >= 4 and a.space == b.space
    ]
    return decide(contrasts, margin, level) if contrasts else []


def budget_words(found: Sequence[Searched]) -> str:
    """Of how many configurations the verdicts compare the best."""
    sizes = sorted({len(s.validation) for s in found if len(s.validation) >= 4})
    return f"best of {' and '.join(f'{n // 4} out of {n}' for n in sizes)}"


def counted(decided: Sequence[Verdict], margin: float) -> str:
    """How many pairs got which verdict."""
    words = [verdict.word for verdict in decided]
    apart, same, rest = words.count("better") + words.count("worse"), words.count("equivalent"), words.count("undecided")
    return f"{apart} told apart, {same} equivalent within a factor of {margin:g}, {rest} undecided"
