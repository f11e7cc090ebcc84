"""C1: whether the non-saturating GAN does as well as the other GANs once each is searched on equal terms."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from genbench.questions.equal_terms.across import across
from genbench.questions.equal_terms.figures import drawn
from genbench.questions.equal_terms.tiers import LEVEL, Tiers, compared, looked, over_all, tiers
from genbench.questions.searches import (
    DatasetSearches,
    ModelSearch,
    best_of,
    searches,
    verdict_table,
)
from genbench.questions.searches import compared as all_pairs
from genbench.report.blocks import Claim, Figure, Fold, Paragraph, Points, Table
from genbench.report.means import averaged
from genbench.report.published import beside
from genbench.report.text import listing, number, plural, value
from genbench.report.verdicts import HOLDS, OPEN, REFUTED, counted, deciding, pooled_first, tally, together
from genbench.results.searched import BASELINE, baseline_of
from genbench.results.study import Results
from genbench.statistics.search_curve import Best, search_curve
from genbench.statistics.verdict import Verdict, verdicts

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "tale", 10
STATEMENT = "The non-saturating GAN does as well as the other GANs, once all are searched on equal terms"
SOURCE = "Lucic et al. 2018, arXiv:1711.10337"
NOTES = (
    "A verdict compares two models with their search: the expected score of the best of k configurations, k as the study says. "
    "Its error comes from leaving out one configuration at a time, of both models and on all datasets (jackknife). “Better” and "
    "“worse”: the log ratio of the scores is not 0 (two-sided test). “Equivalent”: it lies within the margin (two one-sided "
    "tests). “Not worse”: it lies below the margin (one-sided). The interval of a ratio, low to high, is not corrected.",
    "Three families of comparisons, in this order, each with a chance of 5 % of any false word: the baseline against each "
    "rival, the mean of log ratios over all datasets (Holm over rivals; models of other families are a family of their own); "
    "the same on each dataset (Holm over rivals and datasets); all pairs, which are exploratory and bear on no verdict on the "
    "claim (Holm over pairs, Bonferroni over datasets). In a study that grows, looks share the 5 % equally, so that a look more "
    "costs no false word.",
    "The claim holds where the baseline is better than, equivalent to or not worse than every rival over all datasets, and does "
    "not where it is worse than one. A dataset that shows the contrary makes it hold in part. Where all datasets together leave "
    "it open, single ones may still decide it in part.",
    "“To decide”: configurations of each model for a chance of 80 %, if ratio and spread stay as seen. Take it as a guide. "
    "Coverage enters as its inverse, so that lower is better there too; the choice is the same, and where nothing is "
    "covered, half a test example counts as covered.",
    "The curves show the expected score of the best of k configurations: the mean over all subsets of k, with its 95 % "
    "jackknife interval, cut at 0 (arXiv:2004.13705). They end at half of the configurations, since larger subsets overlap too "
    "much. “Plug-in” draws with replacement as Lucic et al. do, which is biased. “Median” is that of single configurations. The "
    "authors' defaults, where tried, count as one draw. A configuration is charged three times a typical score at most (the "
    "interquartile mean of the log scores of all models on the dataset, at the first look), a failed one that.",
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
    margin, level, asked = results.margin, LEVEL / len(every), tiers(results)
    cases = {_name(every, own, dataset): (own, found) for own in asked for dataset, found in own.cases.items()}
    words = {each.name: cases[each.name][0].on(cases[each.name][1]) if each.name in cases else OPEN for each in every}
    verdict = pooled_first(together(own.pooled for own in asked), words.values())
    folds = []
    for place, own in enumerate(asked):
        end = f"_{place}" if place else ""
        folds += [each for each in (over_all(own, f"c1_all{end}"), looked(own, every, f"c1_looks{end}")) if each]
    decided = {each.name: all_pairs(each.found, margin, level=level) for each in every}
    folds += [_dataset(each, *cases.get(each.name, (None, [])), decided[each.name], margin, level) for each in every]
    gans = {label for own in asked for label in (own.arena.baseline, *own.arena.rivals)}
    folds += across(results, every, decided, margin, gans)
    folds.append(Fold("How these verdicts are made", tuple(Paragraph(note, fine=True) for note in NOTES)))
    base = baseline_of(results.config)
    because = _because(base, asked, verdict, words)
    statement = STATEMENT if base == BASELINE else STATEMENT.replace("The non-saturating GAN", base).replace("GANs", "models")
    return Claim("C1", statement, SOURCE, verdict, because, (*folds, *beside("C1", PUBLISHED)), tally(words))


def _name(every: Sequence[DatasetSearches], own: Tiers, dataset: str) -> str:
    """What the report calls the dataset of these searches."""
    return next(e.name for e in every if e.dataset == dataset and own.arena.baseline in {s.label for s in e.found})


# ---- sentences


def _because(base: str, asked: Sequence[Tiers], verdict: str, words: dict[str, str]) -> tuple[str, ...]:
    """What to do, how the baseline stands over all datasets, and what would decide what is open."""
    asked = [own for own in asked if own.verdicts()]
    if not asked:
        return (f"The study does not search {base} beside others of its family, so it does not test the claim.",)
    advice = {
        HOLDS: "The loss is no reason to prefer another GAN",
        REFUTED: "Prefer another loss",
        OPEN: "These searches are no reason to prefer one loss to another",
    }.get(verdict, "Which loss to prefer depends on the dataset")
    stands = [f"{own.arena.baseline} is {compared(own.verdicts(), own.level)}" for own in asked]
    over = f"over {plural(len(words), 'dataset')} together" if len(words) > 1 else f"on {next(iter(words))}"
    said = [f"{advice}: {over}, {listing(stands)}."]
    if len(words) > 1:
        phrases = {HOLDS: "as good as the others or better on", REFUTED: "worse than one of them on", OPEN: "undecided on"}
        names = {word: [name for name, each in words.items() if each == word] for word in phrases}
        said.append(f"Dataset by dataset, it is {'; '.join(f'{phrases[w]} {listing(n)}' for w, n in names.items() if n)}.")
    needed = {str(place): open_ for place, own in enumerate(asked) if (open_ := own.needed)}
    tried = [size for own in asked for size in own.rivals[-1].sizes.values()]
    return tuple(line for line in (*said, deciding(needed, tried, "configurations per model")) if line)


def _dataset(
    own: DatasetSearches, asked: Tiers | None, cases: list[Verdict], decided: list[Verdict], margin: float, level: float
) -> Fold:
    """One dataset's models: sentences, the figure, the table and the verdicts."""
    found, key = own.found, f"c1_{own.key}"
    covering = all_pairs(found, margin, "uncovered", level)
    curves = {s.label: search_curve(s.validation, s.test, cap=own.cap) for s in found}
    of_seeds = verdicts({s.label: s.confirmed for s in found}, margin) if len(found) > 1 else []
    budget = listing(sorted({best_of(s.k, len(s.validation)) for s in found}))
    tables = [
        (cases, "baseline", f"The baseline against its rivals here, {budget}: {own.title}", "configurations"),
        (decided, "verdicts", f"All pairs, exploratory, {budget}: {own.title}", "configurations"),
        (covering, "coverage", f"All pairs, exploratory: 1 / coverage of the test split, {budget}", "configurations"),
        (of_seeds, "seeds", "Verdicts on the chosen configurations alone, over new seeds", "seeds"),
    ]
    return Fold(
        f"{own.name}: every model's search",
        (
            Points(tuple(_points(own, asked, cases, decided, covering, margin))),
            Figure(f"{key}_search", drawn(found, curves, own.title, own.floor), f"{own.name}. {DRAWN}"),
            _table(f"{key}_search", own, curves),
            *(verdict_table(f"{key}_{name}", caption, rows, unit) for rows, name, caption, unit in tables if rows),
        ),
    )


