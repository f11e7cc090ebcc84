"""What the FID gets wrong: small samples, lost classes, other encoders, copies; each with a verdict."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from genbench.questions.crossed import crossed, exceeds, ratio
from genbench.questions.fid_faults.figures import drawn
from genbench.report.blocks import Claim, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.published import beside
from genbench.report.text import capital, listing, number, percent, plural
from genbench.report.verdicts import HOLDS, OPEN, REFUTED, enough, tally, together
from genbench.results.study import Results
from genbench.statistics.ranks import agreement

__all__ = ["CHAPTER", "PLACE", "Swap", "report", "swaps"]

CHAPTER, PLACE = "tale", 70
AGREED = 0.9  # mean Kendall tau from which on encoders are said to agree, where none swaps two samplers
COPIES = -3.0  # C_T below which samples are copies, or more concentrated than the data
DEGRADED = ("noise", "blur", "shift", "faded", "specks", "pairs", "Gaussian", "lost classes", "few images")
STATEMENT = "The FID is biased in the number of samples, sees lost classes but not copies, and depends on its encoder"
SOURCE = "Lucic et al. 2018 (arXiv:1711.10337), on the FID's robustness; Chong & Forsyth 2020 (arXiv:1911.07023)"
# by question: what to do if it holds
ADVICE = {
    "biased in the number of samples": "of equally many images",
    "sees lost classes": "",
    "depends on its encoder": "by one encoder",
    "does not see copies": "beside a test for copies",
}
NOTES = (
    "No generative model is trained: “samples” are real images, or real images with a known fault, against the test split. "
    "Encoders learn from one half of the training data; samples are drawn from the other half, {redraws} times anew, and copies "
    "from the first. Samples and copies have nearly the shares of the classes of their halves. Intervals are for other draws "
    "from these halves and for other classifiers. “Untrained” is the classifier's network as initialised, “pixels” are 64 "
    "principal components.",
    "Rules: ratios of classifiers' FIDs are compared with {margin:g}, what counts as equal in this study, each question at 5 % "
    "for all datasets together (Bonferroni). Biased: the ratio of a quarter of the images to all is above that. Sees lost "
    "classes: the ratio is above it as soon as the first are gone, with equally many images. Does not see copies: the ratio of "
    "training images to fresh ones is below it. Depends on its encoder: two encoders put two samplers into opposite orders, both "
    "by more than that (t-intervals over the draws, corrected for all pairs of samplers, encoders and datasets); it does not "
    f"where no two do and the interval of the mean Kendall's tau is at {AGREED:g} or above. This bar and that of C_T stand in "
    "the code; they were chosen while the question was built.",
    "Faults: noise of a tenth of the grey range; blur and shift by 6 % of the side; faded to 70 % of the contrast; 3 % of the "
    "pixels as black or white specks; 30 % of the classes lost; a tenth of the images repeated; pairs of a class averaged; a "
    "Gaussian in pixels. Theory of the bias: for Gaussians, to leading order.",
    "C_T is a z score of samples' distances to training data beside those of held-out data, below 0 where samples are nearer, "
    "and below {copies:g} for copies (Meehan et al. 2020, arXiv:2004.05675). It detects copies where theirs is surely below "
    "{copies:g} and that of fresh data surely above. Authenticity: the share of samples farther from their nearest training "
    "image than that one is from its own nearest (Alaa et al. 2022, arXiv:2102.08921), less that share of held-out data, in "
    "points.",
)
CAPTION = (
    "FID by classifiers. From the left: of real data by their number (dots: draws; line: their mean; dashed: theory); of fewer "
    "classes, with equally many images (right axis: coverage and recall); ranks of samplers with known faults by encoder, 1 the "
    "lowest FID; and of copies of images that the classifiers learned from, with the distance to training data, both relative to "
    "fresh data, a mark per classifier."
)
TRAINED = "a trained classifier"


@dataclass(frozen=True)
class Found:
    """The answer to one of the four questions: its verdict, a clause with its numbers, and further sentences."""

    verdict: str
    short: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Swap:
    """Encoders `one` and `other` that certainly order samplers `a` and `b` in opposite ways: ratios of a's FID to b's."""

    one: str
    other: str
    a: str
    b: str
    ratio_one: float
    ratio_other: float


def report(results: Results) -> Claim | None:
    """Return the verdict from the question `fid_faults`; None without."""
    answer = results.answer("fid_faults")
    if answer is None:
        return None
    margin, tables = results.margin, answer.tables
    asked = {"bias": _bias, "dropping": _lost, "samplers": _encoders, "copies": _copies}
    found = {question: ask(tables[name], margin) for question, (name, ask) in zip(ADVICE, asked.items(), strict=True)}
    verdicts = {question: each.verdict for question, each in found.items()}
    blocks: list = [Figure("fid_faults", drawn(tables), CAPTION)]
    for (question, each), table in zip(found.items(), _tables(tables), strict=True):
        blocks += [Heading(f"{capital(question)}: {each.verdict}"), Points(each.lines), table]
    notes = [note.format(redraws=answer.settings["redraws"], margin=margin, copies=COPIES) for note in NOTES]
    folds = (
        Fold("What each fault does to the FID", tuple(blocks)),
        Fold("How these verdicts are made", tuple(Paragraph(note, fine=True) for note in notes)),
    )
    verdict = together(verdicts.values())
    return Claim("FID", STATEMENT, SOURCE, verdict, _because(found), (*folds, *beside("FID")), tally(verdicts))


def _because(found: dict[str, Found]) -> tuple[str, ...]:
    """What to do, then the numbers."""
    do = [advice for question, advice in ADVICE.items() if advice and found[question].verdict not in (REFUTED, OPEN)]
    advice = f"Compare FIDs only {listing(do)}." if do else "No fault of the FID is shown here."
    bias, lost, encoders, copies = (each.short for each in found.values())
    return advice, f"{bias}; {lost}.", f"{encoders}; {copies}."


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


def _log_ratio(table: pd.DataFrame, column: str, above: object, below: object, level: float) -> Mean:
    """Log of the ratio of the FIDs where `column` is `above` to those where it is `below`, by classifiers and redraws."""
    logs = _logs(table)
    top, bottom = (logs[logs[column] == each].pivot(index="encoder", columns="redraw", values="log") for each in (above, below))
    return crossed(top - bottom, level)


# ---- the four questions


def _open(found: Mean, margin: float, verdict: str) -> str:
    """Why a ratio decides nothing, and what would; empty where it decides."""
    if verdict != OPEN:
        return ""
    times = enough(1, found.half, abs(found.mean - math.log(margin)))
    more = f"about {times} times as many classifiers and draws would decide" if times else "no number of draws would decide"
    return f", undecided beside {margin:g}: {more}"


def _ratios(table: pd.DataFrame, column: str, above: object, below: object, margin: float, level: float) -> tuple[str, str]:
    """The verdict on `the ratio is above the margin` and the ratio in words."""
    found = _log_ratio(table, column, above, below, level)
    verdict = exceeds(found, margin)
    return verdict, f"{ratio(found)}{_open(found, margin, verdict)}"


def _level(table: pd.DataFrame) -> float:
    return 1 - 0.05 / max(1, table["dataset"].nunique())


def _bias(table: pd.DataFrame, margin: float) -> Found:
    verdicts, short, said = [], [], []
    for dataset, part in _learned(table).groupby("dataset", sort=False):
        sizes = sorted(part["n"].unique())
        n = sizes[-1]
        few = min(sizes[:-1], key=lambda size: abs(math.log(4 * size / n)), default=n)
        verdict, words = _ratios(part, "n", few, n, margin, _level(table))
        verdicts.append(verdict)
        short.append(f"{words} on {dataset}")
        means = part.groupby("n")[["fid", "predicted"]].mean()
        theory = means["predicted"]
        said.append(
            f"{dataset}: {few} real images score {words} the FID of {n}, which is {number(means['fid'][n])}; theory says "
            f"{number(theory[few] / theory[n])} times and {number(theory[n])}."
        )
        if len(largest := means.tail(3)) == 3:
            measured, rest = (np.polyfit(1 / largest.index.to_numpy(), largest[key], 1)[1] for key in ("fid", "predicted"))
            said.append(
                f"{dataset}: on a line in 1/n, endlessly many images would score {number(measured)} (theory: {number(rest)}, "
                "since the test split is finite)."
            )
    return Found(together(verdicts), f"A quarter of the real images bring the FID to {listing(short)}", tuple(said))


def _lost(table: pd.DataFrame, margin: float) -> Found:
    verdicts, short, said = [], [], []
    names = {"fid": "FID", "coverage": "coverage", "recall": "recall"}
    for dataset, part in _learned(table).groupby("dataset", sort=False):
        kept = sorted(part["kept"].unique(), reverse=True)
        every, first, last = kept[0], kept[min(1, len(kept) - 1)], kept[-1]
        verdict, words = _ratios(part, "kept", first, every, margin, _level(table))
        verdicts.append(verdict)
        short.append(f"{words} on {dataset} ({first} of {every} left)")
        steps = part.pivot(index=["encoder", "redraw"], columns="kept", values="fid")[kept].diff(axis=1).iloc[:, 1:]
        means = part.groupby("kept")[[*names]].mean()
        ends = [f"{name} from {number(means[key][every])} to {number(means[key][last])}" for key, name in names.items()]
        said.append(
            f"{dataset}: from {every} classes to {last}, with {part['n'].iloc[0]} images each time, {listing(ends)}; the FID "
            f"rises in {percent(float((steps > 0).to_numpy().mean()))} of the steps."
        )
    return Found(together(verdicts), f"the first lost classes bring it to {listing(short)}", tuple(said))


def _encoders(table: pd.DataFrame, margin: float) -> Found:
    verdicts, short, said = [], [], []
    for dataset, part in table.groupby("dataset", sort=False):
        frame = part.rename(columns={"sampler": "model", "redraw": "seed", "fid": "score"})
        kinds = {"all encoders": frame, "classifiers that differ in their seed": _learned(frame)}
        agreed = {
            words: agreement(each, rater="encoder", shared=True, level=_level(table))
            for words, each in kinds.items()
            if each["encoder"].nunique() > 1
        }
        everyone, found = agreed["all encoders"], swaps(part, margin, _level(table))
        verdicts.append(HOLDS if found else REFUTED if everyone.low >= AGREED else OPEN)
        more = ", undecided: more draws would narrow the agreement" if verdicts[-1] == OPEN else ""
        short.append(f"{plural(len(found), 'pair')} of samplers on {dataset}{more}")
        between = [f"{number(a.tau)} ({number(a.low)} to {number(a.high)}) of {words}" for words, a in agreed.items()]
        said.append(
            f"{dataset}: mean Kendall's tau between the orders of {everyone.models} samplers, 1 if the same: {listing(between)}."
        )
        said.append(f"{dataset}: {_kinds(found, part)}.")
        means = _learned(part).groupby("sampler", sort=False)["fid"].mean()
        ratios = means.drop("fresh data") / means["fresh data"]
        unseen = ratios[ratios.index.isin(DEGRADED) & (ratios < margin)]
        if len(unseen):
            shares = [f"{name} ({number(share)} times)" for name, share in unseen.items()]
            said.append(
                f"{dataset}: the FID by classifiers misses {plural(len(unseen), 'fault')}, less than {margin:g} times the FID of "
                f"fresh data: {listing(shares)}."
            )
    return Found(together(verdicts), f"Two encoders certainly put into opposite orders {listing(short)}", tuple(said))


def _kinds(found: Sequence[Swap], table: pd.DataFrame) -> str:
    """Between which kinds of encoders there are certain swaps, the clearest of them, and whether trained ones swap any."""
    if not found:
        return "no two encoders certainly swap two samplers"
    counts = Counter(tuple(sorted(map(_kind, (swap.one, swap.other)))) for swap in found)
    trained = counts.pop((TRAINED, TRAINED), 0)
    said = [f"{count} between {one} and {other}" for (one, other), count in counts.most_common()]
    if _learned(table)["encoder"].nunique() > 1:
        said.append(f"{trained or 'none'} between two trained classifiers")
    return f"{plural(len(found), 'certain swap')}, {listing(said)}; the clearest: {_swapped(found[0])}"


def _kind(encoder: str) -> str:
    if encoder.startswith("classifier"):
        return TRAINED
    return {"untrained": "the untrained network", "pixels": "raw pixels"}.get(encoder, encoder)


def _swapped(swap: Swap) -> str:
    return (
        f"the FID of {swap.a} is {number(swap.ratio_one)} times that of {swap.b} by {swap.one} and {number(swap.ratio_other)} "
        f"times by {swap.other}"
    )


def _copies(table: pd.DataFrame, margin: float) -> Found:
    verdicts, short, said = [], [], []
    opposite = {HOLDS: REFUTED, REFUTED: HOLDS, OPEN: OPEN}
    for dataset, part in table.groupby("dataset", sort=False):
        verdict, words = _ratios(part, "sampler", "copies", "fresh data", margin, _level(table))
        verdicts.append(opposite[verdict])
        ct, fresh = (
            crossed(part[part["sampler"] == name].pivot(index="encoder", columns="redraw", values="ct"), _level(table))
            for name in ("copies", "fresh data")
        )
        sure = ct.mean + ct.half < COPIES < fresh.mean - fresh.half
        short.append(f"{words} on {dataset}, where C_T {'detects' if sure else 'does not surely detect'} them")
        said.append(f"{dataset}: C_T is {number(ct.mean)} for copies and {number(fresh.mean)} for fresh data.")
        means = part.groupby("sampler", sort=False)[["fid", "fid_training", "authpct", "nn_distance"]].mean()
        rest = [
            f"{name} {number(row.fid)} (authenticity {number(row.authpct)} points, {number(row.nn_distance)} times the distance "
            "of held-out data to training data)"
            for name, row in means.iterrows()
        ]
        against = means["fid_training"]
        said.append(
            f"{dataset}, FID by classifiers: {'; '.join(rest)}. Against the training images in place of the test split, copies "
            f"score {number(against['copies'])} and fresh data {number(against['fresh data'])}."
        )
    return Found(together(verdicts), f"copies of training images bring the FID of fresh ones to {listing(short)}", tuple(said))


# ---- tables


def _tables(tables: dict[str, pd.DataFrame]) -> list[Table]:
    def of(name: str, keys: list[str], columns: dict[str, str], caption: str) -> Table:
        rows = []
        for key, part in tables[name].groupby(keys, sort=False):
            cells = {said: averaged(part[column]) for column, said in columns.items()}
            rows.append({**dict(zip(keys, key, strict=True)), **cells})
        return Table.of_cells(f"fid_{name}", rows, f"{caption}: means over draws with their 95 % t-intervals", folded=True)

    copies = {"fid": "FID", "fid_training": "FID to training data", "ct": "C_T", "authpct": "authenticity"}
    copies |= {"nn_distance": "distance to training data"}
    lost = {"fid": "FID", "coverage": "coverage", "recall": "recall"}
    return [
        of("bias", ["dataset", "encoder", "n"], {"fid": "FID", "predicted": "in theory"}, "Real data against the test split"),
        of("dropping", ["dataset", "encoder", "kept"], lost, "Real data of fewer classes"),
        of("samplers", ["dataset", "sampler", "encoder"], {"fid": "FID"}, "Samplers of known faults"),
        of("copies", ["dataset", "encoder", "sampler"], copies, "Copies of training data"),
    ]
