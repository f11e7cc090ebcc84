"""A maximum-entropy model of one texture, beside a Gaussian one, in the report."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.drawing import blank
from genbench.questions.phrases import LINES, METHOD, sign
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.style import inks, seed_lines
from genbench.report.text import number, value
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "textures", 700
KINDS = ("the example", "maximum entropy", "random phase")
NEARER = ("nearer than", "farther than", "not clearly nearer than")
LEAD = (
    "One image can be enough to model a texture. Compare the distances below: what is no farther from other examples of the "
    "texture than these are from each other passes for one."
)
ABOUT = (
    "A distribution is fitted to one image: of all with its mean statistics, moduli of wavelet responses and a histogram, the "
    "one nearest to a Gaussian field with its spectrum (Bruna & Mallat 2018, arXiv:1801.02013; De Bortoli et al. 2021, "
    "arXiv:1912.01691). It is an energy-based model that is linear in its parameters, sampled by Langevin chains, whose "
    "maximum likelihood is E f(x) = f(x0). Whether a fit came there is measured on the mean along its updates, in which the "
    "parameters still move and follow the chain; a chain at fixed parameters may be farther off. Random phases (Galerne et al. "
    "2011) are nearly the base measure, but with the example's amplitudes fixed. Textures come from known processes, so other "
    "examples of each can be made."
)
DISTANCES = (
    "Root mean square distance of statistics that nothing is fitted to (third moments and mean moduli of random filters, both "
    "blind to the spectrum) from their mean over other examples, in these' standard deviations; and mismatch of the mean "
    "fitted statistics with the example's, in standard deviations under the Gaussian field. Means over examples with 95 % "
    "intervals; other examples are the same for all, each compared with the rest."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("textures")) is None:
        return None
    distances, mismatch = answer.tables["distances"], answer.tables["mismatch"]
    rows, said = [], []
    for texture, part in distances.groupby("texture", sort=False):
        wide = part.pivot(index="seed", columns="kind", values="distance")
        last = mismatch[(mismatch["texture"] == texture) & (mismatch["update"] == mismatch["update"].max())]
        gain, fitted = averaged(wide["random phase"] - wide["maximum entropy"]), averaged(last["random_phase"] - last["mismatch"])
        model, phases, others = (number(wide[k].mean(), 2) for k in ("maximum entropy", "random phase", "other examples"))
        said.append(
            f"{texture}: images of the model are {sign(gain, *NEARER)} random phases to other examples of the texture ({model} "
            f"and {phases} standard deviations, difference {value(gain)}); other examples are {others} apart."
        )
        said.append(
            f"{texture}: the fitted statistics end {sign(fitted, *NEARER)} those of random phases to the example's "
            f"({number(last['mismatch'].mean(), 2)} and {number(last['random_phase'].mean(), 2)} standard deviations, difference "
            f"{value(fitted)}; the constraint asks for 0)."
        )
        found = {"other examples": Mean(wide["other examples"].mean())} | {kind: averaged(wide[kind]) for kind in KINDS}
        found["fitted statistics"] = averaged(last["mismatch"])
        found["fitted statistics, random phase"] = averaged(last["random_phase"])
        rows.append({"texture": texture, "seeds": len(wide), **found})
    curves = (
        f"Mismatch of the fitted statistics along {answer.settings['updates']:,} updates, of their mean over the second half "
        f"of the updates so far. {LINES} Dashed: a few images of random phases."
    )
    return (
        Heading("Does a model of one texture resemble others of its kind?"),
        Paragraph(LEAD),
        Points(tuple(said)),
        Figure("images", _images(answer.tables["pictures"]), "An example, what its model makes, and random phases."),
        Fold(
            METHOD,
            (Paragraph(ABOUT), Table.of_cells("distances", rows, DISTANCES), Figure("mismatch", _curves(mismatch), curves)),
        ),
    )


def _images(pictures: pd.DataFrame) -> Drawing:
    textures = list(pictures["texture"].unique())
    figure = Drawing(figsize=(2.1 * len(textures), 6.2), layout="constrained")
    axes = figure.subplots(len(KINDS), len(textures), squeeze=False)
    for column, texture in zip(axes.T, textures, strict=True):
        for ax, kind in zip(column, KINDS, strict=True):
            part = pictures[(pictures["texture"] == texture) & (pictures["kind"] == kind)]
            ax.imshow(part.pivot(index="row", columns="column", values="value"), cmap="gray", vmin=-2.5, vmax=2.5)
            blank(ax)
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
