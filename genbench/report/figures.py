"""The figures of a report, one function each: results in, a figure out (None if nothing can be shown)."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Affine2D

from genbench.report.read import Results
from genbench.report.style import colours, floor_line, log_axis, tidy, too_wide
from genbench.report.tables import MAIN, Table
from genbench.report.words import arrow

__all__ = ["curves", "densities", "dots", "tradeoff"]

MAX_SEEDS, MAX_POINTS = 10, 160  # lines per panel and points per line: keeps a page of many models small


def dots(results: Results, dataset: str, every: Sequence[Table]) -> Figure | None:
    """Main metrics side by side: seeds as faint dots, means with t-intervals, the floor dashed."""
    found = {c.metric: (t, i) for t in every if not t.kind for i, c in enumerate(t.columns)}
    panels = [found[metric] for metric in MAIN.get(results.kind(dataset), ()) if metric in found]
    if not panels:
        return None
    labels = [row.label for row in panels[0][0].rows][::-1]
    look = colours(results.trials["family"])
    figure = Figure(figsize=(11.5, 0.9 + 0.27 * len(labels)), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, (table, place) in zip(axes, panels, strict=True):
        column = table.columns[place]
        every_value = [v for row in table.rows for v in row.cells[place].values] + list(column.floor.values)
        logarithmic = column.card.direction == "lower" and too_wide(every_value)
        for row in table.rows:
            cell, y = row.cells[place], labels.index(row.label)
            colour, marker = look[row.family]
            if not cell.n:
                box = {
                    "facecolor": "white",
                    "edgecolor": "none",
                    "pad": 1,
                }  # keeps the floor's line out of the words
                ax.text(
                    0.02,
                    y,
                    cell.note,
                    transform=ax.get_yaxis_transform(),
                    color="#666",
                    va="center",
                    size=8,
                    bbox=box,
                )
                continue
            ax.plot(cell.values, [y - 0.24] * cell.n, marker, color=colour, alpha=0.4, ms=3.5, mew=0)
            if math.isfinite(cell.half):
                low = cell.mean - cell.half
                low = max(low, min(every_value) / 2) if logarithmic else low
                ax.plot([low, cell.mean + cell.half], [y, y], color=colour, lw=1.6, solid_capstyle="butt")
            ax.plot([cell.mean], [y], marker, color=colour, ms=6, mec="white", mew=0.6)
        if logarithmic:
            ax.set_xscale("log")
            log_axis(ax.xaxis, min(every_value), max(every_value))
        else:
            cells = [row.cells[place] for row in table.rows] + [column.floor]
            tidy(
                ax,
                every_value,
                [c.mean + sign * c.half for c in cells for sign in (-1, 1)],
                whole=column.card.unit in ("modes", "classes"),
            )
        if column.target is not None:
            floor_line(ax, column.target, math.nan)
        elif column.floor.n:
            floor_line(ax, column.floor.mean, column.floor.half)
        ax.set_title(f"{column.title} {arrow(column)[0].split(' ')[0]}")
        ax.set_xlabel(column.card.unit, size=8)
        ax.set_yticks(range(len(labels)), labels)
        ax.set_ylim(-0.6, len(labels) - 0.4)
        ax.tick_params(axis="y", length=0)
    return figure


def densities(results: Results, dataset: str) -> Figure | None:
    """Densities of 2-D models on one colour scale, the true one first; else histograms of samples."""
    if results.kind(dataset) != "points" or (results.meta(dataset).get("shape") or [2]) != [2]:
        return None
    found = [("data", _density(results.reference / dataset / "density.npz"))]
    if found[0][1] is None:
        found = [("data (test points)", _points(results.data / dataset / "data.npz", "test"))]
    for label in results.labels(dataset):
        density = _density(results.first_ok(dataset, label, "density.npz"))
        if density is not None:
            found.append((label, density))
        else:
            found.append((f"{label} (samples)", _points(results.first_ok(dataset, label, "samples.npz"), "samples")))
    maps = [each[1] for each in found if isinstance(each[1], tuple)]
    if not any(each[1] is not None for each in found[1:]):
        return None
    x, y = maps[0][:2] if maps else _grid([each[1] for each in found if each[1] is not None])
    shown = [(label, part if isinstance(part, tuple) else _histogram(part, x, y)) for label, part in found]
    shown = [(label, part) for label, part in shown if part is not None]
    top = np.quantile(shown[0][1][2], 0.999) or shown[0][1][2].max()
    wide = min(6, len(shown))
    tall = math.ceil(len(shown) / wide)
    figure = Figure(figsize=(11.5, (11.5 / wide + 0.28) * tall), layout="constrained")
    for ax, (label, (gx, gy, p)) in zip(figure.subplots(tall, wide, squeeze=False).flat, shown, strict=False):
        ax.pcolormesh(gx, gy, p, cmap="BuPu", vmin=0, vmax=top, shading="nearest", rasterized=True)
        ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), aspect="equal", xticks=[], yticks=[])
        ax.set_title(label)
        ax.grid(False)
        ax.spines[:].set_visible(False)
    for ax in figure.axes[len(shown) :]:
        ax.remove()
    return figure


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


def _histogram(
    points: np.ndarray | None, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Density of samples on coarse bins of the same box; samples outside count in the normalisation."""
    if points is None:
        return None
    edges = [np.linspace(axis[0], axis[-1], 51) for axis in (x, y)]
    counts, *_ = np.histogram2d(points[:, 0], points[:, 1], bins=edges)
    area = (edges[0][1] - edges[0][0]) * (edges[1][1] - edges[1][0])
    centres = [(edge[1:] + edge[:-1]) / 2 for edge in edges]
    return centres[0], centres[1], counts.T / (len(points) * area)


