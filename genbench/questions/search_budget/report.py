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
    charge,
    more_configurations,
    searches,
    verdict_table,
)
from genbench.report.blocks import Claim, Figure, Fold, Paragraph, Points
from genbench.report.published import beside
from genbench.report.style import DASHES, log_axis
from genbench.report.text import listing, number, plural, span
from genbench.report.verdicts import BETTER, EQUIVALENT, HOLDS, IN_PART, OPEN, REFUTED, WORSE, tally, together
from genbench.results.study import Results
from genbench.statistics.search_curve import best_contrast, budget_contrast, search_curve
from genbench.statistics.verdict import Contrast, Verdict, decide, holm, p_at_least

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "tale", 20
STATEMENT = "What one reports depends on how much one searches"
SOURCE = "Lucic et al. 2018, arXiv:1711.10337; Dodge et al. 2019, arXiv:1909.03004"
LEVEL = 0.05  # of a false word on any model or pair of any dataset
NOTES = (
    "The gain of a model is its expected score with one configuration over that with the best of K, K being a quarter of those "
    "tried, with the jackknife's error. The change of a pair is the ratio of the two models' expected scores at K over that at "
    "one configuration. A pair changes where this factor is not 1 (two-sided test), and does not where it lies within the margin "
    "(two one-sided tests). Each test is corrected for the models or pairs of a dataset (Holm) and for the number of datasets, "
    "at 5 %.",
    "Rule: the claim holds on a dataset where some model surely gains more than the margin and some pair surely changes. It does "
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
    margin = float(results.config.get("margin", 1.1))
    level, told, folds = LEVEL / max(len(every), 1), {}, []
    for each in every:
        count = Counter(s.variant for s in each.found)
        own = [s for s in each.found if s.variant == max(count, key=count.get) and len(s.validation) >= FEWEST]
        if own:
            told[each.name] = _told(own, margin, level)
            folds.append(_dataset(each, own, told[each.name], margin))
    if not told:
        return None
    words = {name: each.word for name, each in told.items()}
    verdict = together(words.values())
    folds += [each for each in (checkpoints(every), peeking(every)) if each]
    folds.append(Fold("How these verdicts are made", tuple(Paragraph(note, fine=True) for note in NOTES)))
    because = _because(every, told, verdict, margin)
    return Claim("C2", STATEMENT, SOURCE, verdict, because, (*folds, *beside("C2")), tally(words))


def _told(own: Sequence[ModelSearch], margin: float, level: float) -> Told:
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
    return Told(word, gains, changes, gained, factors, sorted({s.k for s in own if s.k > 1}))


def _gains(own: Sequence[ModelSearch]) -> list[Contrast]:
    """Of each model, the best of K against one configuration: below 1 where searching gains."""
    worst, out = charge([s.test for s in own]), []
    for s in own:
        if s.k > 1:  # a model at K against itself at 1: the change of its ratio to a model that never changes
            same = np.ones_like(s.test)
            out.append(budget_contrast((s.label, s.validation, s.test), ("one configuration", same, same), s.k, 1, worst))
    return out


def _changes(own: Sequence[ModelSearch]) -> list[Contrast]:
    """Of each pair, how its ratio changes from one configuration to the best of K."""
    worst, out = charge([s.test for s in own]), []
    for a, b in combinations(own, 2):
        if a.k > 1 and len(a.validation) == len(b.validation):
            pair = ((s.label, s.validation, s.test) for s in (a, b))
            out.append(budget_contrast(*pair, a.k, 1, worst))
    return out


# ---- sentences


def _because(every: Sequence[DatasetSearches], told: Mapping[str, Told], verdict: str, margin: float) -> tuple[str, ...]:
    """What to do, how much is shown, and what would decide the rest."""
    if not any(each.gains for each in told.values()):
        return ("The claim is not tested: a search of fewer than eight configurations has no larger one to compare with.",)
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
    worst, ratios = charge([s.test for s in found]), []
    for s in found:
        best = search_curve(s.validation, s.test, [max(s.k, 1)], failure=worst)[0].mean
        ratios.append(float(np.median(np.where(np.isnan(s.test), worst, s.test))) / best)
    ratios = [ratio for ratio in ratios if math.isfinite(ratio)]
    if not ratios:
        return ""
    return f"The median configuration scores {span(ratios)} times the expected {each.title} of the best of K."


def _swaps(own: Sequence[ModelSearch], each: DatasetSearches) -> str:
    """How many pairs change places between a search of one configuration and the largest that the curves reach."""
    if len(own) < 2:
        return ""
    worst = charge([s.test for s in own])
    curves = {s.label: search_curve(s.validation, s.test, failure=worst) for s in own}
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
    worst = charge([s.test for pair in both for s in pair])
    out = {}
    for k in sorted({1, min(narrow.k for narrow, _ in both)}):
        pairs = [((a.model, a.validation, a.test), ("wide", b.validation, b.test)) for a, b in both]
        out[k] = decide([best_contrast(*pair, k, worst) for pair in pairs], margin)
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
    worst = charge([s.test for s in each.found])
    low, high = math.inf, 0.0
    for ax, part in zip(axes, groups.values(), strict=True):
        for s in part:
            curve = [b for b in search_curve(s.validation, s.test, failure=worst) if math.isfinite(b.mean)]
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
