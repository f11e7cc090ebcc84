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
from genbench.report.chapter import Chapter, Figure, Heading, Paragraph, Points, Table
from genbench.report.read import GIVEN, Results
from genbench.report.style import DASHES, FLOOR, log_axis
from genbench.report.tables import averaged
from genbench.report.text import listing, number, plural, value
from genbench.studies.ranks import agreement
from genbench.studies.search_curve import Best, best_contrast, search_curve
from genbench.studies.verdict import Verdict, decide, verdicts

__all__ = ["chapter"]

BASELINE = "ns_gan"  # the model that Lucic et al. ask about
INTRO = (
    "Every model tried its authors' defaults and then configurations of one quasi-random stream that all models share, each over "
    "its own space; the validation split chose among them, and the choice was trained anew on fresh seeds and scored on the test "
    "split (the protocol of Lucic et al. 2018, arXiv:1711.10337, with the choice moved off the test data). What is said holds "
    "for these spaces and this budget: equal numbers of configurations are not equal shares of spaces of unequal "
    "dimension."
)
CURVE_NOTE = (
    "Expected score of the best of k configurations: the mean over all subsets of k of those that were run, with its 95 % "
    "jackknife interval as a band (arXiv:2004.13705), cut at 0; the defaults count as one draw. The curve stops at half of the "
    "configurations: beyond it, subsets overlap too much to say what another search would find. Plug-in: the same with "
    "replacement, as Lucic et al. have it, which is biased. Median: of single configurations. A failed configuration is "
    "charged the worst test score that any configuration of any model got on the dataset."
)
VERDICT_NOTE = (
    "These verdicts compare models with their search: the expected score of the best of k configurations, k a quarter of what "
    "was run, with the jackknife's standard error over configurations that all models share. “Better”: the log ratio is not 0 "
    "(two-sided). “Equivalent”: it is shown to lie within the margin (two one-sided tests). Both corrected for all pairs of the "
    "dataset by Holm, at 5 %; not corrected: the 95 % interval of the ratio, low to high. “Undecided”: neither. Failed "
    "configurations are charged as in the figure."
)
SEEDS_NOTE = (
    "These verdicts are on the chosen configurations alone (Welch's tests over fresh seeds, of ranks where one failed, corrected "
    "in the same way; seeds to decide: per model, for a chance of 80 %, if ratio and spread are as seen); they say little about "
    "the models: where two equal models are searched once each, such seeds call one of them better in most studies, because one "
    "search was luckier (simulated: tests/benchmarks/verdicts.py)."
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
    margin = float(results.config.get("margin", 1.1))
    blocks: list = [Paragraph(INTRO)]
    found, decided = {}, {}
    for dataset in [name for name in results.datasets if name in set(results.searched["dataset"])]:
        metric = str(results.searched.loc[results.searched["dataset"] == dataset, "metric"].iloc[0])
        for given, track in results.tracks(dataset).items():  # what is told classes is compared apart
            name = f"{dataset}, {given}" if given else dataset
            others = results.trials[~results.trials["trial"].isin(track.trials["trial"])]
            others = others[others["dataset"] == dataset]
            searches = _searches(track, dataset, metric, set(zip(others["model"], others["variant"], strict=True)))
            found[name], decided[name] = searches, _of_searches(searches, margin)
            blocks += _dataset(track, dataset, name, metric, searches, decided[name], margin)
    return Chapter("tale", "A cautionary tale", (*blocks, *_together(found, decided, margin)), lead=True)


def _searches(results: Results, dataset: str, metric: str, elsewhere: set[tuple[str, str]]) -> list[Searched]:
    """The searches of a dataset's models, but for those (model, variant) that are compared `elsewhere`."""
    rows = results.searched[results.searched["dataset"] == dataset]
    trials = results.trials[(results.trials["dataset"] == dataset) & (results.trials["phase"] == "confirm")]
    scores = results.scores[results.scores["metric"] == metric].set_index("trial")["value"]
    out = []
    for (model, variant), part in rows.groupby(["model", "variant"], sort=False):
        if (model, variant) in elsewhere:
            continue
        # a configuration with a failed seed has failed
        means = part.groupby("configuration")[["validation", "test"]].agg(lambda s: s.mean(skipna=False)).sort_index()
        own = trials[(trials["model"] == model) & (trials["variant"] == variant)].sort_values("seed")
        chosen = int(own["configuration"].iloc[0]) if len(own) and means["validation"].notna().any() else None
        place = None if chosen is None else means.index.get_loc(chosen)
        confirmed = np.array([scores.get(trial, math.nan) for trial in own["trial"]], dtype=float)
        label = f"{model} · {variant}" if variant else str(model)
        out.append(Searched(label, str(model), means["validation"].to_numpy(), means["test"].to_numpy(), place, confirmed))
    return out


def _of_searches(found: Sequence[Searched], margin: float) -> list[Verdict]:
    """Verdicts on all pairs of models that were searched with equally many configurations, four at least."""
    charge = _charge(found)
    contrasts = [
        best_contrast((a.label, a.validation, a.test), (b.label, b.validation, b.test), len(a.validation) // 4, charge)
        for a, b in combinations(sorted(found, key=lambda s: s.model != BASELINE), 2)  # its pairs ask about it, not the other
        if len(a.validation) == len(b.validation) >= 4
    ]
    return decide(contrasts, margin) if contrasts else []


def _charge(found: Sequence[Searched]) -> float:
    """What a failed configuration is charged: the worst score of any; infinite where there is none."""
    return max((float(np.nanmax(s.test)) for s in found if s.failed < len(s.test)), default=math.inf)


def _dataset(
    results: Results, dataset: str, name: str, metric: str, found: list[Searched], decided: list[Verdict], margin: float
) -> list:
    """The blocks of one dataset's models under `name`, that of the dataset and of what they are told."""
    curves = {s.label: search_curve(s.validation, s.test, failure=_charge(found)) for s in found}
    of_seeds = verdicts({s.label: s.confirmed for s in found}, margin) if len(found) > 1 else []
    floors = results.floors[(results.floors["dataset"] == dataset) & (results.floors["metric"] == metric)]["value"]
    floor = float(floors.mean()) if len(floors) else math.nan
    title, key = METRICS[metric].title, name.replace(", ", "_").replace(" ", "_")
    caption = f"{name}: verdicts on models with their search, {_budget(found)}, {plural(len(decided), 'pair')}"
    seeds = f"{name}: verdicts on the chosen configurations, over fresh seeds"
    return [
        Heading(name),
        Points(tuple(_sentences(results, title, found, decided, curves, margin))),
        Figure(f"{key}_search", _drawn(found, curves, title, floor), f"{name}: {DRAWN}"),
        Paragraph(CURVE_NOTE, fine=True),
        _table(f"{key}_search", name, title, found, curves, floor),
        *([_pairs(f"{key}_verdicts", caption, decided), Paragraph(VERDICT_NOTE, fine=True)] if decided else ()),
        *([_pairs(f"{key}_seeds", seeds, of_seeds), Paragraph(SEEDS_NOTE, fine=True)] if of_seeds else ()),
    ]  # fmt: skip


# ---- sentences


def _sentences(
    results: Results, title: str, found: list[Searched], decided: list[Verdict], curves: dict, margin: float
) -> list[str]:
    pairs = f"of {plural(len(decided), 'pair')} of models, each with its search ({_budget(found)})"
    said = [f"{title}: {pairs}, {_counted(decided, margin)}."] if decided else []
    if left_out := len(found) * (len(found) - 1) // 2 - len(decided):
        said.append(
            f"No verdict on {plural(left_out, 'pair')}: searched with unequal numbers of configurations, or less than four."
        )
    rivals = [s for s in found if results.card(s.model).get("family") == results.card(BASELINE).get("family")]
    if claim := _claim_baseline(rivals, decided):
        said.append(claim)
    if swaps := _swaps(curves):
        said.append(swaps)
    if optimism := _optimism(found):
        said.append(optimism)
    if failed := [s for s in found if s.failed]:
        each = listing([f"{s.label} {s.failed} of {len(s.validation)}" for s in failed])
        said.append(f"Configurations that failed, and count as the worst: {each}.")
    return said


def _budget(found: Sequence[Searched]) -> str:
    """Of how many configurations the verdicts compare the best."""
    sizes = sorted({len(s.validation) for s in found if len(s.validation) >= 4})
    return f"best of {listing([f'{n // 4} out of {n}' for n in sizes])}"


def _counted(decided: Sequence[Verdict], margin: float) -> str:
    words = [verdict.word for verdict in decided]
    apart, same, rest = words.count("better") + words.count("worse"), words.count("equivalent"), words.count("undecided")
    return f"{apart} told apart, {same} equivalent within a factor of {margin:g}, {rest} undecided"


def _claim_baseline(found: Sequence[Searched], decided: Sequence[Verdict]) -> str:
    """Whether the non-saturating GAN does as well as the other adversarial models, as a sentence; "" without it or others."""
    labels = {s.label for s in found if s.model == BASELINE}
    if len(labels) != 1:
        return ""
    (own,) = labels
    rivals = {s.label for s in found} - labels
    against = [v for v in decided if v.a == own and v.b in rivals]
    if not against:
        return ""
    lost = [v.b for v in against if v.word == "worse"]
    level = [v.b for v in against if v.word == "equivalent"]
    won = [v.b for v in against if v.word == "better"]
    no_worse = [v.b for v in against if v.word == "undecided" and v.p_not_worse <= 0.05]
    open_ = [v.b for v in against if v.word == "undecided" and v.b not in no_worse]
    parts = [f"better than {listing(won)}"] * bool(won) + [f"equivalent to {listing(level)}"] * bool(level)
    parts += [f"not worse than {listing(no_worse)} by the margin"] * bool(no_worse)
    parts += [f"worse than {listing(lost)}"] * bool(lost)
    parts += [f"undecided against {listing(open_)}"] * bool(open_)
    shown = not open_ and len(against) == len(rivals)
    claim = "refuted here" if lost else "holds here" if shown else "undecided here: not refuted, not shown"
    return f"Claim “the non-saturating GAN does as well as the other GANs”, {claim}. {own} is {'; '.join(parts)}."


def _swaps(curves: dict[str, list[Best]]) -> str:
    """How many pairs change places between a budget of one configuration and the largest that the curves reach."""
    last = min((curve[-1].k for curve in curves.values()), default=1)
    ends = {label: (curve[0].median, curve[last - 1].median) for label, curve in curves.items()}
    names = [label for label, each in ends.items() if np.isfinite(each).all()]
    if last < 2 or len(names) < 2:
        return ""
    pairs = list(combinations(names, 2))
    swapped = [(a, b) for a, b in pairs if (ends[a][0] - ends[b][0]) * (ends[a][1] - ends[b][1]) < 0]
    first = [min(names, key=lambda n, i=i: ends[n][i]) for i in (0, 1)]
    same = f"{first[0]} leads at both" if first[0] == first[1] else f"{first[0]} leads at one, {first[1]} at {last}"
    return (
        f"By medians of the best of k, {len(swapped)} of {plural(len(pairs), 'pair')} {'is' if len(swapped) == 1 else 'are'} in "
        f"another order at {last} configurations than at one: {same}. No test says that this is more than chance."
    )


def _optimism(found: list[Searched]) -> str:
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


def _table(name: str, dataset: str, title: str, found: list[Searched], curves: dict[str, list[Best]], floor: float) -> Table:
    rows, shown = [], {"best of k": [], "confirmed": []}
    for s in found:
        best = curves[s.label][-1]
        confirmed = averaged(s.confirmed)
        rows.append(
            {
                "model": s.label,
                "tried": len(s.validation),
                "failed": s.failed,
                "median": float(np.median(np.where(np.isnan(s.test), np.inf, s.test))),
                "authors' defaults": s.test[0],
                "k": best.k,
                "best of k": best.mean,
                "plug-in": best.plug_in,
                "chosen, validation": math.nan if s.chosen is None else s.validation[s.chosen],
                "chosen, test": math.nan if s.chosen is None else s.test[s.chosen],
                "confirmed": confirmed.mean,
                "seeds ok": f"{confirmed.n} of {s.confirmed.size}",
            }
        )
        shown["best of k"].append(
            f"{number(best.mean)} ({number(max(best.low, 0.0))} to {number(best.high)})" if math.isfinite(best.mean) else "–"
        )
        shown["confirmed"].append(value(confirmed))
    caption = f"{dataset}, {title}, lower is better; real data against real data: {number(floor)}"
    return Table(name, pd.DataFrame(rows), caption, shown)


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
    frame = frame.dropna(axis=1, how="all")
    whole = [f"{v.seeds:,}" if v.seeds else "–" for v in decided]
    shown = {"seeds to decide": whole} if "seeds to decide" in frame else None
    return Table(name, frame, caption, shown, folded=True)


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
            if GIVEN not in dataset
            for s in searches
            for seed, score in enumerate(s.confirmed)
        ],
        columns=["model", "dataset", "seed", "score"],
    )
    said = []
    try:
        same = agreement(frame)
    except ValueError:  # fewer than two models on all datasets
        same = None
    if same:
        said.append(
            f"Do {same.judges} datasets rank the choices of {same.models} models alike, by their fresh seeds? Kendall's W is "
            f"{number(same.w)} (1: the same order; p = {number(same.p, 2)} of no relation), the mean Kendall tau of two datasets "
            f"{number(same.tau)} ({number(same.low)} to {number(same.high)} over redrawn seeds)."
        )
    total = [v for each in decided.values() for v in each]
    said.append(f"Over all datasets {plural(len(total), 'pair')}: {_counted(total, margin)}, corrected within each alone.")
    return [Heading("All datasets together"), Points(tuple(said))]
