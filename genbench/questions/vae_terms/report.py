"""What each term of a VAE's objective does to its latents, in the report."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from genbench.questions.drawing import sheet
from genbench.questions.phrases import INTERVALS, METHOD, trained
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import averaged
from genbench.report.style import inks
from genbench.report.text import number, percent, value
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "autoencoders", 910
AT_PRIOR = 0.05  # nats of KL below which an encoder is the prior
COLUMNS = {"reconstruction": "reconstruction", "kl": "KL", "spread": "spread of z", "accuracy": "neighbours' accuracy"}
LEAD = (
    "The reconstruction makes latents tell examples apart, the KL makes them look like the prior. Samples need both: they start "
    "from the prior, and the decoder has to have seen such latents."
)
ABOUT = (
    "VAEs with two latent numbers are trained on the reconstruction alone, on the KL alone and on both. Reconstruction and KL "
    "are those of the test split; where both were trained, their sum is the negative bound. The spread is the standard "
    "deviation of z as the encoder draws it, over all test examples: it is 1 under the prior. Neighbours' accuracy: the share "
    "of test examples whose class has most votes among the 10 nearest training means."
)
CODES = "Means of test examples by class, first seed. Circle: two standard deviations of the prior. A few far ones are cut off."
PATHS = (
    "First seed, trained on both terms. Left: images decoded from a grid at quantiles of the prior (Kingma & Welling 2013, "
    "arXiv:1312.6114, figure 4). Right: paths between the means of two test examples of different classes, each along a great "
    "circle (norms change evenly) and, below it, straight."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("vae_terms")) is None:
        return None
    rows, said, figures = [], [], []
    for dataset, part in answer.tables["scores"].groupby("dataset", sort=False):
        cells = {t: {key: averaged(own[key]) for key in COLUMNS} for t, own in part.groupby("terms", sort=False)}
        rows += [{"dataset": dataset, "trained on": t} | {COLUMNS[k]: c for k, c in each.items()} for t, each in cells.items()]
        codes, pictures = (each[each["dataset"] == dataset] for each in (answer.tables["codes"], answer.tables["pictures"]))
        said += [f"{dataset}, {each}" for each in _said(cells, len(pictures["pixels"].iloc[0]))]
        figures.append(Figure(f"codes-{dataset}", _codes(codes), f"{dataset}. {CODES}"))
        figures.append(Figure(f"latents-{dataset}", _latents(pictures), f"{dataset}. {PATHS}"))
    caption = f"Bits per dimension of the test split after {trained(answer.settings)}. {INTERVALS}"
    return (
        Heading("What does each term of the bound do to the latents?"),
        Paragraph(LEAD),
        Points(tuple(said)),
        *figures,
        Fold(METHOD, (Paragraph(ABOUT), Table.of_cells("terms", rows, caption))),
    )


def _said(cells: dict[str, dict], pixels: int) -> list[str]:
    """What each of the three objectives makes of the latents."""
    alone, prior, both = (cells[terms] for terms in ("reconstruction only", "KL only", "both"))
    nats = prior["kl"].mean * math.log(2) * pixels  # images are grey
    ended = "ends at the prior" if nats < AT_PRIOR else "does not reach the prior"

    def told(cell: dict) -> str:
        return (
            f"{value(cell['kl'])} bits/dim of KL, a spread of {value(cell['spread'])}, "
            f"and neighbours find {percent(cell['accuracy'].mean)} of the classes"
        )

    return [
        f"reconstruction only: {told(alone)}; it reconstructs at {value(alone['reconstruction'])} bits/dim.",
        f"KL only: the encoder {ended} ({number(nats, 2)} nats of KL), and neighbours find {percent(prior['accuracy'].mean)} of "
        "the classes.",
        f"both: {told(both)}; it reconstructs at {value(both['reconstruction'])} bits/dim.",
    ]


def _codes(codes: pd.DataFrame) -> Drawing:
    names = list(codes["terms"].unique())
    colours = inks(sorted(codes["label"].unique()))
    figure = Drawing(figsize=(3.6 * len(names), 3.5), layout="constrained")
    turn = np.linspace(0, 2 * np.pi, 200)
    for ax, terms in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        part = codes[codes["terms"] == terms]
        for label, own in part.groupby("label"):
            ax.scatter(own["z1"], own["z2"], s=5, lw=0, color=colours[label], label=str(label))
        ax.plot(2 * np.cos(turn), 2 * np.sin(turn), color="#333", lw=0.8, ls="--")
        reach = max(2.6, 1.3 * float(part[["z1", "z2"]].abs().quantile(0.98).max()))
        ax.set(title=terms, xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="z1", ylabel="z2")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", markerscale=2.5, title="class")
    return figure


def _latents(pictures: pd.DataFrame) -> Drawing:
    figure = Drawing(figsize=(11.5, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _sheet(left, pictures[pictures["kind"] == "grid"])
    left.set(title="grid of latents", xlabel="z1", ylabel="z2")
    paths = pictures[pictures["kind"] != "grid"]
    _sheet(right, paths.assign(row=2 * paths["row"] + (paths["kind"] == "linear")))
    right.set_title("paths: great circle, straight, by pair")
    return figure


def _sheet(ax: Axes, pictures: pd.DataFrame) -> None:
    """Images at their rows and columns."""
    height, width, levels = (int(pictures[key].iloc[0]) for key in ("height", "width", "levels"))
    images = np.full((pictures["row"].max() + 1, pictures["column"].max() + 1, height, width), np.nan)
    images[pictures["row"], pictures["column"]] = np.stack(pictures["pixels"]).reshape(-1, height, width) / (levels - 1)
    sheet(ax, images)
