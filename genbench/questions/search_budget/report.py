"""C2: does what one reports depend on how much one searches?"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from genbench.report.blocks import Figure, Heading, Paragraph, Points, Table
from genbench.report.claim import HOLDS, IN_PART, OPEN, REFUTED, Claim, tally, together
from genbench.report.claims.pairs import verdict_table
from genbench.report.published import published
from genbench.report.searches import Searched, Searches, charge, searches
from genbench.report.style import DASHES, log_axis
from genbench.report.text import listing, number, plural
from genbench.results.study import Results
from genbench.statistics.search_curve import best_contrast, budget_contrast, search_curve
from genbench.statistics.verdict import Contrast, Verdict, decide, holm, p_at_least

__all__ = ["claim"]

STATEMENT = "What one reports depends on how much one searches"
SOURCE = "Lucic et al. 2018, arXiv:1711.10337; Dodge et al. 2019, arXiv:1909.03004"
LEVEL = 0.05  # of a false word on any model or pair of any dataset
NOTE = (
    "Gain: the expected score of one configuration over that of the best of K, K a quarter of what was run, with the "
    "jackknife's error. Change of a pair: the ratio of two models' expected scores at K over that at one configuration; a "
    "change is told where that factor is not 1 (two-sided), and ruled out where it is shown to lie within the margin. Each is "
    "corrected by Holm over the models or pairs of a dataset and for the number of datasets, at 5 %. The claim holds on a "
    "dataset where the gain is shown to exceed the margin for some model and some pair is told to change, does not hold where "
    "both are ruled out for all, and holds in part where one is shown; different words on datasets make it hold in part."
)
DRAWN = (
    "the expected score of the best of k configurations by the U-statistic (thick) and by drawing with replacement, as Lucic et "
    "al. do (thin), which is biased upwards at large k."
)
SPACES_NOTE = (
    "The same quasi-random points, stretched over the wide and over the narrow ranges of Lucic et al.; a ratio below 1 favours "
    "the narrow space. Holm over the rows of a table."
)
CHECKPOINT_NOTE = (
    "Checkpoints lie evenly over the budget of every trial, searched or fresh; the validation split chooses one in each. Last: "
    "what stopping at the end scores on the test split over what the chosen checkpoint scores there. Best on test: what choosing "
    "by the test split itself, as Lucic et al. did, appears to score over what the honest choice scores."
)


def claim(results: Results) -> Claim | None:
    """The verdict on C2 from a study's searches; None without."""
    every = searches(results, confirmed=False)
    if not every:
        return None
    margin = float(results.config.get("margin", 1.1))
    blocks, words, told, level = [], {}, [], LEVEL / len(every)
    for each in every:
        count = Counter(s.variant for s in each.found)
        own = [s for s in each.found if s.variant == max(count, key=count.get) and len(s.validation) >= 4]
        if not own:
            continue
        found, pairs = _gains(own), _changes(own)
        gains, changes = (decide(part, margin, level) if part else [] for part in (found, pairs))
        word, sentence = _verdict(each, found, gains, changes, margin, level)
        words[each.name] = word
        told.append(sentence)
        blocks += _dataset(each, own, gains, changes, margin)
    if not words:
        return None
    for part in (_checkpoints(every), _optimism(every)):
        blocks += part
    blocks.append(Paragraph(NOTE, fine=True))
    if len(table := published("C2")):
        blocks.append(Table("c2_published", table, "Published figures; not the same budget", folded=True))
    return Claim("C2", STATEMENT, SOURCE, together(words.values()), " ".join(told), tuple(blocks), tally(words))


def _gains(own: Sequence[Searched]) -> list[Contrast]:
    """Of each model, the best of K against one configuration: below 1 where searching gains."""
    worst, out = charge([s.test for s in own]), []
    for s in own:
        k = len(s.validation) // 4
        if k > 1:  # a model at K against itself at 1: the change of its ratio to a model that never changes
            same = np.ones_like(s.test)
            out.append(budget_contrast((s.label, s.validation, s.test), ("one configuration", same, same), k, 1, worst))
    return out


def _changes(own: Sequence[Searched]) -> list[Contrast]:
    """Of each pair, how its ratio changes from one configuration to the best of K."""
    worst, out = charge([s.test for s in own]), []
    for a, b in combinations(own, 2):
        k = len(a.validation) // 4
        if k > 1 and len(a.validation) == len(b.validation):
            pair = ((s.label, s.validation, s.test) for s in (a, b))
            out.append(budget_contrast(*pair, k, 1, worst))
    return out


