"""Densities of a flow of layers and of a continuous one on the same planar data, in the report."""

import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.drawing import density, panels
from genbench.questions.phrases import INTERVALS, METHOD, gap, sign, trained
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.text import listing, number, value
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "continuous", 1120
LEAD = (
    "A flow of layers has to bend a normal distribution by steps with a cheap inverse, a continuous flow has no such limit. "
    "The maps show what each leaves behind: bridges between modes, holes, rough edges."
)
ABOUT = (
    "All models train for the same number of updates by their recipes (Grathwohl et al. 2018, arXiv:1810.01367, figure 2). "
    "Lower nats are better, and no model can have fewer than the data's entropy, up to the chance of the test points. Two "
    "models are compared by Welch's interval of their difference over seeds."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("flow_densities")) is None:
        return None
    nll, maps, snapshots = (answer.tables[name] for name in ("nll", "maps", "snapshots"))
    rows, said = [], []
    for dataset, own in nll.groupby("dataset", sort=False):
        parts = dict(list(own.groupby("model", sort=False)))
        excess = {model: averaged(part["nll"] - part["entropy"]) for model, part in parts.items()}
        rows += [
            {
                "dataset": dataset,
                "model": model,
                "nats per test point": averaged(part["nll"]),
                "above the entropy": excess[model],
                "seconds": Mean(float(part["seconds"].mean())),
            }
            for model, part in parts.items()
        ]
        each = listing([f"{model} {value(cell)}" for model, cell in excess.items()])
        said.append(
            f"{dataset}: nats per test point above the data's entropy ({number(own['entropy'].iloc[0], 4)}): "
            f"{each}{_nearer(excess)}."
        )
    caption = f"{trained(answer.settings, 'points')}; seconds are of all cores, or of a GPU, for one training. {INTERVALS}"
    blocks = [
        Heading("What do layers and continuous time make of the same points?"),
        Paragraph(LEAD),
        Points(tuple(said)),
        Figure(
            "densities", _maps(maps), "Densities of the data (left) and of the first seed's models. A row has one colour scale."
        ),
    ]
    if len(snapshots):
        label = f"{snapshots['model'].iloc[0]}: the density of {snapshots['dataset'].iloc[0]} on its way to the normal, by time."
        blocks.append(Figure("snapshots", _snapshots(snapshots), label))
    return (*blocks, Fold(METHOD, (Paragraph(ABOUT), Table.of_cells("densities", rows, caption))))


def _nearer(excess: dict[str, Mean]) -> str:
    """Which of two models is nearer, if Welch's interval of their difference over seeds leaves out 0."""
    if len(excess) != 2:
        return ""
    (a, first), (b, second) = excess.items()
    return "; " + sign(
        gap(first.values, second.values), f"{b} is nearer", f"{a} is nearer", "too few seeds to tell which is nearer"
    )


def _maps(maps: pd.DataFrame) -> Drawing:
    datasets, models = list(maps["dataset"].unique()), list(maps["model"].unique())
    figure, axes = panels(len(datasets), len(models), 2.7, 2.75)
    for row, dataset in zip(axes, datasets, strict=True):
        own = maps[maps["dataset"] == dataset]
        top = own.loc[own["model"] == "data", "density"].quantile(0.999)
        for ax, model in zip(row, models, strict=True):
            density(ax, own[own["model"] == model], top)
            ax.set_title(f"{dataset}: {model}")
    return figure


def _snapshots(snapshots: pd.DataFrame) -> Drawing:
    times = list(snapshots.groupby("time"))
    figure, axes = panels(1, len(times), 1.9, 2.1)
    for ax, (time, part) in zip(axes[0], times, strict=True):
        density(ax, part, part["density"].quantile(0.999))
        ax.set_title(f"t = {time:.1f}")
    return figure
