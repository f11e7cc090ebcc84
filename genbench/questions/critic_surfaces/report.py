"""What critics look like near their optimum, in the report."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.drawing import grid, panels
from genbench.questions.phrases import INTERVALS, METHOD, failed, spread
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.text import plural
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "critics", 310
LEAD = (
    "Divide a critic's estimate by its largest gradient norm before you read it as a distance: then it is a lower bound on W1. "
    "The shares below show how much of W1 each critic finds."
)
ABOUT = (
    "Wasserstein critics alone learn to tell data from other data plus unit normal noise (Gulrajani et al. 2017, "
    "arXiv:1704.00028, figure 1b), in units of the data's standard deviation. A critic f whose gradient norm is at most s has "
    "an estimate E f(data) - E f(fakes) of at most s W1, on the same held-out points. So the estimate over the largest "
    "gradient norm and over W1 is 1 for an optimal critic, and at most 1 except where the largest norm was missed. Mean "
    "gradient norms are between data and fakes. Half-time / end: the estimate on other held-out data after half of the updates "
    "over that at the end, near 1 where the critic has converged."
)
MAPS = (
    "Values of the first seed's critics over the plane, dark where they are low, with lines at eight equal steps of each map's "
    "own range. Dots are data."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("critic_surfaces")) is None:
        return None
    critics, size = answer.tables["critics"], answer.settings
    lost, critics = failed(critics, ("dataset", "regularisation"), "critic"), critics[critics["status"] == "ok"]
    critics = critics.assign(share=critics["estimate"] / critics["gradient_max"] / critics["exact"])
    rows = []
    for (dataset, regularisation), part in critics.groupby(["dataset", "regularisation"], sort=False):
        columns = {"estimate": "estimate", "mean gradient norm": "gradient_mean", "largest gradient norm": "gradient_max"}
        columns |= {"estimate / largest norm / W1": "share", "half-time / end": "half"}
        row = {"dataset": dataset, "regularisation": regularisation, "seeds": len(part)}
        row |= {name: averaged(part[key]) for name, key in columns.items()}
        rows.append(row | {"exact W1": Mean(float(part["exact"].mean()))})  # of one set of points, not over seeds
    caption = (
        f"Critics of {size['depth']} hidden layers of {size['width']} after {size['updates']:,} updates, clipped at "
        f"{size['limit']:g} or with a penalty of weight {size['gp']:g}. {INTERVALS}"
    )
    maps = answer.tables["maps"]
    return (
        Heading("How much of the Wasserstein distance does a critic find?"),
        Paragraph(LEAD),
        Points((*(_said(str(name), part) for name, part in critics.groupby("regularisation", sort=False)), *lost)),
        *([Figure("surfaces", _maps(maps, answer.tables["points"]), MAPS)] if len(maps) else ()),
        Fold(METHOD, (Paragraph(ABOUT), Table.of_cells("surfaces", rows, caption))),
    )


def _said(name: str, part: pd.DataFrame) -> str:
    """What one regularisation makes of critics, over all datasets."""
    part = part.assign(ratio=part["estimate"] / part["exact"])
    norms, ratios, shares = (spread(part.groupby("dataset")[key].mean()) for key in ("gradient_mean", "ratio", "share"))
    return (
        f"{name.capitalize()}: the estimate is {ratios} times the exact W1, and {shares} times after division by the largest "
        f"gradient norm; the gradient norm between data and fakes is {norms} ({plural(part['dataset'].nunique(), 'dataset')})."
    )


def _maps(maps: pd.DataFrame, points: pd.DataFrame) -> Drawing:
    datasets, names = list(maps["dataset"].unique()), list(maps["regularisation"].unique())
    figure, axes = panels(len(datasets), len(names), 8.5 / len(names), 2.75)
    for row, dataset in zip(axes, datasets, strict=True):
        data = points[points["dataset"] == dataset]
        for ax, name in zip(row, names, strict=True):
            ax.set_title(f"{dataset}: {name}")
            own = maps[(maps["dataset"] == dataset) & (maps["regularisation"] == name)]
            if not len(own):
                continue
            x, y, values = grid(own, "value")
            ax.pcolormesh(x, y, values, cmap="viridis", shading="nearest", rasterized=True)
            levels = np.linspace(values.min(), values.max(), 10)[1:-1]
            if math.isfinite(levels[0]) and levels[0] < levels[-1]:
                ax.contour(x, y, values, levels=levels, colors="white", linewidths=0.6, linestyles="solid")
            ax.scatter(data["x"], data["y"], s=2, color="#f28e2b", linewidths=0, rasterized=True)
            ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    return figure
