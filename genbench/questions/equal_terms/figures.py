"""The figure of searches: every configuration's score, and what the best of k is expected to score."""

import math
from collections.abc import Sequence

import numpy as np
import seaborn
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from genbench.questions.searches import ModelSearch
from genbench.report.style import DASHES, FLOOR, log_axis
from genbench.statistics.search_curve import Best

__all__ = ["drawn"]


def drawn(found: Sequence[ModelSearch], curves: dict[str, list[Best]], title: str, floor: float) -> Drawing:
    """Left, a row per model with its configurations; right, the curves by label. `title`: of the metric, `floor` of real data."""
    drawing = Drawing(figsize=(9.2, 0.34 * len(found) + 1.9), layout="constrained")
    left, right = drawing.subplots(1, 2, width_ratios=(1.25, 1))
    palette = dict(zip([s.label for s in found], seaborn.color_palette("husl", len(found)), strict=True))
    for place, s in enumerate(found):
        ink, ok = palette[s.label], np.isfinite(s.test)
        left.scatter(s.test[ok], np.full(ok.sum(), place), s=13, color=ink, alpha=0.6, linewidths=0, zorder=3)
        if s.defaults:
            left.scatter(s.test[:1], [place], s=34, marker="D", color=ink, zorder=4)
        if s.chosen is not None:
            left.scatter([s.test[s.chosen]], [place], s=80, facecolors="none", edgecolors="#222", linewidths=1.1, zorder=5)
        curve = [b for b in curves[s.label] if math.isfinite(b.mean)]
        ks = [b.k for b in curve]
        right.plot(
            ks, [b.mean for b in curve], color=ink, dashes=DASHES[place % len(DASHES)] or (None, None), lw=1.4, label=s.label
        )
        right.fill_between(ks, [b.low for b in curve], [b.high for b in curve], color=ink, alpha=0.1, lw=0)
    left.set_yticks(range(len(found)), [s.label for s in found])
    left.set_ylim(len(found) - 0.5, -0.5)
    every = np.concatenate([s.test[np.isfinite(s.test) & (s.test > 0)] for s in found])
    if every.size:
        left.set_xscale("log")
        log_axis(left.xaxis, every.min(), every.max())
    if math.isfinite(floor) and floor > 0:
        left.axvline(floor, **FLOOR)
    left.set_xlabel(title)
    tops = [b.mean for curve in curves.values() for b in curve if math.isfinite(b.mean)]
    if tops:
        right.set_yscale("log")
        right.set_ylim(0.8 * min(tops), 1.25 * max(tops))
        log_axis(right.yaxis, min(tops), max(tops))
    right.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    right.set_xlabel("configurations k")
    right.set_ylabel(f"expected best {title}")
    right.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return drawing
