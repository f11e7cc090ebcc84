"""The figures of a report, one function each: results in, a figure out (None if nothing can be shown)."""

import math
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Affine2D

from genbench.report.likelihoods import FLOW
from genbench.report.reliability import estimator
from genbench.report.sentences import arrow
from genbench.report.style import DASHES, FLOOR, colours, floor_band, log_axis, tidy, too_wide
from genbench.report.tables import Column, ScoreTable, mains
from genbench.results.paths import DATA, DENSITY, HISTORY, SAMPLES
from genbench.results.scores import parse
from genbench.results.study import Results
from genbench.statistics.uncertainty import interval

__all__ = ["curves", "densities", "density_words", "dots", "tradeoff"]

MAX_SEEDS, MAX_POINTS = 10, 160  # lines per panel and points per line: keeps a page of many models small
COSTS = {"cost_seconds": "training seconds", "cost_flops": "training FLOPs"}


def dots(results: Results, dataset: str, every: Sequence[ScoreTable]) -> Figure | None:
    """Main metrics side by side: seeds as faint dots, means with t-intervals, the floor dashed."""
    found = {c.metric: (t, i) for t in every if not t.kind for i, c in enumerate(t.columns)}
    panels = [found[metric] for metric in mains(results.kind(dataset)) if metric in found]
    # where all values are equal there is nothing to see
    panels = [(table, i) for table, i in panels if len({v for row in table.rows for v in row.cells[i].values}) > 1]
    if not panels:
        return None
    rows = panels[0][0].rows[::-1]
    labels = [row.label for row in rows]
    figure = Figure(figsize=(11.5, 0.9 + 0.27 * len(labels)), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, (table, place) in zip(axes, panels, strict=True):
        column = table.columns[place]
        _dots(ax, table, place, labels, colours(results.trials["family"]))
        if column.target is not None:
            floor_band(ax, column.target)
        elif column.floor.n:
            floor_band(ax, column.floor.mean, column.floor.values)
        ax.set_title(f"{column.title} {arrow(column)[0].split(' ')[0]}")
        ax.set_xlabel(column.unit, size=8)
        ax.set_ylabel("")
        ax.set_yticks(range(len(rows)), [row.label + " (reference)" * row.reference for row in rows])
        ax.set_ylim(-0.6, len(labels) - 0.4)
    return figure


def _dots(ax: Axes, table: ScoreTable, place: int, labels: list[str], look: dict[str, tuple[str, str]]) -> None:
    """One metric: a strip of seeds and a mean with its interval for each model, or why it has none."""
    column, cells = table.columns[place], [(row, row.cells[place]) for row in table.rows]
    seeds = pd.DataFrame(
        [(v, labels.index(row.label), row.family) for row, cell in cells for v in cell.values],
        columns=["value", "place", "family"],
    )
    shown = [*seeds["value"], *column.floor.values]
    logarithmic = column.direction == "lower" and too_wide(shown)

    def ends(values: pd.Series) -> tuple[float, float]:
        mean, half = interval(values)
        return max(mean - half, min(shown) / 2) if logarithmic else mean - half, mean + half

    families = sorted(set(seeds["family"]))
    common = {"x": "value", "hue": "family", "hue_order": families, "palette": {f: look[f][0] for f in families}}
    common |= {"orient": "h", "native_scale": True, "legend": False, "ax": ax}
    seaborn.stripplot(seeds.assign(place=seeds["place"] - 0.26), y="place", jitter=False, size=3.5, alpha=0.45, **common)
    seaborn.pointplot(
        seeds,
        y="place",
        errorbar=ends,
        linestyle="none",
        markers=[look[f][1] for f in families],
        markersize=6,
        markeredgecolor="white",
        markeredgewidth=0.6,
        zorder=3,
        err_kws={"linewidth": 1.6, "solid_capstyle": "butt", "zorder": 2.5},
        **common,
    )
    if logarithmic:  # only now: on a logarithmic axis seaborn would show geometric means
        ax.set_xscale("log")
        log_axis(ax.xaxis, min(shown), max(shown))
    else:
        bounds = [cell.mean + sign * cell.half for _, cell in cells for sign in (-1, 1)]
        tidy(ax, shown, bounds, whole=column.card.unit in ("modes", "classes"))
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # keeps the floor's line out of the words
    muted = {"color": "#666", "va": "center", "size": 8, "bbox": box}
    for row, cell in cells:
        if not cell.n:
            y = labels.index(row.label)
            ax.text(0.02, y, cell.note, transform=ax.get_yaxis_transform(), **muted)


def densities(results: Results, dataset: str) -> Figure | None:
    """Densities of 2-D models on one colour scale, the true one first; else histograms of samples."""
    if results.kind(dataset) != "points" or (results.meta(dataset).get("shape") or [2]) != [2]:
        return None
    found = []
    for label in results.labels(dataset):
        density = _density(results.first_ok(dataset, label, DENSITY))
        samples = None if density else _points(results.first_ok(dataset, label, SAMPLES), "samples")
        found += [(label, density)] if density else [(f"{label} (samples)", samples)] if samples is not None else []
    if not found:
        return None
    density = _density(results.paths.reference(dataset) / DENSITY)
    test = None if density else _points(results.paths.data(dataset) / DATA, "test")
    found[:0] = [("data", density)] if density else [("data (test points)", test)] if test is not None else []
    maps = [part for _, part in found if isinstance(part, tuple)]
    x, y = maps[0][:2] if maps else _grid([part for _, part in found])
    edges = [np.linspace(axis[0], axis[-1], 51) for axis in (x, y)]
    first = found[0][1]
    heights = first[2] if isinstance(first, tuple) else np.histogram2d(*first.T, bins=edges)[0] * _weight(first, edges)
    look = {"cmap": "BuPu", "vmin": 0, "vmax": np.quantile(heights, 0.999) or heights.max(), "cbar": False}
    look |= {"rasterized": True}
    tall, wide = _layout(len(found), 7)
    figure = Figure(figsize=(11.5, (11.5 / wide + 0.28) * tall), layout="constrained")
    for ax, (label, part) in zip(figure.subplots(tall, wide, squeeze=False).flat, found, strict=False):
        if isinstance(part, tuple):
            gx, gy, p = part
            seaborn.heatmap(p, ax=ax, xticklabels=False, yticklabels=False, **look)
            ax.invert_yaxis()
            ax.set_aspect((gy[1] - gy[0]) / (gx[1] - gx[0]))
        else:
            weights = np.full(len(part), _weight(part, edges))
            seaborn.histplot(x=part[:, 0], y=part[:, 1], weights=weights, bins=edges, thresh=None, ax=ax, **look)
            ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), aspect="equal", xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        ax.set_title(label)
    for ax in figure.axes[len(found) :]:
        ax.remove()
    return figure


