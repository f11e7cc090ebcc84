"""What an update of an energy-based model costs, by the trials of a study, in the report."""

import pandas as pd

from genbench.questions.phrases import INTERVALS, METHOD
from genbench.report.blocks import Block, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import averaged
from genbench.report.text import number, plural
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "energies", 620
FAMILY = "ebm"
LEAD = "Energy-based models that train for equally many updates do not spend the same: compare them by network passes, too."
ABOUT = (
    "Network passes per example and update, counted in training, forward and Langevin alike; backward passes of the weights' "
    "gradient come on top. Chains need a pass for each step, one for the data and one for their own ends; score matching needs "
    "one; the derivative of it that sliced score matching takes is not counted. Recovery likelihood runs its chains at one noise "
    "level per example. A generalised energy has no chains in training, but passes of a critic and a generator in turn."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return costs by dataset and model; None for a study with fewer than two energy-based models that ended well."""
    trials = results.trials[(results.trials["family"] == FAMILY) & (results.trials["status"] == "ok")]
    if trials["model"].nunique() < 2:
        return None
    rows = []
    for (dataset, model), part in trials.groupby(["dataset", "model"], sort=False):
        each = {name: pd.to_numeric(part[f"cost_{name}"]) for name in ("evaluations", "samples", "seconds", "updates")}
        passes = (each["evaluations"] / each["samples"]).mean()
        time = averaged(1000 * each["seconds"] / each["updates"])
        rows.append({"dataset": dataset, "model": model, "seeds": len(part), "passes": passes, "ms per update": time})
    low, high = (pick(rows, key=lambda row: row["passes"]) for pick in (min, max))
    ends = " to ".join(f"{number(row['passes'])} for {row['model']} on {row['dataset']}" for row in (low, high))
    caption = f"Network passes per example and update, and milliseconds on the study's machine: {plural(len(trials), 'trial')}. "
    return (
        Heading("What does an update cost?"),
        Paragraph(LEAD),
        Points((f"An update takes from {ends} passes per example.",)),
        Fold(METHOD, (Paragraph(ABOUT), Table.of_cells("costs", rows, caption + INTERVALS))),
    )
