"""C2: whether what one reports depends on how much one searches."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import seaborn
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from genbench.questions.search_budget.choices import checkpoints, peeking
from genbench.questions.searches import (
    FEWEST,
    DatasetSearches,
    ModelSearch,
    capped,
    more_configurations,
    pair,
    searches,
    verdict_table,
)
from genbench.report.blocks import Claim, Figure, Fold, Paragraph, Points
from genbench.report.published import beside
from genbench.report.style import DASHES, log_axis
from genbench.report.text import listing, number, plural, span
from genbench.report.verdicts import BETTER, EQUIVALENT, HOLDS, IN_PART, OPEN, REFUTED, WORSE, pooled_first, tally
from genbench.results.study import Results
from genbench.statistics.search_curve import Pair, best_contrast, search_curve
from genbench.statistics.verdict import Contrast, Verdict, decide, holm, p_at_least

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "tale", 20
STATEMENT = "What one reports depends on how much one searches"
SOURCE = "Lucic et al. 2018, arXiv:1711.10337; Dodge et al. 2019, arXiv:1909.03004"
HIGH = 10.0  # times a typical score that a configuration is charged at most: single ones count here, and are not to be cut
LEVEL = 0.05  # of a false word on any model or pair of any dataset
NOTES = (
    "The gain of a model is its expected score with one configuration over that with the best of K, with the "
    "jackknife's error. The change of a pair is the ratio of the two models' expected scores at K over that at "
    "one configuration. A pair changes where this factor is not 1 (two-sided test), and does not where it lies within the margin "
    "(two one-sided tests).",
    "Two families, each at 5 %: first all datasets together, the mean of log factors, corrected for the models, and for the "
    "pairs with the baseline (Holm); then dataset by dataset, all models and pairs, corrected for the number of datasets, too.",
    "A configuration is charged ten times a typical score of the dataset at most, a failed one that.",
    "Rule: the claim holds where some model surely gains more than the margin and some pair surely changes. It does "
    "not hold where both are ruled out for all. It holds in part where one of the two is shown, or where datasets differ.",
)
DRAWN = (
    "Expected score of the best of k configurations. Thick: over subsets of those that were run. Thin: drawn with replacement, "
    "as Lucic et al. do, which is biased upwards at large k."
)
SPACES = (
    "Narrow and wide spaces are the ranges of Lucic et al.; both stretch the same quasi-random points. A factor below 1 favours "
    "the narrow space. Tests are corrected over the rows of a table (Holm)."
)


@dataclass(frozen=True)
class Told:
    """What one dataset's searches say: the word, verdicts on gains and on changes, which of them are shown, gains as factors."""

    word: str
    gains: list[Verdict]
    changes: list[Verdict]
    gained: int
    factors: list[float]
    ks: list[int]

    def count(self, *words: str) -> int:
        """Return how many pairs' changes have one of these words."""
        return sum(v.word in words for v in self.changes)


def report(results: Results) -> Claim | None:
    """Return the verdict from a study's searches; None without."""
    every = searches(results, confirmed=False)
    margin = results.margin
    level, told, folds = LEVEL / max(len(every), 1), {}, []
    compared: dict[str, list[ModelSearch]] = {}
    for each in every:
        count = Counter(s.variant for s in each.found)
        own = [s for s in each.found if s.variant == max(count, key=count.get) and len(s.validation) >= FEWEST]
        if own:
            compared[each.name] = own
            told[each.name] = _told({each.name: own}, margin, level)
            folds.append(_dataset(each, own, told[each.name], margin))
    if not told:
        return None
    words = {name: each.word for name, each in told.items()}
    pooled = _told(compared, margin, LEVEL)
    verdict = pooled_first(pooled.word, words.values())
    if len(told) > 1:
        folds.insert(0, _together(pooled))
    folds += [each for each in (checkpoints(every), peeking(every)) if each]
    folds.append(Fold("How these verdicts are made", tuple(Paragraph(note, fine=True) for note in NOTES)))
    because = _because(every, told, verdict, margin)
    return Claim("C2", STATEMENT, SOURCE, verdict, because, (*folds, *beside("C2")), tally(words))


def _together(pooled: Told) -> Fold:
    """All datasets together: what searching gains, and whether it changes how the baseline stands."""
    tables = [
        ("gains", pooled.gains, "What a search gains", True),
        ("changes", pooled.changes, "How ratios to the baseline change", False),
    ]
    blocks = [
        verdict_table(f"c2_all_{name}", f"{caption} with its size, over all datasets", found, ratio="factor", alone=alone)
        for name, found, caption, alone in tables
        if found
    ]
    return Fold("All datasets together", tuple(blocks))


