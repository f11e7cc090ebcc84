"""Drawings of the claim on Wasserstein critics."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from genbench.questions.wasserstein_distance.numbers import MARGIN
from genbench.report.style import inks, log_axis, too_wide
from genbench.results.study import Results

__all__ = ["blur", "games", "pictures", "thesis", "values"]

CRITICS = ("gradient penalty", "one-sided penalty", "spectral norm", "c-transform", "clipping", "no restraint")
MARKS = dict(zip(CRITICS, "osD^vX", strict=True))
LEAST = 0.003  # ratios below it, negative ones too, are drawn at it
LABELS = {"exact": "exact W1", "batch": "batch W1", "debiased": "debiased batch W1"}
LINES = {"exact": ("#222", "-"), "batch": ("#222", (0, (4, 2))), "debiased": ("#888", (0, (1, 1.2)))}


def _colours() -> dict[str, tuple]:
    return inks(CRITICS)


def _legend(drawing: Drawing, handles: list, columns: int) -> None:
    drawing.legend(handles=handles, loc="outside lower center", ncols=columns, columnspacing=1.2, handletextpad=0.4)


def _dots(critics) -> list[Line2D]:
    colours = _colours()
    return [Line2D([], [], color=colours[c], marker=MARKS[c], ls="", label=c) for c in CRITICS if c in set(critics)]


def values(pairs: pd.DataFrame, critics: pd.DataFrame) -> Drawing:
    """Value over W1 and cosine with the right direction, pair by pair."""
    colours, names = _colours(), list(pairs["pair"])
    drawing = Drawing(figsize=(9.4, 0.62 * len(names) + 1.5), layout="constrained")
    left, right = drawing.subplots(1, 2, sharey=True, width_ratios=(1.9, 1))
    pairs = pairs.set_index("pair")
    there = [c for c in CRITICS if c in set(critics["critic"])]
    for place, name in enumerate(names):
        pair = pairs.loc[name]
        truth = pair["known"] if np.isfinite(pair["known"]) else pair["exact"]
        left.plot([pair["batch"] / truth] * 2, [place - 0.36, place + 0.36], color="#222", lw=2, zorder=2)
        left.plot([max(pair["debiased"] / truth, LEAST)], [place], marker="x", color="#222", ms=7, ls="", zorder=4)
        if np.isfinite(pair["batch_cosine"]):
            right.plot([pair["batch_cosine"]] * 2, [place - 0.36, place + 0.36], color="#222", lw=2, zorder=2)
        for row, critic in enumerate(there):
            part = critics[(critics["pair"] == name) & (critics["critic"] == critic) & (critics["status"] == "ok")]
            y = np.full(len(part), place + 0.11 * (row - (len(there) - 1) / 2))
            look = {"marker": MARKS[critic], "color": colours[critic], "ls": "", "ms": 4.2, "alpha": 0.85, "zorder": 3}
            left.plot(np.maximum(part["value"] / truth, LEAST), y, **look)
            right.plot(part["cosine"], y, **look)
    left.axvspan(1 / MARGIN, MARGIN, color="#333", alpha=0.1, lw=0, zorder=0)
    left.axvline(1, color="#333", lw=0.9, zorder=1)
    left.set_xscale("log")
    left.set_xlim(LEAST * 0.85, None)
    log_axis(left.xaxis, *left.get_xlim())
    left.set_xlabel("value / W1")
    left.set_yticks(range(len(names)), names)
    left.set_ylim(len(names) - 0.45, -0.55)
    right.axvline(0, color="#333", lw=0.9, zorder=1)
    right.set_xlabel("cosine with the right direction")
    right.set_xlim(min(-0.1, right.get_xlim()[0]), 1.04)
    for ax in (left, right):
        for place in range(1, len(names)):
            ax.axhline(place - 0.5, color="#ddd", lw=0.6, zorder=0)
        ax.grid(axis="y", visible=False)
    marks = [
        Line2D([], [], color="#222", lw=2, label="raw batch W1, its plan"),
        Line2D([], [], color="#222", marker="x", ls="", label="debiased batch W1"),
    ]
    _legend(drawing, [*_dots(there), *marks], 4)
    return drawing


def games(looks: pd.DataFrame) -> Drawing:
    """The critic's value and three distances along training, means over seeds."""
    colours, datasets = _colours(), list(looks["dataset"].unique())
    there = [c for c in CRITICS if c in set(looks["critic"])]
    drawing = Drawing(figsize=(1.9 * len(there) + 1, 1.9 * len(datasets) + 0.9), layout="constrained")
    axes = drawing.subplots(len(datasets), len(there), squeeze=False, sharex=True, sharey="row")
    for row, dataset in enumerate(datasets):
        for column, critic in enumerate(there):
            ax = axes[row, column]
            part = looks[(looks["dataset"] == dataset) & (looks["critic"] == critic)]
            mean = part.groupby("update")[["value", *LINES]].mean()
            for key, (ink, dash) in LINES.items():
                ax.plot(mean.index, mean[key], color=ink, ls=dash, lw=1.3)
            ax.plot(mean.index, mean["value"], color=colours[critic], lw=2.4, marker=MARKS[critic], ms=4)
            ax.axhline(0, color="#999", lw=0.7)
            ax.xaxis.get_major_locator().set_params(nbins=3)
            if not row:
                ax.set_title(critic)
            if row == len(datasets) - 1:
                ax.set_xlabel("update")
        axes[row, 0].set_ylabel(f"{dataset}\ndistance")
    handles = [Line2D([], [], color=ink, ls=dash, lw=1.3, label=LABELS[key]) for key, (ink, dash) in LINES.items()]
    own = Line2D([], [], color="#777", lw=2.4, marker="o", ms=4, label="the critic's value (in its colour)")
    _legend(drawing, [own, *handles], 4)
    return drawing


