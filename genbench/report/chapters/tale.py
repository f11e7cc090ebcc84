"""The cautionary tale: do models differ once each is searched on equal terms and its best confirmed on fresh seeds?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from genbench.metrics.cards import METRICS
from genbench.metrics.uncertainty import interval
from genbench.report.chapter import Chapter, Figure, Heading, Paragraph, Points, Table
from genbench.report.read import Results
from genbench.report.style import DASHES, FLOOR, log_axis
from genbench.report.text import listing, number, plural
from genbench.studies.ranks import agreement
from genbench.studies.search_curve import Best, best_contrast, search_curve
from genbench.studies.verdict import Verdict, decide, verdicts

__all__ = ["chapter"]

BASELINE = "ns_gan"  # the model that Lucic et al. ask about
INTRO = (
    "Every model tried the same number of configurations, drawn from one quasi-random stream after its authors' defaults; the "
    "validation split chose among them, and the choice was trained anew on fresh seeds and scored on the test split "
    "(the protocol of Lucic et al. 2018, arXiv:1711.10337, with the choice moved off the test data)."
)
CURVE_NOTE = (
    "Expected score of the best of k configurations: the mean over all subsets of k of those that were run, with its 95 % "
    "jackknife interval as a band (arXiv:2004.13705). The curve stops at half of the configurations: beyond it, subsets overlap "
    "too much to say what another search would find. No curve where so many configurations failed that the mean does not exist."
)
VERDICT_NOTE = (
    "These verdicts compare models with their search: the expected score of the best of k configurations, k a quarter of what "
    "was run, with the jackknife's standard error over configurations that all models share. “Better”: the log ratio is not 0 "
    "(two-sided). “Equivalent”: it is shown to lie within the margin (two one-sided tests). Both corrected for all pairs of the "
    "dataset by Holm, at 5 %. “Undecided”: neither."
)
SEEDS_NOTE = (
    "These verdicts are on the chosen configurations alone (Welch's tests over fresh seeds, corrected in the same way); they say "
    "little about the models: where two equal models are searched once each, such seeds call one of them better in most "
    "studies, because one search was luckier (simulated: tests/benchmarks/verdicts.py)."
)
DRAWN = (
    "left, what each configuration scored on the test split (diamond: the authors' defaults; ring: the choice by validation; "
    "dashed: real data against real data). Right, the expected best of k configurations."
)


@dataclass(frozen=True)
class Searched:
    """A model's search on one dataset: scores (n,) by configuration, averaged over its seeds, nan where one failed."""

    label: str
    model: str
    validation: np.ndarray
    test: np.ndarray
    chosen: int | None  # place of the chosen configuration; None if every configuration failed
    confirmed: np.ndarray  # test scores of fresh seeds (m,), nan where one failed

    @property
    def failed(self) -> int:
        """Configurations without a score."""
        return int(np.isnan(self.validation).sum())


def chapter(results: Results) -> Chapter | None:
    """The tale of a study with searches; None without."""
    if not len(results.searched):
        return None
    margin = float((results.study.get("config") or {}).get("margin", 1.1))
    blocks: list = [Paragraph(INTRO)]
    found, decided = {}, {}
    for dataset in [name for name in results.datasets if name in set(results.searched["dataset"])]:
        metric = str(results.searched.loc[results.searched["dataset"] == dataset, "metric"].iloc[0])
        found[dataset] = _searches(results, dataset, metric)
        decided[dataset] = of_searches(found[dataset], margin)
        blocks += _dataset(results, dataset, metric, found[dataset], decided[dataset], margin)
    return Chapter("tale", "A cautionary tale", (*blocks, *_together(found, decided, margin)), lead=True)


def _searches(results: Results, dataset: str, metric: str) -> list[Searched]:
    rows = results.searched[results.searched["dataset"] == dataset]
    trials = results.trials[(results.trials["dataset"] == dataset) & (results.trials["phase"] == "confirm")]
    scores = results.scores[results.scores["metric"] == metric].set_index("trial")["value"]
    out = []
    for (model, variant), part in rows.groupby(["model", "variant"], sort=False):
        # a configuration with a failed seed has failed
        means = part.groupby("configuration")[["validation", "test"]].agg(lambda s: s.mean(skipna=False)).sort_index()
        own = trials[(trials["model"] == model) & (trials["variant"] == variant)].sort_values("seed")
        chosen = int(own["configuration"].iloc[0]) if len(own) and means["validation"].notna().any() else None
        place = None if chosen is None else means.index.get_loc(chosen)
        confirmed = np.array([scores.get(trial, math.nan) for trial in own["trial"]], dtype=float)
        label = f"{model} · {variant}" if variant else str(model)
        out.append(Searched(label, str(model), means["validation"].to_numpy(), means["test"].to_numpy(), place, confirmed))
    return out


