"""A study's searches as arrays: what every configuration scored, which one was chosen, what new seeds of it score."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from genbench.config.expand import label
from genbench.metrics.cards import METRICS
from genbench.report.blocks import Table
from genbench.report.text import number
from genbench.report.verdicts import UNDECIDED, deciding
from genbench.results.searched import baseline_of, plain
from genbench.results.study import GIVEN, Results
from genbench.statistics.distribution import CAP, cap
from genbench.statistics.search_curve import Pair, best_contrast, bounded
from genbench.statistics.verdict import Verdict, decide

__all__ = [
    "FEWEST",
    "DatasetSearches",
    "ModelSearch",
    "best_of",
    "capped",
    "compared",
    "file_key",
    "more_configurations",
    "pair",
    "searches",
    "verdict_table",
]

FEWEST = 4  # configurations of a search that is compared


@dataclass(frozen=True)
class ModelSearch:
    """A model's search on one dataset.

    `validation`, `test`, `coverage` (n,): by configuration, averaged over its seeds, nan where one failed. `chosen`: place of
    the chosen configuration, None where nothing was confirmed or every configuration failed. `confirmed`,
    `confirmed_coverage` (m,): of new seeds, nan where one failed. `checkpoints`: of every trial that ended ok, searched or
    new, dicts of validation and test scores in the order of training. `space`: which search space. `seconds`: of training
    a configuration, the median, nan where not known.
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
    seconds: float = math.nan
    baseline: bool = False  # whether it is what the study compares all others with
    most: int = 4  # the study's k
    first: int | None = None  # configurations of the first look; all, where the search doesn't grow

    @property
    def k(self) -> int:
        """Of how many configurations verdicts compare the best."""
        return bounded(self.most, len(self.validation))

    @property
    def failed(self) -> int:
        """Configurations without a score."""
        return int(np.isnan(self.validation).sum())

    @property
    def uncovered(self) -> np.ndarray:
        """1 / coverage, lower is better; where nothing is covered, as if half an example were."""
        return 1 / np.maximum(self.coverage, 0.5 / self.examples)


@dataclass(frozen=True)
class DatasetSearches:
    """The searches of one dataset whose models may be compared; `name`: of the dataset, and whether models see class labels."""

    dataset: str
    name: str
    metric: str
    floor: float
    found: tuple[ModelSearch, ...]

    @property
    def cap(self) -> float:
        """The most that a configuration is charged, failed ones included."""
        return capped(self.found)

    @property
    def title(self) -> str:
        return METRICS[self.metric].title

    @property
    def key(self) -> str:
        """`name` for files."""
        return file_key(self.name)


def file_key(name: str) -> str:
    """Return a dataset's name, and what tells its parts apart, for the name of a file."""
    return name.replace(", ", "_").replace(" ", "_")


def best_of(k: int, n: int) -> str:
    """Return of how many of n configurations verdicts compare the best, in words."""
    return f"best of {k} out of {n}"


def capped(found: Sequence[ModelSearch], metric: str = "test", times: float = CAP) -> float:
    """Return the most that a configuration of any of these searches is charged; later looks don't move it."""
    return cap((getattr(s, metric)[: s.first] for s in found), times)


def searches(results: Results, confirmed: bool = True) -> list[DatasetSearches]:
    """Return the searches of a study by dataset, without those of grids; `confirmed`: only those that were to be confirmed.

    Class-conditional models stand by themselves.
    """
    rows = results.searched[results.searched["levels"].fillna("").isin(("", "{}"))]
    tunes = plain(results.config)
    out = []
    for dataset in [name for name in results.datasets if name in set(rows["dataset"])]:
        own = rows[rows["dataset"] == dataset]
        metric = str(own["metric"].iloc[0])
        labelled = own["net"].map(lambda net: bool(json.loads(net or "{}").get("conditional")))
        floors = results.floors[(results.floors["dataset"] == dataset) & (results.floors["metric"] == metric)]
        floor = float(floors["value"].mean()) if len(floors) else math.nan
        for given in (False, True):
            found = []
            for (model, variant), part in own[labelled == given].groupby(["model", "variant"], sort=False):
                tune = tunes.get((dataset, model, variant), {})
                if tune.get("confirm", True) or not confirmed:
                    found.append(_search(results, dataset, str(model), str(variant), part, tune))
            if found:
                name = f"{dataset}, {GIVEN}" if given and not labelled.all() else dataset
                out.append(DatasetSearches(dataset, name, metric, floor, tuple(found)))
    return out


