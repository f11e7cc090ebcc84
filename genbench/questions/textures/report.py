"""A maximum-entropy model of one texture, beside a Gaussian one, in the report."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.report.blocks import Chapter, Figure, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.style import inks, seed_lines
from genbench.report.text import number, value
from genbench.results.study import Answer, Results

__all__ = ["chapter"]

KINDS = ("the example", "maximum entropy", "random phase")
ABOUT = (
    "A law is fitted to one image: of all laws with its mean statistics, moduli of wavelet responses and a histogram, the one "
    "nearest to a Gaussian field with its spectrum (Bruna & Mallat 2018, arXiv:1801.02013; De Bortoli et al. 2021, "
    "arXiv:1912.01691). It is an energy-based model that is linear in its parameters, sampled by the same Langevin chains, whose "
    "maximum likelihood is E f(x) = f(x0). Whether a fit came there is measured on the mean along its updates, in which the "
    "parameters still move and follow the chain; a chain at fixed parameters may be farther off. Random phases (Galerne et al. "
    "2011) are nearly the base measure, but with the example's amplitudes fixed. Textures come from known processes, so other "
    "examples of each can be made."
)


def chapter(results: Results) -> Chapter | None:
    """What the experiment says; None where a study does not ask."""
    answer = results.answer("textures")
    return Chapter("textures", "Textures from one example", tuple(_blocks(answer))) if answer else None


def _blocks(answer: Answer) -> list:
    distances, mismatch, size = (answer.tables["distances"], answer.tables["mismatch"], answer.settings)
    rows, said = [], []
    for texture, part in distances.groupby("texture", sort=False):
        wide = part.pivot(index="seed", columns="kind", values="distance")
        last = mismatch[(mismatch["texture"] == texture) & (mismatch["update"] == mismatch["update"].max())]
        gain, fitted = averaged(wide["random phase"] - wide["maximum entropy"]), averaged(last["random_phase"] - last["mismatch"])
        said.append(
            f"{texture}: maximum-entropy images are at {number(wide['maximum entropy'].mean(), 2)} standard deviations from "
            f"other examples of the texture, those of random phases at {number(wide['random phase'].mean(), 2)} (difference "
            f"{value(gain)}: {_verdict(gain)}), other examples at {number(wide['other examples'].mean(), 2)} from their rest."
        )
        met = "" if fitted.mean > fitted.half else "; the constraint is not seen to be met any better"
        said.append(
            f"{texture}: the fitted statistics end {number(last['mismatch'].mean(), 2)} standard deviations from the example's, "
            f"the constraint asks for 0, and those of random phases are at {number(last['random_phase'].mean(), 2)} (difference "
            f"{value(fitted)}: {_verdict(fitted)}{met})."
        )
        found = {"other examples": Mean(wide["other examples"].mean())} | {kind: averaged(wide[kind]) for kind in KINDS}
        found["fitted statistics"] = averaged(last["mismatch"])
        found["fitted statistics, random phase"] = averaged(last["random_phase"])
        rows.append({"texture": texture, "seeds": len(wide), **found})
    caption = (
        "Root mean square distance of statistics that nothing is fitted to (third moments and mean moduli of random filters, "
        "both blind to the spectrum) from their mean over other examples, in these' standard deviations; and mismatch of the "
        "mean fitted statistics with the example's, in standard deviations under the Gaussian field. Mean over examples and its "
        "95 % interval; other examples are the same for all, each compared with the rest."
    )
    return [
        Paragraph(ABOUT),
        Points(tuple(said)),
        Figure("images", _images(answer.tables["pictures"]), "An example, what its model makes, and random phases."),
        Table.of_cells("distances", rows, caption),
        Figure(
            "mismatch",
            _curves(mismatch),
            f"Mismatch of the fitted statistics along {size['updates']:,} updates (a thin line per example, the mean thick): of "
            "their mean over the second half of the updates so far; dashed, that of a few images of random phases.",
        ),
    ]


def _verdict(gain: Mean) -> str:
    """Whether models are nearer than random phases, by how much farther these are."""
    return "nearer" if gain.mean > gain.half else "further" if gain.mean < -gain.half else "not told apart"


def _images(pictures: pd.DataFrame) -> Drawing:
    textures = list(pictures["texture"].unique())
    figure = Drawing(figsize=(2.1 * len(textures), 6.2), layout="constrained")
    axes = figure.subplots(len(KINDS), len(textures), squeeze=False)
    for column, texture in zip(axes.T, textures, strict=True):
        for ax, kind in zip(column, KINDS, strict=True):
            part = pictures[(pictures["texture"] == texture) & (pictures["kind"] == kind)]
            image = part.pivot(index="row", columns="column", values="value")
            ax.imshow(image, cmap="gray", vmin=-2.5, vmax=2.5)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        column[0].set_title(texture)
    for ax, kind in zip(axes[:, 0], KINDS, strict=True):
        ax.set_ylabel(kind)
    return figure


def _curves(mismatch: pd.DataFrame) -> Drawing:
    textures = list(mismatch["texture"].unique())
    colours = inks(textures)
    figure = Drawing(figsize=(3.6 * len(textures), 2.8), layout="constrained")
    for ax, texture in zip(figure.subplots(1, len(textures), sharey=True, squeeze=False)[0], textures, strict=True):
        part = mismatch[mismatch["texture"] == texture]
        seed_lines(ax, part, "update", "mismatch", colours[texture])
        ax.axhline(np.mean(part.groupby("seed")["random_phase"].first()), color="#555", lw=1, ls="--")
        ax.set(xlabel="update", title=texture)
    means = mismatch.groupby(["texture", "update"])[["mismatch", "random_phase"]].mean()
    figure.axes[0].set(ylabel="mismatch", ylim=(0, 1.1 * means.max(axis=None)))
    return figure