def of_searches(found: Sequence[Searched], margin: float) -> list[Verdict]:
    """Verdicts on all pairs of models that were searched with equally many configurations, four at least."""
    contrasts = [
        best_contrast((a.label, a.validation, a.test), (b.label, b.validation, b.test), len(a.validation) // 4)
        for a, b in combinations(found, 2)
        if len(a.validation) == len(b.validation) >= 4
    ]
    return decide(contrasts, margin) if contrasts else []


def _dataset(results: Results, dataset: str, metric: str, found: list[Searched], decided: list[Verdict], margin: float) -> list:
    curves = {s.label: search_curve(s.validation, s.test) for s in found}
    of_seeds = verdicts({s.label: s.confirmed for s in found}, margin) if len(found) > 1 else []
    floors = results.floors[(results.floors["dataset"] == dataset) & (results.floors["metric"] == metric)]["value"]
    floor = float(floors.mean()) if len(floors) else math.nan
    title = METRICS[metric].title
    return [
        Heading(dataset),
        Points(tuple(_sentences(dataset, title, found, decided, curves, margin))),
        Figure(f"{dataset}_search", _drawn(found, curves, title, floor), f"{dataset}: {DRAWN}"),
        Paragraph(CURVE_NOTE, fine=True),
        _table(dataset, title, found, curves, floor),
        _pairs(f"{dataset}_verdicts", f"{dataset}: verdicts on models with their search, all {len(decided)} pairs", decided),
        Paragraph(VERDICT_NOTE, fine=True),
        _pairs(f"{dataset}_seeds", f"{dataset}: verdicts on the chosen configurations, over fresh seeds", of_seeds),
        Paragraph(SEEDS_NOTE, fine=True),
    ]  # fmt: skip


# ---- sentences


def _sentences(dataset: str, title: str, found: list[Searched], decided: list[Verdict], curves: dict, margin: float) -> list[str]:
    said = [f"{title}: of {plural(len(decided), 'pair')} of models, each with its search, {_counted(decided, margin)}."]
    if claim := claim_baseline(found, decided):
        said.append(claim)
    if swaps := _swaps(curves):
        said.append(swaps)
    if optimism := _optimism(found):
        said.append(optimism)
    if failed := [s for s in found if s.failed]:
        each = listing([f"{s.label} {s.failed} of {len(s.validation)}" for s in failed])
        said.append(f"Configurations that failed, and count as the worst: {each}.")
    return said


def _counted(decided: Sequence[Verdict], margin: float) -> str:
    words = [verdict.word for verdict in decided]
    apart, same, rest = words.count("better") + words.count("worse"), words.count("equivalent"), words.count("undecided")
    return f"{apart} told apart, {same} equivalent within a factor of {margin:g}, {rest} undecided"


def claim_baseline(found: Sequence[Searched], decided: Sequence[Verdict]) -> str:
    """Whether the non-saturating GAN does as well as the other adversarial models, as a sentence; "" without it or others."""
    labels = {s.label for s in found if s.model == BASELINE}
    if len(labels) != 1:
        return ""
    (own,) = labels
    against = [v if v.a == own else _turned(v) for v in decided if own in (v.a, v.b)]
    if not against:
        return ""
    lost = [v.b for v in against if v.word == "worse"]
    level = [v.b for v in against if v.word == "equivalent"]
    won = [v.b for v in against if v.word == "better"]
    open_ = [v.b for v in against if v.word == "undecided"]
    parts = [f"better than {listing(won)}"] * bool(won) + [f"equivalent to {listing(level)}"] * bool(level)
    parts += [f"worse than {listing(lost)}"] * bool(lost)
    parts += [f"undecided against {listing(open_)}"] * bool(open_)
    claim = "refuted here" if lost else "holds here" if not open_ else "undecided here: not refuted, not shown"
    return f"Claim “the vanilla GAN does as well as the others”, {claim}. {own} is {'; '.join(parts)}."


def _turned(v: Verdict) -> Verdict:
    word = {"better": "worse", "worse": "better"}.get(v.word, v.word)
    return Verdict(v.b, v.a, word, 1 / v.ratio, 1 / v.high, 1 / v.low, v.p_difference, v.p_equivalence, math.nan, v.seeds)


def _swaps(curves: dict[str, list[Best]]) -> str:
    """How many pairs change places between a budget of one configuration and the largest that the curves reach."""
    ends = {label: (curve[0].median, curve[-1].median) for label, curve in curves.items()}
    last = min((curve[-1].k for curve in curves.values()), default=1)
    names = list(ends)
    if last < 2 or len(names) < 2:
        return ""
    pairs = list(combinations(names, 2))
    swapped = [(a, b) for a, b in pairs if (ends[a][0] < ends[b][0]) != (ends[a][1] < ends[b][1])]
    first = [min(names, key=lambda n, i=i: ends[n][i]) for i in (0, 1)]
    same = f"{first[0]} leads at both" if first[0] == first[1] else f"{first[0]} leads at one, {first[1]} at {last}"
    return (
        f"The budget of the search changes the order (by medians) of {len(swapped)} of {len(pairs)} pairs between "
        f"1 and {last} configurations: {same}."
    )


def _optimism(found: list[Searched]) -> str:
    """How fresh seeds of the chosen configuration compare with the trial that won the search."""
    ratios = {
        s.label: float(np.mean(s.confirmed)) / s.validation[s.chosen]
        for s in found
        if s.chosen is not None and np.isfinite(s.confirmed).all() and s.confirmed.size
    }
    if not ratios:
        return ""
    middle = float(np.exp(np.median(np.log(list(ratios.values())))))
    top = max(ratios, key=ratios.get)
    return (
        f"Fresh seeds of the choice score {number(middle)} times the winning validation score on the test split in the median "
        f"over models, {number(ratios[top])} times at most ({top}): above 1, the search's own score flatters."
    )


# ---- tables and figures


def _table(dataset: str, title: str, found: list[Searched], curves: dict[str, list[Best]], floor: float) -> Table:
    rows, shown = [], {"best of k": [], "confirmed": []}
    for s in found:
        best = curves[s.label][-1]
        mean, half = interval(s.confirmed)
        rows.append(
            {
                "model": s.label,
                "configurations": len(s.validation),
                "failed": s.failed,
                "median": float(np.median(np.where(np.isnan(s.test), np.inf, s.test))),
                "authors' defaults": s.test[0],
                "k": best.k,
                "best of k": best.mean,
                "with replacement": best.plug_in,
                "chosen, validation": math.nan if s.chosen is None else s.validation[s.chosen],
                "chosen, test": math.nan if s.chosen is None else s.test[s.chosen],
                "confirmed": mean,
                "seeds ok": f"{int(np.isfinite(s.confirmed).sum())} of {s.confirmed.size}",
            }
        )
        shown["best of k"].append(
            f"{number(best.mean)} ({number(max(best.low, 0.0))} to {number(best.high)})" if math.isfinite(best.mean) else "–"
        )
        shown["confirmed"].append(f"{number(mean)} ± {number(half, 2)}" if math.isfinite(mean) else "–")
    caption = f"{dataset}, {title}, lower is better; real data against real data: {number(floor)}"
    return Table(f"{dataset}_search", pd.DataFrame(rows), caption, shown)


def _pairs(name: str, caption: str, decided: list[Verdict]) -> Table:
    frame = pd.DataFrame(
        {
            "pair": [f"{v.a} against {v.b}" for v in decided],
            "verdict": [v.word for v in decided],
            "ratio of scores": [v.ratio for v in decided],
            "low": [v.low for v in decided],
            "high": [v.high for v in decided],
            "p, no difference": [v.p_difference for v in decided],
            "p, at least the margin": [v.p_equivalence for v in decided],
            "seeds to decide": [float(v.seeds) if v.seeds else math.nan for v in decided],
        }
    )
    return Table(name, frame.dropna(axis=1, how="all"), caption, folded=True)


def _drawn(found: list[Searched], curves: dict[str, list[Best]], title: str, floor: float) -> Drawing:
    drawing = Drawing(figsize=(9.2, 0.34 * len(found) + 1.9), layout="constrained")
    left, right = drawing.subplots(1, 2, width_ratios=(1.25, 1))
    palette = dict(zip([s.label for s in found], seaborn.color_palette("husl", len(found)), strict=True))
    for place, s in enumerate(found):
        ink, ok = palette[s.label], np.isfinite(s.test)
        left.scatter(s.test[ok], np.full(ok.sum(), place), s=13, color=ink, alpha=0.6, linewidths=0, zorder=3)
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


# ---- over datasets


def _together(found: dict[str, list[Searched]], decided: dict[str, list[Verdict]], margin: float) -> list:
    """What several datasets say together; nothing for one."""
    if len(found) < 2:
        return []
    frame = pd.DataFrame(
        [
            {"model": s.label, "dataset": dataset, "seed": seed, "score": score}
            for dataset, searches in found.items()
            for s in searches
            for seed, score in enumerate(s.confirmed)
        ]
    )
    said = []
    try:
        same = agreement(frame)
    except ValueError:  # fewer than two models on all datasets
        same = None
    if same:
        said.append(
            f"Do {same.judges} datasets rank {same.models} models alike? Kendall's W is {number(same.w)} (1: the same order; "
            f"p = {number(same.p, 2)} of no relation), the mean Kendall tau of two datasets {number(same.tau)} "
            f"({number(same.low)} to {number(same.high)} over redrawn seeds)."
        )
    total = [v for each in decided.values() for v in each]
    said.append(f"Over all datasets {plural(len(total), 'pair')}: {_counted(total, margin)}.")
    return [Heading("All datasets together"), Points(tuple(said))]
