"""C1: do models differ once each is searched on equal terms, and does the non-saturating GAN do as well as the others?"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from genbench.report.blocks import Figure, Heading, Paragraph, Points, Table
from genbench.report.claim import HOLDS, OPEN, REFUTED, Claim, tally, together
from genbench.report.claims.across import across
from genbench.report.claims.pairs import verdict_table
from genbench.report.published import published
from genbench.report.searches import BASELINE, Searched, Searches, budget_words, charge, counted, of_searches, searches
from genbench.report.style import DASHES, FLOOR, log_axis
from genbench.report.tables import averaged
from genbench.report.text import listing, number, plural, value
from genbench.results.study import Results
from genbench.statistics.search_curve import Best, search_curve
from genbench.statistics.verdict import Verdict, verdicts

__all__ = ["claim"]

STATEMENT = "The non-saturating GAN does as well as the other GANs, once all are searched on equal terms"
LEVEL = 0.05  # of a false verdict on any pair of any dataset
SOURCE = "Lucic et al. 2018, arXiv:1711.10337"
CURVE_NOTE = (
    "Expected score of the best of k configurations: the mean over all subsets of k of those that were run, with its 95 % "
    "jackknife interval as a band (arXiv:2004.13705), cut at 0; the authors' defaults, where tried, count as one draw. The curve "
    "stops at half of the configurations: beyond it, subsets overlap too much to say what another search would find. Plug-in: "
    "the same with replacement, as Lucic et al. have it, which is biased. Median: of single configurations. A failed "
    "configuration is charged the worst test score that any configuration of any model got on the dataset."
)
VERDICT_NOTE = (
    "Verdicts compare models with their search: the expected score of the best of k configurations, k a quarter of what "
    "was run, with the jackknife's standard error over configurations that all models share. “Better”: the log ratio is not 0 "
    "(two-sided). “Equivalent”: it is shown to lie within the margin (two one-sided tests). Each corrected for all pairs of the "
    "dataset by Holm and for the number of datasets, at 5 %; not corrected: the 95 % interval of the ratio, low to high. "
    "“Undecided”: neither, or every configuration of a model failed. Coverage enters as its inverse, so that below 1 is better "
    "here too; the same configurations are chosen for it, and where nothing is covered half a test example counts as covered. "
    "Configurations to decide: of each model, for a chance of 80 % at the same k, if ratio and spread are as seen: a guide."
)
SEEDS_NOTE = (
    "Verdicts on the chosen configurations alone (Welch's tests over fresh seeds, of ranks where one failed, corrected "
    "by Holm; seeds to decide: per model, for a chance of 80 %, if ratio and spread are as seen) say little about "
    "the models: where two equal models are searched once each, such seeds call one of them better in most studies, because one "
    "search was luckier (simulated: tests/benchmarks/verdicts.py)."
)
DRAWN = (
    "left, what each configuration scored on the test split (diamond: the authors' defaults, where tried; ring: the choice by "
    "validation; dashed: real data against real data). Right, the expected best of k configurations."
)
PUBLISHED = (
    "Published best Fréchet distances: Inception features, mean and deviation over 50 seeds of the best configuration; not the "
    "same budget"
)


def claim(results: Results) -> Claim | None:
    """The verdict on C1 from a study's confirmed searches; None without."""
    every = searches(results)
    if not every:
        return None
    margin = float(results.config.get("margin", 1.1))
    level = LEVEL / len(every)
    decided = {each.name: of_searches(each.found, margin, level=level) for each in every}
    covering = {each.name: of_searches(each.found, margin, "uncovered", level) for each in every}
    own = {each.name: _own_claim(each, decided[each.name], level) for each in every}
    verdict = together(word for word, _ in own.values())
    blocks: list = []
    for each in every:
        blocks += _dataset(each, decided[each.name], covering[each.name], margin, level)
    gans = {label for each in every for label in (_baseline(each.found), *_rivals(each.found))}
    blocks += across(results, every, decided, margin, gans)
    blocks += [Paragraph(note, fine=True) for note in (CURVE_NOTE, VERDICT_NOTE, SEEDS_NOTE)]
    if len(table := published("C1")):
        blocks.append(Table("c1_published", table, PUBLISHED, folded=True))
    total = [v for each in decided.values() for v in each]
    because = " ".join(f"{name}: {sentence}" for name, (_, sentence) in own.items() if sentence)
    because = because or f"The study does not search {BASELINE} beside other GANs, so nothing is said of it."
    if total:
        gans = [v for each in every for v in decided[each.name] if {v.a, v.b} <= {_baseline(each.found), *_rivals(each.found)}]
        because += f" Of {plural(len(gans), 'pair')} of GANs, {counted(gans, margin)}; of all {len(total)} pairs of models, "
        because += f"{counted(total, margin)}."
    short = tally({name: word for name, (word, _) in own.items()})
    return Claim("C1", STATEMENT, SOURCE, verdict, because, tuple(blocks), short)


