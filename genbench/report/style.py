"""How figures look and how they become clean SVG: fixed colours by family, equal bytes for equal data."""

import io
import math
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from html import escape

import matplotlib
import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

__all__ = ["DASHES", "FLOOR", "colours", "floor_band", "inks", "log_axis", "seed_lines", "theme", "tidy", "to_svg", "too_wide"]

# Colours that stay apart for most colour-blind readers and on white, each family also with its own marker
PALETTE = {
    "gan": ("#c4352b", "o"),
    "vae": ("#1f6fb4", "s"),
    "flow": ("#1b8a5a", "^"),
    "continuous_flow": ("#7cae2c", "v"),
    "autoregressive": ("#8a5a2b", "D"),
    "diffusion": ("#7a4fb0", "P"),
    "energy": ("#d9831f", "X"),
    "bridge": ("#c2539b", "<"),
    "baseline": ("#5f6b76", "p"),
}
ALIASES = {
    "ebm": "energy",
    "cnf": "continuous_flow",
    "flow_matching": "continuous_flow",
    "schrodinger_bridge": "bridge",
}
SPARE = (("#008c9e", ">"), ("#3f4a9e", "h"), ("#9a8a00", "H"), ("#b06a6a", "d"))
DASHES = ("", (3, 1.2), (1, 1), (5, 1, 1, 1), (2, 2))
FLOOR = {"color": "#333", "lw": 1, "ls": (0, (4, 3)), "zorder": 1}
RC = {
    "font.sans-serif": ["Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.edgecolor": "#888",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "xtick.bottom": True,
    "xtick.color": "#444",
    "xtick.major.size": 3,
    "xtick.major.width": 0.7,
    "xtick.labelsize": 8,
    "ytick.color": "#222",
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "genbench",
}


@contextmanager
def theme() -> Iterator[None]:
    """Seaborn's theme with the report's settings, inside the context only."""
    with matplotlib.rc_context():
        seaborn.set_theme(context="paper", style="whitegrid", rc=RC)
        yield


def colours(families: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each family; unknown families take spare ones in alphabetical order."""
    chosen, spare = {}, 0
    for family in sorted(set(families)):
        known = PALETTE.get(ALIASES.get(family, family))
        if known is None:
            known, spare = SPARE[spare % len(SPARE)], spare + 1
        chosen[family] = known
    return chosen


def inks(names: Collection[str]) -> dict[str, tuple]:
    """A colour for each of a few things that are no families."""
    return dict(zip(names, seaborn.color_palette("colorblind", len(names)), strict=True))


def seed_lines(ax: Axes, part: pd.DataFrame, x: str, y: str, ink: tuple, geometric: bool = False, **thick) -> None:
    """A thin line per seed, and thick the mean over seeds at each x; `thick`: further looks of the mean."""
    for _, line in part.groupby("seed"):
        ax.plot(line[x], line[y], color=ink, lw=0.6, alpha=0.5)
    mean = (np.log(part[y]) if geometric else part[y]).groupby(part[x]).mean()
    ax.plot(mean.index, np.exp(mean) if geometric else mean, color=ink, lw=2, **thick)


def too_wide(values: Iterable[float], factor: float = 25.0) -> bool:
    """Whether values spread too far for a linear axis and are all positive."""
    array = [value for value in values if math.isfinite(value)]
    return bool(array) and min(array) > 0 and max(array) / min(array) > factor


def log_axis(axis: matplotlib.axis.Axis, low: float, high: float) -> None:
    """Readable ticks on a logarithmic axis: 1-2-3-5 over a decade, fewer over more, no minor labels."""
    decades = high / low
    subs = (1, 2, 3, 5) if decades < 12 else (1, 3) if decades < 300 else (1,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}".replace("e+0", "e").replace("e+", "e")))
    axis.set_minor_formatter(NullFormatter())


def floor_band(ax: Axes, mean: float, values: Iterable[float] = ()) -> None:
    """The value of real data against real data: a dashed line, a band from the lowest to the highest redraw."""
    ax.axvline(mean, **FLOOR)
    low, high = min(values, default=mean), max(values, default=mean)
    if high > low:
        ax.axvspan(low, high, color="#333", alpha=0.08, lw=0, zorder=0)


def tidy(ax: Axes, values: Iterable[float], ends: Iterable[float], whole: bool = False) -> None:
    """Few ticks on a linear axis that shows all values, and ends of intervals if values stay readable."""
    low, high = min(values), max(values)
    room = 0.6 * (high - low) or 0.1 * abs(high) or 0.1
    ends = [end for end in ends if math.isfinite(end)]
    left, right = max(min([low, *ends]), low - room), min(max([high, *ends]), high + room)
    ax.set_xlim(left - 0.08 * (right - left or room), right + 0.08 * (right - left or room))
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=whole))


def to_svg(figure: Figure, name: str, label: str) -> str:
    """SVG with ids of its own, rounded coordinates, a label for screen readers and no fixed size or date."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", dpi=110, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    width = re.search(r'viewBox="0 0 ([\d.]+) ', text).group(1)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = text.replace(
        "<svg",
        f'<svg role="img" aria-label="{escape(label)}" style="max-width:{float(width) * 1.38:.0f}px"',
        1,
    )
    text = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d{2})\d+", r"\1", tag.group()), text)  # base64 holds no dot
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', text)
    return re.sub(r"\n\s*", "\n", text)
