"""C1: whether the non-saturating GAN does as well as the other GANs once each is searched on equal terms."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from genbench.questions.equal_terms.across import across
from genbench.questions.equal_terms.figures import drawn
from genbench.questions.searches import (
    BASELINE,
    DatasetSearches,
    ModelSearch,
    best_of,
    charge,
    compared,
    more_configurations,
    searches,
    verdict_table,
)
from genbench.report.blocks import Claim, Figure, Fold, Paragraph, Points, Table
from genbench.report.means import averaged
from genbench.report.published import beside
from genbench.report.text import listing, number, plural, value
from genbench.report.verdicts import (
    BETTER,
    EQUIVALENT,
    HOLDS,
    NOT_WORSE,
    OPEN,
    REFUTED,
    UNDECIDED,
    WORSE,
    counted,
    tally,
    together,
)
from genbench.results.study import Results
from genbench.statistics.search_curve import Best, search_curve
from genbench.statistics.verdict import Verdict, verdicts

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "tale", 10
STATEMENT = "The non-saturating GAN does as well as the other GANs, once all are searched on equal terms"
LEVEL = 0.05  # of a false verdict on any pair of any dataset
SOURCE = "Lucic et al. 2018, arXiv:1711.10337"
NOTES = (
    "A verdict compares two models with their search: the expected score of the best of k configurations, k being a quarter of "
    "those tried. Its error comes from leaving out one configuration of both models at a time (jackknife). “Better” and “worse”: "
    "the log ratio of the scores is not 0 (two-sided test). “Equivalent”: it lies within the margin (two one-sided tests). Each "
    "test is corrected for all pairs of a dataset (Holm) and for the number of datasets, at 5 %. The interval of a ratio, low to "
    "high, is not corrected.",
    "“Configurations to decide”: of each model, for a chance of 80 % at the same k, if ratio and spread stay as seen. Take it as "
    "a guide. Coverage enters as its inverse, so that lower is better there too; the choice is the same, and where nothing is "
    "covered, half a test example counts as covered.",
    "The curves show the expected score of the best of k configurations: the mean over all subsets of k, with its 95 % jackknife "
    "interval, cut at 0 (arXiv:2004.13705). They end at half of the configurations, since larger subsets overlap too much. "
    "“Plug-in” draws with replacement as Lucic et al. do, which is biased. “Median” is that of single configurations. The "
    "authors' defaults, where tried, count as one draw. A failed configuration is charged the worst test score of the dataset.",
    "Verdicts on the chosen configurations alone compare their new seeds (Welch's tests, of ranks where a seed failed, corrected "
    "by Holm). They say little about the models: in simulations, such seeds call one of two equal models better in most studies, "
    "because one search was luckier (tests/benchmarks/verdicts.py).",
)
DRAWN = (
    "Left: the test score of every configuration (diamond: the authors' defaults; ring: the choice by validation; dashed: real "
    "data against real data). Right: the expected score of the best of k configurations."
)
PUBLISHED = (
    "Published best Fréchet distances: Inception features, mean and deviation over 50 seeds of the best configuration; not the "
    "same budget"
)


def report(results: Results) -> Claim | None:
    """Return the verdict from a study's confirmed searches; None without."""
    every = searches(results)
    if not every:
        return None
    margin = float(results.config.get("margin", 1.1))
    level = LEVEL / len(every)
    decided = {each.name: compared(each.found, margin, level=level) for each in every}
    covering = {each.name: compared(each.found, margin, "uncovered", level) for each in every}
    words = {each.name: _on(each, decided[each.name], level) for each in every}
    folds = [_dataset(each, decided[each.name], covering[each.name], margin, level) for each in every]
    gans = {label for each in every for label in (_baseline(each.found), *_rivals(each.found))}
    folds += across(results, every, decided, margin, gans)
    folds.append(Fold("How these verdicts are made", tuple(Paragraph(note, fine=True) for note in NOTES)))
    return Claim(
        "C1",
        STATEMENT,
        SOURCE,
        together(words.values()),
        _because(every, decided, words, margin),
        (*folds, *beside("C1", PUBLISHED)),
        tally(words),
    )