def density_words(results: Results, dataset: str) -> str:
    """What the densities of the pictures are, where they are not the models' own; empty if all are."""
    scores = results.scores[(results.scores["dataset"] == dataset) & (results.scores["metric"] == "nll")]
    parts = []
    for label in results.labels(dataset):
        own = scores[scores["label"] == label]
        made = {kind: [parse(each) for each in part["settings"]] for kind, part in own.groupby("kind")}
        flows = [each for each in made.get("estimate", ()) if FLOW in (each.get("estimator") or "")]
        if results.first_ok(dataset, label, DENSITY) is None:
            continue
        if flows:
            parts.append(f"{label} (its probability-flow ODE, not the sampled chain)")
        elif "lower_bound" in made:
            parts.append(f"{label} (a lower bound: {estimator(made['lower_bound'], 'lower_bound')})")
    return " and ".join(parts)


def _layout(count: int, widest: int) -> tuple[int, int]:
    """Rows and columns for that many panels, none left nearly alone in the last row."""
    tall = math.ceil(count / widest)
    return tall, math.ceil(count / tall)


def _weight(points: np.ndarray, edges: list[np.ndarray]) -> float:
    """What a point adds to the density of its bin; points outside the box count in the normalisation."""
    return 1 / (len(points) * (edges[0][1] - edges[0][0]) * (edges[1][1] - edges[1][0]))


