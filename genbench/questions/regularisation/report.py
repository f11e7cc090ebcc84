"""C5: whether Lipschitz regularisation always helps: every kind against none in grids of crossed factors."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from genbench.questions.grids import REGULARISATION, GridSearch, grids, steps_said
from genbench.questions.searches import verdict_table
from genbench.report.blocks import Claim, Figure, Fold, Paragraph, Points, Table
from genbench.report.published import beside
from genbench.report.style import FLOOR, log_axis
from genbench.report.text import capital, listing, number, percent, plural, span
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
    deciding,
)
from genbench.results.study import Results
from genbench.statistics.regularisation import always_helps, contrasts, failure_rates, kinds, never_hurts
from genbench.statistics.verdict import Verdict

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "tale", 50
STATEMENT = "Lipschitz regularisation always helps"
SOURCE = (
    "read into Kurach et al. 2019 (arXiv:1807.04720), Fedus et al. 2018 (arXiv:1710.08446), Qin et al. 2018 (arXiv:1811.09567) "
    "and Stanczuk et al. 2021 (arXiv:2103.01678)"
)
INKS = {BETTER: "#1b8a5a", EQUIVALENT: "#1f6fb4", NOT_WORSE: "#7fb3d9", UNDECIDED: "#8a8f96", WORSE: "#c4352b"}
WIDEST = 30.0  # ratios past this or its inverse are cut off in figures
NOTES = (
    "Every comparison is of one kind of regularisation (a gradient penalty, spectral normalisation, clipped weights) with none, "
    "at the same loss and architecture. Both are searched by the same stream of configurations; the strength, where it is "
    "searched, is one more dimension. {steps} Ratio: of tuned scores, the expected best of k configurations, below 1 where "
    "regularisation is better, with its uncorrected 95 % interval. Trials are charged ten times a typical score of the "
    "dataset at most, failed ones that.",
    "Verdicts: better or worse (two-sided test), equivalent (within the margin, two one-sided tests), not worse (by the margin, "
    "one-sided). Each of these three families is corrected over all comparisons and datasets (Holm), so that it errs anywhere "
    "with a chance of 5 % at most.",
    "Rule, fixed beforehand: “always helps” does not hold where a kind is worse or equivalent over all cases (mean of log "
    "ratios, corrected over kinds), or in any case; it holds where every comparison by itself is better (such a claim on all "
    "needs no correction). “Never hurts by more than the margin” is shown where every comparison by itself is not worse by the "
    "margin, and refuted where a fourth family of one-sided tests shows a ratio above it; worse by less refutes nothing.",
    "Diamond: the median over configurations of the ratio of single scores, with a sign test. Tests of failures compare "
    "configurations and not trials, since trials share configurations.",
)


def report(results: Results) -> Claim | None:
    """Return the verdict from grids with the factor "regularisation", of which "none" is a level; None without."""
    found, said = grids(results, [REGULARISATION])
    margin = results.margin
    table = contrasts({s.name: s.grid for s in found}, margin)
    lacks = (Fold("What is not in these numbers", (Points(tuple(said)),)),) if said else ()
    if not len(table):
        return _claim(OPEN, ("No grid of this study allows a verdict.",), lacks) if said else None
    rates = {s.name: failure_rates(s.grid) for s in found}
    pooled = kinds({s.name: s.grid for s in found}, margin)
    always = False if {v.word for v in pooled} & {WORSE, EQUIVALENT} else always_helps(table)
    folds = [
        _together(pooled),
        Fold("Kind by kind", (Points(tuple(_points(table, rates, margin))), _ratio_table(table), _rate_table(rates))),
    ]
    folds += [_dataset(s, own, margin) for s in found if len(own := table[table["dataset"] == s.name])]
    notes = tuple(Paragraph(note.format(steps=steps_said(found)), fine=True) for note in NOTES)
    folds += [*lacks, Fold("How these verdicts are made", notes)]
    verdict = {True: HOLDS, False: REFUTED, None: OPEN}[always]
    return _claim(verdict, _because(found, table, pooled, verdict, margin), tuple(folds), _counted(table, margin))


def _together(pooled: Sequence[Verdict]) -> Fold:
    """Each kind over all cases together."""
    caption = "Each kind against none, the mean of the log ratios over all cases"
    return Fold(
        "Each kind over all cases", (verdict_table("c5_kinds", caption, pooled, ratio="ratio of tuned scores", alone=True),)
    )


def _claim(verdict: str, because: tuple[str, ...], folds: tuple[Fold, ...], short: str = "") -> Claim:
    return Claim("C5", STATEMENT, SOURCE, verdict, because, (*folds, *beside("C5")), short)


# ---- sentences


def _because(
    found: Sequence[GridSearch], table: pd.DataFrame, pooled: Sequence[Verdict], verdict: str, margin: float
) -> tuple[str, ...]:
    """Whether to regularise, the counts, and what would decide the rest."""
    said = [f"{v.a} is {v.word} ({number(v.ratio)} times the score, 95 %: {number(v.low)} to {number(v.high)})" for v in pooled]
    against = table[table["verdict"].isin([WORSE, EQUIVALENT])].sort_values("ratio", ascending=False)
    advice = {
        HOLDS: "Regularise the critic: every kind that was tried lowers the tuned score, to at most "
        f"{number(table['ratio'].max())} times that without",
        REFUTED: f"Try without regularisation, too: {_first(against) if len(against) else 'it does not pay everywhere'}",
        OPEN: f"Whether to regularise the critic is open: {int(table['better_alone'].sum())} of {len(table)} comparisons show by "
        "themselves that it is better, where all would have to, and none that it is worse or equivalent",
    }[verdict]
    counts = f"over all cases, {listing(said)}; {_counted(table, margin)}"
    needed = {s.name: list(own["needed"]) for s in found if len(own := _open(table, s.name))}
    more = deciding(needed, [s.tried for s in found if s.name in needed], "configurations per cell")
    return tuple(line for line in (f"{advice}.", f"{capital(counts)}.", more) if line)


def _open(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    return table[(table["dataset"] == dataset) & (table["verdict"] == UNDECIDED)]


def _counted(table: pd.DataFrame, margin: float) -> str:
    return counted(list(table["verdict"]), margin, "comparisons", directed=True)


def _first(rows: pd.DataFrame) -> str:
    """The first three comparisons with their ratios, and how many more."""
    words = [f"{_who(row)} is {row['verdict']} ({_ratio(row)})" for _, row in rows.head(3).iterrows()]
    return listing([*words, *([f"{len(rows) - 3} more"] if len(rows) > 3 else [])])


def _who(row: pd.Series) -> str:
    """The kind of regularisation and where it was tried."""
    rest = [str(row[name]) for name in _other(row.index) if not pd.isna(row[name])]
    return f"{row[REGULARISATION]}{f' ({listing(rest)})' if rest else ''} on {row['dataset']}"


def _other(columns: pd.Index) -> list[str]:
    """Factors beside regularisation: columns before the first number."""
    fixed = ("dataset", REGULARISATION)
    return [str(name) for name in columns[: columns.get_loc("typical")] if name not in fixed]


def _ratio(row: pd.Series) -> str:
    return f"{number(row['ratio'])} times the score, 95 %: {number(row['low'])} to {number(row['high'])}"


def _points(table: pd.DataFrame, rates: Mapping[str, pd.DataFrame], margin: float) -> list[str]:
    said = []
    for kind, own in table.groupby(REGULARISATION, sort=False):
        ratios = own["ratio"].dropna()
        size = f"; its tuned score is {span(ratios)} times that without" if len(ratios) else ""
        said.append(f"{kind}: {_counted(own, margin)}{size}.")
    hurting = table[table["hurts"]].sort_values("ratio", ascending=False)
    state = {True: "is shown", False: f"is refuted: {_first(hurting)}", None: "is neither shown nor refuted"}[never_hurts(table)]
    said.append(
        f"The weaker claim, that it never hurts by more than a factor of {margin:g} after tuning, {state}; "
        f"{int(table['not_worse_alone'].sum())} of {plural(len(table), 'comparison')} show it by themselves."
    )
    significant = table["typical_p"] <= 0.05
    helped, hurt = (int((significant & way).sum()) for way in (table["helped"] > table["hurt"], table["helped"] < table["hurt"]))
    said.append(
        f"A typical configuration is better with regularisation in {helped} and worse in {hurt} of "
        f"{plural(len(table), 'comparison')} (sign tests, Holm, 5 %); its score is {span(table['typical'])} times that without, "
        f"{number(float(table['typical'].median()))} in the middle comparison."
    )
    return said + [_failed(name, each) for name, each in rates.items()]


def _failed(name: str, rates: pd.DataFrame) -> str:
    if not rates["failed"].any():
        return f"{name}: none of {plural(int(rates['trials'].sum()), 'trial')} failed."
    said = []
    for row in rates.to_dict("records"):
        p = "" if math.isnan(row["p"]) else f"; p = {number(row['p'], 2)} of the same rate as without"
        share = f"{percent(row['share'])}, 95 %: {span((row['low'], row['high']), percent)}"
        said.append(f"{row['failed']} of {row['trials']} with {row[REGULARISATION]} ({share}{p})")
    return f"{name}: trials that failed are {listing(said)}."


# ---- figure and tables


def _dataset(s: GridSearch, own: pd.DataFrame, margin: float) -> Fold:
    caption = (
        f"{s.name}: tuned {s.title} with regularisation over that without ({s.budget}), with 95 % intervals; left of 1 "
        f"regularisation is better, and in the grey band equal within a factor of {margin:g}. Diamonds: the median ratio of "
        "single configurations."
    )
    return Fold(f"{s.name}: every comparison", (Figure(f"c5_{s.key}_ratios", _drawn(own, margin), caption),))


def _drawn(table: pd.DataFrame, margin: float) -> Drawing:
    columns = _other(table.columns)
    names = [" · ".join(map(str, row)) for row in table[columns].itertuples(index=False)] if columns else [""] * len(table)
    rows, kinds = list(dict.fromkeys(names)), list(dict.fromkeys(table[REGULARISATION]))
    drawing = Drawing(figsize=(max(1.9 + 1.75 * len(kinds), 5.6), 0.27 * len(rows) + 1.5), layout="constrained")
    axes = drawing.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    low, high = max(min(table["low"].min(), 0.9 / margin), 1 / WIDEST), min(max(table["high"].max(), 1.1 * margin), WIDEST)
    for ax, kind in zip(axes, kinds, strict=True):
        ax.axvspan(1 / margin, margin, color="#333", alpha=0.08, lw=0, zorder=0)
        ax.axvline(1, **FLOOR)
        for (_, row), name in zip(table.iterrows(), names, strict=True):
            if row[REGULARISATION] != kind:
                continue
            place, ink = rows.index(name), INKS[row["verdict"]]
            ax.plot([row["low"], row["high"]], [place, place], color=ink, lw=1.5, zorder=2)
            ax.scatter([row["ratio"]], [place], s=24, color=ink, linewidths=0, zorder=3)
            ax.scatter(
                [row["typical"]], [place], s=17, marker="D", facecolors="none", edgecolors="#333", linewidths=0.8, zorder=4
            )
        ax.set_xscale("log")
        ax.set_xlim(0.95 * low, 1.05 * high)
        log_axis(ax.xaxis, low, high)
        ax.set_title(str(kind))
        ax.tick_params(axis="x", labelsize=7)
    axes[0].set_yticks(range(len(rows)), rows)
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    drawing.supxlabel("tuned score with regularisation / without", fontsize=9)
    drawn = [word for word in INKS if (table["verdict"] == word).any()]
    handles = [Line2D([], [], color=INKS[word], marker="o", ms=4.5, lw=1.5, label=word) for word in drawn]
    handles.append(Line2D([], [], color="#333", marker="D", mfc="none", ms=4, lw=0, label="typical configuration"))
    drawing.legend(handles=handles, loc="outside upper center", ncols=len(handles), fontsize=8)
    return drawing


def _ratio_table(table: pd.DataFrame) -> Table:
    names = {"difference": "p, no difference", "equivalence": "p, at least the margin", "not_worse": "p, worse by the margin"}
    names |= {"within": "p, at most the margin worse"}
    names |= {"typical": "typical ratio", "typical_low": "typical, low", "typical_high": "typical, high"}
    names |= {"typical_p": "p, typical", "n": "configurations", "needed": "configurations to decide"}
    front = ["dataset", REGULARISATION, *_other(table.columns), "verdict", "ratio", "low", "high"]
    rest = [name for name in table.columns if name not in (*front, "better_alone", "not_worse_alone", "hurts")]
    frame = table[front + rest].rename(columns=names).dropna(axis=1, how="all")
    frame["configurations"] = frame["configurations"].astype(int)
    return Table("c5_ratios", frame, f"Every kind against none, {plural(len(frame), 'comparison')}", folded=True)


def _rate_table(rates: Mapping[str, pd.DataFrame]) -> Table:
    frame = pd.concat([part.assign(dataset=name) for name, part in rates.items()], ignore_index=True)
    frame = frame[["dataset", REGULARISATION, "trials", "failed", "share", "low", "high", "p"]]
    frame = frame.dropna(axis=1, how="all").rename(columns={"p": "p, as often as without"})
    return Table("c5_failures", frame, "Trials that failed, by kind, with Wilson's 95 % intervals", folded=True)
