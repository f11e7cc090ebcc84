"""EM's bound beside the likelihood, in the report."""

import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.phrases import METHOD
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.style import inks
from genbench.report.text import number, plural
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "em", 800
LEAD = (
    "EM's bound touches the log-likelihood after every E-step, so neither ever falls. A VAE raises the same kind of bound with "
    "a q that can't reach the posterior: what is left between is its gap."
)
ABOUT = (
    "For any distribution q of the latent class, the log-likelihood is the bound E_q log p(x, k) - E_q log q(k) plus the "
    "divergence of q from the posterior (Neal & Hinton 1998). EM raises the bound in turns: the E-step sets q to the "
    "posterior, where the bound touches the likelihood, the M-step sets the parameters. Bound, likelihood and divergence are "
    "computed apart and have to fit. Gap: the log-likelihood less the bound after an M-step."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("em_bound")) is None:
        return None
    curves, data, size = answer.tables["curves"], answer.tables["data"], answer.settings
    rows, said = [], []
    for dataset, part in curves.groupby("dataset", sort=False):
        truth = float(data.loc[data["dataset"] == dataset, "log_likelihood"].iloc[0])
        apart = float((part["log_likelihood"] - part["elbo"] - part["kl"]).abs().max())
        touch = float((part["log_likelihood"] - part["elbo"])[part["step"] == "E"].abs().max())
        fall = -min(float(own[["elbo", "log_likelihood"]].diff().min().min()) for _, own in part.groupby("seed"))
        other = float((part["reference"] - part["log_likelihood"]).abs().max())
        said += [
            f"{dataset}: after every E-step the bound is within {touch:.1g} nats of the log-likelihood; neither ever falls by "
            f"more than {number(max(fall, 0.0), 2)} nats ({plural(part['seed'].nunique(), 'start')}, {part['iteration'].max()} "
            "iterations).",
            f"{dataset}: bound and divergence miss the log-likelihood by {apart:.1g} nats at most; scikit-learn's EM from the "
            f"same starts differs by {other:.1g} at most.",
        ]
        for seed, own in part.groupby("seed"):
            gaps = own.loc[own["step"] == "M", "kl"]
            row = {"dataset": dataset, "start": int(seed), "first bound": own["elbo"].iloc[0]}
            row |= {"last log-likelihood": own["log_likelihood"].iloc[-1], "true density": truth}
            rows.append(row | {"largest gap": gaps.max(), "last gap": gaps.iloc[-1]})
    caption = (
        f"Mean log-likelihood of {size['points']:,} training points in nats, under mixtures of {size['components']} Gaussians "
        "and under the true density."
    )
    words = "The bound (dots, rising in two half-steps) and the log-likelihood (lines) from each start. Dashed: the true density."
    return (
        Heading("Does the bound that EM raises touch the likelihood?"),
        Paragraph(LEAD),
        Points(tuple(said)),
        Figure("curves", _curves(curves, data), words),
        Fold(METHOD, (Paragraph(ABOUT), Table("starts", pd.DataFrame(rows), caption))),
    )


def _curves(curves: pd.DataFrame, data: pd.DataFrame) -> Drawing:
    colours, half = inks(sorted(curves["seed"].unique())), {"E": 0.0, "M": 0.5}
    figure = Drawing(figsize=(11.5, 3.2 * len(data)), layout="constrained")
    for (left, right), (_, row) in zip(figure.subplots(len(data), 2, squeeze=False), data.iterrows(), strict=True):
        for seed, own in curves[curves["dataset"] == row["dataset"]].groupby("seed"):
            at = own["iteration"] + own["step"].map(half)
            left.plot(at, own["log_likelihood"], color=colours[seed], lw=1.2, label=f"start {seed}")
            left.plot(at, own["elbo"], ".", color=colours[seed], ms=3.5)
            gap = own[own["step"] == "M"]
            right.plot(gap["iteration"], gap["kl"], color=colours[seed], lw=1.2)
        left.axhline(row["log_likelihood"], color="#555", lw=1, ls="--")
        left.set(xlabel="iteration", ylabel="nats per point", title=row["dataset"])
        right.set(xlabel="iteration", ylabel="gap after the M-step, nats", yscale="log", title="log-likelihood less bound")
        right.set_ylim(bottom=max(right.get_ylim()[0], 1e-9))  # below there is rounding
        left.legend(fontsize=7.5)
    return figure
