"""What the adjoint's gradient costs and gains beside backpropagation through the solver, in the report."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.phrases import LINES, METHOD, trained
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.style import inks, seed_lines
from genbench.report.text import listing, number, value
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "continuous", 1100
ERROR = "log10 of the gradient's error"
LEAD = "The adjoint saves memory and costs time: use it where backpropagation through the solver does not fit into memory."
ABOUT = (
    "A continuous flow's loss is the end of a solve, and there are two ways to its gradient. Backpropagation through every "
    "step of the solver keeps all activations; the adjoint, a second equation that is solved back from the end, keeps none "
    "(Chen et al. 2018, arXiv:1806.07366). The first is the gradient of what the solver computes, the second that of the "
    "equation, up to the solver's error. All ways start from the same weights and see the same batches. Seconds are of all "
    "cores, or of a GPU. Memory is the most bytes that autograd holds at once, and errors are relative to a tight solver in "
    "double precision, both in one update at the weights that backpropagation through RK4 finds."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("adjoint")) is None:
        return None
    curves, gradients, size = answer.tables["curves"], answer.tables["gradients"], answer.settings
    said, rows = [], []
    for dataset, part in curves.groupby("dataset", sort=False):
        own = gradients[gradients["dataset"] == dataset]
        found = {way: _way(part, own, way) for way in part["way"].unique()}
        rows += [{"dataset": dataset, "way": way, **row} for way, row in found.items()]
        said += [f"{dataset}: {sentence}" for sentence in _said(found)]
    caption = (
        f"{trained(size, 'points')}, {size['steps']} steps of RK4. Nats per test point after equal updates, and after the time "
        f"in which {next(iter(found))} does all of them. Means over seeds with 95 % intervals."
    )
    return (
        Heading("What does the adjoint cost, and what does it save?"),
        Paragraph(LEAD),
        Points(tuple(said)),
        Figure("adjoint", _ways(curves), f"Nats per test point in training. {LINES}"),
        Fold(METHOD, (Paragraph(ABOUT), Table.of_cells("adjoint", rows, caption))),
    )


def _way(curves: pd.DataFrame, gradients: pd.DataFrame, way: str) -> dict[str, Mean]:
    """What one way to the gradient costs and reaches."""
    own, measured = curves[curves["way"] == way], gradients[gradients["way"] == way]
    last = own[own["update"] == own["update"].max()]
    first = curves[curves["way"] == curves["way"].iloc[0]]
    span = first["seconds"].max()  # seeds train in turn and share a clock
    at_once = [np.interp(span, line["seconds"], line["nll"]) for _, line in own.groupby("seed")]
    return {
        "evaluations forward": averaged(measured["forward"]),
        "backward": averaged(measured["backward"]),
        "memory, MB": averaged(measured["bytes"] / 1e6),
        ERROR: averaged(np.log10(measured["error"])),
        "ms per update": Mean(1000 * float((last["seconds"] / last["update"]).mean())),
        "nats, equal updates": averaged(last["nll"]),
        "nats, equal time": averaged(at_once),
    }


def _said(found: dict[str, dict[str, Mean]]) -> list[str]:
    """Memory, time, likelihood and error of the ways to the gradient."""
    fastest, others = next(iter(found)), list(found)[1:]
    solvers = {way.partition(", ")[2]: way for way in found if way.startswith("adjoint")}

    def times(key: str, inverse: bool = False) -> str:
        """Adjoint over backpropagation, or its inverse, by solver."""
        ratios = {name: found[way][key].mean / found[f"backprop, {name}"][key].mean for name, way in solvers.items()}
        return listing([f"{number(1 / ratio if inverse else ratio, 2)} times ({name})" for name, ratio in ratios.items()])

    def each(key: str, ways: list[str]) -> str:
        return listing([f"{value(found[way][key])} ({way})" for way in ways])

    errors = listing([f"{10 ** row[ERROR].mean:.0e} ({way})" for way, row in found.items()])
    return [
        f"backpropagation holds {times('memory, MB', inverse=True)} the memory of the adjoint with the same solver.",
        f"an update by the adjoint takes {times('ms per update')} as long.",
        f"nats per test point after equal updates: {each('nats, equal updates', list(found))}.",
        f"nats per test point after equal time: {each('nats, equal time', [fastest, *others])}.",
        f"relative error of the gradient: {errors}.",
    ]


def _ways(curves: pd.DataFrame) -> Drawing:
    datasets, names = list(curves["dataset"].unique()), list(curves["way"].unique())
    solvers = list(dict.fromkeys(way.partition(", ")[2] for way in names))
    colours = inks(solvers)
    figure = Drawing(figsize=(11.5, 3.4 * len(datasets)), layout="constrained")
    for row, dataset in zip(figure.subplots(len(datasets), 2, squeeze=False), datasets, strict=True):
        for way in names:
            gradient, _, solver = way.partition(", ")
            own = curves[(curves["dataset"] == dataset) & (curves["way"] == way)]
            for ax, x in zip(row, ("update", "seconds"), strict=True):
                seed_lines(ax, own, x, "nll", colours[solver], ls="-" if gradient == "backprop" else "--", label=way)
        row[0].set(xlabel="updates", ylabel="nats per test point", title=dataset)
        row[1].set(xlabel="seconds of training")
        row[1].legend(fontsize=7.5)
    return figure