def _told(own: Mapping[str, Sequence[ModelSearch]], margin: float, level: float) -> Told:
    """Verdicts on searches of a dataset, or of several together: there, of pairs, those of the baseline only."""
    found, pairs = _gains(own), _changes(own)
    gains, changes = (decide(part, margin, level) if part else [] for part in (found, pairs))
    beyond = holm([p_at_least(Contrast(c.b, c.a, -c.estimate, c.error, c.freedom), math.log(margin)) for c in found])
    gained, changed = int((beyond <= level).sum()), any(v.word in (BETTER, WORSE) for v in changes)
    word = HOLDS if gained and changed else IN_PART if gained or changed else OPEN
    if gains and changes and all(v.word == EQUIVALENT for v in (*gains, *changes)):
        word = REFUTED
    if not gains or not changes:
        word = OPEN
    factors = [1 / v.ratio for v in gains if math.isfinite(v.ratio)]
    return Told(word, gains, changes, gained, factors, sorted({s.k for each in own.values() for s in each if s.k > 1}))


def _gains(own: Mapping[str, Sequence[ModelSearch]]) -> list[Contrast]:
    """Of each model, the best of K against one configuration: below 1 where searching gains."""
    pairs: dict[str, list[Pair]] = {}
    for found in own.values():
        limit = capped(found, times=HIGH)
        for s in (s for s in found if s.k > 1):
            pairs.setdefault(s.label, []).append(_gain(s, limit))
    most = max((s.most for found in own.values() for s in found), default=1)
    return [best_contrast(name, "one configuration", each, most, few=1) for name, each in pairs.items()]


def _gain(s: ModelSearch, limit: float) -> Pair:
    """A model beside one that never changes: the change of their ratio is what searching gains."""
    same = np.ones_like(s.test)
    return Pair((s.validation, s.test), (same, same), limit)


def _changes(own: Mapping[str, Sequence[ModelSearch]]) -> list[Contrast]:
    """Of each pair, how its ratio changes from one configuration to the best of K."""
    pairs: dict[tuple[str, str], list[Pair]] = {}
    for found in own.values():
        limit = capped(found, times=HIGH)
        for a, b in combinations(sorted(found, key=lambda s: not s.baseline), 2):
            n = min(len(a.validation), len(b.validation))
            if min(a.k, b.k) > 1 and a.first == b.first and (len(own) == 1 or a.baseline):
                pairs.setdefault((a.label, b.label), []).append(pair(a, b, limit, n))
    most = max((s.most for found in own.values() for s in found), default=1)
    return [best_contrast(*names, each, most, few=1) for names, each in pairs.items()]


# ---- sentences


def _because(every: Sequence[DatasetSearches], told: Mapping[str, Told], verdict: str, margin: float) -> tuple[str, ...]:
    """What to do, how much is shown, and what would decide the rest."""
    if not any(each.gains for each in told.values()):
        return ("The claim is not tested: a search of fewer than four configurations has no larger one to compare with.",)
    advice = {
        REFUTED: "The size of the search makes no difference here",
        OPEN: "Whether the size of the search matters is open",
    }.get(verdict, "Report how many configurations were tried")
    by: dict[str, list[str]] = {}
    for name, each in told.items():
        if each.factors:
            by.setdefault(listing([str(k) for k in each.ks]), []).append(f"{span(each.factors)} on {name}")
    sizes = [f"{listing(factors)} with the best of {k} instead of one" for k, factors in by.items()]
    gain = f"the expected score falls by a factor of {'; '.join(sizes)}" if sizes else "most searches fail"
    every_told = list(told.values())
    models, pairs = sum(len(t.gains) for t in every_told), sum(len(t.changes) for t in every_told)
    gained = sum(t.gained for t in every_told)
    changed, still = (sum(t.count(*words) for t in every_told) for words in ((BETTER, WORSE), (EQUIVALENT,)))
    shown = (
        f"The factor is surely above {margin:g} for {gained} of {plural(models, 'model')}; the ratio of two models surely "
        f"changes with the search for {changed} of {plural(pairs, 'pair')}, and surely does not for {still}."
    )
    undecided = {name: [*each.gains, *each.changes] for name, each in told.items()}
    return tuple(line for line in (f"{advice}: {gain}.", shown, more_configurations(every, undecided)) if line)


def _dataset(each: DatasetSearches, own: list[ModelSearch], told: Told, margin: float) -> Fold:
    key, spaces = f"c2_{each.key}", _spaces(each, margin)
    points = [_typical(own, each), _swaps(own, each), *_spaces_said(each, spaces)]
    blocks: list = [Points(tuple(p for p in points if p))] if any(points) else []
    blocks.append(Figure(f"{key}_budgets", _drawn(each, own), f"{each.name}. {DRAWN}"))
    if told.gains:
        caption = f"{each.name}: what a search gains"
        blocks.append(verdict_table(f"{key}_gains", caption, told.gains, ratio="factor", alone=True))
    if told.changes:
        caption = f"{each.name}: how ratios of two models change with the search"
        blocks.append(verdict_table(f"{key}_changes", caption, told.changes, ratio="factor"))
    for k, found in spaces.items():
        caption = f"{each.name}: narrow against wide space, best of {k}"
        blocks.append(verdict_table(f"{key}_spaces_{k}", caption, found, ratio="factor", alone=True))
    return Fold(f"{each.name}: scores by the size of the search", (*blocks, *([Paragraph(SPACES, fine=True)] if spaces else [])))


