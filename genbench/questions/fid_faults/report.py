"""The FID's own weaknesses: small samples, lost classes, other encoders, copies; each with a verdict."""

import math
from collections import Counter
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from genbench.report.claim import HOLDS, OPEN, REFUTED, Claim, tally, together
from genbench.report.claims.exact import bared
from genbench.report.claims.fid_figures import drawn
from genbench.report.crossed import crossed, exceeds, ratio
from scipy import stats

from genbench.report.blocks import Figure, Paragraph, Points, Table
from genbench.report.published import published
from genbench.report.tables import Cell, averaged
from genbench.report.text import listing, number, plural
from genbench.results.study import Results
from genbench.statistics.ranks import agreement

__all__ = ["Swap", "claim", "swaps"]

AGREED = 0.9  # mean Kendall tau from which on encoders are said to agree, where none swaps two samplers
COPIES = -3.0  # C_T below which samples are copies, or more concentrated than the data
DEGRADED = ("noise", "blur", "shift", "faded", "specks", "pairs", "Gaussian", "lost classes", "few images")
QUESTIONS = ("biased in the number of samples", "sees lost classes", "depends on its encoder", "does not see copies")
STATEMENT = "The FID is biased in the number of samples, sees lost classes but not copies, and depends on its encoder"
SOURCE = "Lucic et al. 2018 (arXiv:1711.10337), on the FID's robustness; Chong & Forsyth 2020 (arXiv:1911.07023)"
NOTE = (
    "Nothing generative is trained: “samples” are real images, or real images with a known fault, against the test split. "
    "Encoders learn from one half of the training data; samples are drawn from the other, {redraws} times anew, and copies "
    "from the first. Intervals are for other draws from these halves and other classifiers. Ratios of classifiers' FIDs are"
    " judged against {margin:g}, what counts as equal in this study, each question at 5 % for all datasets together "
    "(Bonferroni). Biased: the ratio of a quarter of the images to all is above that. Sees lost classes: the ratio is above"
    " it as soon as the first are gone, equally many images each time. Does not see copies: the ratio of training images to"
    " fresh ones is below it. Depends on its encoder: two encoders put two samplers into opposite orders, both by more than"
    " that (t-intervals over the draws, corrected for all pairs of samplers, encoders and datasets); not, where no two do "
    f"and the interval of the mean Kendall's tau is at {AGREED:g} or above. The whole holds where all four do. Samplers: noise "
    "of a tenth of the grey range; blur and shift by 6 % of the side; faded to 70 % of the contrast; 3 % of the pixels as black "
    "or white specks; 30 % of the classes lost; a tenth of the images repeated; pairs of a class averaged; a Gaussian in pixels. "
    "“Untrained” is the classifier's network as initialised, “pixels” 64 principal components. C_T: a z score "
    "of samples' distances to training data beside those of held-out data, below 0 where samples are nearer, below {copies:g} "
    "copies (Meehan et al. 2020, arXiv:2004.05675); it tells copies where theirs is surely below {copies:g} and that of fresh "
    "data surely above. Authenticity: the share of samples farther from their nearest training image than that one is from its "
    "own nearest (Alaa et al. 2022, arXiv:2102.08921), less that share of held-out data, in points. "
    "Samplers and copies are made from images that have nearly the classes' shares of their halves. This, the bar of C_T and "
    "that of tau stand in the code; they were chosen while the experiment was built. Theory: for Gaussians, to leading order."
)
CAPTION = (
    "By classifiers: the FID of real data by their number (dots: draws; line: their mean; dashed: what theory predicts); of"
    " fewer and fewer classes, equally many images each time (right axis: coverage and recall). Then the ranks of samplers "
    "of known faults by encoder, 1 the lowest FID; and copies of images that the classifiers learned from: FID and distance"
    " to training data, both relative to fresh data's, a mark per classifier."
)
TRAINED = "a trained classifier"
Answer = tuple[str, str, list[str]]  # verdict, a sentence with its numbers, further sentences


