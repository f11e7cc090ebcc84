"""C3, most improvements come from the architecture: variance of tuned scores in grids of crossed factors."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure as Drawing

from genbench.report.blocks import Figure, Paragraph, Points, Table
from genbench.report.claim import HOLDS, OPEN, REFUTED, Claim, tally, together
from genbench.report.claims.grids import Searched, on, searched, steps_said
from genbench.report.published import published
from genbench.report.style import FLOOR
from genbench.report.text import listing, number, plural
from genbench.results.study import Results
from genbench.statistics import factors
from genbench.statistics.factors import Grid, Tuned
from genbench.statistics.search_curve import search_curve
from genbench.statistics.variance import Share

__all__ = ["architecture", "others"]

LEVEL = 0.05  # of a false verdict on a claim from any dataset
ASKED, RIVALS = "architecture", ("loss", "restraint")
C3_NOTE = (
    "Every crossing of the factors tries the same quasi-random stream of configurations over its own space{first}.{steps} A "
    "cell's tuned score is the expected test score of the best of k configurations by validation (arXiv:2004.13705); a failed "
    "one is charged the worst score of the dataset. Shares are of the variance of its log between cells (Shapley values of the "
    "sums of squares), less what errors of estimation add, with 95 % intervals by the jackknife over configurations that all "
    "cells leave out together; single configurations likewise, where “within cells” is what the search gains. Rule, fixed "
    "beforehand: the claim holds on a dataset where the interval of the architecture's share minus that of loss, restraint and "
    "their pair lies above 0, and does not where it lies below; what architecture and the others only do together counts for "
    "neither. Over several datasets that interval is corrected for their number (Bonferroni). Shares depend on the levels and "
    "spaces chosen, on one bad level as much as on a good one, and a factor with more levels has a larger share by counting "
    "alone: L levels whose effects are draws of one law have, on average, a variance in proportion to 1 - 1 / L. “Most” asks of "
    "the architecture, with the levels it has, for more than all of the others together; comparisons of factor with factor give "
    "no verdict. Others over best: the geometric mean of tuned scores at a factor's other levels over that at its best level, "
    "which is 1 or more by construction, the more so the more levels there are. Scores are not taken relative to that of real "
    "data, near which such logs are unstable. In the map, dark is better."
)


def architecture(results: Results) -> Claim | None:
    """C3 from grids with the factor "architecture" beside "loss" or "restraint"; None without."""
    found, said = searched(results, [ASKED])
    found = [s for s in found if set(RIVALS) & set(_varied(s.grid)) and ASKED in _varied(s.grid)]
    tuned, single, asked = {}, {}, len(found)
    for s in found:
        try:
            tuned[s.name] = factors.tuned_shares(s.grid, ASKED, RIVALS, 1 - LEVEL / asked)
            single[s.name] = factors.single_shares(s.grid)
        except ValueError as error:
            said.append(f"{s.name}: no verdict, {error}.")
    found = [s for s in found if s.name in single]
    if not found:
        return _claim(OPEN, " ".join(said), ()) if said else None
    verdicts = {s.name: _leads(tuned[s.name].lead) for s in found}
    shown = {s.name: factors.tuned_shares(s.grid, ASKED, RIVALS) for s in found}
    points = [line for s in found for line in _shares_said(s, shown[s.name], single[s.name])]
    blocks: list = [Points((*points, *said))]
    for s in found:
        caption = (
            f"{s.name}: left, shares of the variance of log {s.title}: between cells, each tuned ({s.budget}), filled, and of "
            f"single configurations, hollow; bars are 95 % intervals; {_levels(s.grid)}. Right, tuned scores, by architecture; "
            "lower is better."
        )
        blocks.append(Figure(f"c3_{s.key}_shares", _draw_shares(s, shown[s.name], single[s.name]), caption))
    where = on(found, [s.name for s in found if s.defaults])
    first = "" if where is None else f", the authors' defaults first{where}"
    blocks.append(Paragraph(C3_NOTE.format(first=first, steps=steps_said(found)), fine=True))
    for s in found:
        blocks += [_share_table(s, shown[s.name], single[s.name]), _cell_table(s, shown[s.name])]
    because = " ".join([f"{s.name}: {_lead_said(s.grid, tuned[s.name], verdicts[s.name], 1 - LEVEL / asked)}." for s in found])
    return _claim(together(verdicts.values()), because, tuple(blocks), tally(verdicts))


def _claim(verdict: str, because: str, blocks: tuple, short: str = "") -> Claim:
    return Claim(
        "C3",
        "Most improvements come from the architecture, not from the loss or the regulariser",
        "read into Lucic et al. 2018 (arXiv:1711.10337), who held the architecture fixed, and Kurach et al. 2019 "
        "(arXiv:1807.04720)",
        verdict,
        because,
        (*blocks, *others("C3")),
        short,
    )


def _varied(grid: Grid) -> list[str]:
    return [factor for factor in grid.factors if grid.cells[factor].nunique() > 1]


def _counted(grid: Grid, factor: str) -> str:
    return f"{factor} ({plural(grid.cells[factor].nunique(), 'level')})"


def _levels(grid: Grid) -> str:
    return listing([f"{factor} has {plural(grid.cells[factor].nunique(), 'level')}" for factor in _varied(grid)])


def _leads(lead: Share) -> str:
    if lead.low > 0:
        return HOLDS
    return REFUTED if lead.high < 0 else OPEN


def _lead_said(grid: Grid, tuned: Tuned, verdict: str, level: float) -> str:
    """Why the verdict on one dataset is as it is."""
    cells, rivals = plural(len(grid.cells), "tuned cell"), [factor for factor in RIVALS if factor in _varied(grid)]
    if math.isnan(tuned.lead.share):
        return f"{cells} differ by no more than errors of estimation do, so there is nothing to divide"
    own = next(share.share for share in tuned.shares if share.term == ASKED)
    means = {
        HOLDS: "the architecture leads",
        REFUTED: f"{listing(rivals)} {'leads' if len(rivals) == 1 else 'lead'}",
        OPEN: "which leads is not shown",
    }[verdict]
    rest = [_counted(grid, rival) for rival in rivals] + ["their pair"] * (len(rivals) > 1)
    return (
        f"of the variance between {cells}, the {_counted(grid, ASKED)} has {_percent(own)} and {listing(rest)} "
        f"{_percent(own - tuned.lead.share)}; the difference is {_points(tuned.lead)}, {100 * level:.3g} % interval), so {means}"
    )


def _percent(x: float) -> str:
    return f"{round(100 * x)} %" if math.isfinite(x) else "–"


def _points(share: Share) -> str:
    value, low, high = (str(round(100 * x)) for x in (share.share, share.low, share.high))
    return f"{value} points ({low} to {high}"


def _term(name: str) -> str:
    return name.replace(":", " × ")


def _with(share: Share) -> str:
    ends = f" ({round(100 * share.low)} to {round(100 * share.high)})" if math.isfinite(share.low) else ""
    return f"{_term(share.term)} {_percent(share.share)}{ends}"


def _shares_said(s: Searched, tuned: Tuned, single: list[Share]) -> list[str]:
    said = []
    if math.isfinite(tuned.lead.share):
        parts = listing([_with(share) for share in tuned.shares])
        said.append(
            f"{s.name}, {s.title}: shares of the variance between {plural(len(s.grid.cells), 'tuned cell')} ({s.budget}): "
            f"{parts}. "
            f"Errors of estimation were {_percent(tuned.noise)} of the raw variance."
        )
        said += _one_by_one(s, tuned)
    said.append(f"{s.name}: shares of single configurations: {listing([_with(share) for share in single])}.")
    gains = [f"{number(g.gain)} ({number(g.low)} to {number(g.high)}) for {g.factor} ({g.best})" for g in tuned.gains]
    said.append(f"{s.name}: tuned scores at a factor's other levels, geometric mean, over those at its best: {listing(gains)}.")
    top, last = int(np.argmin(tuned.best)), int(np.argmax(tuned.best))
    said.append(
        f"{s.name}: the lowest tuned {s.title} is {number(tuned.best[top])} ({_cell(s.grid, top)}), the highest "
        f"{number(tuned.best[last])} ({_cell(s.grid, last)}); {int(s.grid.failed.sum())} of "
        f"{plural(s.grid.failed.size, 'trial')} failed."
    )
    return said


def _one_by_one(s: Searched, tuned: Tuned) -> list[str]:
    """The architecture against each of two rivals, the larger first; nothing where there is one, against which the lead is."""
    own = {share.term: share.share for share in tuned.shares}
    rivals = sorted((rival for rival in RIVALS if rival in own), key=lambda rival: -own[rival])
    if len(rivals) < 2:
        return []
    leads = [_points(factors.tuned_shares(s.grid, ASKED, (rival,)).lead) for rival in rivals]
    large, small = (_counted(s.grid, rival) for rival in rivals)
    return [
        f"{s.name}, factor against factor, from which no verdict follows: the share of {_counted(s.grid, ASKED)} less that of "
        f"{large}, the larger of the other two, is {leads[0]}), less that of {small} {leads[1]}), with 95 % intervals."
    ]


def _cell(grid: Grid, place: int) -> str:
    return ", ".join(map(str, grid.cells.iloc[place]))


def _draw_shares(s: Searched, tuned: Tuned, single: list[Share]) -> Drawing:
    grid, rows, columns = s.grid, *(f if f in s.grid.factors else None for f in RIVALS)
    panels = list(dict.fromkeys(grid.cells[ASKED]))
    levels = [list(dict.fromkeys(grid.cells[f])) if f else [""] for f in (rows, columns)]
    terms = [share.term for share in single]
    wide = 0.62 * len(levels[1]) + 0.35
    height = max(0.3 * len(terms) + 1.1, 0.42 * len(levels[0]) + 1.5)
    drawing = Drawing(figsize=(4.3 + wide * len(panels), height), layout="constrained")
    left, *maps = drawing.subplots(1, 1 + len(panels), width_ratios=(4.2, *[wide] * len(panels)))
    for shares, offset, face, label in ((tuned.shares, -0.14, "#1f6fb4", "tuned"), (single, 0.14, "white", "single")):
        left.scatter([], [], s=26, facecolors=face, edgecolors="#1f6fb4", label=label)
        for share in shares:
            if not math.isfinite(share.share):
                continue
            place = terms.index(share.term) + offset
            left.plot([100 * share.low, 100 * share.high], [place, place], color="#1f6fb4", lw=1.3, zorder=2)
            left.scatter([100 * share.share], [place], s=26, facecolors=face, edgecolors="#1f6fb4", zorder=3)
    left.axvline(0, **FLOOR)
    left.set_yticks(range(len(terms)), [_term(term) for term in terms])
    left.set_ylim(len(terms) - 0.5, -0.5)
    left.set_xlim(max(left.get_xlim()[0], -60), min(left.get_xlim()[1], 130))
    left.set_xlabel("share of the variance, %")
    left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2, handletextpad=0.1)
    bounds = (tuned.best.min(), max(tuned.best.max(), 1.0001 * tuned.best.min()))
    for ax, panel in zip(maps, panels, strict=True):
        _draw_map(ax, grid, tuned, panel, (rows, columns), levels, LogNorm(*bounds))
        if ax is not maps[0]:
            ax.set_yticklabels([])
    return drawing


def _draw_map(ax: Axes, grid: Grid, tuned: Tuned, panel: str, names: tuple, levels: list[list[str]], norm: LogNorm) -> None:
    """Tuned scores of one architecture, loss by restraint; geometric means over further factors."""
    table = np.full((len(levels[0]), len(levels[1])), math.nan)
    for i, row in enumerate(levels[0]):
        for j, column in enumerate(levels[1]):
            here = grid.cells[ASKED] == panel
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


def _share_table(s: Searched, tuned: Tuned, single: list[Share]) -> Table:
    between = {share.term: share for share in tuned.shares}
    rows, gains = [], {gain.factor: gain for gain in tuned.gains}
    nothing = Share("", *[math.nan] * 5)
    for one in single:
        both = between.get(one.term, nothing)
        gain = gains.get(one.term)
        levels = str(s.grid.cells[one.term].nunique()) if one.term in s.grid.factors else ""
        row = {"term": _term(one.term), "levels": levels, "tuned": both.share, "low": both.low, "high": both.high}
        row |= {"single": one.share, "single, low": one.low, "single, high": one.high}
        row |= {"best level": gain.best if gain else "", "others over best": gain.gain if gain else math.nan}
        row |= {"others over best, low": gain.low if gain else math.nan}
        rows.append(row | {"others over best, high": gain.high if gain else math.nan})
    caption = (
        f"{s.name}: shares of the variance of log {s.title}, tuned and of single configurations, and a factor's other levels "
        "over its best, with 95 % intervals"
    )
    return Table(f"c3_{s.key}_shares", pd.DataFrame(rows), caption, folded=True)


def _cell_table(s: Searched, tuned: Tuned) -> Table:
    grid, chosen, places = s.grid, s.grid.chosen(), np.arange(len(s.grid.cells))
    curves = [search_curve(v, t, [grid.k], grid.charge)[0] for v, t in zip(grid.validation, grid.test, strict=True)]
    frame = pd.DataFrame(
        {
            "cell": [_cell(grid, place) for place in places],
            "tuned": tuned.best,
            "low": [max(best.low, 0.0) for best in curves],
            "high": [best.high for best in curves],
            **({"authors' defaults": grid.test[:, 0]} if s.defaults else {}),
            "chosen": grid.test[places, chosen],
            "coverage of the chosen": grid.coverage[places, chosen],
            "failed": grid.failed.sum(1),
        }
    ).dropna(axis=1, how="all")
    first = "the authors' defaults' and " if s.defaults else ""
    caption = (
        f"{s.name}, {s.title}, by cell: tuned ({s.budget}) with its 95 % interval, {first}the chosen configuration's test "
        f"score, and how many of {grid.test.shape[1]} trials failed"
    )
    return Table(f"c3_{s.key}_cells", frame, caption, folded=True)


def others(claim: str) -> list[Table]:
    frame = published(claim)
    return [Table(f"{claim.lower()}_published", frame, "Published values on the claim", folded=True)] if len(frame) else []