def tradeoff(results: Results, dataset: str, every: Sequence[Table]) -> Figure | None:
    """The first main metric against training seconds and FLOPs."""
    found = {c.metric: (t, i) for t in every if not t.kind for i, c in enumerate(t.columns)}
    metric = next((m for m in MAIN.get(results.kind(dataset), ()) if m in found), None)
    if metric is None:
        return None
    table, place = found[metric]
    column = table.columns[place]
    scores = results.scores
    scores = scores[(scores["dataset"] == dataset) & (scores["metric"] == metric) & (scores["kind"] == column.kind)]
    frame = scores.merge(results.trials[["trial", "cost_seconds", "cost_flops"]], on="trial").dropna(subset="value")
    axes_of = {"cost_seconds": "training seconds", "cost_flops": "training FLOPs"}
    shown = {k: v for k, v in axes_of.items() if (pd.to_numeric(frame[k], errors="coerce") > 0).any()}
    if not shown:
        return None
    look = colours(results.trials["family"])
    figure = Figure(figsize=(11.5, 4.2), layout="constrained")
    for ax, (cost, title) in zip(
        figure.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown.items(), strict=True
    ):
        part = frame[pd.to_numeric(frame[cost], errors="coerce") > 0]
        ax.set_xscale("log")
        if column.card.direction == "lower" and too_wide(frame["value"], 10):
            ax.set_yscale("log")
            log_axis(ax.yaxis, frame["value"].min(), frame["value"].max())
        means = []
        for label, rows in part.groupby("label", sort=False):
            colour, marker = look[rows["family"].iloc[0]]
            ax.plot(rows[cost], rows["value"], marker, color=colour, alpha=0.3, ms=4, mew=0)
            means.append((rows[cost].mean(), rows["value"].mean(), label, colour))
            ax.plot(*means[-1][:2], marker, color=colour, ms=8, mec="white", mew=0.8)
        if column.floor.n:
            ax.axhline(column.floor.mean, color="#333", lw=1, ls=(0, (4, 3)), zorder=1)
        low, high = part[cost].min(), part[cost].max()
        ax.set_xlim(low / (high / low) ** 0.16 / 1.1, high * (high / low) ** 0.24 * 1.1)  # room for the labels
        log_axis(ax.xaxis, low, high)
        ax.set_xlabel(title)
        _direct_labels(figure, ax, means)
    figure.axes[0].set_ylabel(f"{column.title} {arrow(column)[0]}")
    handles = [
        Line2D([], [], color=c, marker=m, ls="", ms=6, label=f)
        for f, (c, m) in look.items()
        if f in set(frame["family"])
    ]
    handles += [Line2D([], [], color="#333", lw=1, ls=(0, (4, 3)), label="floor")] if column.floor.n else []
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), handletextpad=0.2, columnspacing=1.2)
    return figure