def _own_claim(own: Searches, decided: Sequence[Verdict], level: float = LEVEL) -> tuple[str, str]:
    """Verdict on the claim on one dataset and its sentence; undecided and "" without the baseline or other GANs."""
    found = own.found
    labels = [s.label for s in found if s.model == BASELINE]
    if len(labels) != 1:
        return OPEN, ""
    family = next(s.family for s in found if s.label == labels[0])
    rivals = {s.label for s in found if s.family == family} - set(labels)
    against = [v for v in decided if v.a == labels[0] and v.b in rivals]
    if not against:
        return OPEN, ""
    parts, open_ = _against(against, level)
    lost = any(v.word == "worse" for v in against)
    shown = not open_ and len(against) == len(rivals)
    return REFUTED if lost else HOLDS if shown else OPEN, f"{labels[0]} is {'; '.join(parts)}."


def _against(against: Sequence[Verdict], level: float) -> tuple[list[str], list[str]]:
    """What a model is against others, in words, and against whom it is undecided."""
    by = {word: [v.b for v in against if v.word == word] for word in ("better", "equivalent", "worse")}
    no_worse = [v.b for v in against if v.word == "undecided" and v.p_not_worse <= level]
    open_ = [v.b for v in against if v.word == "undecided" and v.b not in no_worse]
    parts = [f"better than {listing(by['better'])}"] * bool(by["better"])
    parts += [f"equivalent to {listing(by['equivalent'])}"] * bool(by["equivalent"])
    parts += [f"not worse than {listing(no_worse)} by the margin"] * bool(no_worse)
    parts += [f"worse than {listing(by['worse'])}"] * bool(by["worse"])
    return parts + [f"undecided against {listing(open_)}"] * bool(open_), open_


def _dataset(own: Searches, decided: list[Verdict], covering: list[Verdict], margin: float, level: float) -> list:
    """The blocks of one dataset's models."""
    found, key = own.found, f"c1_{own.key}"
    worst = charge([s.test for s in found])
    curves = {s.label: search_curve(s.validation, s.test, failure=worst) for s in found}
    of_seeds = verdicts({s.label: s.confirmed for s in found}, margin) if len(found) > 1 else []
    budget = f"verdicts on models with their search, {budget_words(found)}, {plural(len(decided), 'pair')}"
    seeds = f"{own.name}: verdicts on the chosen configurations, over fresh seeds"
    return [
        Heading(own.name),
        Points(tuple(_sentences(own, decided, covering, margin, level))),
        Figure(f"{key}_search", _drawn(found, curves, own.title, own.floor), f"{own.name}: {DRAWN}"),
        _table(f"{key}_search", own, curves),
        *([verdict_table(f"{key}_verdicts", f"{own.name}, {own.title}: {budget}", decided)] if decided else ()),
        *([verdict_table(f"{key}_coverage", f"{own.name}, 1 / coverage: {budget}", covering)] if covering else ()),
        *([verdict_table(f"{key}_seeds", seeds, of_seeds, "seeds")] if of_seeds else ()),
    ]  # fmt: skip


# ---- sentences


