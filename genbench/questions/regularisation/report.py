"""C5, Lipschitz restraints always help: every restraint against none in grids of crossed factors."""

import math

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from genbench.report.blocks import Figure, Paragraph, Points, Table
from genbench.report.claim import HOLDS, OPEN, REFUTED, Claim
from genbench.report.claims.factors import others
from genbench.report.claims.grids import Searched, searched, steps_said
from genbench.report.style import FLOOR, log_axis
from genbench.report.text import listing, number, plural
from genbench.results.study import Results
from genbench.statistics.regularisation import always_helps, failure_rates, never_hurts, restraint_contrasts

__all__ = ["restraints"]

FACTOR, NONE = "restraint", "none"
INKS = {"better": "#1b8a5a", "equivalent": "#1f6fb4", "not worse": "#7fb3d9", "undecided": "#8a8f96", "worse": "#c4352b"}
WIDEST = 30.0  # ratios past this or its inverse are cut off in figures
NOTE = (
    "Every comparison is of a restraint with none at the same loss and architecture, both searched by the same stream of "
    "configurations (a restraint's strength, where it has one to search, is one more dimension of its space).{steps} Ratio: of "
    "tuned scores, the expected best of k configurations, below 1 where the restraint is better, with its uncorrected 95 % "
    "interval. Verdicts are of families of tests, each corrected by Holm over all comparisons and datasets, so that each family "
    "by itself errs anywhere with a chance of 5 % at most: better or worse (two-sided), equivalent (within the margin, two "
    "one-sided tests), not worse (by the margin, one-sided). Rule, fixed beforehand: “always helps” holds where every comparison "
    "alone is better (an intersection-union test needs no correction), and does not hold where any is worse or equivalent. "
    "“Never hurts by more than the margin” is likewise shown where every comparison alone is not worse by the margin, and "
    "refuted where a fourth such family, one-sided, shows a ratio above the margin; worse by less refutes nothing. Diamond: "
    "the median over configurations of the ratio of single scores, a typical configuration's, with a sign test. Failed trials "
    "are charged the worst score of the dataset in tuned scores. The tests of failures compare configurations, not trials, "
    "which share them."
)


def restraints(results: Results) -> Claim | None:
    """C5 from grids with the factor "restraint", of which "none" is a level; None without."""
    found, said = searched(results, [FACTOR])
    found = [s for s in found if FACTOR in s.grid.factors]
    margin = float(results.config.get("margin", 1.1))
    table = restraint_contrasts({s.name: s.grid for s in found}, margin)
    if not len(table):
        return _claim(OPEN, " ".join(said), ()) if said else None
    rates = {s.name: failure_rates(s.grid) for s in found}
    always, never = always_helps(table), never_hurts(table)
    blocks: list = [Points((*_points(found, table, rates, margin, never), *said))]
    for s in found:
        own = table[table["dataset"] == s.name]
        if len(own):
            caption = (
                f"{s.name}: tuned {s.title} with a restraint over that without ({s.budget}), by restraint, loss and "
                f"architecture, with 95 % intervals; left of 1 the restraint is better, grey band: within a factor of "
                f"{margin:g}. Diamonds: the median ratio of single configurations."
            )
            blocks.append(Figure(f"c5_{s.key}_ratios", _drawn(own, margin), caption))
    note = NOTE.format(steps=steps_said(found))
    blocks += [Paragraph(note, fine=True), _ratio_table(table), _rate_table(rates)]
    return _claim(
        {True: HOLDS, False: REFUTED, None: OPEN}[always],
        _because(table, always),
        tuple(blocks),
        f"{plural(len(table), 'comparison')}: {_counted(table)}",
    )


def _claim(verdict: str, because: str, blocks: tuple, short: str = "") -> Claim:
    return Claim(
        "C5",
        "Lipschitz regularisation always helps",
        "read into Kurach et al. 2019 (arXiv:1807.04720), Fedus et al. 2018 (arXiv:1710.08446), Qin et al. 2018 "
        "(arXiv:1811.09567) and Stanczuk et al. 2021 (arXiv:2103.01678)",
        verdict,
        because,
        (*blocks, *others("C5")),
        short,
    )


def _who(row: pd.Series) -> str:
    """The restraint and where it was tried."""
    rest = [str(row[name]) for name in _other(row.index) if not pd.isna(row[name])]
    return f"{row[FACTOR]}{f' ({listing(rest)})' if rest else ''} on {row['dataset']}"


def _other(columns: pd.Index) -> list[str]:
    """Factors beside the restraint: columns before the first number."""
    fixed = ("dataset", FACTOR)
    return [str(name) for name in columns[: columns.get_loc("typical")] if name not in fixed]


def _ratio(row: pd.Series) -> str:
    return f"{number(row['ratio'])} times, {number(row['low'])} to {number(row['high'])}"


def _counted(table: pd.DataFrame) -> str:
    counts = table["verdict"].value_counts()
    return listing([f"{counts[word]} {word}" for word in INKS if word in counts])


def _because(table: pd.DataFrame, always: bool | None) -> str:
    """Why the claim holds or not."""
    said = f"Of {plural(len(table), 'comparison')} of a restraint with none, after tuning, {_counted(table)}."
    if always is False:
        against = table[table["verdict"].isin(["worse", "equivalent"])].sort_values("ratio", ascending=False)
        words = [f"{_who(row)} is {row['verdict']} ({_ratio(row)})" for _, row in against.head(3).iterrows()]
        rest = len(against) - len(words)
        return f"{said} Against “always”: {listing(words)}{f', and {rest} more' if rest else ''}."
    alone = int(table["better_alone"].sum())
    if always:
        return f"{said} Each is better on its own test, the least {number(table['ratio'].max())} times the score without."
    return (
        f"{said} None is shown worse or equivalent, and {alone} of {len(table)} better on their own tests; all would have to be."
    )


