"""How many latent numbers a VAE uses, and what more of them bring, in the report."""

import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.phrases import INTERVALS, LINES, METHOD, clear_pairs, trained
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import averaged
from genbench.report.style import inks, log_axis, seed_lines
from genbench.report.text import listing, number, value
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "autoencoders", 920
COLUMNS = {"elbo": "ELBO", "iwae": "IWAE", "gap": "gap", "active": "in use", "distance": "Fréchet distance"}
LEAD = (
    "Take as few latent numbers as give the best bound or samples: more of them stay unused, or widen the gap between encoder "
    "and posterior."
)
ABOUT = (
    "VAEs that differ in their number of latent numbers alone; weights are chosen by the held-out loss. In use are latents "
    "whose posterior mean varies over the test examples by more than 0.01 (Burda et al. 2015, arXiv:1509.00519). The gap "
    "between the two bounds tells how far at least the encoder is from the posterior. One number of latents is clearly better "
    "than another where t-tests of differences paired by seed say so at 5 % after Holm's correction over all pairs of numbers. "
    "The Fréchet distance of samples is in the features of a small classifier, lower is better; beside it stands that of "
    "training images."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("latent_sizes")) is None:
        return None
    frame = answer.tables["sizes"].assign(gap=lambda f: f["elbo"] - f["iwae"])
    rows, said = [], []
    for dataset, part in frame.groupby("dataset", sort=False):
        cells = {latent: {key: averaged(own[key]) for key in COLUMNS} for latent, own in part.groupby("latent")}
        floor = float(part["floor"].iloc[0])
        rows += [
            {"dataset": dataset, "latents": latent, **{COLUMNS[k]: c for k, c in each.items()}, "of training images": floor}
            for latent, each in cells.items()
        ]
        best, nearest = (min(cells, key=lambda latent: cells[latent][key].mean) for key in ("iwae", "distance"))
        few, many = min(cells), max(cells)
        said += [
            f"{dataset}: {best} latents have the tightest bound, {value(cells[best]['iwae'])} bits/dim"
            f"{_rivals(part, 'iwae', best)}.",
            f"{dataset}: samples are nearest to the data with {nearest} latents (Fréchet distance "
            f"{value(cells[nearest]['distance'])}, training images {number(floor)}){_rivals(part, 'distance', nearest)}.",
            f"{dataset}: of {many} latents {value(cells[many]['active'])} are in use; the gap between the bounds is "
            f"{value(cells[few]['gap'])} bits/dim with {few} and {value(cells[many]['gap'])} with {many}.",
        ]
    caption = (
        f"Negative bounds in bits per dimension, by one weight (ELBO) and by {answer.settings['weights']} (IWAE), after "
        f"{trained(answer.settings)}. {INTERVALS}"
    )
    dashed = "Dashed: as many latents as there are, and training images."
    return (
        Heading("How many latents does a VAE use, and what do more of them bring?"),
        Paragraph(LEAD),
        Points(tuple(said)),
        Figure("sizes", _curves(frame), f"Bound, latents in use and samples by the number of latents. {LINES} {dashed}"),
        Fold(METHOD, (Paragraph(ABOUT), Table.of_cells("sizes", rows, caption))),
    )


def _rivals(part: pd.DataFrame, key: str, best: int) -> str:
    """The sizes that are not clearly worse than the best, among all pairs, as any might have been the best."""
    known = clear_pairs(part.pivot(index="seed", columns="latent", values=key))
    unclear = [str(a if b == best else b) for (a, b), told in known.items() if best in (a, b) and not told]
    return f", not clearly less than with {listing(unclear)}" if unclear else ", clearly less than with the others"


def _curves(frame: pd.DataFrame) -> Drawing:
    datasets = list(frame["dataset"].unique())
    figure = Drawing(figsize=(11.5, 3.1 * len(datasets)), layout="constrained")
    for line, dataset in zip(figure.subplots(len(datasets), 3, squeeze=False), datasets, strict=True):
        part = frame[frame["dataset"] == dataset].sort_values("latent")
        sizes, ink = sorted(part["latent"].unique()), inks(("elbo", "iwae"))
        for key, label in (("elbo", "ELBO"), ("iwae", "IWAE")):
            seed_lines(line[0], part, "latent", key, ink[key], marker="o", ms=4, label=label)
        line[0].legend()
        seed_lines(line[1], part, "latent", "active", ink["elbo"], marker="o", ms=4)
        line[1].axline((1, 1), slope=1, color="#333", lw=1, ls="--")
        seed_lines(line[2], part, "latent", "distance", ink["elbo"], marker="o", ms=4)
        line[2].axhline(part["floor"].iloc[0], color="#333", lw=1, ls="--")
        names = ("negative bound [bits/dim]", "latents in use", "Fréchet distance of samples")
        for ax, name in zip(line, names, strict=True):
            ax.set(xscale="log", xlabel="latents", ylabel=name, title=dataset)
            log_axis(ax.xaxis, sizes[0], sizes[-1])
            ax.set_xticks(sizes, sizes)
        line[1].set_yscale("log")
        line[1].set_yticks(sizes, sizes)
        line[1].minorticks_off()
    return figure
