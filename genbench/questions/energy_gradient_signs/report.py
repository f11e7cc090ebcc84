"""Which signs the two gradients of an energy-based model need, in the report."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.phrases import GEOMETRIC, INTERVALS, METHOD, gap, sign, trained
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.style import inks, log_axis, seed_lines
from genbench.report.text import listing, number, value
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "energies", 600
ALIKE = ("as printed", "both flipped")
FAR = 10  # standard deviations of the data, the models' unit: chains that spread farther have run away
WORDS = ("differ clearly", "differ clearly", "do not differ clearly")
LEAD = (
    "If an energy-based model's chains run away from the data, check two signs first: that of the chains' step and that of the "
    "weights' update have to fit together."
)
ABOUT = (
    "The course prints its algorithm 1 with chains that go up the gradient of f and weights that go up the gradient of "
    "f(data) - f(chains). That is right for p proportional to exp(f), while its text has exp(-f), for which both signs must be "
    "flipped. With only one of them flipped, the weights draw the chains on to wherever they go. The energies here have no base "
    "measure, so nothing else holds the chains. All is in units of the data's standard deviation."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("energy_gradient_signs")) is None:
        return None
    ends, size = answer.tables["ends"], answer.settings
    rows, said = [], []
    for dataset, own in ends.groupby("dataset", sort=False):
        said += _said(str(dataset), own)
        for signs, part in own.groupby("signs", sort=False):
            found = {
                "log10 of the chains' standard deviation": averaged(np.log10(part["std"])),
                "W1 to test points": averaged(part["w1"]),
                "W1 of real points": Mean(part["floor"].iloc[0]),
            }
            lost = int((part["status"] != "ok").sum())
            rows.append({"dataset": dataset, "signs": signs, "seeds": len(part), "failed": lost, **found})
    caption = f"Chains of {size['steps']} steps in the last of {trained(size)}. {INTERVALS}"
    return (
        Heading("Which signs do the two gradients need?"),
        Paragraph(LEAD),
        Points(tuple(said)),
        Figure("signs", _spreads(answer.tables["looks"]), f"Standard deviation of the chains in training. {GEOMETRIC}"),
        Fold(METHOD, (Paragraph(ABOUT), Table.of_cells("signs", rows, caption))),
    )


def _said(dataset: str, ends: pd.DataFrame) -> list[str]:
    parts = dict(list(ends.groupby("signs", sort=False)))
    apart = {name: part["std"] for name, part in parts.items() if name not in ALIKE}
    each = listing(
        [
            f"{(s > FAR).sum()} of {len(s)} run away with {name} ({number(s.min())} to {number(s.max())})"
            for name, s in apart.items()
        ]
    )
    said = [f"{dataset}: of trainings with one sign flipped, {each}; in brackets the chains' standard deviations at the end."]
    printed, flipped = (parts[name]["w1"].dropna() for name in ALIKE)
    if min(len(printed), len(flipped)) > 1:
        difference = gap(printed, flipped)
        said.append(
            f"{dataset}: trainings with the signs as printed and with both flipped {sign(difference, *WORDS)}: their chains end "
            f"at W1 {number(printed.mean())} and {number(flipped.mean())} from test points (difference {value(difference)}; real "
            f"points {number(ends['floor'].iloc[0])})."
        )
    return said


def _spreads(looks: pd.DataFrame) -> Drawing:
    datasets, signs = list(looks["dataset"].unique()), list(looks["signs"].unique())
    colours = inks(signs)
    figure = Drawing(figsize=(5.5 * max(len(datasets), 1) + 1.5, 3.4), layout="constrained")
    axes = figure.subplots(1, len(datasets), squeeze=False, sharey=True)[0]
    for ax, dataset in zip(axes, datasets, strict=True):
        for name in signs:
            part = looks[(looks["dataset"] == dataset) & (looks["signs"] == name)]
            dash = "--" if name == ALIKE[1] else "-"  # it lies on the printed one's line
            seed_lines(ax, part, "update", "std", colours[name], geometric=True, label=name, ls=dash)
        ax.set(yscale="log", xlabel="update", title=dataset)
    log_axis(axes[0].yaxis, looks["std"].min(), looks["std"].max())
    axes[0].set_ylabel("standard deviation of the chains")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper")
    return figure