def _verdict(
    own: Searches, found: list[Contrast], gains: list[Verdict], changes: list[Verdict], margin: float, level: float
) -> tuple[str, str]:
    """The word for a dataset and its sentence."""
    if not gains or not changes:
        return OPEN, f"{own.name}: too few configurations to tell."
    beyond = holm([p_at_least(Contrast(c.b, c.a, -c.estimate, c.error, c.freedom), math.log(margin)) for c in found])
    gained = [v for v, p in zip(gains, beyond, strict=True) if p <= level]
    changed = [v for v in changes if v.word in ("better", "worse")]
    flat = all(v.word == "equivalent" for v in gains)
    still = all(v.word == "equivalent" for v in changes)
    if gained and changed:
        word = HOLDS
    elif flat and still:
        word = REFUTED
    else:
        word = IN_PART if gained or changed else OPEN
    ratios = [1 / v.ratio for v in gains if math.isfinite(v.ratio)]
    size = (
        f"divides expected scores by {number(min(ratios))} to {number(max(ratios))}" if ratios else "never ends without failure"
    )
    if typical := _typical([s for s in own.found if s.label in {v.a for v in gains}]):
        size += f" (the score of the median configuration by {number(min(typical))} to {number(max(typical))})"
    ks = listing([str(n) for n in sorted({len(s.validation) // 4 for s in own.found if len(s.validation) >= 8})])
    return word, (
        f"{own.name}: searching {ks} configurations instead of one {size}, shown to exceed {margin:g} for "
        f"{len(gained)} of {plural(len(gains), 'model')}; the ratio of {len(changed)} of {plural(len(changes), 'pair')} of "
        f"models is told to change with the budget, for {sum(v.word == 'equivalent' for v in changes)} a change is ruled out."
    )


def _typical(found: Sequence[Searched]) -> list[float]:
    """Of each model, the median configuration's score over that of the best of K; a mean is led by the worst ones."""
    worst, out = charge([s.test for s in found]), []
    for s in found:
        best = search_curve(s.validation, s.test, [max(len(s.validation) // 4, 1)], failure=worst)[0].mean
        out.append(float(np.median(np.where(np.isnan(s.test), worst, s.test))) / best)
    return [ratio for ratio in out if math.isfinite(ratio)]


def _dataset(each: Searches, own: list[Searched], gains: list[Verdict], changes: list[Verdict], margin: float) -> list:
    key = f"c2_{each.key}"
    blocks: list = [Heading(each.name)]
    points = [_swaps(own, each)] if len(own) > 1 else []
    spaces = _spaces(each, margin)
    if spaces:
        points.append(_spaces_words(each, spaces))
    if points:
        blocks.append(Points(tuple(p for p in points if p)))
    blocks.append(Figure(f"{key}_budgets", _drawn(each, own), f"{each.name}: {DRAWN}"))
    if gains:
        blocks.append(verdict_table(f"{key}_gains", f"{each.name}: what a search gains", gains, ratio="factor", alone=True))
    if changes:
        caption = f"{each.name}: how ratios of two models change with the budget"
        blocks.append(verdict_table(f"{key}_changes", caption, changes, ratio="factor"))
    if spaces:
        for k, found in spaces.items():
            caption = f"{each.name}: narrow against wide space, best of {k}"
            blocks.append(verdict_table(f"{key}_spaces_{k}", caption, found, ratio="factor", alone=True))
        blocks.append(Paragraph(SPACES_NOTE, fine=True))
    return blocks


def _swaps(own: Sequence[Searched], each: Searches) -> str:
    """How many pairs change places between a budget of one configuration and the largest that the curves reach."""
    worst = charge([s.test for s in own])
    curves = {s.label: search_curve(s.validation, s.test, failure=worst) for s in own}
    last = min(curve[-1].k for curve in curves.values())
    ends = {label: (curve[0].mean, curve[last - 1].mean) for label, curve in curves.items()}
    names = [label for label, pair in ends.items() if np.isfinite(pair).all()]
    if last < 2 or len(names) < 2:
        return ""
    pairs = list(combinations(names, 2))
    swapped = [(a, b) for a, b in pairs if (ends[a][0] - ends[b][0]) * (ends[a][1] - ends[b][1]) < 0]
    first = [min(names, key=lambda n, i=i: ends[n][i]) for i in (0, 1)]
    same = f"{first[0]} leads at both" if first[0] == first[1] else f"{first[0]} leads at one, {first[1]} at {last}"
    spread = [max(ends[n][i] for n in names) / min(ends[n][i] for n in names) for i in (0, 1)]
    moved = "pair is" if len(swapped) == 1 else "pairs are"
    return (
        f"By expected {each.title}, {len(swapped)} of {len(pairs)} {moved} in another order at {last} configurations than at one:"
        f" {same}. The worst model scores {number(spread[0])} times the best at one configuration, {number(spread[1])} times at "
        f"{last}."
    )


def _spaces(each: Searches, margin: float) -> dict[int, list[Verdict]]:
    """By k, the narrow against the wide space of every model that has both: at one configuration and at the best of K."""
    by = {(s.model, s.space): s for s in each.found}
    models = [m for m in dict.fromkeys(s.model for s in each.found) if {(m, "narrow"), (m, "wide")} <= {*by}]
    both = [(by[m, "narrow"], by[m, "wide"]) for m in models]
    both = [(a, b) for a, b in both if len(a.validation) == len(b.validation) >= 4]
    if not both:
        return {}
    worst = charge([s.test for pair in both for s in pair])
    out = {}
    for k in sorted({1, min(len(narrow.validation) for narrow, _ in both) // 4}):
        found: list[Contrast] = []
        for narrow, wide in both:
            pair = ((narrow.model, narrow.validation, narrow.test), ("wide", wide.validation, wide.test))
            found.append(best_contrast(*pair, k, worst))
        out[k] = decide(found, margin)
    return out


def _spaces_words(each: Searches, spaces: dict[int, list[Verdict]]) -> str:
    parts = []
    for k, found in spaces.items():
        each_ = listing([f"{v.a} {number(v.ratio)} ({number(v.low)} to {number(v.high)}; {v.word})" for v in found])
        parts.append(f"at {'one configuration' if k == 1 else f'the best of {k}'} {each_}")
    return f"Narrow over wide space, {each.title}: {'; '.join(parts)}."


def _drawn(each: Searches, own: list[Searched]) -> Drawing:
    """Expected best scores against the budget, by space where a model has several."""
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


# ---- checkpoints


def _checkpoints(every: Sequence[Searches]) -> list:
    """What stopping at the end costs, and how choosing by the test split flatters, by dataset and model."""
    rows = []
    for each in every:
        for s in each.found:
            several = [c for c in s.checkpoints if len(c) > 1]
            if not several:
                continue
            best = [min(reversed(c), key=lambda at: at["validation"]) for c in several]  # of equal ones the last, as judged
            chosen = [at["test"] for at in best]
            last = [math.log(c[-1]["test"] / score) for c, score in zip(several, chosen, strict=True)]
            flattered = [math.log(min(at["test"] for at in c) / score) for c, score in zip(several, chosen, strict=True)]
            earlier = sum(at is not c[-1] for at, c in zip(best, several, strict=True))
            rows.append(
                {
                    "dataset": each.name,
                    "model": s.label,
                    "trials": len(several),
                    "not the last": earlier / len(several),
                    "last, median": math.exp(float(np.median(last))),
                    "last, worst tenth": math.exp(float(np.quantile(last, 0.9))),
                    "best on test": math.exp(float(np.mean(flattered))),
                }
            )
    if not rows:
        return []
    frame = pd.DataFrame(rows)
    worst = frame.loc[frame["last, worst tenth"].idxmax()]
    total = int(frame["trials"].sum())
    share = float((frame["not the last"] * frame["trials"]).sum() / total)
    middle = float((np.log(frame["best on test"]) * frame["trials"]).sum() / total)
    tail, flatters = number(worst["last, worst tenth"]), number(100 * (math.exp(-middle) - 1), 2)
    said = (
        f"In {share:.0%} of {plural(total, 'trial')} an earlier checkpoint than the last is chosen. The worst tenth of trials of "
        f"{worst['model']} on {worst['dataset']} scores at the end at least {tail} times what the chosen checkpoint scores. "
        f"Choosing checkpoints by the test split would flatter scores by {flatters} % on average."
    )
    table = Table("c2_checkpoints", frame, "Checkpoints, by dataset and model", folded=True)
    return [Heading("Checkpoints"), Points((said,)), table, Paragraph(CHECKPOINT_NOTE, fine=True)]


def _optimism(every: Sequence[Searches]) -> list:
    """How much better a search looks whose choice is scored on the split that chose it."""
    rows = []
    for each in every:
        for s in each.found:
            n = len(s.validation)
            if n < 4 or s.space != "wide":
                continue
            worst = charge([t.test for t in each.found])
            honest = search_curve(s.validation, s.test, [n // 2], failure=worst)[0].mean
            peeking = search_curve(s.test, None, [n // 2], failure=worst)[0].mean
            if math.isfinite(honest) and math.isfinite(peeking) and peeking > 0:
                rows.append((each.name, honest / peeking))
    if not rows:
        return []
    by = {name: [r for other, r in rows if other == name] for name, _ in rows}
    each_ = listing([f"{name} {number(100 * math.expm1(np.mean(np.log(ratios))), 2)} %" for name, ratios in by.items()])
    return [
        Points(
            (
                "Choosing configurations by the test split, as Lucic et al. did, makes the best of half of a search look better "
                f"than the honest choice, in the geometric mean over models: {each_}.",
            )
        )
    ]
