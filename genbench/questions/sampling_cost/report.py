"""Autoregressive models: training in parallel, sampling one number after the other."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.report.blocks import Chapter, Figure, Heading, Paragraph, Points, Table
from genbench.report.means import averaged
from genbench.report.style import inks, log_axis, seed_lines
from genbench.report.text import listing, value
from genbench.results.study import Answer, Results

__all__ = ["chapter"]

ABOUT = (
    "All conditionals of an image come out of one network pass in training, but a sample needs a pass for each number that is "
    "drawn, since the next is conditioned on it. Times are of all cores, or of a GPU, per example of a batch, of the "
    "loss and its gradient, and of drawing. The networks are the recipes', the same for every side. PixelCNN and row LSTM draw "
    "by passes over one row, the rows above being done; MADE's passes are whole. A row LSTM's memory runs down the rows in "
    "training, too. Flows and decoders need one pass for a sample and stand here for contrast."
)


def chapter(results: Results) -> Chapter | None:
    """What the experiment says of serial sampling; None where a study has none of it."""
    answer = results.answer("sampling_cost")
    return Chapter("autoregressive", "Parallel training, serial sampling", tuple(_cost(answer))) if answer else None


def _cost(answer: Answer) -> list:
    costs = answer.tables["costs"]
    costs = costs.assign(ratio=costs["sample_seconds"] / costs["train_seconds"])
    blocks: list = [Heading("What does a sample cost beside a training example?"), Paragraph(ABOUT)]
    for dataset, own in costs.groupby("dataset", sort=False):
        about = f"{answer.settings['batch']} examples at once; seeds repeat the timing: mean and its 95 % interval."
        blocks += [
            Points(tuple(_told(dataset, own))),
            Table.of_cells(f"cost_{dataset}", _rows(own), f"{dataset}: {about}"),
            Figure(f"cost_{dataset}", _drawn(own), f"{dataset}: seconds per example by the side of the image, and their ratio."),
        ]
    return blocks


def _told(dataset: str, costs: pd.DataFrame) -> list[str]:
    """How a sample's cost compares with a training example's on the largest images, and how the ratio grows."""
    largest = costs["side"].max()
    parts = dict(list(costs[costs["side"] == largest].groupby("model", sort=False)))
    each = [f"{value(averaged(part['ratio']))} for {m} ({_passes(part)})" for m, part in parts.items()]
    said = [f"{dataset}, side {largest}: a sample takes, in times of a training example, {listing(each)}."]
    if costs["side"].nunique() > 1:
        powers = {m: _power(costs[costs["model"] == m]) for m in parts}
        each = listing([f"{power:.1f} for {model}" for model, power in powers.items()])
        said.append(
            f"{dataset}: over these sides the ratio grows as the side to the power {each} "
            "(2 would be that of the number of pixels; slopes of straight lines through logarithms)."
        )
    return said


def _passes(costs: pd.DataFrame) -> str:
    count = int(costs["sample_passes"].iloc[0])
    return f"{count:,} pass{'' if count == 1 else 'es'}"


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


def _drawn(costs: pd.DataFrame) -> Drawing:
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