@dataclass(frozen=True)
class Swap:
    """Encoders `one` and `other` that certainly order samplers `a` and `b` in opposite ways: ratios of a's FID to b's."""

    one: str
    other: str
    a: str
    b: str
    ratio_one: float
    ratio_other: float


def claim(results: Results) -> Claim | None:
    """The FID's weaknesses from the experiment `fid_faults`; None without."""
    answer = results.answer("fid_faults")
    if answer is None:
        return None
    margin, tables = float(results.config.get("margin") or 1.1), answer.tables
    asked = {"bias": _bias, "dropping": _lost, "samplers": _encoders, "copies": _copies}
    answers = [answer(tables[name], margin) for name, answer in asked.items()]
    verdicts = [verdict for verdict, _, _ in answers]
    words = [f"{name}: {verdict}" for name, verdict in zip(QUESTIONS, verdicts, strict=True)]
    because = f"By question: {'; '.join(words)}. {' '.join(short for _, short, _ in answers)}"
    known = published("FID")
    blocks = (
        Points(tuple(line for _, _, lines in answers for line in lines)),
        Figure("fid_faults", drawn(tables), CAPTION),
        Paragraph(NOTE.format(redraws=answer.settings["redraws"], margin=margin, copies=COPIES), fine=True),
        *_tables(tables),
        *((Table("fid_published", known, "Published on the claim", folded=True),) if len(known) else ()),
    )
    return Claim(
        "FID", STATEMENT, SOURCE, together(verdicts), because, blocks, tally(dict(zip(QUESTIONS, verdicts, strict=True)))
    )


def swaps(table: pd.DataFrame, margin: float, level: float) -> list[Swap]:
    """Pairs of samplers of one dataset that two encoders certainly order in opposite ways, the clearest first.

    `table`: columns sampler, encoder, redraw, fid. Certain: both log ratios of the pair's FIDs, paired by redraw, lie beyond the
    margin by t-intervals that are simultaneous at `level` over all pairs of samplers and encoders (Bonferroni).
    """
    logs = _logs(table).pivot(index="redraw", columns=["encoder", "sampler"], values="log")
    encoders, names = list(table["encoder"].unique()), list(table["sampler"].unique())
    pairs, n = list(combinations(names, 2)), len(logs)
    if n < 2 or not pairs:
        return []
    quantile = stats.t.ppf(1 - (1 - level) / (2 * len(pairs) * len(encoders)), n - 1)
    found = []
    for a, b in pairs:
        sure = {}
        for encoder in encoders:
            gaps = logs[encoder][a] - logs[encoder][b]
            if abs(gaps.mean()) - quantile * gaps.std(ddof=1) / math.sqrt(n) > math.log(margin):
                sure[encoder] = float(gaps.mean())
        for one, other in combinations(sure, 2):
            if sure[one] * sure[other] < 0:
                found.append(Swap(one, other, a, b, math.exp(sure[one]), math.exp(sure[other])))
    return sorted(found, key=lambda s: -min(abs(math.log(s.ratio_one)), abs(math.log(s.ratio_other))))


