"""Priors and posteriors of variational autoencoders: what a better one brings."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.report.blocks import Chapter, Figure, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.style import inks
from genbench.report.text import listing, value
from genbench.results.study import Answer, Results
from genbench.statistics.multiplicity import clear
from genbench.statistics.uncertainty import welch

__all__ = ["chapter"]

PRIORS = {"normal": "N(0, I)", "mixture": "mixture", "vamp": "VampPrior", "flow": "flow", "diffusion": "diffusion"}
POSTERIORS = {"normal": "normal", "iaf": "IAF"}
DISTANCES = {"points": "W1", "images": "Fréchet distance"}
ABOUT = (
    "A VAE's prior N(0, I) is a choice of convenience, and said not to be competitive. Here the encoder, the decoder and the "
    "loss stay the same (the KL is estimated from the sampled z, with equally many nats of it free), and the prior is a "
    "mixture of normal laws, the mean of the posteriors of learned pseudo-inputs (VampPrior, Tomczak & Welling 2018, "
    "arXiv:1705.07120), an autoregressive flow (Chen et al. 2016, arXiv:1611.02731) or a diffusion (Vahdat et al. 2021, "
    "arXiv:2106.05931); the posterior is the encoder's normal law or what an inverse autoregressive flow makes of it (IAF, "
    "Kingma et al. 2016, arXiv:1606.04934). Beside an IAF, pseudo-inputs have the encoder's normal laws, before the flow, "
    "which is no VampPrior of that posterior. All bounds are lower bounds on the log-likelihood with the sign changed, so less "
    "is better; a diffusion's have a path drawn beside z. Better and worse stand where Welch's test over seeds says so at 5 % "
    "after Holm's correction over the comparisons of a sentence; an interval is of one alone."
)
PLANES = (
    "With two latents the two laws can be seen: the prior, from which samples start, and the posteriors of all test examples "
    "together, which a decoder has learned to decode. Where the prior has mass and the posteriors have none, samples are nothing "
    "the decoder was trained for."
)


def chapter(results: Results) -> Chapter | None:
    """What the experiment says of priors and posteriors; None where a study has none of it."""
    answer = results.answer("latent_priors")
    if answer is None:
        return None
    bounds, planes = answer.tables["bounds"], answer.tables["planes"]
    blocks: list = [Heading("Does a VAE need a better prior, or a better posterior?"), Paragraph(ABOUT)]
    for dataset, part in bounds.groupby("dataset", sort=False):
        distance = DISTANCES[results.kind(str(dataset))]
        blocks += [Points(tuple(_said(str(dataset), part, distance))), _table(str(dataset), part, distance, answer)]
    if len(planes):
        blocks += [Paragraph(PLANES), Figure("planes", _drawing(planes), "Grey: draws of the prior; colour: of the posteriors.")]
    return Chapter("priors", "What priors and posteriors bring", tuple(blocks))


def _table(dataset: str, part: pd.DataFrame, distance: str, answer: Answer) -> Table:
    size, unit, rows = answer.settings, part["unit"].iloc[0], []
    for (prior, posterior), own in part.groupby(["prior", "posterior"], sort=False):
        found = {
            f"IW bound, {unit}": "bound",
            f"ELBO, {unit}": "elbo",
            "KL, nats": "kl",
            f"samples' {distance}": "distance",
        }
        head = {"prior": PRIORS[prior], "posterior": POSTERIORS[posterior], "seeds": int(own["bound"].notna().sum())}
        cells = {name: averaged(own[key]) for name, key in found.items()}
        costs = {"ms per update": float(own["milliseconds"].mean()), "parameters": int(own["parameters"].iloc[0])}
        rows.append(head | cells | costs)
    caption = (
        f"{dataset}: {size['updates']} updates of {size['batch']} examples; bounds from {size['importance']} draws for "
        f"{size['examples']} test examples, {distance} of {size['samples']} samples to the test split. Mean over seeds and its "
        "95 % interval. Of a diffusion prior, KL is an upper bound of the posterior's KL from it."
    )
    return Table.of_cells(f"bounds-{dataset}", rows, caption)


def _gain(base: pd.Series, other: pd.Series) -> Mean:
    """By how much the other's values are lower, with the half-width of Welch's interval; nan with fewer than two seeds."""
    a, b = base.dropna().to_numpy(), other.dropna().to_numpy()
    half = welch(a, b) if min(len(a), len(b)) > 1 else np.nan
    return Mean(float(a.mean() - b.mean()) if len(a) and len(b) else np.nan, half)


def _said(dataset: str, part: pd.DataFrame, distance: str) -> list[str]:
    """A sentence on priors by each measure, and one on posteriors; none that cannot be judged."""
    cells = {pair: own for pair, own in part.groupby(["prior", "posterior"], sort=False)}
    posteriors, priors = list(part["posterior"].unique()), list(part["prior"].unique())
    unit, said = part["unit"].iloc[0], []
    for key, name in (("bound", f"bound ({unit})"), ("distance", f"{distance} of samples")):
        for posterior in posteriors if "normal" in priors else ():
            pairs = {
                PRIORS[prior]: (cells["normal", posterior][key], cells[prior, posterior][key])
                for prior in priors
                if prior != "normal"
            }
            if pairs:
                said.append(f"{dataset}, {POSTERIORS[posterior]} posterior: {name} against N(0, I): {_sorted(pairs)}.")
    if {"normal", "iaf"} <= set(posteriors):
        pairs = {PRIORS[prior]: (cells[prior, "normal"]["bound"], cells[prior, "iaf"]["bound"]) for prior in priors}
        said.append(f"{dataset}: bound ({unit}) of an IAF posterior against a normal one, by prior: {_sorted(pairs)}.")
    return said


def _sorted(pairs: dict[str, tuple[pd.Series, pd.Series]]) -> str:
    """Which of the second ones are better than the first, the best ahead, worse or neither, with the gains."""
    gains = {name: _gain(*pair) for name, pair in pairs.items()}
    told = dict(zip(pairs, clear([[each.dropna() for each in pair] for pair in pairs.values()]), strict=True))
    groups: dict[str, list[str]] = {
        "better": [],
        "worse": [],
        "not clearly different": [],
        "of fewer than two seeds, unjudged": [],
    }
    for name, gain in sorted(gains.items(), key=lambda each: -each[1].mean if np.isfinite(each[1].mean) else np.inf):
        if not np.isfinite(gain.half):
            word = "of fewer than two seeds, unjudged"
        elif not told[name]:
            word = "not clearly different"
        else:
            word = "better" if gain.mean > 0 else "worse"
        groups[word].append(f"{name} ({value(gain)})" if np.isfinite(gain.half) else name)
    return "; ".join(f"{word} {listing(each)}" for word, each in groups.items() if each)


def _drawing(planes: pd.DataFrame) -> Drawing:
    datasets, priors = list(planes["dataset"].unique()), list(planes["prior"].unique())
    colours = inks(priors)
    figure = Drawing(figsize=(2.3 * len(priors), 2.5 * len(datasets)), layout="constrained")
    axes = figure.subplots(len(datasets), len(priors), squeeze=False)
    for row, dataset in zip(axes, datasets, strict=True):
        for ax, prior in zip(row, priors, strict=True):
            own = planes[(planes["dataset"] == dataset) & (planes["prior"] == prior)]
            for law, ink, size in (("prior", "#9a9a9a", 3), ("posterior", colours[prior], 4)):
                z = own[own["law"] == law]
                ax.scatter(z["x"], z["y"], s=size, color=ink, alpha=0.55, lw=0, rasterized=True)
            low, high = own[["x", "y"]].quantile(0.002), own[["x", "y"]].quantile(0.998)
            pad = 0.06 * (high - low)
            ax.set(xlim=(low["x"] - pad["x"], high["x"] + pad["x"]), ylim=(low["y"] - pad["y"], high["y"] + pad["y"]))
            ax.set_title(f"{dataset}: {PRIORS[prior]}", size=8.5)
            ax.tick_params(labelsize=7)
    return figure
