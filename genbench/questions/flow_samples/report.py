"""Samples of a flow: what their temperature trades, and what lies between two images."""

from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.report.blocks import Chapter, Figure, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.style import FLOOR, inks, seed_lines
from genbench.report.text import number, value
from genbench.results.study import Answer, Results
from genbench.statistics.multiplicity import clear

__all__ = ["chapter"]

SCORES = {"fid": "FID", "precision": "precision", "recall": "recall"}
TEMPERATURE = (
    "Glow's latents are drawn from a normal law whose standard deviation is the temperature: 1 is the model itself, less is its "
    "likelier part (Kingma & Dhariwal 2018, arXiv:1807.03039, figure 8). Scores are of a small classifier's features against the "
    "test split; precision is the share of samples within the data's manifold, recall the share of data within the samples' "
    "(Kynkäänniemi et al. 2019, arXiv:1904.06991). FID and recall depend on the number of samples, which is the same everywhere; "
    "at temperature 0 all samples are one image, whose precision is 0 or 1. Since the temperature with the lowest FID is picked, "
    "a change is clear where t-tests of the seeds' own say so at 5 % after Holm's correction over all pairs of temperatures."
)
PATHS = (
    "Two test images of different classes are mixed, with rising weight of the second: their latents before the flow's inverse "
    "(Kingma & Dhariwal 2018, figure 5), or their pixels, which shows both images at once. Confidence is the classifier's in its "
    "guess, precision the share of mixtures within the manifold of the training images, both averaged over pairs."
)


def chapter(results: Results) -> Chapter | None:
    """What the experiment on Glow's samples says; None where a study does not have it."""
    answer = results.answer("flow_samples")
    if answer is None:
        return None
    return Chapter("flows", "Samples of a flow", (*_temperatures(answer), *_paths(answer)))


def _change(part: pd.DataFrame, key: str, before: float, after: float) -> str:
    """How a score changes between two temperatures, and whether that is clear among all pairs of them."""
    scores = part.pivot(index="seed", columns="temperature", values=key)
    pairs = list(combinations(sorted(scores), 2))
    told = dict(zip(pairs, clear([[(scores[a] - scores[b]).dropna()] for a, b in pairs]), strict=True))
    cell = averaged(scores[after] - scores[before])
    verb = ("rises" if cell.mean > 0 else "falls") if told[min(before, after), max(before, after)] else "does not clearly change"
    return f"{SCORES[key]} {verb} ({value(cell)})"


def _temperatures(answer: Answer) -> list:
    frame, real, size = answer.tables["temperatures"], answer.tables["real"].set_index("dataset"), answer.settings
    rows, said = [], []
    for dataset, part in frame.groupby("dataset", sort=False):
        means = part.groupby("temperature")[[*SCORES]].mean()
        best, hot = means["fid"].idxmin(), means.index.max()
        text = f"{dataset}: FID is lowest at temperature {best:g}, {number(means['fid'][best])}"
        if best != hot:
            text += f"; from {hot:g} down to there " + ", ".join(_change(part, key, hot, best) for key in SCORES)
        cool = [t for t in means.index if t < best]
        if cool:
            text += f"; at {cool[-1]:g} " + ", ".join(_change(part, key, best, cool[-1]) for key in SCORES)
        said.append(f"{text}.")
        for temperature, own in part.groupby("temperature"):
            head = {"dataset": dataset, "samples": f"temperature {temperature:g}"}
            rows.append(head | {name: averaged(own[key]) for key, name in SCORES.items()})
        rows.append(
            {"dataset": dataset, "samples": "training images"} | {SCORES[k]: averaged([real.loc[dataset, k]]) for k in SCORES}
        )
    caption = (
        f"{size['samples']} samples at most of each temperature after {size['updates']} updates of {size['batch']} examples, "
        "and as many training images: mean over seeds and its 95 % interval."
    )
    pictures = answer.tables["pictures"]
    return [
        Heading("What does the temperature trade?"),
        Paragraph(TEMPERATURE),
        Points(tuple(said)),
        Table.of_cells("temperatures", rows, caption),
        Figure(
            "temperatures",
            _curves(frame, real),
            "A thin line per seed, the mean thick; dashed: training images in place of samples.",
        ),
        Figure(
            "samples",
            _sheets(pictures[pictures["what"] == "samples"], lambda line, _: f"T = {line:g}"),
            "Samples of the first seed, by row at one temperature; a column is one latent, scaled.",
        ),
    ]


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


def _paths(answer: Answer) -> list:
    frame, pictures = answer.tables["paths"], answer.tables["pictures"]
    rows, said = [], []
    for dataset, part in frame.groupby("dataset", sort=False):
        weights = part["weight"].unique()
        middle = part[part["weight"] == weights[np.abs(weights - 0.5).argmin()]]
        ends = part[part["weight"].isin((0, 1))]
        words = []
        for key in ("precision", "confidence"):
            scores = middle.pivot(index="seed", columns="way", values=key)
            found = {way: averaged(scores[way]) for way in scores}
            gap = averaged(scores["latents"] - scores["pixels"])
            own = averaged(ends.groupby("seed")[key].mean())
            rows.append({"dataset": dataset, "score": key, **found, "latents - pixels": gap, "at the ends": own})
            words.append(_more(gap, key))
        said.append(f"{dataset}: halfway, mixtures of latents have {words[0]} and {words[1]} than mixtures of pixels.")
    caption = (
        "Scores of mixtures nearest to halfway, and at the ends, the images themselves: mean over seeds and its 95 % interval."
    )
    return [
        Heading("What lies between two images?"),
        Paragraph(PATHS),
        Points(tuple(said)),
        Table.of_cells("paths", rows, caption),
        Figure("paths", _between(frame), "Along the paths: a thin line per seed, the mean thick."),
        Figure(
            "mixtures",
            _sheets(pictures[pictures["what"] != "samples"], lambda _, what: what),
            "Paths between test images through the first seed's latents, and through pixels.",
        ),
    ]


def _more(gap: Mean, what: str) -> str:
    if not abs(gap.mean) > gap.half:
        return f"no clearly other {what} ({value(gap)})"
    return f"{'more' if gap.mean > 0 else 'less'} {what} ({value(gap)})"


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


def _sheets(pictures: pd.DataFrame, name) -> Drawing:
    """A row of images for every line and way of each dataset, the datasets below each other."""
    lines = list(pictures.groupby(["dataset", "line", "what"], sort=True))
    wide = int(pictures["place"].max()) + 1
    figure = Drawing(figsize=(min(11.5, 0.75 * wide + 0.8), 0.75 * len(lines)), layout="constrained")
    for axes, ((_, line, what), part) in zip(figure.subplots(len(lines), wide, squeeze=False), lines, strict=True):
        for place, ax in enumerate(axes):
            own = part[part["place"] == place]
            if len(own):
                grey = own.pivot(index="row", columns="column", values="value").to_numpy()
                ax.imshow(grey, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            ax.set_axis_off()
        axes[0].text(-0.15, 0.5, name(line, what), transform=axes[0].transAxes, ha="right", va="center", size=8)
    return figure
