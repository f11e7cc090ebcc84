"""A study's likelihoods on the literature's datasets beside published ones, in the report."""

import math
import re

import pandas as pd

from genbench.questions.phrases import INTERVALS
from genbench.report.blocks import Block, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.published import published
from genbench.report.reliability import estimator
from genbench.report.sentences import KINDS
from genbench.report.text import listing, number, plural
from genbench.results.scores import parse
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "published", 500
CLAIM = "L1"  # of the rows in reference_values.csv
# what the literature calls a dataset, and its unit
SETS = {
    "mnist_binary": ("binarised MNIST", "nats"),
    "mnist5k_binary": ("binarised MNIST", "nats"),
    "mnist": ("MNIST", "bits/dim"),
}
NAMES = {
    "made": "MADE", "pixelcnn": "gated PixelCNN", "pixelrnn": "PixelRNN", "vae": "VAE", "iwae": "IWAE", "iaf_vae": "IAF-VAE",
    "vamp_vae": "VampPrior VAE", "nvae": "NVAE", "nice": "NICE", "realnvp": "RealNVP", "glow": "Glow", "ffjord": "FFJORD",
}  # fmt: skip
LEAD = (
    "A check that methods are what they are called, not a ranking: published values took networks and training of their own, "
    "mostly far larger. A large gap asks for an explanation before you use the method here."
)
ABOUT = (
    "Values are of the test split. The gap is ours minus theirs, so above 0 ours is worse. Gaps compare unlike things where "
    "one is a bound and the other exact, where bounds differ in their samples, or where images were binarised otherwise: here "
    "once, with random numbers of our own; static means once, too, with a file that all share; dynamic means anew in every "
    "epoch, which is more training data. mnist5k_binary has fewer and other images, for training and for testing, than the "
    "literature's set."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return our values, published ones and their gaps; None where a study shares no dataset and model with the literature."""
    known = published(CLAIM)
    blocks = [block for name in results.datasets if name in SETS for block in _beside(results, name, known)]
    return (Paragraph(LEAD), *blocks, Fold("How the values compare", (Paragraph(ABOUT),))) if blocks else None


def _beside(results: Results, dataset: str, known: pd.DataFrame) -> list:
    literature, unit = SETS[dataset]
    scores = results.scores
    scores = scores[(scores["dataset"] == dataset) & (scores["metric"] == "bpd")].dropna(subset="value")
    factor = math.log(2) * math.prod(results.meta(dataset).get("shape") or ()) if unit == "nats" else 1.0
    rows, said = [], []
    for (label, kind), part in scores.groupby(["label", "kind"], sort=False):
        trials = results.of(dataset, label)
        trials = trials[trials["trial"].isin(part["trial"])]
        name = NAMES.get(str(trials["model"].iloc[0]))
        theirs = known[(known["what"] == f"{unit} of {name}") & known["dataset"].str.match(rf"{literature}(,|$)")]
        if theirs.empty:
            continue
        ours = _ours(part, factor)
        spent = {key: float(pd.to_numeric(trials[f"cost_{key}"]).mean()) for key in ("updates", "samples", "seconds")}
        made = estimator([parse(each) for each in part["settings"]], kind)
        for row in theirs.itertuples():
            rows.append(
                {
                    "model": label,
                    f"ours, {unit}": ours,
                    "kind": f"{KINDS.get(kind, kind)}{f', {made}' if made else ''}",
                    "seeds": ours.n,
                    f"published, {unit}": row.published,
                    "gap": _gap(ours, row.published),
                    "published as": f"{row.dataset.removeprefix(literature).strip(', ') or literature}; {row.source}",
                    "updates": int(spent["updates"]),
                    "examples seen": int(spent["samples"]),
                    "training s": spent["seconds"],
                }
            )
        gaps = [rows[-i]["gap"].mean for i in range(len(theirs), 0, -1)]
        n = int(part["n"].iloc[0])
        said.append(_told(label, kind, ours, n, unit, gaps, list(theirs["published"]), spent, results.meta(dataset)))
    if not rows:
        return []
    caption = (
        f"{dataset}. {INTERVALS} All seeds are measured on the same test images. The value of one seed is rounded by its "
        "standard error over these images."
    )
    return [Heading(dataset), Points(tuple(said)), Table.of_cells(dataset, rows, caption, folded=True)]


def _ours(part: pd.DataFrame, factor: float) -> Mean:
    cell = averaged(factor * part["value"])
    se = factor * float(pd.to_numeric(part["se"], errors="coerce").mean())
    return Mean(cell.mean, cell.half, cell.values, se=se)


def _gap(ours: Mean, text: str) -> Mean:
    """Ours minus the published number, with our interval; the literature's is not known."""
    theirs = float(re.search(r"[\d.]+", text).group())
    return Mean(ours.mean - theirs, ours.half, tuple(each - theirs for each in ours.values), se=ours.se)


def _told(label, kind, ours: Mean, n: int, unit: str, gaps: list[float], theirs: list[str], spent: dict, meta: dict) -> str:
    train = (meta.get("n") or {}).get("train") or math.nan
    digits = 4 if unit == "nats" else 3
    beside = listing(
        [f"{number(abs(g), 2)} {'above' if g > 0 else 'below'} {text}" for g, text in zip(gaps, theirs, strict=True)]
    )
    passes = f" ({number(spent['samples'] / train, 2)} passes over {train:,} training images)" if math.isfinite(train) else ""
    bound = {"exact": "", "lower_bound": "at most "}.get(kind, f"{KINDS.get(kind, kind)} ")
    return (
        f"{label}: {bound}{number(ours.mean, digits)} {unit}, {beside} as published ({plural(ours.n, 'seed')}, standard error "
        f"{number(ours.se, 2)} over {n:,} test images; {spent['updates']:,.0f} updates{passes} in "
        f"{number(spent['seconds'], 2)} s each)."
    )
