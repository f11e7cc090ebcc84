"""What the temperature of Glow's samples trades, and what lies between two images, in the report."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.drawing import sheet
from genbench.questions.phrases import INTERVALS, LINES, METHOD, clear, clear_pairs, trained
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.style import FLOOR, inks, seed_lines
from genbench.report.text import number, value
from genbench.results.study import Answer, Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "flows", 1000
SCORES = {"fid": "FID", "precision": "precision", "recall": "recall"}
TEMPERATURE = (
    "Lower temperatures make a flow's samples likelier and more alike. Choose the temperature by what you need: FID, precision "
    "or recall."
)
ABOUT_TEMPERATURE = (
    "Glow's latents are drawn from a normal distribution whose standard deviation is the temperature: 1 is the model itself "
    "(Kingma & Dhariwal 2018, arXiv:1807.03039, figure 8). Scores are of a small classifier's features against the test split: "
    "FID, lower is better; precision, the share of samples within the data's manifold; recall, the share of data within the "
    "samples' (Kynkäänniemi et al. 2019, arXiv:1904.06991). FID and recall depend on the number of samples, which is the same "
    "everywhere. At temperature 0 all samples are one image, whose precision is 0 or 1. Since the temperature with the lowest "
    "FID is picked, a change is clear where t-tests of differences paired by seed say so at 5 % after Holm's correction over "
    "all pairs of temperatures."
)
MIXTURES = (
    "If mixtures of latents look more like data than mixtures of pixels do, the latents can be edited: a path through them leads "
    "from one image to another."
)
ABOUT_MIXTURES = (
    "Two test images of different classes are mixed, with rising weight of the second: their latents before the flow's inverse "
    "(Kingma & Dhariwal 2018, figure 5), or their pixels, which shows both images at once. Confidence is the classifier's in its "
    "guess, precision the share of mixtures within the manifold of the training images, both averaged over pairs."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    answer = results.answer("flow_samples")
    return None if answer is None else (*_temperatures(answer), *_mixtures(answer))


def _temperatures(answer: Answer) -> list[Block]:
    frame, real, size = answer.tables["temperatures"], answer.tables["real"].set_index("dataset"), answer.settings
    rows, said = [], []
    for dataset, part in frame.groupby("dataset", sort=False):
        means = part.groupby("temperature")[[*SCORES]].mean()
        best, hot = means["fid"].idxmin(), means.index.max()
        cooler = [t for t in means.index if t < best][-1:]
        said.append(f"{dataset}: FID is lowest, {number(means['fid'][best])}, at temperature {best:g}.")
        steps = [(hot, best)] * int(best != hot) + [(best, t) for t in cooler]
        said += [f"{dataset}: from temperature {high:g} down to {low:g}, {_changes(part, high, low)}." for high, low in steps]
        rows += [
            {"dataset": dataset, "samples": f"temperature {t:g}"} | {name: averaged(own[key]) for key, name in SCORES.items()}
            for t, own in part.groupby("temperature")
        ]
        training = {name: averaged([real.loc[dataset, key]]) for key, name in SCORES.items()}
        rows.append({"dataset": dataset, "samples": "training images"} | training)
    caption = (
        f"At most {size['samples']:,} samples at each temperature after {trained(size)}, and as many training images. {INTERVALS}"
    )
    drawn = _sheet(answer.tables["pictures"].query("what == 'samples'"), lambda line, _: f"T = {line:g}")
    return [
        Heading("What does the temperature of samples trade?"),
        Paragraph(TEMPERATURE),
        Points(tuple(said)),
        Figure("temperatures", _curves(frame, real), f"Scores by temperature. {LINES} Dashed: training images as samples."),
        Figure("samples", drawn, "Samples of the first seed: a row is a temperature, a column is one latent, scaled."),
        Fold(METHOD, (Paragraph(ABOUT_TEMPERATURE), Table.of_cells("temperatures", rows, caption))),
    ]


def _changes(part: pd.DataFrame, before: float, after: float) -> str:
    """How scores change between two temperatures, and whether that is clear among all pairs of them."""
    said = []
    for key, name in SCORES.items():
        scores = part.pivot(index="seed", columns="temperature", values=key)
        change = averaged(scores[after] - scores[before])
        known = clear_pairs(scores)[min(before, after), max(before, after)]
        verb = ("rises" if change.mean > 0 else "falls") if known else "does not clearly change"
        said.append(f"{name} {verb} ({value(change)})")
    return ", ".join(said)


def _curves(frame: pd.DataFrame, real: pd.DataFrame) -> Drawing:
    figure = Drawing(figsize=(11.5, 2.8), layout="constrained")
    ink = inks(frame["dataset"].unique())
    for ax, (key, name) in zip(figure.subplots(1, len(SCORES)), SCORES.items(), strict=True):
        for dataset, part in frame.groupby("dataset", sort=False):
            seed_lines(ax, part, "temperature", key, ink[dataset], label=dataset, marker="o", ms=4)
            ax.axhline(real.loc[dataset, key], **{**FLOOR, "color": ink[dataset]})
        ax.set(xlabel="temperature", ylabel=name)
        if key == "fid":
            ax.set_yscale("log")
    figure.axes[0].legend()
    return figure


def _mixtures(answer: Answer) -> list[Block]:
    frame = answer.tables["paths"]
    rows, said = [], []
    for dataset, part in frame.groupby("dataset", sort=False):
        weights = part["weight"].unique()
        middle = part[part["weight"] == weights[np.abs(weights - 0.5).argmin()]]
        ends = part[part["weight"].isin((0, 1))]
        words = []
        for key in ("precision", "confidence"):
            scores = middle.pivot(index="seed", columns="way", values=key)
            gain = averaged(scores["latents"] - scores["pixels"])
            own = averaged(ends.groupby("seed")[key].mean())
            found = {way: averaged(scores[way]) for way in scores}
            rows.append({"dataset": dataset, "score": key, **found, "latents - pixels": gain, "at the ends": own})
            words.append(_more(gain, key))
        said.append(f"{dataset}: halfway, mixtures of latents have {words[0]} and {words[1]} than mixtures of pixels.")
    drawn = _sheet(answer.tables["pictures"].query("what != 'samples'"), lambda _, what: what)
    caption = f"Scores of mixtures nearest to halfway, and of the images themselves (at the ends). {INTERVALS}"
    return [
        Heading("What lies between two images?"),
        Paragraph(MIXTURES),
        Points(tuple(said)),
        Figure("paths", _between(frame), f"Scores along the paths. {LINES}"),
        Figure("mixtures", drawn, "Paths between test images through the first seed's latents, and through pixels."),
        Fold(METHOD, (Paragraph(ABOUT_MIXTURES), Table.of_cells("paths", rows, caption))),
    ]


def _more(gain: Mean, what: str) -> str:
    word = ("more" if gain.mean > 0 else "less") if clear(gain) else "no clearly other"
    return f"{word} {what} ({value(gain)})"


def _between(frame: pd.DataFrame) -> Drawing:
    datasets = list(frame["dataset"].unique())
    figure = Drawing(figsize=(11.5, 2.6 * len(datasets)), layout="constrained")
    ink = inks(frame["way"].unique())
    for row, dataset in zip(figure.subplots(len(datasets), 2, squeeze=False), datasets, strict=True):
        for ax, key in zip(row, ("precision", "confidence"), strict=True):
            for way, part in frame[frame["dataset"] == dataset].groupby("way", sort=False):
                seed_lines(ax, part, "weight", key, ink[way], label=way)
            ax.set(xlabel="weight of the second image", ylabel=key, title=dataset)
        row[0].legend()
    return figure


def _sheet(pictures: pd.DataFrame, name: Callable[[float, str], str]) -> Drawing:
    """A row of images for every line and way of each dataset, the datasets below each other."""
    datasets, wide = list(dict.fromkeys(pictures["dataset"])), int(pictures["place"].max()) + 1
    lines = {dataset: list(part.groupby(["line", "what"])) for dataset, part in pictures.groupby("dataset", sort=False)}
    tall = [len(lines[dataset]) for dataset in datasets]
    figure = Drawing(figsize=(min(11.5, 0.75 * wide + 0.8), 0.75 * sum(tall)), layout="constrained")
    for ax, dataset in zip(figure.subplots(len(datasets), 1, squeeze=False, height_ratios=tall)[:, 0], datasets, strict=True):
        height, width = (int(pictures.loc[pictures["dataset"] == dataset, key].max()) + 1 for key in ("row", "column"))
        images = np.full((len(lines[dataset]), wide, height, width), np.nan)
        for row, (_, part) in enumerate(lines[dataset]):
            images[row, part["place"], part["row"], part["column"]] = part["value"]
        sheet(ax, images)
        middles = (np.arange(len(lines[dataset])) + 0.5) * (height + 1) - 1
        ax.set_yticks(middles, [name(*key) for key, _ in lines[dataset]], size=8)
        ax.tick_params(left=False)
    return figure