def _density(path: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    if path is None or not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as file:
        return file["x"], file["y"], np.exp(np.nan_to_num(file["log_prob"], nan=-np.inf).astype(float))


def _points(path: Path | None, key: str) -> np.ndarray | None:
    if path is None or not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as file:
        points = file[key] if key in file else np.empty((0, 2))
    points = points[np.isfinite(points).all(1)] if points.ndim == 2 and points.shape[1] == 2 else points[:0]
    return points if len(points) else None


def _grid(points: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.quantile(points[0], [0.0, 1.0], axis=0)
    margin = 0.1 * (high - low).max()
    return tuple(np.linspace(low[i] - margin, high[i] + margin, 80) for i in (0, 1))


def tradeoff(results: Results, dataset: str, every: Sequence[ScoreTable]) -> Figure | None:
    """The first main metric against training seconds and FLOPs."""
    found = {c.metric: c for t in every if not t.kind for c in t.columns}
    column = next((found[m] for m in mains(results.kind(dataset)) if m in found), None)
    if column is None:
        return None
    scores = results.scores
    scores = scores[(scores["dataset"] == dataset) & (scores["metric"] == column.metric)]
    frame = scores[scores["kind"] == column.kind].merge(results.trials[["trial", *COSTS]], on="trial")
    frame = frame.dropna(subset="value")
    frame[[*COSTS]] = frame[[*COSTS]].apply(pd.to_numeric, errors="coerce")
    shown = [cost for cost in COSTS if (frame[cost] > 0).any()]
    if not shown:
        return None
    look = {f: each for f, each in colours(results.trials["family"]).items() if f in set(frame["family"])}
    figure = Figure(figsize=(11.5, 4.2), layout="constrained")
    for ax, cost in zip(figure.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown, strict=True):
        _scatter(figure, ax, frame[frame[cost] > 0], cost, column, look)
        ax.set(xlabel=COSTS[cost], ylabel=f"{column.title} {arrow(column)[0]}")
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(),
        loc="outside upper left",
        ncols=len(look) + 1,
        handletextpad=0.4,
        columnspacing=1.2,
    )
    return figure


def _scatter(figure: Figure, ax: Axes, part: pd.DataFrame, cost: str, column: Column, look: dict[str, tuple[str, str]]) -> None:
    """Seeds small, means large and named, on logarithmic axes where values spread."""
    ax.set_xscale("log")
    if column.direction == "lower" and too_wide(part["value"], 10):
        ax.set_yscale("log")
        log_axis(ax.yaxis, part["value"].min(), part["value"].max())
    means = part.groupby("label", sort=False).agg({cost: "mean", "value": "mean", "family": "first"}).reset_index()
    common = {"x": cost, "y": "value", "hue": "family", "style": "family", "ax": ax}
    common |= {"palette": {f: ink for f, (ink, _) in look.items()}, "markers": {f: m for f, (_, m) in look.items()}}
    common |= {"hue_order": list(look), "style_order": list(look)}
    seaborn.scatterplot(part, s=16, alpha=0.35, linewidth=0, legend=False, **common)
    seaborn.scatterplot(means, s=64, edgecolor="white", linewidth=0.8, **common)
    ax.get_legend().remove()  # one for the whole figure
    if column.floor.n:
        ax.axhline(column.floor.mean, label="floor", **FLOOR)
    low, high = part[cost].min(), part[cost].max()
    ax.set_xlim(low / (high / low) ** 0.16 / 1.1, high * (high / low) ** 0.24 * 1.1)  # room for the labels
    log_axis(ax.xaxis, low, high)
    inks = means["family"].map(lambda family: look[family][0])
    _direct_labels(figure, ax, list(zip(means[cost], means["value"], means["label"], inks, strict=True)))


def _direct_labels(figure: Figure, ax: Axes, means: list[tuple[float, float, str, str]]) -> None:
    """Names beside the means, each at the nearest place that hides no other, with a line if it is far."""
    figure.canvas.draw()  # settles the layout, without which pixels mean nothing
    scale = 72 / figure.dpi
    points = [tuple(ax.transData.transform((x, y)) * scale) for x, y, _, _ in means]
    taken = [(x - 5, x + 5, y - 5, y + 5) for x, y in points]
    inside = ax.get_window_extent().transformed(Affine2D().scale(scale))
    moves = sorted(((side, dy) for side in (1, -1) for dy in range(-60, 64, 4)), key=lambda m: abs(m[1]) + 7 * (m[0] < 0))
    for (px, py), (x, y, label, colour) in sorted(zip(points, means, strict=True), key=lambda pair: pair[0][1]):
        width = 4.9 * len(label) + 2
        for side, dy in moves:
            left = px + 8 if side > 0 else px - 8 - width
            box = (left, left + width, py + dy - 4.5, py + dy + 4.5)
            if (
                inside.x0 < box[0]
                and box[1] < inside.x1
                and not any(box[0] < t[1] and t[0] < box[1] and box[2] < t[3] and t[2] < box[3] for t in taken)
            ):
                break
        taken.append(box)
        line = {"arrowstyle": "-", "color": colour, "lw": 0.5, "shrinkA": 0, "shrinkB": 3}
        ax.annotate(
            label,
            (x, y),
            (8 * side, dy),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center",
            color=colour,
            size=8.5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.3},  # seeds may lie below
            arrowprops=line if abs(dy) > 6 else None,
        )


