"""Flows in continuous time: gradients by the adjoint, the cost of a divergence, and densities beside those of layers."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.divergence_cost.run import FITTED, slopes
from genbench.report.blocks import Chapter, Figure, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.style import inks, seed_lines
from genbench.report.text import listing, number, value
from genbench.results.study import Answer, Results
from genbench.statistics.uncertainty import welch

__all__ = ["chapter"]

ERROR = "log10 of the gradient's error"
ADJOINT = (
    "A continuous flow's loss is the end of a solve, and there are two ways to its gradient: to backpropagate through every step "
    "of the solver, which keeps all activations, or to solve a second equation, the adjoint, back from the end, which keeps none "
    "(Chen et al. 2018, arXiv:1806.07366). The first is the gradient of what the solver computes, the second that of the "
    "equation, up to the solver's error. All ways start from the same weights and see the same batches. Seconds are of all "
    "cores, or of a GPU. Memory is the most bytes that autograd holds at once, and errors are relative to a tight solver in "
    "double precision, both in one update at the weights that backpropagation through RK4 finds."
)
DIVERGENCE = (
    "By a change of variables a flow of layers needs the log-determinant of its Jacobian, O(d³) unless the Jacobian is built to "
    "make it cheap. In continuous time the divergence replaces it: d derivatives of the field, O(d²) in all where a derivative "
    "costs O(d), or one derivative along a random vector, O(d), for an unbiased estimate (Hutchinson 1990; Grathwohl et al. "
    "2018, arXiv:1810.01367). Times are of one processor core; small dimensions show fixed costs. The estimate's standard "
    "deviation is over its random vectors at one point of a random network, whose Jacobian also says what it should be."
)
DENSITIES = (
    "A flow of layers must bend one simple law into the data's by steps with a cheap inverse; a continuous flow has no such "
    "restraint, but for its smoothness (Grathwohl et al. 2018, arXiv:1810.01367, figure 2). Both train for the same number of "
    "updates by their recipes. A model can't have fewer nats than the data's entropy, up to the chance of the test points."
)


def chapter(results: Results) -> Chapter | None:
    """What the experiments say of flows in continuous time; None where a study has none of them."""
    parts = {"adjoint": _adjoint, "divergence_cost": _divergence, "flow_densities": _densities}
    found = [(part, results.answer(name)) for name, part in parts.items()]
    blocks = [block for part, answer in found if answer for block in part(answer)]
    return Chapter("continuous", "Flows in continuous time", tuple(blocks)) if blocks else None


# ---- the adjoint


def _adjoint(answer: Answer) -> list:
    curves, gradients, size = answer.tables["curves"], answer.tables["gradients"], answer.settings
    said, rows = [], []
    for dataset, part in curves.groupby("dataset", sort=False):
        own = gradients[gradients["dataset"] == dataset]
        found = {way: _way(part, own, way) for way in part["way"].unique()}
        rows += [{"dataset": dataset, "way": way, **row} for way, row in found.items()]
        said += [f"{dataset}: {sentence}" for sentence in _told_adjoint(found)]
    caption = (
        f"{size['updates']} updates of {size['batch']} points, {size['steps']} steps of RK4. Nats per test point after equal "
        f"updates, and after the time in which {next(iter(found))} does all of them; means over seeds with 95 % intervals."
    )
    return [
        Heading("What does the adjoint cost?"),
        Paragraph(ADJOINT),
        Points(tuple(said)),
        Table.of_cells("adjoint", rows, caption),
        Figure("adjoint", _ways(curves), "Nats per test point in training: a thin line per seed, the mean thick."),
    ]


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


def _told_adjoint(found: dict[str, dict[str, Mean]]) -> list[str]:
    """Memory, time, likelihood and error of the ways to the gradient."""
    fastest, others = next(iter(found)), list(found)[1:]
    solvers = {way.partition(", ")[2]: way for way in found if way.startswith("adjoint")}

    def ratios(key: str) -> list[float]:
        """Adjoint over backpropagation, by solver."""
        return [found[way][key].mean / found[f"backprop, {solver}"][key].mean for solver, way in solvers.items()]

    def each(key: str, ways: list[str]) -> str:
        return listing([f"{value(found[way][key])} ({way})" for way in ways])

    less = listing([f"{number(1 / ratio, 2)} ({name})" for name, ratio in zip(solvers, ratios("memory, MB"), strict=True)])
    slower = listing([f"{number(ratio, 2)} ({name})" for name, ratio in zip(solvers, ratios("ms per update"), strict=True)])
    errors = listing([f"{10 ** row[ERROR].mean:.0e} ({way})" for way, row in found.items()])
    return [
        f"backpropagation holds {less} times the memory of the adjoint with the same solver, and the adjoint takes {slower} "
        "times the time of backpropagation.",
        f"after as many updates the ways reach {each('nats, equal updates', list(found))} nats.",
        f"in the time of {fastest}, which reaches {value(found[fastest]['nats, equal time'])}, the others reach "
        f"{each('nats, equal time', others)} nats.",
        f"the relative error of the gradient is {errors}.",
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


# ---- what a divergence costs


def _divergence(answer: Answer) -> list:
    costs, noise, size = answer.tables["costs"], answer.tables["noise"], answer.settings
    found, largest = slopes(costs), costs["dim"].max()
    last = costs[costs["dim"] == largest].set_index("method")["seconds"]
    spread = noise.groupby(["probe", "dim"])["std"].mean().unstack(0)
    growth = {probe: np.polyfit(np.log(spread.index), np.log(spread[probe]), 1)[0] for probe in spread}
    said = [
        f"Over the {FITTED} largest dimensions the time grows as the dimension to the power "
        f"{listing([f'{power:.2f} ({method})' for method, power in found.items()])}: arithmetic alone would give 3, 2 and 1 in "
        "the end.",
        f"At {largest} dimensions, {size['points']} points take "
        f"{listing([f'{number(1000 * seconds, 2)} ms ({method})' for method, seconds in last.items()])}.",
        "The estimate's standard deviation grows as the dimension to the power "
        f"{listing([f'{power:.2f} ({probe})' for probe, power in growth.items()])}; at {largest} dimensions it is "
        f"{listing([f'{number(spread.loc[largest, probe], 2)} nats ({probe})' for probe in spread])}, "
        f"at {spread.index[0]} {listing([f'{number(spread.iloc[0][probe], 2)} ({probe})' for probe in spread])}.",
    ]
    table = costs.pivot(index="dim", columns="method", values="seconds")[list(found)] * 1000
    table = table.join(spread.add_prefix("std of the estimate, ")).reset_index().rename(columns={"dim": "dimension"})
    caption = (
        f"Milliseconds for {size['points']} points, and standard deviations in nats, means over {size['seeds']} random networks."
    )
    return [
        Heading("What does a divergence cost?"),
        Paragraph(DIVERGENCE),
        Points(tuple(said)),
        Table("divergence", table, caption, folded=True),
        Figure("divergence", _costs(costs, noise, found), "Left: time by dimension. Right: noise of the estimate by dimension."),
    ]


def _costs(costs: pd.DataFrame, noise: pd.DataFrame, found: dict[str, float]) -> Drawing:
    colours = inks([*found, *noise["probe"].unique()])
    figure = Drawing(figsize=(11.5, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for method, part in costs.groupby("method", sort=False):
        left.plot(
            part["dim"], 1000 * part["seconds"], "o-", ms=4, color=colours[method], label=f"{method}, d^{found[method]:.1f}"
        )
    left.set(xscale="log", yscale="log", xlabel="dimension d", ylabel="milliseconds")
    for probe, part in noise.groupby("probe", sort=False):
        mean = part.groupby("dim")[["std", "expected"]].mean()
        right.plot(mean.index, mean["std"], "o", ms=5, color=colours[probe], label=f"{probe}, measured")
        right.plot(mean.index, mean["expected"], "-", color=colours[probe], label=f"{probe}, from the Jacobian")
    right.set(xscale="log", yscale="log", xlabel="dimension d", ylabel="standard deviation, nats")
    for ax in (left, right):
        ax.legend(fontsize=7.5)
    return figure


# ---- densities


def _densities(answer: Answer) -> list:
    nll, maps, snapshots, size = *(answer.tables[name] for name in ("nll", "maps", "snapshots")), answer.settings
    rows, said = [], []
    for dataset, own in nll.groupby("dataset", sort=False):
        parts = dict(list(own.groupby("model", sort=False)))
        excess = {model: averaged(part["nll"] - part["entropy"]) for model, part in parts.items()}
        rows += [
            {
                "dataset": dataset,
                "model": model,
                "nats per test point": averaged(part["nll"]),
                "above the entropy": excess[model],
                "seconds": Mean(float(part["seconds"].mean())),
            }
            for model, part in parts.items()
        ]
        each = listing([f"{model} lies {value(cell)} nats" for model, cell in excess.items()])
        said.append(f"{dataset}: {each} above the entropy of {number(own['entropy'].iloc[0], 4)}{_apart(excess)}.")
    caption = f"{size['updates']} updates of {size['batch']} points; seconds are of all cores, or of a GPU, for one training."
    blocks = [
        Heading("What do layers and continuous time make of the same points?"),
        Paragraph(DENSITIES),
        Points(tuple(said)),
        Table.of_cells("densities", rows, caption),
        Figure("densities", _maps(maps), "Densities on one colour scale per dataset, of the first seed; left the true one."),
    ]
    if len(snapshots):
        label = f"{snapshots['model'].iloc[0]}: the density of {snapshots['dataset'].iloc[0]} on its way to the normal, by time."
        blocks.append(Figure("snapshots", _snapshots(snapshots), label))
    return blocks


def _apart(excess: dict[str, Mean]) -> str:
    """Which of two models is nearer, if Welch's interval of their difference over seeds leaves out 0."""
    if len(excess) != 2:
        return ""
    (a, first), (b, second) = excess.items()
    known = min(first.n, second.n) > 1
    if not known or abs(first.mean - second.mean) <= welch(*(np.array(cell.values) for cell in (first, second))):
        return "; their seeds do not tell them apart"
    return f"; {a if first.mean < second.mean else b} is nearer"