def _typical(found: Sequence[ModelSearch], each: DatasetSearches) -> str:
    """The median configuration's score over that of the best of K, which the worst ones do not lead as they lead a mean."""
    limit, ratios = capped(found, times=HIGH), []
    for s in found:
        best = search_curve(s.validation, s.test, [s.k], cap=limit)[0].mean
        ratios.append(float(np.median(np.fmin(s.test, limit))) / best)
    ratios = [ratio for ratio in ratios if math.isfinite(ratio)]
    if not ratios:
        return ""
    return f"The median configuration scores {span(ratios)} times the expected {each.title} of the best of K."


def _swaps(own: Sequence[ModelSearch], each: DatasetSearches) -> str:
    """How many pairs change places between a search of one configuration and the largest that the curves reach."""
    if len(own) < 2:
        return ""
    limit = capped(own, times=HIGH)
    curves = {s.label: search_curve(s.validation, s.test, cap=limit) for s in own}
    last = min(curve[-1].k for curve in curves.values())
    ends = {label: (curve[0].mean, curve[last - 1].mean) for label, curve in curves.items()}
    names = [label for label, pair in ends.items() if np.isfinite(pair).all()]
    if last < 2 or len(names) < 2:
        return ""
    pairs = list(combinations(names, 2))
    swapped = sum((ends[a][0] - ends[b][0]) * (ends[a][1] - ends[b][1]) < 0 for a, b in pairs)
    first = [min(names, key=lambda n, i=i: ends[n][i]) for i in (0, 1)]
    spread = [max(ends[n][i] for n in names) / min(ends[n][i] for n in names) for i in (0, 1)]
    leads = f"{first[0]} leads at both" if first[0] == first[1] else f"{first[0]} leads at one, {first[1]} at {last}"
    return (
        f"From one configuration to the best of {last}, {swapped} of {plural(len(pairs), 'pair')} change their order by expected "
        f"{each.title}: {leads}. The worst model scores {number(spread[0])} times the best at one, {number(spread[1])} times at "
        f"{last}."
    )


def _spaces(each: DatasetSearches, margin: float) -> dict[int, list[Verdict]]:
    """By k, the narrow against the wide space of every model that has both: at one configuration and at the best of K."""
    by = {(s.model, s.space): s for s in each.found}
    models = [m for m in dict.fromkeys(s.model for s in each.found) if {(m, "narrow"), (m, "wide")} <= {*by}]
    both = [(by[m, "narrow"], by[m, "wide"]) for m in models]
    both = [(a, b) for a, b in both if len(a.validation) == len(b.validation) >= FEWEST]
    if not both:
        return {}
    limit = capped([s for each in both for s in each], times=HIGH)
    out = {}
    for k in sorted({1, min(narrow.k for narrow, _ in both)}):
        out[k] = decide([best_contrast(a.model, "wide", [pair(a, b, limit)], k) for a, b in both], margin)
    return out


def _spaces_said(each: DatasetSearches, spaces: Mapping[int, list[Verdict]]) -> list[str]:
    said = []
    for k, found in spaces.items():
        parts = [f"{v.a} {number(v.ratio)} ({v.word}; 95 %: {number(v.low)} to {number(v.high)})" for v in found]
        size = "one configuration" if k == 1 else f"the best of {k}"
        said.append(f"{each.title} in the narrow space over that in the wide one, with {size}: {listing(parts)}.")
    return said


# ---- figure


def _drawn(each: DatasetSearches, own: list[ModelSearch]) -> Drawing:
    """Expected best scores against the size of the search, by space where a model has several."""
    groups = {s.variant: [t for t in each.found if t.variant == s.variant] for s in (*own, *each.found)}
    drawing = Drawing(figsize=(9.2, 3.2), layout="constrained")
    axes = np.atleast_1d(drawing.subplots(1, len(groups), sharey=True))
    labels = list(dict.fromkeys(s.model for s in each.found))
    palette = dict(zip(labels, seaborn.color_palette("husl", len(labels)), strict=True))
    low, high = math.inf, 0.0
    for ax, part in zip(axes, groups.values(), strict=True):
        for s in part:
            curve = [b for b in search_curve(s.validation, s.test, cap=each.cap) if math.isfinite(b.mean)]
            ks, place = [b.k for b in curve], labels.index(s.model)
            dashes = DASHES[place % len(DASHES)] or (None, None)
            ax.plot(ks, [b.mean for b in curve], color=palette[s.model], dashes=dashes, lw=1.4, label=s.model)
            ax.plot(ks, [b.plug_in for b in curve], color=palette[s.model], lw=0.6, alpha=0.6)
            low, high = min([low, *(b.mean for b in curve)]), max([high, *(b.mean for b in curve)])
        ax.set_title(f"{part[0].space} space", fontsize=9)
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        ax.set_xlabel("configurations k")
    if high > 0:
        axes[0].set_yscale("log")
        log_axis(axes[0].yaxis, low, high)
    axes[0].set_ylabel(f"expected best {each.title}")
    known = {name: line for ax in axes for line, name in zip(*ax.get_legend_handles_labels(), strict=True)}
    axes[-1].legend(known.values(), known.keys(), loc="upper left", bbox_to_anchor=(1.02, 1))
    return drawing
