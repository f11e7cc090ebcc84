"""C3: whether most improvements come from the architecture: variance of tuned scores in grids of crossed factors."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from genbench.questions.architecture.figures import drawn
from genbench.questions.grids import ARCHITECTURE, LOSS, REGULARISATION, GridSearch, grids, on, steps_said
from genbench.report.blocks import Claim, Figure, Fold, Paragraph, Points, Table
from genbench.report.published import beside
from genbench.report.text import listing, number, percent, plural, span
from genbench.report.verdicts import HOLDS, OPEN, REFUTED, deciding, enough, pooled_first, tally
from genbench.results.study import Results
from genbench.statistics import factors
from genbench.statistics.factors import Grid, Tuned
from genbench.statistics.search_curve import search_curve
from genbench.statistics.variance import Share

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "tale", 30
STATEMENT = "Most improvements come from the architecture, not from the loss or the regularisation"
SOURCE = (
    "read into Lucic et al. 2018 (arXiv:1711.10337), who held the architecture fixed, and Kurach et al. 2019 (arXiv:1807.04720)"
)
LEVEL = 0.05  # of a false verdict on a claim from any dataset
RIVALS = (LOSS, REGULARISATION)
NOTES = (
    "Every crossing of the factors tries the same quasi-random stream of configurations, over its own search space{first}. "
    "{steps} A cell's tuned score is the expected test score of the best of k configurations by validation (arXiv:2004.13705); "
    "a configuration is charged ten times a typical score of the dataset at most, a failed one that.",
    "Shares are of the variance of the log tuned score between cells (Shapley values of the sums of squares), less what errors "
    "of estimation add. Their 95 % intervals come from leaving out one configuration of all cells at a time (jackknife). Shares "
    "of single configurations are made likewise; “within cells” is what the search gains.",
    "Rule, fixed beforehand: the claim holds where the interval of the architecture's share minus that of loss, regularisation "
    "and their pair lies above 0, and does not where it lies below. What the architecture and the others do only together "
    "counts for neither. First over all datasets, the mean difference, whose error leaves out one configuration of all of them "
    "at a time; then dataset by dataset, corrected for their number (Bonferroni). A dataset that shows the contrary makes it "
    "hold in part. Comparisons of factor with factor give no verdict.",
    "Shares depend on the factor levels and search spaces that were chosen: one bad level counts as much as a good one, and a "
    "factor with more levels has a larger share by counting alone (L levels drawn from one distribution have, on average, a "
    "variance in proportion to 1 - 1 / L). “Others over best”, the geometric mean of tuned scores at a factor's other levels "
    "over that at its best, is 1 or more by construction. Scores are not taken relative to real data's, near "
    "which logs are unstable.",
)


def report(results: Results) -> Claim | None:
    """Return the verdict from grids with the factor "architecture" beside "loss" or "regularisation"; None without."""
    found, said = grids(results, [ARCHITECTURE])
    found = [s for s in found if set(RIVALS) & set(_varied(s.grid)) and ARCHITECTURE in _varied(s.grid)]
    tuned, single, level = {}, {}, 1 - LEVEL / max(len(found), 1)
    for s in found:
        try:
            tuned[s.name] = factors.tuned_shares(s.grid, ARCHITECTURE, RIVALS, level)
            single[s.name] = factors.single_shares(s.grid)
        except ValueError as error:
            said.append(f"{s.name}: no verdict, {error}.")
    found = [s for s in found if s.name in single]
    if not found:
        return _claim(OPEN, ("No grid of this study allows a verdict.",), (_lacks(said),)) if said else None
    verdicts = {s.name: _leads(tuned[s.name].lead) for s in found}
    pooled = factors.pooled_lead(list(tuned.values()))
    verdict = pooled_first(_leads(pooled), verdicts.values())
    folds = [_dataset(s, factors.tuned_shares(s.grid, ARCHITECTURE, RIVALS), single[s.name]) for s in found]
    folds += [_lacks(said)] if said else []
    where = on(found, [s.name for s in found if s.defaults])
    first = "" if where is None else f", the authors' defaults first{where}"
    notes = (note.format(first=first, steps=steps_said(found)) for note in NOTES)
    folds.append(Fold("How these verdicts are made", tuple(Paragraph(note, fine=True) for note in notes)))
    return _claim(verdict, _because(found, tuned, verdicts, verdict, pooled, level), tuple(folds), tally(verdicts))


def _claim(verdict: str, because: tuple[str, ...], folds: tuple[Fold, ...], short: str = "") -> Claim:
    return Claim("C3", STATEMENT, SOURCE, verdict, because, (*folds, *beside("C3")), short)


def _lacks(said: Sequence[str]) -> Fold:
    return Fold("What is not in these numbers", (Points(tuple(said)),))


def _varied(grid: Grid) -> list[str]:
    return [factor for factor in grid.factors if grid.cells[factor].nunique() > 1]


def _rivals(grid: Grid) -> list[str]:
    return [factor for factor in RIVALS if factor in _varied(grid)]


def _leads(lead: Share) -> str:
    return HOLDS if lead.low > 0 else REFUTED if lead.high < 0 else OPEN


# ---- sentences


def _because(
    found: Sequence[GridSearch],
    tuned: Mapping[str, Tuned],
    verdicts: Mapping[str, str],
    verdict: str,
    pooled: Share,
    level: float,
) -> tuple[str, ...]:
    """What to tune first, the shares, and what would decide where they don't."""
    rivals = listing(list(dict.fromkeys(rival for s in found for rival in _rivals(s.grid))))
    advice = {
        HOLDS: "Tune the architecture first: it changes tuned scores more than all else that was tried",
        REFUTED: f"Tune {rivals} before the architecture",
        OPEN: f"These searches don't say whether to tune the architecture or {rivals} first",
    }.get(verdict, "What to tune first depends on the dataset")
    if len(found) > 1 and math.isfinite(pooled.share):
        advice += f" (over all datasets, the difference of shares is {_difference(pooled)})"
    shares = f"Of the variance of tuned scores, {'; '.join(_lead_said(s, tuned[s.name], level) for s in found)}."
    return tuple(line for line in (f"{advice}.", shares, _needed(found, tuned, verdicts)) if line)


