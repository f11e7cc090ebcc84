"""The figure of factors: their shares of the variance, and tuned scores as a map for every architecture."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure as Drawing

from genbench.questions.grids import ARCHITECTURE, GridSearch
from genbench.report.style import FLOOR
from genbench.report.text import number
from genbench.statistics.factors import Grid, Tuned
from genbench.statistics.variance import Share

__all__ = ["drawn"]

BLUE = "#1f6fb4"


def drawn(s: GridSearch, tuned: Tuned, single: list[Share], maps: Sequence[str]) -> Drawing:
    """Left, shares by term; right, a map for every architecture, of the first of two factors (`maps`) by the second."""
    grid, rows, columns = s.grid, *(f if f in s.grid.factors else None for f in maps)
    panels = list(dict.fromkeys(grid.cells[ARCHITECTURE]))
    levels = [list(dict.fromkeys(grid.cells[f])) if f else [""] for f in (rows, columns)]
    terms = [share.term for share in single]
    wide = 0.62 * len(levels[1]) + 0.35
    height = max(0.3 * len(terms) + 1.1, 0.42 * len(levels[0]) + 1.5)
    drawing = Drawing(figsize=(4.3 + wide * len(panels), height), layout="constrained")
    left, *charts = drawing.subplots(1, 1 + len(panels), width_ratios=(4.2, *[wide] * len(panels)))
    for shares, offset, face, label in ((tuned.shares, -0.14, BLUE, "tuned"), (single, 0.14, "white", "single")):
        left.scatter([], [], s=26, facecolors=face, edgecolors=BLUE, label=label)
        for share in shares:
            if not math.isfinite(share.share):
                continue
            place = terms.index(share.term) + offset
            left.plot([100 * share.low, 100 * share.high], [place, place], color=BLUE, lw=1.3, zorder=2)
            left.scatter([100 * share.share], [place], s=26, facecolors=face, edgecolors=BLUE, zorder=3)
    left.axvline(0, **FLOOR)
    left.set_yticks(range(len(terms)), [term.replace(":", " × ") for term in terms])
    left.set_ylim(len(terms) - 0.5, -0.5)
    left.set_xlim(max(left.get_xlim()[0], -60), min(left.get_xlim()[1], 130))
    left.set_xlabel("share of the variance, %")
    left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2, handletextpad=0.1)
    bounds = (tuned.best.min(), max(tuned.best.max(), 1.0001 * tuned.best.min()))
    for ax, panel in zip(charts, panels, strict=True):
        _draw_map(ax, grid, tuned, panel, (rows, columns), levels, LogNorm(*bounds))
        if ax is not charts[0]:
            ax.set_yticklabels([])
    return drawing


def _draw_map(ax: Axes, grid: Grid, tuned: Tuned, panel: str, names: tuple, levels: list[list[str]], norm: LogNorm) -> None:
    """Tuned scores of one architecture, one factor by another; geometric means over further factors."""
    table = np.full((len(levels[0]), len(levels[1])), math.nan)
    for i, row in enumerate(levels[0]):
        for j, column in enumerate(levels[1]):
            here = grid.cells[ARCHITECTURE] == panel
            for name, level in zip(names, (row, column), strict=True):
                here &= (grid.cells[name] == level) if name else True
            if here.any():
                table[i, j] = math.exp(float(np.log(tuned.best[here]).mean()))
    ax.imshow(table, cmap="Blues_r", norm=norm, aspect="auto")
    for (i, j), value in np.ndenumerate(table):
        if math.isfinite(value):
            dark = norm(value) < 0.5
            ax.text(j, i, number(value), ha="center", va="center", fontsize=7, color="white" if dark else "#222")
    ax.set_xticks(range(len(levels[1])), levels[1], rotation=35, ha="right")
    ax.set_yticks(range(len(levels[0])), levels[0])
    ax.set_title(panel)
    ax.grid(False)
