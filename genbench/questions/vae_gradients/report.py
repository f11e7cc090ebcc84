"""How noisy the estimators of a VAE's gradient are, in the report."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.phrases import GEOMETRIC, INTERVALS, METHOD, clear, factor
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.style import inks, seed_lines
from genbench.report.text import listing
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "autoencoders", 900
NAMES = {"closed": "closed-form KL", "score, baseline": "score with baseline"}
STAGES = {"start": "at the start of training", "early": "early in training", "end": "at the end of training"}
ORDER = [("path", "closed"), ("path", "total"), ("closed", "score"), ("total", "score"), ("score, baseline", "score")]
LEAD = "All these estimators have the same mean, so take the one with the least variance: it learns as if from larger batches."
ABOUT = (
    "Estimators of the bound's gradient by the encoder's weights, at the same weights, examples and noise: the KL in closed "
    "form; estimated from the sampled z (total); the same without the gradient by the parameters of log q, whose mean is zero "
    "(path: Roeder et al. 2017, arXiv:1703.09194, who show that its variance vanishes where the encoder is the exact "
    "posterior); and the score function, which does not differentiate z, with and without a baseline (Mohamed et al. 2019, "
    "arXiv:1906.10652). Where the encoder can't be exact, as on these data, no variance vanishes. Factors are geometric means "
    "over seeds, paired by seed. Noise / signal is the median over seeds of the variance over that of the squared mean's "
    "unbiased estimate; there is none where that is not positive."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("vae_gradients")) is None:
        return None
    frame, size = answer.tables["variances"], answer.settings
    said, rows = [], []
    for (dataset, stage), part in frame.groupby(["dataset", "stage"], sort=False):
        logs = np.log10(part.pivot(index="seed", columns="estimator", values="variance"))
        names = list(part["estimator"].unique())
        ratios = {name: averaged(logs[name] - logs["closed"]) for name in names if name != "closed"}
        each = listing([f"{factor(ratio)} ({_name(name)})" for name, ratio in ratios.items()])
        said.append(f"{dataset}, {STAGES[stage]}: times the variance of the closed-form KL, the others have {each}.")
        if stage == "end":
            said.append(f"{dataset}: {_order(logs)}")
        signal = part.groupby("seed")["signal"].first().median()
        rows += [
            {
                "dataset": dataset,
                "stage": f"{stage} ({own['update'].iloc[0]} updates)",
                "estimator": _name(name),
                "seeds": len(own),
                "log10 of the variance": averaged(np.log10(own["variance"])),
                "log10 of its multiple of the closed form's": ratios.get(name, Mean(0.0)),
                "noise / signal": Mean(float(own["variance"].median() / signal) if signal > 0 else math.nan),
            }
            for name, own in part.groupby("estimator", sort=False)
        ]
    caption = (
        f"Variance over {size['draws']} draws of z of the gradient of the mean loss over {size['examples']} examples, summed "
        f"over the encoder's weights. {INTERVALS}"
    )
    return (
        Heading("Which estimator of a VAE's gradient has the least variance?"),
        Paragraph(LEAD),
        Points(tuple(said)),
        Figure("gradients", _variances(frame), f"Variance of each estimator by moment of training. {GEOMETRIC}"),
        Fold(METHOD, (Paragraph(ABOUT), Table.of_cells("gradients", rows, caption))),
    )


def _name(estimator: str) -> str:
    return NAMES.get(estimator, estimator)


def _order(logs: pd.DataFrame) -> str:
    """Whether the expected order holds by the intervals of the paired differences."""
    gaps = {pair: averaged(logs[pair[1]] - logs[pair[0]]) for pair in ORDER}
    unclear = [f"{_name(a)} below {_name(b)}" for (a, b), gap in gaps.items() if not (clear(gap) and gap.mean > 0)]
    if not unclear:
        return (
            "the order is clear: path below closed form and total, these below score, and the baseline lowers score's variance."
        )
    return f"the order is not clear for {listing(unclear)}."


def _variances(frame: pd.DataFrame) -> Drawing:
    names, datasets = list(frame["estimator"].unique()), list(frame["dataset"].unique())
    colours = inks(names)
    figure = Drawing(figsize=(1.8 + 4.4 * len(datasets), 3.2), layout="constrained")
    for ax, dataset in zip(figure.subplots(1, len(datasets), squeeze=False)[0], datasets, strict=True):
        part = frame[frame["dataset"] == dataset].assign(place=frame["stage"].map(list(STAGES).index))
        for name in names:
            own = part[part["estimator"] == name].sort_values("place")
            seed_lines(ax, own, "place", "variance", colours[name], geometric=True, marker="o", ms=4, label=_name(name))
        ax.set(yscale="log", title=dataset, xlabel="moment of training", ylabel="variance of the gradient")
        ax.set_xticks(range(len(STAGES)), list(STAGES))
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right upper")
    return figure
