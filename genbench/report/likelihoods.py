"""Kinds of likelihood: how their tables are called, and what their values are."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from genbench.report.text import number
from genbench.results.scores import average, parse

__all__ = ["APART", "FLOW", "KINDS", "LIKELIHOOD", "SHORT", "details", "note"]

LIKELIHOOD = ("nll", "kl", "bpd")  # a table per kind
# likelihoods with a table of their own, of the models that have the first
APART = {
    "annealed": ("ais_nll", "bdmc_gap"),
    "raise": ("raise_nll",),
    "surrogate": ("surrogate_nll", "bdmc_gap"),
    "long": ("long_bound",),
}
KINDS = {
    "exact": "Likelihood, exact",
    "lower_bound": "Likelihood, bound (the shown value is at least the true one)",
    "upper_bound": "Likelihood, bound (the shown value is at most the true one)",
    "estimate": "Likelihood, estimate",
    "annealed": "Likelihood, annealed bounds",
    "raise": "Likelihood, by reverse annealing (RAISE)",
    "surrogate": "Surrogate likelihood",
    "long": "Likelihood, bound of a long chain (diffusion)",
}
SHORT = {"exact": "exact", "lower_bound": "bound", "upper_bound": "bound from the other side", "estimate": "estimate"}
NOTES = {
    "lower_bound": "The true likelihood is as good as shown or better. Such bounds are ranked among themselves only; two "
    "models may differ in tightness alone.",
    "upper_bound": "The true likelihood is as good as shown or worse. Such bounds are ranked among themselves only; two "
    "models may differ in tightness alone.",
    "annealed": "Annealed importance sampling gives tighter bounds than those above, on few test examples. The gap bounds their "
    "error on data that the model made itself. They are ranked among themselves only.",
    "raise": "A second estimate for energy-based models, on few test images. Where annealing misses a part of the mass, it is "
    "too good by as much as the first estimate. These values are ranked among themselves only.",
    "long": "This is the bound of a chain of 1,000 steps, which nobody samples here. Its difference to the bound above is what "
    "the few steps of the sampling chain cost.",
    "surrogate": "These models have no density. Gaussian noise around their samples makes another model that has one. Never "
    "compare its likelihood with a likelihood above.",
}
FLOW = "probability-flow ODE"


def note(kind: str, estimators: dict[str, str], images: bool) -> str:
    """What the values of a table of that kind are, from its models' estimators (by label)."""
    if kind == "exact":
        solved = [label for label in estimators if label.split(" · ")[0] in ("cnf", "ffjord")]
        grids = [label for label, each in estimators.items() if "quadrature" in each]
        limits = [f"a solver ({', '.join(solved)})"] * bool(solved) + [f"a grid ({', '.join(grids)}: quadrature)"] * bool(grids)
        close = f" Exact up to the accuracy of {' or '.join(limits)}." if limits else ""
        return f"These are neither bounds nor estimates.{close} They are ranked among exact likelihoods only."
    if kind == "estimate":
        text = "Estimates may err in both directions, by more than the interval over seeds. They are ranked among estimates only."
        flows = [label for label, each in estimators.items() if FLOW in each]
        if flows:
            text += (
                f" For {', '.join(flows)} it is the density of the probability-flow ODE, which is not the distribution of the "
            )
            text += f"sampled chain{' and is that of dequantised images' * images}; it may exceed the chain's bound."
        return text
    return NOTES.get(kind, "")


def details(kind: str, metric: str, scores: pd.DataFrame, dimensions: int | None) -> dict[str, dict[str, str]]:
    """Further columns of a table by their title: a text per label, made from the settings of the scores of `metric`.

    `dimensions`: of an image, None for points. Empty for tables without such columns.
    """
    made: dict[str, Callable[[list[dict[str, Any]], pd.DataFrame], str]] = {}
    if metric == "nll_gap":
        made["SE over examples"] = lambda settings, part: number(_mean(part["se"]), 2)
    if kind in APART:
        if dimensions and set(scores["unit"]) == {"nats"}:
            made["bits/dim"] = lambda settings, part: number(_mean(part["value"]) / (dimensions * math.log(2)))
        if kind != "raise":  # there it is a share, of the chains behind log Z
            made["ESS of the chains"] = lambda settings, part: _of(average(settings, "ess"), average(settings, "chains"))
        made["sigma"] = lambda settings, part: number(average(settings, "sigma"))
        made["IWAE, same examples [nats]"] = lambda settings, part: number(average(settings, "iwae"), 4)
    parts = {label: (list(map(parse, part["settings"])), part) for label, part in scores.groupby("label")}
    columns = {title: {label: text(*part) for label, part in parts.items()} for title, text in made.items()}
    return {title: texts for title, texts in columns.items() if any(text != "–" for text in texts.values())}


def _mean(values: Iterable[Any]) -> float:
    return float(pd.to_numeric(pd.Series(values), errors="coerce").mean())


def _of(ess: float, chains: float) -> str:
    return f"{ess:.1f} of {chains:g}" if math.isfinite(ess) and math.isfinite(chains) else "–"
