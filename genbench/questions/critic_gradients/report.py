"""Gradients: through a deep critic, and from a critic that is far ahead to its generator."""

import math

import numpy as np
import pandas as pd
from genbench.report.chapters.critics import failed
from matplotlib.figure import Figure as Drawing

from genbench.report.blocks import Chapter, Figure, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.style import inks, seed_lines
from genbench.report.text import number
from genbench.results.study import Answer, Results

__all__ = ["chapter"]

DEEP = (
    "A deep Wasserstein critic alone, trained to tell data from other data plus unit normal noise. Gradients are those of its "
    "value by the output of each hidden layer, at held-out data and fakes (Gulrajani et al. 2017, arXiv:1704.00028, figure 2, "
    "where a generator trains, too). Initial weights beyond the limit of clipping are cut to it at the first update: the share "
    "of trained weights at the limit has to be read beside that at the start. Factors are geometric means over seeds, in "
    "brackets their 95 % intervals."
)
AHEAD = (
    "What a generator is told, where the critic rejects its samples, depends on its loss. Left: the derivative of its loss by "
    "the critic's value at a sample, a factor of every gradient. Right: the gradient of the loss by the weights of a generator "
    "that keeps its initial weights while a critic learns to reject it (Arjovsky & Bottou 2017, arXiv:1701.04862, figures 2 and "
    "3). Minimax and non-saturating generators face the same critics. The Wasserstein critic has a gradient penalty, the others "
    "have no restraint. Factors compare the end with the start: geometric means over seeds, in brackets their 95 % intervals."
)


def chapter(results: Results) -> Chapter | None:
    """What the experiments say of gradients; None where a study has none of them."""
    deep, ahead = results.answer("critic_gradients"), results.answer("generator_gradients")
    blocks = [*(_deep(deep) if deep else ()), *(_ahead(ahead) if ahead else ())]
    return Chapter("gradients", "What gradients are left", tuple(blocks)) if blocks else None


def _fold(ratios: pd.Series) -> Mean:
    """Mean and half-width of the decimal logarithms of positive ratios; of a ratio of 0 there is none."""
    logs = np.log10(ratios[ratios > 0])
    return averaged(logs) if len(logs) == len(ratios.dropna()) else Mean()


def _times(cell: Mean) -> str:
    """A factor with its interval: the geometric mean over seeds."""
    if math.isnan(cell.mean):
        return "to nothing that single precision can hold, in one seed at least"
    ends = f" ({_power(cell.mean - cell.half)} to {_power(cell.mean + cell.half)})"
    return f"by a factor of {_power(cell.mean)}{ends if math.isfinite(cell.half) else ''}"


def _power(x: float) -> str:
    """10^x, however small."""
    return number(10**x, 2) if -4 < x < 4 else f"{10 ** min(x, 300):.1e}"


# ---- through a deep critic


def _deep(answer: Answer) -> list:
    gradients, weights, size = answer.tables["gradients"], answer.tables["weights"], answer.settings
    rows, said = [], []
    for (dataset, restraint), part in weights[weights["status"] == "ok"].groupby(["dataset", "restraint"], sort=False):
        own = gradients[(gradients["dataset"] == dataset) & (gradients["restraint"] == restraint)]
        own = own[own["seed"].isin(part["seed"])]
        norms = own.pivot(index="seed", columns="layer", values="norm")
        ratio = norms[norms.columns[0]] / norms[norms.columns[-1]]
        fold = _fold(ratio)
        said.append(f"{dataset}, {restraint}: from the last hidden layer down to the first, gradients change {_times(fold)}.")
        clipped = math.isfinite(part["limit"].iloc[0])
        found = {
            "gradient at the last layer": norms[norms.columns[-1]],
            "log10 of first / last": np.log10(ratio.where(ratio > 0)),
            "at the limit at the start": part["at_start"] if clipped else part["at_start"] * np.nan,
            "at the limit": part["at_limit"] if clipped else part["at_limit"] * np.nan,
            "largest weight": part["largest"],
            "estimate": part["estimate"],
        }
        head = {"dataset": dataset, "restraint": restraint, "seeds": len(part)}
        rows.append(head | {name: averaged(each) for name, each in found.items()})
    caption = (
        f"Critics of {size['depth']} hidden layers of {size['width']} after {size['updates']} updates: mean over seeds and its "
        "95 % interval. At the limit: share of weights within a thousandth of it."
    )
    figure = _layers(gradients, answer.tables["histograms"])
    return [
        Heading("Do gradients pass a deep critic?"),
        Paragraph(DEEP),
        Points((*said, *failed(weights))),
        Table.of_cells("deep", rows, caption),
        Figure(
            "deep",
            figure,
            "Length of the gradient by layer (a thin line per seed, the geometric mean thick), and where the weights end.",
        ),
    ]