def _logs(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(log=np.log(table["fid"].clip(lower=1e-12)))


def _learned(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["encoder"].str.startswith("classifier")]


def _log_ratio(table: pd.DataFrame, column: str, above: object, below: object, level: float) -> Cell:
    """Log of the ratio of the FIDs where `column` is `above` to those where it is `below`, by classifiers and redraws."""
    logs = _logs(table)
    top, bottom = (logs[logs[column] == each].pivot(index="encoder", columns="redraw", values="log") for each in (above, below))
    return crossed(top - bottom, level)


def _level(table: pd.DataFrame) -> float:
    return 1 - 0.05 / max(1, table["dataset"].nunique())


# ---- the four questions


def _bias(table: pd.DataFrame, margin: float) -> Answer:
    verdicts, short, said = [], [], []
    for dataset, part in _learned(table).groupby("dataset", sort=False):
        sizes = sorted(part["n"].unique())
        n = sizes[-1]
        few = min(sizes[:-1], key=lambda size: abs(math.log(4 * size / n)), default=n)
        found = _log_ratio(part, "n", few, n, _level(table))
        verdicts.append(exceeds(found, margin))
        short.append(f"{ratio(found)} on {dataset}")
        means = part.groupby("n")[["fid", "predicted"]].mean()
        theory = means["predicted"]
        line = (
            f"{dataset}: {few} real images have {ratio(found)} times the FID of {n} ({number(theory[few] / theory[n])} in "
            f"theory), which is {number(means['fid'][n])} ({number(theory[n])} in theory)"
        )
        if len(largest := means.tail(3)) == 3:
            measured, rest = (np.polyfit(1 / largest.index.to_numpy(), largest[key], 1)[1] for key in ("fid", "predicted"))
            line += f"; on a line in 1/n, endlessly many would have {number(measured)} "
            line += f"(in theory {number(rest)}, as the test split is finite)"
        said.append(f"{line}.")
    return together(verdicts), f"A quarter of the real images have so many times the FID of all: {listing(short)}.", said


def _lost(table: pd.DataFrame, margin: float) -> Answer:
    verdicts, short, said = [], [], []
    for dataset, part in _learned(table).groupby("dataset", sort=False):
        kept = sorted(part["kept"].unique(), reverse=True)
        every, first, last = kept[0], kept[min(1, len(kept) - 1)], kept[-1]
        found = _log_ratio(part, "kept", first, every, _level(table))
        verdicts.append(exceeds(found, margin))
        short.append(f"{ratio(found)} on {dataset} ({first} of {every} left)")
        steps = part.pivot(index=["encoder", "redraw"], columns="kept", values="fid")[kept].diff(axis=1).iloc[:, 1:]
        means = part.groupby("kept")[["fid", "coverage", "recall"]].mean()
        ends = [f"{name} from {number(means[key][every])} to {number(means[key][last])}" for name, key in _NAMES.items()]
        said.append(
            f"{dataset}: from {every} classes to {last}, {part['n'].iloc[0]} images each time, {listing(ends)}; the FID rises in "
            f"{100 * float((steps > 0).to_numpy().mean()):.0f} % of single steps."
        )
    return together(verdicts), f"With the first classes lost it is so many times as high: {listing(short)}.", said


_NAMES = {"FID": "fid", "coverage": "coverage", "recall": "recall"}


def _encoders(table: pd.DataFrame, margin: float) -> Answer:
    verdicts, short, said = [], [], []
    for dataset, part in table.groupby("dataset", sort=False):
        frame = part.rename(columns={"sampler": "model", "redraw": "seed", "fid": "score"})
        kinds = {"all encoders": frame, "classifiers that differ in their seed": _learned(frame)}
        agreed = {
            words: agreement(each, judge="encoder", shared=True, level=_level(table))
            for words, each in kinds.items()
            if each["encoder"].nunique() > 1
        }
        everyone, found = agreed["all encoders"], swaps(part, margin, _level(table))
        verdicts.append(HOLDS if found else REFUTED if everyone.low >= AGREED else OPEN)
        between = [f"of {words} {number(a.tau)} ({number(a.low)} to {number(a.high)})" for words, a in agreed.items()]
        alike = sum(swap.one.startswith("classifier") and swap.other.startswith("classifier") for swap in found)
        short.append(f"on {dataset} {_kinds(found, part)}")
        said.append(
            f"{dataset}: mean Kendall's tau between the orders of {everyone.models} samplers: {listing(between)}. Certain swaps "
            f"of two samplers by two encoders: {len(found)}, {alike} of them by classifiers that differ in their seed alone."
        )
        means = _learned(part).groupby("sampler", sort=False)["fid"].mean()
        ratios = means.drop("fresh data") / means["fresh data"]
        unseen = ratios[ratios.index.isin(DEGRADED) & (ratios < margin)]
        if len(unseen):
            shares = [f"{name} ({number(share)})" for name, share in unseen.items()]
            said.append(
                f"{dataset}: {plural(len(unseen), 'degraded sampler')} with less than {margin:g} times the mean FID of fresh "
                f"data by classifiers: {listing(shares)}."
            )
    return together(verdicts), f"Encoders: {'; '.join(short)}.", said


def _kinds(found: list[Swap], table: pd.DataFrame) -> str:
    """Between which kinds of encoders there are certain swaps, the clearest of them, and whether trained ones swap any."""
    if not found:
        return "no two encoders certainly swap two samplers"
    counts = Counter(tuple(sorted(map(_kind, (swap.one, swap.other)))) for swap in found)
    trained = counts.pop((TRAINED, TRAINED), 0)
    said = [f"{count} between {one} and {other}" for (one, other), count in counts.most_common()]
    if _learned(table)["encoder"].nunique() > 1:
        said.append(f"{trained or 'none'} between two trained classifiers")
    return f"{plural(len(found), 'certain swap')}, {listing(said)} (the clearest: {_swapped(found[0])})"


def _kind(encoder: str) -> str:
    return (
        TRAINED
        if encoder.startswith("classifier")
        else {"untrained": "the untrained network", "pixels": "raw pixels"}.get(encoder, encoder)
    )


def _swapped(swap: Swap) -> str:
    return (
        f"the FID of {swap.a} is {number(swap.ratio_one)} times that of {swap.b} by {swap.one} and {number(swap.ratio_other)} "
        f"times by {swap.other}"
    )


def _copies(table: pd.DataFrame, margin: float) -> Answer:
    verdicts, short, said = [], [], []
    opposite = {HOLDS: REFUTED, REFUTED: HOLDS, OPEN: OPEN}
    for dataset, part in table.groupby("dataset", sort=False):
        found = _log_ratio(part, "sampler", "copies", "fresh data", _level(table))
        verdicts.append(opposite[exceeds(found, margin)])
        ct, fresh = (
            crossed(part[part["sampler"] == name].pivot(index="encoder", columns="redraw", values="ct"), _level(table))
            for name in ("copies", "fresh data")
        )
        sure = ct.mean + ct.half < COPIES < fresh.mean - fresh.half
        told = "which tells them" if sure else "which does not surely tell them"
        short.append(
            f"{ratio(found)} on {dataset}, with a C_T of {number(ct.mean)} beside {number(fresh.mean)} of fresh data, {told}"
        )
        means = part.groupby("sampler", sort=False)[["fid", "fid_training", "ct", "authpct", "nn_distance"]].mean()
        rest = [
            f"{name} {number(row.fid)} (C_T {number(row.ct)}, authenticity {number(row.authpct)} points, distance to training "
            f"data {number(row.nn_distance)} times that of held-out data)"
            for name, row in means.iterrows()
        ]
        against = means["fid_training"]
        said.append(f"{dataset}, FID by classifiers: {'; '.join(rest)}.")
        said.append(
            f"{dataset}: against the training images in place of the test split copies get {number(against['copies'])} and fresh "
            f"data {number(against['fresh data'])}."
        )
    return together(verdicts), f"Copies of training images have so many times the FID of fresh ones: {'; '.join(short)}.", said


# ---- tables


def _tables(tables: dict[str, pd.DataFrame]) -> list[Table]:
    def of(name: str, keys: list[str], columns: dict[str, str], caption: str) -> Table:
        rows = []
        for key, part in tables[name].groupby(keys, sort=False):
            cells = {said: averaged(part[column]) for column, said in columns.items()}
            rows.append({**dict(zip(keys, key, strict=True)), **cells})
        return Table.of_cells(f"fid_{name}", bared(rows), f"{caption}: means over draws with their 95 % t-intervals", folded=True)

    copies = {"fid": "FID", "fid_training": "FID to training data", "ct": "C_T", "authpct": "authenticity"}
    copies |= {"nn_distance": "distance to training data"}
    lost = {key: name for name, key in _NAMES.items()}
    return [
        of("bias", ["dataset", "encoder", "n"], {"fid": "FID", "predicted": "in theory"}, "Real data against the test split"),
        of("dropping", ["dataset", "encoder", "kept"], lost, "Real data of fewer classes"),
        of("samplers", ["dataset", "sampler", "encoder"], {"fid": "FID"}, "Samplers of known faults"),
        of("copies", ["dataset", "encoder", "sampler"], copies, "Copies of training data"),
    ]