def _lead_said(s: GridSearch, tuned: Tuned, level: float) -> str:
    """The two shares that the rule compares, and their difference."""
    if math.isnan(tuned.lead.share):
        return f"nothing is left on {s.name} once errors of estimation are taken off"
    own = next(share.share for share in tuned.shares if share.term == ARCHITECTURE)
    rivals = _rivals(s.grid)
    rest = listing([_levels(s.grid, rival) for rival in rivals] + ["their pair"] * (len(rivals) > 1))
    return (
        f"{_levels(s.grid, ARCHITECTURE)} has {percent(own)} on {s.name}, and {rest} {percent(own - tuned.lead.share)}, a "
        f"difference of {_difference(tuned.lead)} ({100 * level:.3g} % interval)"
    )


def _levels(grid: Grid, factor: str) -> str:
    return f"{factor} ({plural(grid.cells[factor].nunique(), 'level')})"


def _difference(share: Share) -> str:
    value, low, high = (f"{round(100 * x)}" for x in (share.share, share.low, share.high))
    return f"{value} points, {low} to {high}"


def _needed(found: Sequence[GridSearch], tuned: Mapping[str, Tuned], verdicts: Mapping[str, str]) -> str:
    open_ = [s for s in found if verdicts[s.name] == OPEN]
    leads = {s.name: tuned[s.name].lead for s in open_}
    needed = {s.name: [enough(s.tried, leads[s.name].high - leads[s.name].share, abs(leads[s.name].share))] for s in open_}
    return deciding(needed, [s.tried for s in open_], "configurations per cell")


def _with(share: Share) -> str:
    ends = f" ({span((share.low, share.high), percent)})" if math.isfinite(share.low) else ""
    return f"{_term(share.term)} {percent(share.share)}{ends}"


def _term(name: str) -> str:
    return name.replace(":", " × ")


def _dataset(s: GridSearch, tuned: Tuned, single: list[Share]) -> Fold:
    caption = (
        f"{s.name}. Left: shares of the variance of log {s.title}, filled between tuned cells ({s.budget}), hollow of single "
        f"configurations; bars are 95 % intervals. Right: tuned scores by architecture; lower is better, and darker."
    )
    return Fold(
        f"{s.name}: which factor changes scores most",
        (
            Points(tuple(_points(s, tuned, single))),
            Figure(f"c3_{s.key}_shares", drawn(s, tuned, single, RIVALS), caption),
            _share_table(s, tuned, single),
            _cell_table(s, tuned),
        ),
    )


def _points(s: GridSearch, tuned: Tuned, single: list[Share]) -> list[str]:
    said = []
    if math.isfinite(tuned.lead.share):
        said.append(
            f"Shares of the variance of log {s.title} between {plural(len(s.grid.cells), 'tuned cell')} ({s.budget}): "
            f"{listing([_with(share) for share in tuned.shares])}. Errors of estimation made {percent(tuned.noise)} of the raw "
            "variance and are taken off."
        )
        said += _one_by_one(s, tuned)
    said.append(f"Shares of single configurations: {listing([_with(share) for share in single])}.")
    gains = [f"{g.factor} {number(g.gain)} ({number(g.low)} to {number(g.high)}; best: {g.best})" for g in tuned.gains]
    said.append(f"Tuned scores at a factor's other levels over those at its best, as geometric means: {listing(gains)}.")
    top, last = int(np.argmin(tuned.best)), int(np.argmax(tuned.best))
    said.append(
        f"Tuned {s.title} goes from {number(tuned.best[top])} ({_cell(s.grid, top)}) to {number(tuned.best[last])} "
        f"({_cell(s.grid, last)}); {int(s.grid.failed.sum())} of {plural(s.grid.failed.size, 'trial')} failed."
    )
    return said


def _one_by_one(s: GridSearch, tuned: Tuned) -> list[str]:
    """The architecture against each of two rivals, the larger first; nothing where there is one, against which the lead is."""
    own = {share.term: share.share for share in tuned.shares}
    rivals = sorted((rival for rival in RIVALS if rival in own), key=lambda rival: -own[rival])
    if len(rivals) < 2:
        return []
    leads = {rival: factors.tuned_shares(s.grid, ARCHITECTURE, (rival,)).lead for rival in rivals}
    each = [f"less that of {rival} alone, is {_difference(lead)}" for rival, lead in leads.items()]
    return [f"The architecture's share, {listing(each)} (95 % intervals; no verdict follows)."]


def _cell(grid: Grid, place: int) -> str:
    return ", ".join(map(str, grid.cells.iloc[place]))


# ---- tables


def _share_table(s: GridSearch, tuned: Tuned, single: list[Share]) -> Table:
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


def _cell_table(s: GridSearch, tuned: Tuned) -> Table:
    grid, chosen, places = s.grid, s.grid.chosen(), np.arange(len(s.grid.cells))
    curves = [search_curve(v, t, [grid.k], grid.cap)[0] for v, t in zip(grid.validation, grid.test, strict=True)]
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
    caption = (
        f"{s.name}, {s.title} by cell: tuned ({s.budget}) with its 95 % interval, test score of the chosen configuration, failed "
        f"trials of {s.tried}"
    )
    return Table(f"c3_{s.key}_cells", frame, caption, folded=True)