def _points(
    found: list[Searched], table: pd.DataFrame, rates: dict[str, pd.DataFrame], margin: float, never: bool | None
) -> list[str]:
    said = []
    for restraint, own in table.groupby(FACTOR, sort=False):
        ratios = own["ratio"].dropna()
        span = f"; the tuned score is {number(ratios.min())} to {number(ratios.max())} times that without" if len(ratios) else ""
        said.append(f"{restraint}, {plural(len(own), 'comparison')}: {_counted(own)}{span}.")
    shown = int(table["not_worse_alone"].sum())
    worse = table[table["hurts"]].sort_values("ratio", ascending=False)
    state = {
        True: "shown",
        False: f"refuted by {listing([f'{_who(row)} ({_ratio(row)})' for _, row in worse.head(3).iterrows()])}"
        + (f" and {len(worse) - 3} more" if len(worse) > 3 else ""),
        None: "neither shown nor refuted",
    }[never]
    said.append(
        f"The weaker claim, that a restraint never hurts after tuning by more than a factor of {margin:g}: {state}; "
        f"{shown} of {plural(len(table), 'comparison')} show it on their own tests."
    )
    significant = table["typical_p"] <= 0.05
    helped, hurt = (int((significant & way).sum()) for way in (table["helped"] > table["hurt"], table["helped"] < table["hurt"]))
    said.append(
        f"A typical configuration, not only the best: with the restraint it is better in {helped} and worse in {hurt} of "
        f"{plural(len(table), 'comparison')} by sign tests over shared configurations (Holm, 5 %); the median ratio is "
        f"{number(table['typical'].min())} to {number(table['typical'].max())}, "
        f"{number(float(table['typical'].median()))} in the middle comparison."
    )
    return said + [line for s in found for line in _failures_said(s.name, rates[s.name])]


def _failures_said(name: str, rates: pd.DataFrame) -> list[str]:
    if not rates["failed"].any():
        return [f"{name}: none of {plural(int(rates['trials'].sum()), 'trial')} failed, with a restraint or without."]
    said = []
    for row in rates.itertuples():
        p = "" if math.isnan(row.p) else f"; p = {number(row.p, 2)} of the same rate as without"
        share = f"{100 * row.share:.0f} %, {100 * row.low:.0f} to {100 * row.high:.0f}"
        said.append(f"{getattr(row, FACTOR)} {row.failed} of {row.trials} ({share}{p})")
    return [f"{name}: trials that failed: {listing(said)}."]


def _drawn(table: pd.DataFrame, margin: float) -> Drawing:
    columns = _other(table.columns)
    names = [" · ".join(map(str, row)) for row in table[columns].itertuples(index=False)] if columns else [""] * len(table)
    rows, kinds = list(dict.fromkeys(names)), list(dict.fromkeys(table[FACTOR]))
    drawing = Drawing(figsize=(max(1.9 + 1.75 * len(kinds), 5.6), 0.27 * len(rows) + 1.5), layout="constrained")
    axes = drawing.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    low, high = max(min(table["low"].min(), 0.9 / margin), 1 / WIDEST), min(max(table["high"].max(), 1.1 * margin), WIDEST)
    for ax, kind in zip(axes, kinds, strict=True):
        ax.axvspan(1 / margin, margin, color="#333", alpha=0.08, lw=0, zorder=0)
        ax.axvline(1, **FLOOR)
        for (_, row), name in zip(table.iterrows(), names, strict=True):
            if row[FACTOR] != kind:
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
    drawing.supxlabel("tuned score with the restraint / without", fontsize=9)
    drawn = [word for word in INKS if (table["verdict"] == word).any()]
    handles = [Line2D([], [], color=INKS[word], marker="o", ms=4.5, lw=1.5, label=word) for word in drawn]
    handles.append(Line2D([], [], color="#333", marker="D", mfc="none", ms=4, lw=0, label="typical configuration"))
    drawing.legend(handles=handles, loc="outside upper center", ncols=len(handles), fontsize=8)
    return drawing


def _ratio_table(table: pd.DataFrame) -> Table:
    names = {"difference": "p, no difference", "equivalence": "p, at least the margin", "not_worse": "p, worse by the margin"}
    names |= {"within": "p, at most the margin worse"}
    names |= {"typical": "typical ratio", "typical_low": "typical, low", "typical_high": "typical, high"}
    names |= {"typical_p": "p, typical", "n": "configurations"}
    front = ["dataset", FACTOR, *_other(table.columns), "verdict", "ratio", "low", "high"]
    rest = [name for name in table.columns if name not in (*front, "better_alone", "not_worse_alone", "hurts")]
    frame = table[front + rest].rename(columns=names)
    frame["configurations"] = frame["configurations"].astype(int)
    return Table("c5_ratios", frame, f"Every restraint against none, {plural(len(frame), 'comparison')}", folded=True)


def _rate_table(rates: dict[str, pd.DataFrame]) -> Table:
    frame = pd.concat([part.assign(dataset=name) for name, part in rates.items()], ignore_index=True)
    frame = frame[["dataset", FACTOR, "trials", "failed", "share", "low", "high", "p"]]
    frame = frame.dropna(axis=1, how="all").rename(columns={"p": "p, as often as without"})
    return Table("c5_failures", frame, "Trials that failed, by restraint, with Wilson's 95 % intervals", folded=True)
