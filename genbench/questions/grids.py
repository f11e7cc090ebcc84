"""Grids of crossed factors in a study, and what is known of how their cells were searched."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from genbench.metrics.cards import METRICS
from genbench.questions.searches import best_of, file_key
from genbench.report.text import listing
from genbench.results.scores import parse
from genbench.results.study import Results
from genbench.statistics import factors
from genbench.statistics.factors import Grid

__all__ = ["ARCHITECTURE", "LOSS", "REGULARISATION", "GridSearch", "grids", "on", "steps_said"]

LOSS, REGULARISATION, ARCHITECTURE = "loss", "regularisation", "architecture"
ALSO = {"restraint": REGULARISATION}  # what a factor is called in older studies


@dataclass(frozen=True)
class GridSearch:
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
        """`name` for files."""
        return file_key(self.name)

    @property
    def tried(self) -> int:
        """Configurations of each cell."""
        return self.grid.test.shape[1]

    @property
    def budget(self) -> str:
        """Of how many configurations the best is meant, in words."""
        return best_of(self.grid.k, self.tried)


def grids(results: Results, needed: Sequence[str]) -> tuple[list[GridSearch], list[str]]:
    """Return grids with these factors in the order of datasets, and sentences on what is not in them."""
    if "levels" not in results.searched or not len(results.searched):
        return [], []
    rows = results.searched.reset_index(drop=True)
    levels = rows["levels"].map(lambda text: _named(parse(text)) if isinstance(text, str) else {})
    rows = rows.assign(_factors=levels.map(tuple))[levels.map(lambda each: set(needed) <= set(each))]
    found, said = [], []
    for dataset in [name for name in results.datasets if name in set(rows["dataset"])]:
        own = rows[rows["dataset"] == dataset]
        several = own.duplicated(["levels", "configuration", "seed"]).any() or own["_factors"].nunique() > 1
        for (_, model), part in own.groupby(["_factors", "model" if several else "dataset"], sort=False):
            name, names = f"{dataset}, {model}" if several else dataset, list(part["_factors"].iloc[0])
            if several and part.duplicated(["levels", "configuration", "seed"]).any():
                said.append(f"{name}: several grids of one model look alike and can't be told apart; give them other factors.")
                continue
            frame = part.assign(**{factor: levels[part.index].map(lambda each, f=factor: each[f]) for factor in names})
            frame = frame.astype({"validation": float, "test": float})
            try:
                grid = factors.grid(frame, names, results.k)
            except ValueError as error:
                said.append(f"{name}: no verdict, {error}.")
                continue
            title = METRICS[str(part["metric"].iloc[0])].title
            found.append(GridSearch(name, title, grid, _defaults(results, dataset, part, names), _steps(part)))
            if grid.left_out:
                shown = listing([*grid.left_out[:5], *([f"{len(grid.left_out) - 5} more"] if len(grid.left_out) > 5 else [])])
                said.append(f"{name}: left out, since they lack configurations that others tried: {shown}.")
    return found, said


def _named(levels: dict) -> dict:
    return {ALSO.get(factor, factor): level for factor, level in levels.items()}


def _defaults(results: Results, dataset: str, part: pd.DataFrame, names: list[str]) -> bool:
    """Whether all cells of the study that these trials may be of begin with the authors' defaults."""
    tunes = [
        cell.get("tune") or {}
        for cell in results.config.get("cells") or ()
        if set(_named(cell.get("grid") or {})) == set(names)
        and dataset in cell.get("datasets", ())
        and set(cell.get("models", ())) & set(part["model"])
    ]
    return bool(tunes) and all(tune.get("defaults", True) for tune in tunes)


def _steps(part: pd.DataFrame) -> bool:
    """Whether all trials are of one model and set equally many critic steps, or none."""
    nets = [parse(text) if isinstance(text, str) else None for text in part["net"].drop_duplicates()]
    return part["model"].nunique() == 1 and None not in nets and len({net.get("critic_steps", 0) for net in nets}) == 1


def steps_said(found: Sequence[GridSearch]) -> str:
    """Return a sentence on grids that give every crossing equally many critic steps; empty where none does."""
    where = on(found, [s.name for s in found if s.steps])
    said = "All crossings{} take equally many critic steps, those of the recipe, whatever the loss."
    return "" if where is None else said.format(where)


def on(found: Sequence[GridSearch], which: Sequence[str]) -> str | None:
    """Return where something is so: nothing to add if everywhere, None if nowhere."""
    if not which:
        return None
    return "" if len(which) == len(found) else f" on {listing(which)}"