def _maps(maps: pd.DataFrame) -> Drawing:
    datasets, models = list(maps["dataset"].unique()), list(maps["model"].unique())
    figure = Drawing(figsize=(2.7 * len(models), 2.75 * len(datasets)), layout="constrained")
    for row, dataset in zip(figure.subplots(len(datasets), len(models), squeeze=False), datasets, strict=True):
        own = maps[maps["dataset"] == dataset]
        top = own[own["model"] == "data"]["density"].quantile(0.999)
        for ax, model in zip(row, models, strict=True):
            _heat(ax, own[own["model"] == model], top)
            ax.set_title(f"{dataset}: {model}")
    return figure


def _snapshots(snapshots: pd.DataFrame) -> Drawing:
    times = list(snapshots["time"].unique())
    figure = Drawing(figsize=(1.9 * len(times), 2.1), layout="constrained")
    for ax, (time, part) in zip(figure.subplots(1, len(times)), snapshots.groupby("time"), strict=True):
        _heat(ax, part, part["density"].quantile(0.999))
        ax.set_title(f"t = {time:.1f}")
    return figure


def _heat(ax, part: pd.DataFrame, top: float) -> None:
    if len(part):
        table = part.pivot(index="y", columns="x", values="density")
        box = (table.columns[0], table.columns[-1], table.index[0], table.index[-1])
        ax.imshow(table.to_numpy(), origin="lower", extent=box, cmap="BuPu", vmin=0, vmax=top, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.grid(False)
