"""What a better prior or posterior brings a VAE, in the report."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.phrases import INTERVALS, METHOD, gap, trained
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import averaged
from genbench.report.style import inks
from genbench.report.text import listing, value
from genbench.results.study import Results
from genbench.statistics.multiplicity import clear

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "priors", 930
PRIORS = {"normal": "N(0, I)", "mixture": "mixture", "vamp": "VampPrior", "flow": "flow", "diffusion": "diffusion"}
POSTERIORS = {"normal": "normal", "iaf": "IAF"}
DISTANCES = {"points": "W1", "images": "Fréchet distance"}
ONE_SEED = "too few seeds to tell"
LEAD = (
    "A VAE's prior N(0, I) is a choice of convenience. The gains below say whether another prior, or a more flexible "
    "posterior, is worth its parameters; all else stays the same."
)
ABOUT = (
    "Encoder, decoder and loss stay the same (the KL is estimated from the sampled z, with equally many nats of it free). The "
    "prior is N(0, I), a mixture of normal distributions, the mean of the posteriors of learned pseudo-inputs (VampPrior, "
    "Tomczak & Welling 2018, arXiv:1705.07120), an autoregressive flow (Chen et al. 2016, arXiv:1611.02731) or a diffusion "
    "(Vahdat et al. 2021, arXiv:2106.05931). The posterior is the encoder's normal distribution or what an inverse "
    "autoregressive flow makes of it (IAF, Kingma et al. 2016, arXiv:1606.04934). Beside an IAF, pseudo-inputs have the "
    "encoder's normal distributions, before the flow: no VampPrior of that posterior. All bounds are lower bounds on the "
    "log-likelihood with the sign changed, so lower is better; a diffusion's have a path drawn beside z. Better and worse "
    "stand where Welch's test over seeds says so at 5 % after Holm's correction over the comparisons of a sentence; an "
    "interval is of one comparison alone. Of a diffusion prior, KL is an upper bound of the posterior's KL from it."
)
PLANES = (
    "Two latents, first seed. Grey: draws of the prior, from which samples start. Coloured: draws of the posteriors of all test "
    "examples, which the decoder has learned. Samples are poor where there is grey without colour."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("latent_priors")) is None:
        return None
    bounds, planes = answer.tables["bounds"], answer.tables["planes"]
    said, tables = [], []
    for dataset, part in bounds.groupby("dataset", sort=False):
        distance = DISTANCES[results.kind(str(dataset))]
        said += _said(str(dataset), part, distance)
        tables.append(_table(str(dataset), part, distance, answer.settings))
    return (
        Heading("Does a VAE need a better prior, or a better posterior?"),
        Paragraph(LEAD),
        Points(tuple(said)),
        *([Figure("planes", _planes(planes), PLANES)] if len(planes) else ()),
        Fold(METHOD, (Paragraph(ABOUT), *tables)),
    )


def _table(dataset: str, part: pd.DataFrame, distance: str, size: Mapping[str, Any]) -> Table:
    unit, rows = part["unit"].iloc[0], []
    columns = {f"IW bound, {unit}": "bound", f"ELBO, {unit}": "elbo", "KL, nats": "kl", f"samples' {distance}": "distance"}
    for (prior, posterior), own in part.groupby(["prior", "posterior"], sort=False):
        head = {"prior": PRIORS[prior], "posterior": POSTERIORS[posterior], "seeds": int(own["bound"].notna().sum())}
        cells = {name: averaged(own[key]) for name, key in columns.items()}
        costs = {"ms per update": float(own["milliseconds"].mean()), "parameters": int(own["parameters"].iloc[0])}
        rows.append(head | cells | costs)
    caption = (
        f"{dataset}: {trained(size)}; bounds from {size['importance']} draws for {size['examples']} test examples, {distance} of "
        f"{size['samples']:,} samples to the test split. {INTERVALS}"
    )
    return Table.of_cells(f"bounds-{dataset}", rows, caption)


def _said(dataset: str, part: pd.DataFrame, distance: str) -> list[str]:
    """A sentence on priors by each measure, and one on posteriors."""
    cells = {pair: own for pair, own in part.groupby(["prior", "posterior"], sort=False)}
    posteriors, priors = list(part["posterior"].unique()), list(part["prior"].unique())
    unit, said = part["unit"].iloc[0], []
    for key, name in (("bound", f"bound ({unit})"), ("distance", f"{distance} of samples")):
        for posterior in posteriors if "normal" in priors else ():
            others = [prior for prior in priors if prior != "normal"]
            pairs = {PRIORS[prior]: (cells["normal", posterior][key], cells[prior, posterior][key]) for prior in others}
            if pairs:
                said.append(f"{dataset}, {POSTERIORS[posterior]} posterior: {name}, gain over N(0, I): {_sorted(pairs)}.")
    if {"normal", "iaf"} <= set(posteriors):
        pairs = {PRIORS[prior]: (cells[prior, "normal"]["bound"], cells[prior, "iaf"]["bound"]) for prior in priors}
        said.append(f"{dataset}: bound ({unit}), gain of an IAF posterior over a normal one, by prior: {_sorted(pairs)}.")
    return said


def _sorted(pairs: dict[str, tuple[pd.Series, pd.Series]]) -> str:
    """Which of the second ones are better than the first, the best ahead, worse or neither, with the gains."""
    gains = {name: gap(*pair) for name, pair in pairs.items()}
    known = dict(zip(pairs, clear([[each.dropna() for each in pair] for pair in pairs.values()]), strict=True))
    groups: dict[str, list[str]] = {"better": [], "worse": [], "not clearly different": [], ONE_SEED: []}
    for name, gain in sorted(gains.items(), key=lambda each: -each[1].mean if math.isfinite(each[1].mean) else math.inf):
        if not math.isfinite(gain.half):
            groups[ONE_SEED].append(name)
            continue
        word = "not clearly different" if not known[name] else "better" if gain.mean > 0 else "worse"
        groups[word].append(f"{name} ({value(gain)})")
    return "; ".join(f"{word}: {listing(each)}" for word, each in groups.items() if each)


def _planes(planes: pd.DataFrame) -> Drawing:
    datasets, priors = list(planes["dataset"].unique()), list(planes["prior"].unique())
    colours = inks(priors)
    figure = Drawing(figsize=(2.3 * len(priors), 2.5 * len(datasets)), layout="constrained")
    axes = figure.subplots(len(datasets), len(priors), squeeze=False)
    for row, dataset in zip(axes, datasets, strict=True):
        for ax, prior in zip(row, priors, strict=True):
            own = planes[(planes["dataset"] == dataset) & (planes["prior"] == prior)]
            for name, ink, size in (("prior", "#9a9a9a", 3), ("posterior", colours[prior], 4)):
                z = own[own["distribution"] == name]
                ax.scatter(z["x"], z["y"], s=size, color=ink, alpha=0.55, lw=0, rasterized=True)
            low, high = own[["x", "y"]].quantile(0.002), own[["x", "y"]].quantile(0.998)
            pad = 0.06 * (high - low)
            ax.set(xlim=(low["x"] - pad["x"], high["x"] + pad["x"]), ylim=(low["y"] - pad["y"], high["y"] + pad["y"]))
            ax.set_title(f"{dataset}: {PRIORS[prior]}", size=8.5)
            ax.tick_params(labelsize=7)
    return figure