def curves(results: Results, dataset: str) -> Figure | None:
    """A panel per model: losses (a dash pattern each) above, validation below; a line per seed, in its colour."""
    histories = {label: _histories(results, dataset, label) for label in results.labels(dataset)}
    histories = {label: history for label, history in histories.items() if len(history)}
    if not histories:
        return None
    every = pd.concat(histories.values())
    validated = "validation" in set(every["series"])
    seeds = sorted(set(every["seed"]))
    inks = dict(zip(seeds, seaborn.color_palette("colorblind", len(seeds)), strict=True))
    tall, wide = _layout(len(histories), 5)
    figure = Figure(figsize=(11.5, (1.5 + 1.5 * validated) * tall + 0.3), layout="constrained")
    axes = figure.subplots(tall * (1 + validated), wide, squeeze=False)
    dashes: dict[str, object] = {}
    for place, (label, history) in enumerate(histories.items()):
        row, col = divmod(place, wide)
        row *= 1 + validated
        losses = history[history["series"].str.startswith("loss/")]
        look = dict(zip(sorted(set(losses["series"])), cycle(DASHES), strict=False))  # the same pattern in other panels
        dashes |= look
        _panel(axes[row, col], losses, inks, look)
        axes[row, col].set_title(label)
        own = history[history["series"] == "validation"]
        if len(own):
            _panel(axes[row + 1, col], own, inks, {"validation": ""})
            axes[row, col].tick_params(labelbottom=False)
    for row, line in enumerate(axes):
        drawn = [ax for ax in line if ax.has_data()]
        if drawn:
            drawn[0].set_ylabel("validation" if validated and row % 2 else "loss")
        for ax in line:
            if not ax.has_data():
                ax.remove()
    figure.supxlabel("update", size=8.5)
    handles = [Line2D([], [], color=ink, label=f"seed {seed}") for seed, ink in inks.items()]
    for dash in dict.fromkeys(dashes.values()):
        series = ", ".join(sorted(name for name in dashes if dashes[name] == dash))
        handles.append(Line2D([], [], color="#444", lw=1, ls=(0, dash) if dash else "-", label=series))
    figure.legend(handles=handles, loc="outside upper left", ncols=7)
    return figure


def _histories(results: Results, dataset: str, label: str) -> pd.DataFrame:
    """Thinned histories of the first seeds of a model; `end` marks the last value of a training that broke off."""
    parts = []
    for row, path in islice(results.files(dataset, label, HISTORY), MAX_SEEDS):
        history = pd.read_parquet(path, columns=["update", "series", "value"])
        for _, part in history[np.isfinite(history["value"])].groupby("series"):
            part = part.sort_values("update").iloc[:: max(1, math.ceil(len(part) / MAX_POINTS))]
            end = pd.notna(row.step) & (np.arange(len(part)) == len(part) - 1)
            parts.append(part.assign(seed=row.seed, trial=row.trial, end=end))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _panel(ax: Axes, part: pd.DataFrame, inks: dict[int, tuple], dashes: dict[str, object]) -> None:
    """Lines cut off at outliers; a cross where a diverged trial ends."""
    if len(part):
        common = {"x": "update", "y": "value", "hue": "seed", "palette": inks, "legend": False, "ax": ax}
        lines = {"style": "series", "style_order": list(dashes), "dashes": dashes, "units": "trial", "estimator": None}
        seaborn.lineplot(part, linewidth=0.9, alpha=0.8, **lines, **common)
        if part["end"].any():
            seaborn.scatterplot(part[part["end"]], marker="x", s=26, linewidth=1.4, clip_on=False, zorder=3, **common)
        low, high = np.quantile(part["value"], [0.01, 0.99])
        margin = 0.08 * (high - low) or 0.1
        ax.set_ylim(low - margin, high + margin)
    ax.set(xlabel="", ylabel="")
    ax.xaxis.get_major_locator().set_params(nbins=4)
    ax.yaxis.get_major_locator().set_params(nbins=4)
    ax.tick_params(labelsize=7)
