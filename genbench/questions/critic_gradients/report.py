"""How gradients pass a deep critic, in the report."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.phrases import GEOMETRIC, INTERVALS, METHOD, factor, failed, log_ratio
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import averaged
from genbench.report.style import inks, seed_lines
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "gradients", 400
LEAD = (
    "A deep critic learns slowly where gradients shrink or grow by orders of magnitude from layer to layer. Check this before "
    "you clip weights: a limit that suits three layers may not suit twelve."
)
ABOUT = (
    "A deep Wasserstein critic alone learns to tell data from other data plus unit normal noise. Gradients are those of its "
    "value by the output of each hidden layer, at held-out data and fakes (Gulrajani et al. 2017, arXiv:1704.00028, figure 2, "
    "where a generator trains, too). Factors are geometric means over seeds. Initial weights beyond the clipping limit are cut "
    "to it at the first update, so read the share of trained weights at the limit beside that at the start. At the limit means "
    "within a thousandth of it."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("critic_gradients")) is None:
        return None
    gradients, weights, size = answer.tables["gradients"], answer.tables["weights"], answer.settings
    rows, said = [], []
    for (dataset, name), part in weights[weights["status"] == "ok"].groupby(["dataset", "regularisation"], sort=False):
        own = gradients[(gradients["dataset"] == dataset) & (gradients["regularisation"] == name)]
        norms = own[own["seed"].isin(part["seed"])].pivot(index="seed", columns="layer", values="norm")
        ratio = norms[norms.columns[0]] / norms[norms.columns[-1]]
        change = log_ratio(ratio)
        times = f"{factor(change)} times" if math.isfinite(change.mean) else "0 in single precision in at least one seed, against"
        said.append(f"{dataset}, {name}: the gradient at the first hidden layer is {times} that at the last.")
        clipped = 1 if math.isfinite(part["limit"].iloc[0]) else math.nan
        found = {
            "gradient at the last layer": norms[norms.columns[-1]],
            "log10 of first / last": np.log10(ratio.where(ratio > 0)),
            "at the limit at the start": part["at_start"] * clipped,
            "at the limit": part["at_limit"] * clipped,
            "largest weight": part["largest"],
            "estimate": part["estimate"],
        }
        head = {"dataset": dataset, "regularisation": name, "seeds": len(part)}
        rows.append(head | {title: averaged(each) for title, each in found.items()})
    caption = f"Critics of {size['depth']} hidden layers of {size['width']} after {size['updates']:,} updates. {INTERVALS}"
    figure = _layers(gradients, answer.tables["histograms"])
    return (
        Heading("Do gradients pass a deep critic?"),
        Paragraph(LEAD),
        Points((*said, *failed(weights, ("dataset", "regularisation"), "critic"))),
        Figure("deep", figure, f"Norm of the gradient by layer, and histograms of the trained weights. {GEOMETRIC}"),
        Fold(METHOD, (Paragraph(ABOUT), Table.of_cells("deep", rows, caption))),
    )


def _layers(gradients: pd.DataFrame, histograms: pd.DataFrame) -> Drawing:
    names, datasets = list(gradients["regularisation"].unique()), list(gradients["dataset"].unique())
    colours = inks(names)
    figure = Drawing(figsize=(11.5, 2.9 * len(datasets)), layout="constrained")
    axes = figure.subplots(len(datasets), 1 + len(names), squeeze=False, width_ratios=[2.2, *[1] * len(names)])
    for row, dataset in zip(axes, datasets, strict=True):
        for ax, name in zip(row[1:], names, strict=True):
            own, bars = (
                each[(each["dataset"] == dataset) & (each["regularisation"] == name)] for each in (gradients, histograms)
            )
            seed_lines(row[0], own[own["norm"] > 0], "layer", "norm", colours[name], geometric=True, label=name)
            ax.bar(bars["left"], bars["share"], bars["right"] - bars["left"], align="edge", color=colours[name], lw=0)
            ax.set_title(name, size=8.5)
            ax.set_xlabel("weight")
            ax.tick_params(labelsize=7)
            ax.xaxis.get_major_locator().set_params(nbins=3)
        row[0].set(yscale="log", xlabel="hidden layer", ylabel="gradient norm", title=dataset)
        row[1].set_ylabel("share of weights")
        row[0].legend(fontsize=7.5)
    return figure