def _sentences(own: Searches, decided: list[Verdict], covering: list[Verdict], margin: float, level: float) -> list[str]:
    found = own.found
    pairs = f"of {plural(len(decided), 'pair')} of models, each with its search ({budget_words(found)})"
    said = [f"{own.title}: {pairs}, {counted(decided, margin)}."] if decided else []
    if open_ := [v.seeds for v in decided if v.word == "undecided"]:
        known = sorted(math.inf if n is None else n for n in open_)
        middle = known[(len(known) - 1) // 2]
        need = f"need {middle:,} configurations" if math.isfinite(middle) else "not be decided by 10,000 configurations"
        least = "or fewer " * math.isfinite(middle)
        said.append(
            f"Half of the undecided pairs would {need} of each model {least}at the same k, if ratio and spread are as seen."
        )
    if left_out := len(found) * (len(found) - 1) // 2 - len(decided):
        said.append(
            f"No verdict on {plural(left_out, 'pair')}: searched with unequal numbers of configurations, or less than four."
        )
    other = [v for v in decided if v.a == _baseline(found) and v.b not in _rivals(found)]
    if other:
        said.append(f"Against other families {other[0].a} is {'; '.join(_against(other, level)[0])}.")
    if covering:
        told = f"Coverage of the test split by the same choices: {counted(covering, margin)}"
        mine = [v for v in covering if v.a == _baseline(found)]
        said.append(told + (f"; {mine[0].a} is {'; '.join(_against(mine, level)[0])}." if mine else "."))
    if optimism := _optimism(found):
        said.append(optimism)
    if failed := [s for s in found if s.failed]:
        each = listing([f"{s.label} {s.failed} of {len(s.validation)}" for s in failed])
        said.append(f"Configurations that failed, and count as the worst: {each}.")
    return said


def _baseline(found: Sequence[Searched]) -> str:
    return next((s.label for s in found if s.model == BASELINE), "")


def _rivals(found: Sequence[Searched]) -> set[str]:
    """Labels of the baseline's family."""
    family = next((s.family for s in found if s.model == BASELINE), "")
    return {s.label for s in found if s.family == family}


def _optimism(found: Sequence[Searched]) -> str:
    """How fresh seeds of the chosen configuration compare with the trial that was chosen."""
    ratios = {
        s.label: float(np.mean(s.confirmed)) / s.test[s.chosen]
        for s in found
        if s.chosen is not None and np.isfinite(s.confirmed).all() and s.confirmed.size
    }
    if not ratios:
        return ""
    middle = float(np.exp(np.median(np.log(list(ratios.values())))))
    top = max(ratios, key=ratios.get)
    return (
        f"Fresh seeds of the choice score {number(middle)} times what the chosen trial itself scored, both on the test split, in "
        f"the median over {plural(len(ratios), 'model')}, {number(ratios[top])} times at most ({top}): above 1, the search was "
        "lucky."
    )


# ---- tables and figures


def _table(file: str, own: Searches, curves: dict[str, list[Best]]) -> Table:
    rows, shown = [], {"best of k": [], "confirmed": [], "coverage, confirmed": []}
    for s in own.found:
        best = curves[s.label][max(len(s.validation) // 4, 1) - 1]  # what the verdicts compare
        confirmed, covered = averaged(s.confirmed), averaged(s.confirmed_coverage)
        rows.append(
            {
                "model": s.label,
                "tried": len(s.validation),
                "failed": s.failed,
                "median": float(np.median(np.where(np.isnan(s.test), np.inf, s.test))),
                "authors' defaults": s.test[0] if s.defaults else math.nan,
                "k": best.k,
                "best of k": best.mean,
                "plug-in": best.plug_in,
                "chosen, validation": math.nan if s.chosen is None else s.validation[s.chosen],
                "chosen, test": math.nan if s.chosen is None else s.test[s.chosen],
                "confirmed": confirmed.mean,
                "coverage, confirmed": covered.mean,
                "seeds ok": f"{confirmed.n} of {s.confirmed.size}",
            }
        )
        shown["best of k"].append(
            f"{number(best.mean)} ({number(max(best.low, 0.0))} to {number(best.high)})" if math.isfinite(best.mean) else "–"
        )
        shown["confirmed"].append(value(confirmed))
        shown["coverage, confirmed"].append(value(covered))
    caption = f"{own.name}, {own.title}, lower is better; real data against real data: {number(own.floor)}; ±: 95 % over seeds"
    frame = pd.DataFrame(rows)
    for name in ("coverage, confirmed", "authors' defaults"):
        if frame[name].isna().all():
            frame = frame.drop(columns=name)
            shown.pop(name, None)
    return Table(file, frame, caption, shown)


def _drawn(found: Sequence[Searched], curves: dict[str, list[Best]], title: str, floor: float) -> Drawing:
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
