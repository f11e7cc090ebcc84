"""What a generator learns from a critic that is far ahead of it, in the report."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.phrases import GEOMETRIC, INTERVALS, METHOD, factor, log_ratio, sign, trained
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.style import inks, seed_lines
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "gradients", 410
LEAD = (
    "Once the critic wins, a generator whose gradient vanishes has nothing left to learn from. If your critic gets far ahead, "
    "prefer a loss whose gradient stays."
)
ABOUT = (
    "Left: the derivative of the generator's loss by the critic's value at a sample, a factor of every gradient. Right: the "
    "gradient of the loss by the weights of a generator that keeps its initial weights while a critic learns to reject its "
    "samples (Arjovsky & Bottou 2017, arXiv:1701.04862, figures 2 and 3). Minimax and non-saturating generators face the same "
    "critics. The Wasserstein critic has a gradient penalty, the others have no regularisation. Factors are geometric means "
    "over seeds."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("generator_gradients")) is None:
        return None
    gradients = answer.tables["gradients"]
    rows, said = [], []
    for (dataset, loss), part in gradients.groupby(["dataset", "loss"], sort=False):
        norms = part.pivot(index="seed", columns="update", values="norm")
        first, last = norms[norms.columns[0]], norms[norms.columns[-1]]
        said.append(_said(dataset, loss, log_ratio(last / first)))
        found = {
            "gradient at the start": first,
            "gradient at the end": last,
            "log10 of end / start": np.log10(last / first),
            "critic's accuracy at the end": part.loc[part["update"] == part["update"].max(), "accuracy"],
        }
        head = {"dataset": dataset, "loss": loss, "seeds": len(norms)}
        rows.append(head | {name: averaged(each) for name, each in found.items()})
    caption = f"Norms of the generator's gradient before the critic learns and after {trained(answer.settings)}. {INTERVALS}"
    return (
        Heading("What does a generator learn from a critic that is far ahead?"),
        Paragraph(LEAD),
        Points(tuple(said)),
        Figure("ahead", _curves(answer.tables["curves"], gradients), f"Gradients of generators' losses. {GEOMETRIC}"),
        Fold(METHOD, (Paragraph(ABOUT), Table.of_cells("ahead", rows, caption))),
    )


def _said(dataset: str, loss: str, change: Mean) -> str:
    """Whether a loss's gradient falls or grows, by the interval of its logarithm."""
    verb = sign(change, "grows", "falls", "does not clearly change")
    times = f"{factor(change)} times" if math.isfinite(change.mean) else "0 in single precision in at least one seed, against"
    return f"{dataset}, {loss.replace('_', ' ')} loss: the gradient {verb}; at the end it is {times} that at the start."


def _curves(curves: pd.DataFrame, gradients: pd.DataFrame) -> Drawing:
    losses, datasets = list(curves["loss"].unique()), list(gradients["dataset"].unique())
    colours = inks(losses)
    dash = {loss: "--" if loss == "hinge" else "-" for loss in losses}  # it lies on the Wasserstein loss's line
    figure = Drawing(figsize=(11.5, 3.3), layout="constrained")
    axes = figure.subplots(1, 1 + len(datasets))
    for loss, part in curves.groupby("loss", sort=False):
        axes[0].plot(part["value"], part["gradient"], color=colours[loss], lw=1.6, ls=dash[loss], label=loss.replace("_", " "))
    axes[0].set(xlabel="critic's value at a sample", ylabel="derivative of the generator's loss", ylim=(-3, 3))
    axes[0].legend(fontsize=7.5)
    for ax, dataset in zip(axes[1:], datasets, strict=True):
        for loss, part in gradients[gradients["dataset"] == dataset].groupby("loss", sort=False):
            seed_lines(ax, part, "update", "norm", colours[loss], geometric=True, ls=dash[loss])
        ax.set(yscale="log", xlabel="updates of the critic", title=dataset)
    axes[1].set_ylabel("generator's gradient norm")
    return figure