def _baseline(found: Sequence[ModelSearch]) -> str:
    labels = [s.label for s in found if s.model == BASELINE]
    return labels[0] if len(labels) == 1 else ""


def _rivals(found: Sequence[ModelSearch]) -> set[str]:
    """Labels of the baseline's family, without itself."""
    family = next((s.family for s in found if s.model == BASELINE), "")
    return {s.label for s in found if s.family == family} - {_baseline(found)}


def _against(found: Sequence[ModelSearch], decided: Sequence[Verdict], rivals: bool = True) -> list[Verdict]:
    """Verdicts on the baseline against its family, or against all others."""
    return [v for v in decided if v.a == _baseline(found) and (v.b in _rivals(found)) == rivals]


def _word(verdict: Verdict, level: float) -> str:
    """The verdict, or NOT_WORSE where an undecided pair shows that."""
    return NOT_WORSE if verdict.word == UNDECIDED and verdict.p_not_worse <= level else verdict.word


def _on(own: DatasetSearches, decided: Sequence[Verdict], level: float) -> str:
    """The verdict on the claim on one dataset; undecided without the baseline or other GANs."""
    words = [_word(v, level) for v in _against(own.found, decided)]
    if WORSE in words:
        return REFUTED
    return HOLDS if words and UNDECIDED not in words and len(words) == len(_rivals(own.found)) else OPEN


# ---- sentences


def _because(
    every: Sequence[DatasetSearches], decided: dict[str, list[Verdict]], words: dict[str, str], margin: float
) -> tuple[str, ...]:
    """What to do, how many pairs were decided, and what would decide the others."""
    against = {each.name: _against(each.found, decided[each.name]) for each in every}
    if not any(against.values()):
        return (f"The study does not search {BASELINE} beside other GANs, so it does not test the claim.",)
    names = {word: [name for name in against if words[name] == word and against[name]] for word in (HOLDS, REFUTED, OPEN)}
    clauses = [f"as good as the other GANs or better on {listing(names[HOLDS])}"] if names[HOLDS] else []
    for name in names[REFUTED]:
        lost = [f"{v.b} ({_ratio(v)})" for v in against[name] if v.word == WORSE]
        clauses.append(f"worse on {name} than {listing(lost)}")
    clauses += [f"undecided on {listing(names[OPEN])}"] if names[OPEN] else []
    advice = {
        HOLDS: "The loss is no reason to prefer another GAN",
        REFUTED: "Prefer another loss",
        OPEN: "These searches are no reason to prefer one loss to another",
    }.get(together(words.values()), "Which loss to prefer depends on the dataset")
    if not names[REFUTED] and names[HOLDS] and names[OPEN]:
        advice = "The loss is no reason to prefer another GAN where that could be decided"
    family = {name: [v for v in found if {v.a, v.b} <= _family(every, name)] for name, found in decided.items()}
    gans = counted([v.word for found in family.values() for v in found], margin, "pairs of GANs")
    said = [f"{advice}: {BASELINE} is {'; '.join(clauses)}.", f"{gans[0].upper()}{gans[1:]}."]
    return tuple(line for line in (*said, more_configurations(every, family)) if line)


def _family(every: Sequence[DatasetSearches], name: str) -> set[str]:
    found = next(each.found for each in every if each.name == name)
    return {_baseline(found), *_rivals(found)}


def _ratio(v: Verdict) -> str:
    return f"{number(v.ratio)} times the score, 95 %: {number(v.low)} to {number(v.high)}"