def _layers(gradients: pd.DataFrame, histograms: pd.DataFrame) -> Drawing:
    restraints, datasets = list(gradients["restraint"].unique()), list(gradients["dataset"].unique())
    colours = inks(restraints)
    figure = Drawing(figsize=(11.5, 2.9 * len(datasets)), layout="constrained")
    axes = figure.subplots(len(datasets), 1 + len(restraints), squeeze=False, width_ratios=[2.2, *[1] * len(restraints)])
    for row, dataset in zip(axes, datasets, strict=True):
        for place, restraint in enumerate(restraints):
            own = gradients[(gradients["dataset"] == dataset) & (gradients["restraint"] == restraint) & (gradients["norm"] > 0)]
            seed_lines(row[0], own, "layer", "norm", colours[restraint], geometric=True, label=restraint)
            bars = histograms[(histograms["dataset"] == dataset) & (histograms["restraint"] == restraint)]
            ax = row[1 + place]
            ax.bar(bars["left"], bars["share"], bars["right"] - bars["left"], align="edge", color=colours[restraint], lw=0)
            ax.set_title(restraint, size=8.5)
            ax.set_xlabel("weight")
            ax.tick_params(labelsize=7)
            ax.xaxis.get_major_locator().set_params(nbins=3)
        row[0].set(yscale="log", xlabel="hidden layer", ylabel="gradient", title=dataset)
        row[1].set_ylabel("share of weights")
        row[0].legend(fontsize=7.5)
    return figure


# ---- from a critic that is far ahead


def _ahead(answer: Answer) -> list:
    gradients, size = answer.tables["gradients"], answer.settings
    rows, said = [], []
    for (dataset, loss), part in gradients.groupby(["dataset", "loss"], sort=False):
        norms = part.pivot(index="seed", columns="update", values="norm")
        fold = _fold(norms[norms.columns[-1]] / norms[norms.columns[0]])
        last = part[part["update"] == part["update"].max()]
        said.append(_told(dataset, loss, fold))
        found = {
            "gradient at the start": norms[norms.columns[0]],
            "gradient in the end": norms[norms.columns[-1]],
            "log10 of end / start": np.log10(norms[norms.columns[-1]] / norms[norms.columns[0]]),
            "critic's accuracy in the end": last["accuracy"],
        }
        head = {"dataset": dataset, "loss": loss, "seeds": len(norms)}
        rows.append(head | {name: averaged(each) for name, each in found.items()})
    caption = (
        f"Gradients by the generator's weights before the critic learns and after {size['updates']} of its updates of "
        f"{size['batch']} examples: mean over seeds and its 95 % interval."
    )
    return [
        Heading("What does a critic that is far ahead tell its generator?"),
        Paragraph(AHEAD),
        Points(tuple(said)),
        Table.of_cells("ahead", rows, caption),
        Figure(
            "ahead", _curves(answer.tables["curves"], gradients), "A thin line per seed, the geometric mean over seeds thick."
        ),
    ]


def _told(dataset: str, loss: str, fold: Mean) -> str:
    """Whether a loss's gradient falls or grows, by the interval of its logarithm."""
    if not math.isfinite(fold.half) or abs(fold.mean) <= fold.half:
        verb = "does not clearly fall or grow: it changes"
    else:
        verb = "falls: it changes" if fold.mean < 0 else "grows: it changes"
    return f"{dataset}, {loss.replace('_', ' ')}: the gradient {verb} {_times(fold)}."


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
    axes[1].set_ylabel("generator's gradient")
    return figure