def _points(
    own: DatasetSearches,
    asked: Tiers | None,
    cases: list[Verdict],
    decided: list[Verdict],
    covering: list[Verdict],
    margin: float,
) -> list[str]:
    found, said = own.found, []
    if asked and cases:
        said.append(f"{own.title} (lower is better): {cases[0].a} is {compared(cases, asked.level)}.")
    if decided:
        said.append(f"All pairs, exploratory: {counted([v.word for v in decided], margin, 'pairs of models')}.")
    if covering:
        said.append(f"Coverage of the test split by the same choices: {counted([v.word for v in covering], margin)}.")
    if unlike := len(found) * (len(found) - 1) // 2 - len(decided):
        said.append(f"{plural(unlike, 'pair')} can't be compared: other searches, or fewer than four configurations.")
    if math.isfinite(seed := _seed_spread(found)):
        said.append(
            f"The margin is a factor of {margin:g}; one standard deviation of a chosen configuration's seeds is a factor of "
            f"{number(math.exp(seed))} (median over models)."
        )
    if luck := _luck(found):
        said.append(luck)
    if failed := [f"{s.failed} of {len(s.validation)} of {s.label}" for s in found if s.failed]:
        said.append(f"Failed configurations: {listing(failed)}. Each is charged {number(own.cap)}, three times a typical score.")
    return said


def _seed_spread(found: Sequence[ModelSearch]) -> float:
    """Standard deviation of the log score over new seeds of one configuration, the median over models; nan where unknown."""
    several = [s.confirmed for s in found if s.confirmed.size > 1 and np.isfinite(s.confirmed).all() and (s.confirmed > 0).all()]
    return float(np.median([np.log(each).std(ddof=1) for each in several])) if several else math.nan


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
        best = curves[s.label][s.k - 1]  # what the verdicts compare
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