def thesis(found: pd.DataFrame, results: Results) -> Drawing:
    """Error of the value against the distance of the samples, a point per training."""
    colours, datasets = _colours(), list(found["dataset"].unique())
    drawing = Drawing(figsize=(4.2 * len(datasets) + 0.4, 3.8), layout="constrained")
    for ax, dataset in zip(drawing.subplots(1, len(datasets), squeeze=False)[0], datasets, strict=True):
        part = found[found["dataset"] == dataset]
        for critic, own in part.groupby("critic", sort=False):
            look = {"marker": MARKS[critic], "color": colours[critic], "ls": ""}
            ax.plot(own["error_batch"], own["quality"], ms=6.5, alpha=0.8, **look)
        for axis, key in ((ax.xaxis, "error_batch"), (ax.yaxis, "quality")):
            if too_wide(part[key], 6):
                (ax.set_xscale if axis is ax.xaxis else ax.set_yscale)("log")
                log_axis(axis, part[key].min(), part[key].max())
        ax.set_title(dataset)
        ax.set_xlabel("error of the value, |value - W1| / W1 of batches")
        points = results.kind(str(dataset)) == "points"
        ax.set_ylabel("samples' exact W1 to test points" if points else "samples' Fréchet distance")
    _legend(drawing, _dots(found["critic"]), 5 if len(datasets) > 1 else 3)
    return drawing


def blur(found: pd.DataFrame) -> Drawing:
    """W1 of batches by their size, raw above and debiased below, for data and candidates."""
    datasets = list(found["data"].unique())
    candidates = [c for c in found["candidate"].unique() if c != "data"]
    colours = inks(candidates)
    drawing = Drawing(figsize=(1.85 * len(datasets) + 0.8, 4.4), layout="constrained")
    axes = drawing.subplots(2, len(datasets), squeeze=False, sharex="col")
    for column, data in enumerate(datasets):
        part = found[found["data"] == data]
        for candidate in ["data", *candidates]:
            own = part[part["candidate"] == candidate].sort_values("size")
            ink = "#222" if candidate == "data" else colours[candidate]
            for ax, key in zip(axes[:, column], ("raw", "debiased"), strict=True):
                if candidate == "data" and key == "debiased":
                    ax.axhline(0, color=ink, lw=2)
                    continue
                ax.plot(
                    own["size"], [c.mean for c in own[key]], color=ink, marker="o", ms=3.5, lw=2 if candidate == "data" else 1.5
                )
        for ax in axes[:, column]:
            ax.set_xscale("log")
            sizes = sorted(part["size"].unique())
            ax.set_xticks(sizes, [f"{size}" for size in sizes])
            ax.minorticks_off()
            ax.yaxis.get_major_locator().set_params(nbins=5)
        axes[0, column].set_title(data)
        axes[1, column].set_xlabel("batch")
    axes[0, 0].set_ylabel("W1 to a batch of data")
    axes[1, 0].set_ylabel("debiased")
    handles = [Line2D([], [], color="#222", marker="o", ms=3.5, lw=2, label="other data")]
    handles += [Line2D([], [], color=colours[c], marker="o", ms=3.5, label=c) for c in candidates]
    _legend(drawing, handles, 4)
    return drawing


def pictures(part: pd.DataFrame) -> Drawing:
    """Rows of images, one per kind: samples of each critic, test images, and under the last critic's the nearest centroids."""
    rows = {kind: _images(part, kind) for kind in (*CRITICS, "test images") if kind in set(part["kind"])}
    centroids = _images(part, "centroids")
    own = "c-transform" if "c-transform" in rows else next(iter(rows))
    rows = {"test images": rows.pop("test images"), **{k: v for k, v in rows.items() if k != own}, own: rows[own]}
    away = np.linalg.norm(rows[own][:, None] - centroids[None], axis=(2, 3))
    rows["nearest centroids"] = centroids[away.argmin(1)]
    columns = max(len(images) for images in rows.values())
    drawing = Drawing(figsize=(0.62 * columns + 1.6, 0.66 * len(rows) + 0.2), layout="constrained")
    axes = drawing.subplots(len(rows), columns, squeeze=False)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    for line, (kind, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=False):
            ax.imshow(image, cmap="gray", vmin=0, vmax=part["levels"].iloc[0] - 1, interpolation="nearest")
        line[0].set_ylabel(kind, rotation=0, ha="right", va="center")
    return drawing


def _images(part: pd.DataFrame, kind: str) -> np.ndarray:
    own = part[part["kind"] == kind].sort_values("index")
    return np.stack(
        [np.asarray(p, dtype=float).reshape(h, w) for p, h, w in zip(own["pixels"], own["height"], own["width"], strict=True)]
    )