def _dataset(own: DatasetSearches, decided: list[Verdict], covering: list[Verdict], margin: float, level: float) -> Fold:
    """One dataset's models: sentences, the figure, the table and the verdicts."""
    found, key = own.found, f"c1_{own.key}"
    worst = charge([s.test for s in found])
    curves = {s.label: search_curve(s.validation, s.test, failure=worst) for s in found}
    of_seeds = verdicts({s.label: s.confirmed for s in found}, margin) if len(found) > 1 else []
    budget = listing(sorted({best_of(len(s.validation)) for s in found if s.k}))
    tables = [
        (decided, "verdicts", f"Verdicts on models with their search, {budget}: {own.title}", "configurations"),
        (covering, "coverage", f"The same: 1 / coverage of the test split, {budget}", "configurations"),
        (of_seeds, "seeds", "Verdicts on the chosen configurations alone, over new seeds", "seeds"),
    ]
    return Fold(
        f"{own.name}: every model's search",
        (
            Points(tuple(_points(own, decided, covering, margin, level))),
            Figure(f"{key}_search", drawn(found, curves, own.title, own.floor), f"{own.name}. {DRAWN}"),
            _table(f"{key}_search", own, curves),
            *(verdict_table(f"{key}_{name}", caption, rows, unit) for rows, name, caption, unit in tables if rows),
        ),
    )


def _points(own: DatasetSearches, decided: list[Verdict], covering: list[Verdict], margin: float, level: float) -> list[str]:
    found = own.found
    said = []
    if decided:
        said.append(f"{own.title} (lower is better): {counted([v.word for v in decided], margin, 'pairs of models')}.")
    if near := _against(found, decided):
        said.append(f"Among GANs, {near[0].a} is {_compared(near, level)}.")
    if far := _against(found, decided, rivals=False):
        said.append(f"Beside other families, {far[0].a} is {_compared(far, level)}.")
    if covering:
        said.append(f"Coverage of the test split by the same choices: {counted([v.word for v in covering], margin)}.")
    if unlike := len(found) * (len(found) - 1) // 2 - len(decided):
        said.append(f"{plural(unlike, 'pair')} can't be compared: other numbers of configurations, or fewer than four.")
    if luck := _luck(found):
        said.append(luck)
    if failed := [f"{s.failed} of {len(s.validation)} of {s.label}" for s in found if s.failed]:
        said.append(f"Failed configurations, which count as the worst: {listing(failed)}.")
    return said


def _compared(against: Sequence[Verdict], level: float) -> str:
    """What a model is beside others: a list of words with names."""
    phrases = {
        BETTER: "better than",
        EQUIVALENT: "equivalent to",
        NOT_WORSE: "not worse by the margin than",
        WORSE: "worse than",
        UNDECIDED: "undecided against",
    }
    by = {word: [v.b for v in against if _word(v, level) == word] for word in phrases}
    return "; ".join(f"{phrases[word]} {listing(names)}" for word, names in by.items() if names)


def _luck(found: Sequence[ModelSearch]) -> str:
    """How new seeds of the chosen configuration compare with the trial that was chosen."""
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
        f"Retrained with new seeds, the chosen configurations score {number(middle)} times what they scored in the search "
        f"(median over {plural(len(ratios), 'model')}; most for {top}, {number(ratios[top])} times): above 1, the first score "
        "was partly luck."
    )


# ---- the table


def _table(file: str, own: DatasetSearches, curves: dict[str, list[Best]]) -> Table:
    rows, shown = [], {"best of k": [], "confirmed": [], "coverage, confirmed": []}
    for s in own.found:
        best = curves[s.label][max(s.k, 1) - 1]  # what the verdicts compare
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
    caption = (
        f"{own.name}, {own.title} (lower is better; real data score {number(own.floor)}). ±: 95 % over new seeds of the chosen "
        "configuration."
    )
    frame = pd.DataFrame(rows)
    for name in ("coverage, confirmed", "authors' defaults"):
        if frame[name].isna().all():
            frame = frame.drop(columns=name)
            shown.pop(name, None)
    return Table(file, frame, caption, shown)