def _search(results: Results, dataset: str, model: str, variant: str, part: pd.DataFrame, tune: dict) -> ModelSearch:
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
    new = {
        metric: np.array([scores.get((trial, metric), math.nan) for trial in own["trial"]], dtype=float)
        for metric in (str(part["metric"].iloc[0]), "coverage")
    }
    kept = [json.loads(each or "[]") for frame in (part, own) if "checkpoints" in frame for each in frame["checkpoints"]]
    space = tune.get("space", "wide")
    return ModelSearch(
        label=label(model, variant),
        model=model,
        family=str(results.card(model).get("family") or part["family"].iloc[0] or ""),
        variant=variant,
        validation=means["validation"].to_numpy(dtype=float),
        test=means["test"].to_numpy(dtype=float),
        coverage=means["coverage"].to_numpy(dtype=float),
        chosen=None if chosen is None else means.index.get_loc(chosen),
        confirmed=new[str(part["metric"].iloc[0])],
        confirmed_coverage=new["coverage"],
        checkpoints=tuple(tuple(each) for each in kept if each),
        space=space if isinstance(space, str) else "the study's own",
        defaults=tune.get("defaults", True),
        examples=int((results.meta(dataset).get("n") or {}).get("test", 1000)),
        seconds=float(pd.to_numeric(part["seconds"], errors="coerce").median()),
        baseline=model == baseline_of(results.config),
        most=results.k,
        first=int(np.atleast_1d(tune.get("configurations", len(means)))[0]),
    )


def compared(found: Sequence[ModelSearch], margin: float, metric: str = "test", level: float = 0.05) -> list[Verdict]:
    """Return verdicts on all pairs of models that were searched alike, four configurations at least.

    `metric`: "test", the metric that chooses, or "uncovered". The validation split chooses for both. `level` is of all pairs.
    Where a search that grows stopped earlier than another, both count by as many configurations.
    """
    limit, contrasts = capped(found, metric), []
    for a, b in combinations(sorted(found, key=lambda s: not s.baseline), 2):  # its pairs ask about it, not the other
        n = min(len(s.validation) for s in (a, b))
        if n >= FEWEST and a.space == b.space and a.first == b.first:
            contrasts.append(best_contrast(a.label, b.label, [pair(a, b, limit, n, metric)], a.most))
    return decide(contrasts, margin, level) if contrasts else []


def pair(a: ModelSearch, b: ModelSearch, limit: float, n: int | None = None, metric: str = "test") -> Pair:
    """Return two models' searches, of which the first n configurations count, charged `limit` at most."""
    return Pair(*((s.validation[:n], getattr(s, metric)[:n]) for s in (a, b)), limit)


# ---- what reports of searches share


def more_configurations(
    every: Sequence[DatasetSearches], decided: Mapping[str, Sequence[Verdict]], unit: str = "configurations per model"
) -> str:
    """Return a sentence on how many configurations, at what cost, would decide half of the open pairs; empty without any."""
    needed = {name: [v.seeds for v in found if v.word == UNDECIDED] for name, found in decided.items()}
    there = [s for each in every if needed.get(each.name) for s in each.found]
    seconds = [s.seconds for s in there if math.isfinite(s.seconds)]
    cost = f" ({number(float(np.median(seconds)), 2)} s of training each)" if seconds else ""
    return deciding(needed, [len(s.validation) for s in there], unit, cost)


def verdict_table(
    name: str,
    caption: str,
    decided: Sequence[Verdict],
    unit: str = "configurations",
    ratio: str = "ratio of scores",
    alone: bool = False,
) -> Table:
    """Return a folded table with a row per verdict.

    `unit`: what is counted of each model; `ratio` heads the column of ratios; `alone`: the first name heads a row.
    """
    needed = f"{unit} to decide"
    frame = pd.DataFrame(
        {
            "model" if alone else "pair": [v.a if alone else f"{v.a} against {v.b}" for v in decided],
            "verdict": [v.word for v in decided],
            ratio: [v.ratio for v in decided],
            "low": [v.low for v in decided],
            "high": [v.high for v in decided],
            "p, no difference": [v.p_difference for v in decided],
            "p, at least the margin": [v.p_equivalence for v in decided],
            needed: [float(v.seeds) if v.seeds else math.nan for v in decided],
        }
    ).dropna(axis=1, how="all")
    whole = [f"{v.seeds:,}" if v.seeds else "–" for v in decided]
    return Table(name, frame, caption, {needed: whole} if needed in frame else None, folded=True)