def _direct_labels(figure: Figure, ax: Axes, means: list[tuple[float, float, str, str]]) -> None:
    """Names beside the means, each at the nearest place that hides no other, with a line if it is far."""
    figure.canvas.draw()  # settles the layout, without which pixels mean nothing
    scale = 72 / figure.dpi
    points = [tuple(ax.transData.transform((x, y)) * scale) for x, y, _, _ in means]
    taken = [(x - 5, x + 5, y - 5, y + 5) for x, y in points]
    inside = ax.get_window_extent().transformed(Affine2D().scale(scale))
    moves = sorted(
        ((side, dy) for side in (1, -1) for dy in range(-60, 64, 4)), key=lambda m: abs(m[1]) + 7 * (m[0] < 0)
    )
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
            arrowprops=line if abs(dy) > 6 else None,
        )


def curves(results: Results, dataset: str) -> Figure | None:
    """A panel per model: losses (a colour per series) above, the validation value below; a line per seed."""
    histories = {label: _histories(results, dataset, label) for label in results.labels(dataset)}
    histories = {label: each for label, each in histories.items() if each}
    if not histories:
        return None
    wide = min(5, len(histories))
    tall = math.ceil(len(histories) / wide)
    validated = any((h["series"] == "validation").any() for each in histories.values() for _, h in each)
    figure = Figure(figsize=(11.5, (1.5 + 1.5 * validated) * tall + 0.3), layout="constrained")
    axes = figure.subplots(tall * (1 + validated), wide, squeeze=False)
    losses = sorted(
        {s for each in histories.values() for _, h in each for s in h["series"].unique() if s != "validation"}
    )
    inks = dict(zip(losses, ["#1f6fb4", "#c4352b", "#1b8a5a", "#7a4fb0", "#d9831f"] * len(losses), strict=False))
    for place, (label, each) in enumerate(histories.items()):
        row, col = divmod(place, wide)
        row *= 1 + validated
        _panel(axes[row, col], each, losses, inks)
        axes[row, col].set_title(label)
        if validated:
            _panel(axes[row + 1, col], each, ["validation"], {"validation": "#222"})
            axes[row, col].tick_params(labelbottom=False)
    for row, line in enumerate(axes):
        line[0].set_ylabel("validation" if validated and row % 2 else "loss")
    used = len(histories) - wide * (tall - 1)
    for ax in (axes[-1 - validated :, used:]).flat:
        ax.remove()
    figure.supxlabel("update", size=8.5)
    handles = [Line2D([], [], color=ink, label=series) for series, ink in inks.items()]
    if handles:
        figure.legend(handles=handles, loc="outside upper left", ncols=6)
    return figure


def _histories(results: Results, dataset: str, label: str) -> list[tuple[bool, pd.DataFrame]]:
    """Whether training broke off, and the history, of the first seeds of a model."""
    found = []
    for row in results.of(dataset, label).head(MAX_SEEDS).itertuples():
        path = results.store / row.trial / "history.parquet"
        if path.is_file():
            found.append((pd.notna(row.step), pd.read_parquet(path)))
    return found


def _panel(ax: Axes, each: list[tuple[bool, pd.DataFrame]], series: list[str], inks: dict[str, str]) -> None:
    """Lines of some series, cut off at outliers; a cross where a diverged trial ends."""
    shown = []
    for broken, history in each:
        for name in series:
            part = history[history["series"] == name].sort_values("update")
            part = part[np.isfinite(part["value"])]
            if part.empty:
                continue
            part = part.iloc[:: max(1, math.ceil(len(part) / MAX_POINTS))]
            ax.plot(part["update"], part["value"], color=inks[name], lw=0.8, alpha=0.75)
            if broken:
                ax.plot(
                    part["update"].iloc[-1:],
                    part["value"].iloc[-1:],
                    "x",
                    color=inks[name],
                    ms=5,
                    mew=1.2,
                    clip_on=False,
                )
            shown.append(part["value"].to_numpy())
    if shown:
        low, high = np.quantile(np.concatenate(shown), [0.01, 0.99])
        margin = 0.08 * (high - low) or 0.1
        ax.set_ylim(low - margin, high + margin)
    ax.xaxis.get_major_locator().set_params(nbins=4)
    ax.yaxis.get_major_locator().set_params(nbins=4)
    ax.tick_params(labelsize=7)
