"""Grids of crossed factors in a study, and what is known of how their cells were searched."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from genbench.metrics.cards import METRICS
from genbench.report.text import listing
from genbench.report.trust import parse
from genbench.results.study import Results
from genbench.statistics import factors
from genbench.statistics.factors import Grid

__all__ = ["Searched", "on", "searched", "steps_said"]


@dataclass(frozen=True)
class Searched:
    """A dataset's grid and the metric of its scores.

    `defaults`: whether the first configuration is known to be the authors' defaults. `steps`: whether all its trials are known
    to take equally many critic steps.
    """

    name: str
    title: str
    grid: Grid
    defaults: bool = False
    steps: bool = False

    @property
    def key(self) -> str:
        return self.name.replace(", ", "_").replace(" ", "_")

    @property
    def budget(self) -> str:
        return f"best of {self.grid.k} out of {self.grid.test.shape[1]}"


def searched(results: Results, needed: Sequence[str]) -> tuple[list[Searched], list[str]]:
    """Grids with these factors in the order of datasets, and sentences on what is not in them."""
    if "levels" not in results.searched or not len(results.searched):
        return [], []
    rows = results.searched.reset_index(drop=True)
    levels = rows["levels"].map(lambda text: parse(text) if isinstance(text, str) else {})
    rows = rows.assign(_factors=levels.map(tuple))[levels.map(lambda each: set(needed) <= set(each))]
    found, said = [], []
    for dataset in [name for name in results.datasets if name in set(rows["dataset"])]:
        own = rows[rows["dataset"] == dataset]
        several = own.duplicated(["levels", "configuration", "seed"]).any() or own["_factors"].nunique() > 1
        for (_, model), part in own.groupby(["_factors", "model" if several else "dataset"], sort=False):
            name, names = f"{dataset}, {model}" if several else dataset, list(part["_factors"].iloc[0])
            if several and part.duplicated(["levels", "configuration", "seed"]).any():
                said.append(f"{name}: several grids of one model and no way to tell them apart; nothing is said of them.")
                continue
            frame = part.assign(**{factor: levels[part.index].map(lambda each, f=factor: each[f]) for factor in names})
            frame = frame.astype({"validation": float, "test": float})
            try:
                grid = factors.grid(frame, names)
            except ValueError as error:
                said.append(f"{name}: no verdict, {error}.")
                continue
            title = METRICS[str(part["metric"].iloc[0])].title
            found.append(Searched(name, title, grid, _defaults(results, dataset, part, names), _steps(part)))
            if grid.left_out:
                shown = listing([*grid.left_out[:5], *([f"{len(grid.left_out) - 5} more"] if len(grid.left_out) > 5 else [])])
                said.append(f"{name}: left out, since they lack configurations that others tried: {shown}.")
    return found, said


def _defaults(results: Results, dataset: str, part: pd.DataFrame, names: list[str]) -> bool:
    """Whether all cells of the study that these trials may be of begin with the authors' defaults."""
    tunes = [
        cell.get("tune") or {}
        for cell in results.config.get("cells") or ()
        if set(cell.get("grid") or ()) == set(names)
        and dataset in cell.get("datasets", ())
        and set(cell.get("models", ())) & set(part["model"])
    ]
    return bool(tunes) and all(tune.get("defaults", True) for tune in tunes)


def _steps(part: pd.DataFrame) -> bool:
    """Whether all trials are of one model and set equally many critic steps, or none."""
    nets = [parse(text) if isinstance(text, str) else None for text in part["net"].drop_duplicates()]
    return part["model"].nunique() == 1 and None not in nets and len({net.get("critic_steps", 0) for net in nets}) == 1


def steps_said(found: Sequence[Searched]) -> str:
    """A sentence on grids that give every crossing equally many critic steps, after a space; empty where none does."""
    where = on(found, [s.name for s in found if s.steps])
    if where is None:
        return ""
    return f" All crossings{where} take equally many critic steps, those of the recipe, whatever the loss."


def on(found: Sequence[Searched], which: Sequence[str]) -> str | None:
    """Where something is so: nothing to add if everywhere, None if nowhere."""
    if not which:
        return None
    return "" if len(which) == len(found) else f" on {listing(which)}"
