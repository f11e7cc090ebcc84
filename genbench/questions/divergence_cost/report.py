"""What a log-determinant, an exact divergence and an estimate of it cost by dimension, in the report."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.phrases import METHOD
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.style import inks
from genbench.report.text import listing, number
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "exponents", "report"]

CHAPTER, PLACE = "continuous", 1110
FITTED = 3  # largest dimensions behind an exponent: below, fixed costs rule
LEAD = (
    "An exact divergence is affordable in few dimensions. In many, one random vector estimates it for the price of a network "
    "pass, with noise that grows with the dimension."
)
ABOUT = (
    "By a change of variables a flow of layers needs the log-determinant of its Jacobian, O(d³) unless the Jacobian is built "
    "to make it cheap. In continuous time the divergence replaces it: d derivatives of the field, O(d²) in all where a "
    "derivative costs O(d), or one derivative along a random vector, O(d), for an unbiased estimate (Hutchinson 1990; "
    "Grathwohl et al. 2018, arXiv:1810.01367). Times are of one processor core; small dimensions show fixed costs. The "
    "estimate's standard deviation is over its random vectors at one point of a random network, whose Jacobian also says what "
    "it should be."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("divergence_cost")) is None:
        return None
    costs, noise, size = answer.tables["costs"], answer.tables["noise"], answer.settings
    powers, largest = exponents(costs), costs["dim"].max()
    last = costs[costs["dim"] == largest].set_index("method")["seconds"]
    spread = noise.groupby(["probe", "dim"])["std"].mean().unstack(0)
    growth = {probe: np.polyfit(np.log(spread.index), np.log(spread[probe]), 1)[0] for probe in spread}

    def each(values: dict, digits: int = 2) -> str:
        return listing([f"{number(x, digits)} ({name})" for name, x in values.items()])

    said = (
        f"At {largest} dimensions, {size['points']} points take {each(dict(1000 * last))} ms.",
        f"Over the {FITTED} largest dimensions, time grows as the dimension to the power of {each(powers, 3)}; the arithmetic "
        "alone gives 3, 2 and 1 in the end.",
        f"The estimate's standard deviation is {each(dict(spread.iloc[0]))} nats at {spread.index[0]} dimensions and "
        f"{each(dict(spread.loc[largest]))} at {largest}; it grows as the dimension to the power of {each(growth)}.",
    )
    table = costs.pivot(index="dim", columns="method", values="seconds")[list(powers)] * 1000
    table = table.join(spread.add_prefix("std of the estimate, ")).reset_index().rename(columns={"dim": "dimension"})
    caption = (
        f"Milliseconds for {size['points']} points, and standard deviations in nats: means over {size['seeds']} random networks."
    )
    return (
        Heading("What does a divergence cost?"),
        Paragraph(LEAD),
        Points(said),
        Figure("divergence", _costs(costs, noise, powers), "Left: time by dimension. Right: noise of the estimate by dimension."),
        Fold(METHOD, (Paragraph(ABOUT), Table("divergence", table, caption))),
    )


def exponents(costs: pd.DataFrame) -> dict[str, float]:
    """Return the exponent of the dimension by method, from a line through the logarithms of the largest dimensions."""
    found = {}
    for method, part in costs.groupby("method", sort=False):
        last = part.sort_values("dim").tail(FITTED)
        found[method] = float(np.polyfit(np.log(last["dim"]), np.log(last["seconds"]), 1)[0])
    return found


def _costs(costs: pd.DataFrame, noise: pd.DataFrame, powers: dict[str, float]) -> Drawing:
    colours = inks([*powers, *noise["probe"].unique()])
    figure = Drawing(figsize=(11.5, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for method, part in costs.groupby("method", sort=False):
        label = f"{method}, d^{powers[method]:.1f}"
        left.plot(part["dim"], 1000 * part["seconds"], "o-", ms=4, color=colours[method], label=label)
    left.set(xscale="log", yscale="log", xlabel="dimension d", ylabel="milliseconds")
    for probe, part in noise.groupby("probe", sort=False):
        mean = part.groupby("dim")[["std", "expected"]].mean()
        right.plot(mean.index, mean["std"], "o", ms=5, color=colours[probe], label=f"{probe}, measured")
        right.plot(mean.index, mean["expected"], "-", color=colours[probe], label=f"{probe}, from the Jacobian")
    right.set(xscale="log", yscale="log", xlabel="dimension d", ylabel="standard deviation, nats")
    for ax in (left, right):
        ax.legend(fontsize=7.5)
    return figure
