"""What a sample costs beside a training example, in the report."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.phrases import INTERVALS, METHOD
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import averaged
from genbench.report.style import inks, log_axis, seed_lines
from genbench.report.text import count, listing, value
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "autoregressive", 1200
LEAD = (
    "Autoregressive models train in parallel and sample one number after the other. If you need many samples of large images, "
    "the ratio below is the price."
)
ABOUT = (
    "All conditionals of an image come out of one network pass in training, but a sample needs a pass for each number that is "
    "drawn, since the next is conditioned on it. Times are of all cores, or of a GPU, per example of a batch, of the loss and "
    "its gradient, and of drawing. The networks are the recipes', the same for every side. PixelCNN and row LSTM draw by "
    "passes over one row, the rows above being done; MADE's passes are whole. A row LSTM's memory runs down the rows in "
    "training, too. Flows and decoders need one pass for a sample and stand here for contrast. The power of growth is the "
    "slope of a straight line through logarithms; that of the number of pixels is 2."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("sampling_cost")) is None:
        return None
    costs = answer.tables["costs"].assign(ratio=lambda f: f["sample_seconds"] / f["train_seconds"])
    said, figures, tables = [], [], []
    for dataset, own in costs.groupby("dataset", sort=False):
        caption = f"{dataset}: {answer.settings['batch']} examples at once; seeds repeat the timing. {INTERVALS}"
        said += _said(dataset, own)
        tables.append(Table.of_cells(f"cost_{dataset}", _rows(own), caption))
        drawn = f"{dataset}: seconds per example by the side of the image, and their ratio."
        figures.append(Figure(f"cost_{dataset}", _costs(own), drawn))
    return (
        Heading("What does a sample cost beside a training example?"),
        Paragraph(LEAD),
        Points(tuple(said)),
        *figures,
        Fold(METHOD, (Paragraph(ABOUT), *tables)),
    )


def _said(dataset: str, costs: pd.DataFrame) -> list[str]:
    """How a sample's cost compares with a training example's on the largest images, and how the ratio grows."""
    largest = costs["side"].max()
    parts = dict(list(costs[costs["side"] == largest].groupby("model", sort=False)))
    each = listing([f"{value(averaged(part['ratio']))} for {m} ({_passes(part)})" for m, part in parts.items()])
    said = [f"{dataset}, side {largest}: a sample takes this many times as long as a training example: {each}."]
    if costs["side"].nunique() > 1:
        powers = {m: _power(costs[costs["model"] == m]) for m in parts}
        each = listing([f"{power + 0.0:.1f} for {model}" for model, power in powers.items()])
        said.append(f"{dataset}: the ratio grows as the side to the power of {each}.")
    return said


def _passes(costs: pd.DataFrame) -> str:
    passes = int(costs["sample_passes"].iloc[0])
    return "1 pass" if passes == 1 else f"{count(passes)} passes"


def _power(costs: pd.DataFrame) -> float:
    ratio = costs.groupby("side")["ratio"].mean()
    return float(np.polyfit(np.log(ratio.index), np.log(ratio), 1)[0])


def _rows(costs: pd.DataFrame) -> list[dict]:
    rows = []
    for (model, side), part in costs.groupby(["model", "side"], sort=False):
        one = part.iloc[0]
        rows.append(
            {
                "model": model,
                "side": side,
                "training, ms per example": averaged(1000 * part["train_seconds"]),
                "sampling, ms per sample": averaged(1000 * part["sample_seconds"]),
                "sampling / training": averaged(part["ratio"]),
                "passes, training": int(one["train_passes"]),
                "passes, sample": int(one["sample_passes"]),
                "FLOPs, sample / training": one["sample_flops"] / one["train_flops"] if one["train_flops"] else math.nan,
            }
        )
    return rows


def _costs(costs: pd.DataFrame) -> Drawing:
    models, sides = list(costs["model"].unique()), sorted(costs["side"].unique())
    colours = inks(models)
    figure = Drawing(figsize=(11.5, 3.6), layout="constrained")
    axes = figure.subplots(1, 3)
    axes[0].sharey(axes[1])
    titles = {"train_seconds": "a training example", "sample_seconds": "a sample", "ratio": "a sample / a training example"}
    for ax, (column, title) in zip(axes, titles.items(), strict=True):
        for model, part in costs.groupby("model", sort=False):
            seed_lines(ax, part, "side", column, colours[model], geometric=True, label=model, marker="o", ms=4)
        ax.set(xscale="log", yscale="log", xlabel="side of the image", title=title)
        ax.set_xticks(sides, [str(side) for side in sides])
        ax.minorticks_off()
        log_axis(ax.yaxis, costs[column].min(), costs[column].max())
    axes[0].set_ylabel("seconds")
    axes[2].axhline(1, color="#333", lw=1, ls=(0, (4, 3)))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=len(models))
    return figure
