"""The statements within the claim on Wasserstein critics: each with its verdict and its sentences."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from genbench.questions.wasserstein_distance.numbers import (
    IS,
    IS_NOT,
    MARGIN,
    UNSCALED,
    UNSURE,
    Rank,
    blurs,
    compared,
    crossover,
    mostly,
    rivals,
)
from genbench.report.blocks import bare
from genbench.report.means import averaged
from genbench.report.text import listing, number, percent, plural, span, value
from genbench.report.verdicts import HOLDS, IN_PART, OPEN, REFUTED, enough, together
from genbench.results.study import Results
from genbench.statistics.uncertainty import welch

__all__ = ["Part", "blur", "control", "directions", "rule", "thesis", "values"]

MOVING = 0.1  # change of a value over the second half of training that says that it has not converged
WORDS = {-1: "smaller", 0: "not surely different", 1: "larger"}
OWN, OTHER = "c-transform", "gradient penalty"  # the critics that the paper compares


@dataclass(frozen=True)
class Part:
    """One statement of the claim and its verdict.

    `lead`: the sentence that the page shows first. `lines`: all sentences behind it. `own`: whether the paper itself says it;
    the others say how to read what it says.
    """

    key: str
    statement: str
    verdict: str
    lead: str
    lines: tuple[str, ...]
    own: bool = True


def values(held: pd.DataFrame) -> Part:
    """Whether values of regularised critics are W1, from cells of pairs in more than two dimensions, by each yardstick."""
    known = held[held["law_word"] != ""]
    yardsticks = {"the distributions": (known, "law_word", "law_ratio"), "the finite sets": (held, "set_word", "set_ratio")}
    yardsticks = {name: found for name, found in yardsticks.items() if len(found[0])}
    verdicts = {name: _wrongly(part, word) for name, (part, word, _) in yardsticks.items()}
    lines, tallies = [], []
    for name, (part, word, ratio) in yardsticks.items():
        said = [f"{critic} {_told(each[word])} ({_times(each[ratio])} times)" for critic, each in _by(part)]
        lines.append(
            f"Beside W1 of {name}, on {plural(part['pair'].nunique(), 'pair')} ({verdicts[name]}), values are by critic: "
            f"{', '.join(said)}; what the tests leave open is neither right nor wrong."
        )
        right = [str(critic) for critic, each in _by(part) if set(each[word]) == {IS}]
        always = f", always right with {listing(right)}" if right else ""
        tallies.append(f"{_told(part[word])} of {len(part)} beside W1 of {name}{always}")
    lines += _scaled(held, yardsticks)
    if len(own := held[held["critic"] == OWN]):
        lines.append(f"The value of the c-transform is {_times(own['batch_ratio'])} times the raw batch W1.")
    wrong = held[(held["law_word"] == IS_NOT) | (held["set_word"] == IS_NOT)]
    moving = sum(abs(cell.mean - 1) > MOVING for cell in wrong["half"])
    lines.append(
        f"In {moving} of {plural(len(wrong), 'wrong case')} the value still changes by more than {percent(MOVING)} in the second "
        "half of training."
    )
    verdict = together(verdicts.values())
    advice = {
        HOLDS: "Don't read a Wasserstein critic's value as a distance",
        REFUTED: "A Wasserstein critic's value can be read as a distance here",
        OPEN: "Whether a Wasserstein critic's value is a distance takes more seeds to tell",
    }.get(verdict, "Don't read a Wasserstein critic's value as a distance without a check")
    lead = f"{advice}: beyond two dimensions values within a factor of {MARGIN:g} count as right, {'; '.join(tallies)}."
    statement = f"beyond two dimensions a critic's value is not W1 within a factor of {MARGIN:g}"
    return Part("(i)", statement, verdict, lead, tuple(lines))


def _scaled(held: pd.DataFrame, yardsticks: dict) -> list[str]:
    """The same without critics whose Lipschitz constant is not meant to be 1."""
    aside = [critic for critic in UNSCALED if critic in set(held["critic"])]
    if not aside:
        return []
    design = ", by design for clipping" * ("clipping" in aside)
    said = [
        f"The Lipschitz constant K of {listing(aside)} is not meant to be 1: at best the value is K times W1, K unknown{design}."
    ]
    kept = {name: (part[~part["critic"].isin(UNSCALED)], word) for name, (part, word, _) in yardsticks.items()}
    if kept := {name: found for name, found in kept.items() if len(found[0])}:
        tallies = listing([f"{_told(part[word])} beside W1 of {name}" for name, (part, word) in kept.items()])
        said.append(f"Without them: {tallies}; by these alone: {together(_wrongly(*found) for found in kept.values())}.")
    return said


def _wrongly(part: pd.DataFrame, word: str) -> str:
    """The verdict on `values are not W1` by one yardstick, over critics."""
    return together(mostly(list(each[word])) for _, each in _by(part))


def _told(words: pd.Series) -> str:
    return f"{int((words == IS_NOT).sum())} wrong, {int((words == IS).sum())} right"


def _by(cells: pd.DataFrame):
    return cells.groupby("critic", sort=False)


def _right(part: pd.DataFrame) -> str:
    return f"{int((part['word'] == IS).sum())} of {len(part)}"


def _times(cells: pd.Series) -> str:
    """Means of cells from the lowest to the highest, two digits each."""
    return span([cell.mean for cell in cells if math.isfinite(cell.mean)], lambda x: number(x, 2))


def control(held: pd.DataFrame) -> Part:
    """The positive control, from cells of pairs in the plane."""
    words = {str(critic): list(part["word"]) for critic, part in _by(held)}
    able = [critic for critic, each in words.items() if set(each) == {IS}]
    some = [critic for critic, each in words.items() if IS in each and critic not in able]
    none = [critic for critic in words if critic not in able and critic not in some]
    unsure = any(UNSURE in each for each in words.values())
    verdict = HOLDS if able else IN_PART if some else OPEN if unsure else REFUTED
    kinds = (("all", able), ("some", some), ("none", none))
    said = "; ".join(f"on {word} {listing(critics)}" for word, critics in kinds if critics)
    lead = f"Shown to be right on the {plural(held['pair'].nunique(), 'pair')} in the plane: {said}."
    return Part("(ii)", "in the plane some critics find W1", verdict, lead, (lead,), own=False)


def directions(held: pd.DataFrame) -> Part | None:
    """Whether the c-transform, which learns batch W1, points worse than the gradient penalty beyond the plane.

    None where a study has not both with at least two seeds.
    """
    held = held[[math.isfinite(cell.mean) for cell in held["cosine"]]]
    kinds = {"known distributions": held[held["kind"] == "law"], "finite sets": held[held["kind"] != "law"]}
    signs = {name: _signs(part) for name, part in kinds.items()}
    signs = {name: each for name, each in signs.items() if each}
    if not signs:
        return None
    words = {-1: HOLDS, 0: OPEN, 1: REFUTED}
    verdicts = {name: together(words[sign] for sign in each) for name, each in signs.items()}
    lines, ways = [], []
    for name, each in signs.items():
        part = kinds[name]
        said = [f"{critic} {_times(own['cosine'])} (value right on {_right(own)})" for critic, own in _by(part)]
        lines.append(
            f"Mean cosine with the optimal direction, on {plural(len(each), 'pair')} of {name} ({verdicts[name]}): "
            f"{', '.join(said)}; the c-transform's is lower than the gradient penalty's on {each.count(-1)} and higher on "
            f"{each.count(1)} (95 % intervals over seeds)."
        )
        both = [_times(part.loc[part["critic"] == critic, "cosine"]) for critic in (OWN, OTHER)]
        way = {-1: "less well", 1: "better"}.get(each[0] if len(set(each)) == 1 else 0, "now better, now worse")
        ways.append(f"{way} on {name} (cosines {both[0]} against {both[1]})")
    if "finite sets" in signs:
        lines.append("The plan of finite sets is exact for them, and only a sample of the distributions' plan.")
    lead = f"The c-transform points a generator, beside the gradient penalty, {' and '.join(ways)}."
    statement = "the c-transform, which learns batch W1, points a generator less well than the gradient penalty"
    return Part("(iii)", statement, together(verdicts.values()), lead, (lead, *lines), own=False)


def _signs(part: pd.DataFrame) -> list[int]:
    """Pair by pair, whether the c-transform's cosine is below (-1) or above (1) that of the gradient penalty."""
    signs = []
    for _, each in part.groupby("pair", sort=False):
        cosines = each.set_index("critic")["cosine"]
        if {OWN, OTHER} <= set(cosines.index):
            own, other = (np.array(cosines[critic].values) for critic in (OWN, OTHER))
            if min(own.size, other.size) > 1:
                signs.append(compared((float(own.mean()), float(other.mean()), welch(own, other))))
    return signs


def thesis(found: pd.DataFrame, results: Results, conditions: str) -> Part | None:
    """The critics that the paper compares, in this study's games; `conditions` says how. None where a study has not both."""
    lines, short, verdicts = [], [], []
    for dataset, part in found.groupby("dataset", sort=False):
        own = rivals(part)
        if own is None:
            continue
        error, debiased, quality, batch = (compared(each) for each in own.values())
        pairs = {key: f"{number(each[0])} and {number(each[1])}" for key, each in own.items()}
        measure = "exact W1 to test points" if results.kind(str(dataset)) == "points" else "Fréchet distance"
        verdict, shown = _shown(error, quality, part, own)
        verdicts.append(verdict)
        turned = f"; beside debiased W1 the order of the estimators reverses ({pairs['error_debiased']})" * (error * debiased < 0)
        short.append(f"{shown} on {dataset} (error {pairs['error_batch']}, {measure} {pairs['quality']}{turned})")
        lines.append(
            f"{dataset}, the c-transform beside the gradient penalty: error of the value beside batch W1 {WORDS[error]} "
            f"({pairs['error_batch']}), {measure} of the samples {WORDS[quality]} ({pairs['quality']}), their batch W1 to the "
            f"data {WORDS[batch]} ({pairs['batch']}); by 95 % Welch intervals over seeds{turned}."
        )
    if not lines:
        return None
    verdict = together(verdicts)
    advice = {
        HOLDS: "Don't choose a critic for its estimate of W1",
        REFUTED: "The critic that estimates W1 better serves better here",
        OPEN: "Whether the better estimate of W1 makes worse samples is open",
    }.get(verdict, "Don't expect a better estimate of W1 to make better samples")
    lead = f"{advice}: of c-transform and gradient penalty the better estimator {'; '.join(short)}."
    statement = "of c-transform and gradient penalty, the better estimator of batch W1 makes the worse generator"
    return Part("(iv)", statement, verdict, lead, (*lines, *_centred(found, results), conditions))


def _shown(error: int, quality: int, part: pd.DataFrame, own: dict[str, tuple[float, float, float]]) -> tuple[str, str]:
    """The verdict for one dataset, and in words what the better estimator makes there, or how many seeds would tell."""
    if error and quality:
        return (REFUTED, "makes the better samples") if error == quality else (HOLDS, "makes the worse samples")
    key = "quality" if error else "error_batch"
    seeds = int(part[part["critic"].isin((OWN, OTHER))].groupby("critic").size().min())
    first, second, half = own[key]
    needed = enough(seeds, half, abs(first - second))
    more = f"about {needed:,} seeds instead of {seeds}" if needed else f"far more than {seeds} seeds"
    what = "makes no surely other samples" if error else "can't be named"
    return OPEN, f"{what} ({more} would tell)"


def _centred(found: pd.DataFrame, results: Results) -> list[str]:
    said = []
    for dataset, part in found.groupby("dataset", sort=False):
        own = averaged(part.loc[part["critic"] == OWN, "centred"])
        if results.kind(str(dataset)) != "images" or not own.n:
            continue
        others = pd.Series([averaged(each["centred"]) for critic, each in _by(part) if critic != OWN], dtype=object)
        beside = f"; those of other critics {_times(others)} times" if len(others) else ""
        said.append(
            f"{dataset}: samples of the c-transform are {value(bare(own))} times as far from the training data's centroids as "
            f"test images are{beside}."
        )
    return said


def rule(found: pd.DataFrame) -> Part:
    """The same over all critics, by rank correlation."""
    lines, short, verdicts = [], [], []
    for dataset, part in found.groupby("dataset", sort=False):
        own, debiased = Rank(part, "batch"), Rank(part, "debiased")
        verdicts.append(own.verdict)
        short.append(f"{_ranked(own)} on {dataset}")
        lines.append(
            f"{dataset}, {plural(own.trainings, 'training')} with {plural(own.critics, 'critic')}: rank correlation of the "
            f"value's error with the samples' distance from data {_ranked(own)} beside raw batch W1 and "
            f"{_ranked(debiased)} beside debiased."
        )
    verdict = together(verdicts)
    why = "; more critics would be needed to tell" * (verdict == OPEN)
    lead = (
        "Over all critics, better estimates come with worse samples where the rank correlation of error and distance is below 0: "
        f"{'; '.join(short)}{why}."
    )
    how = "In brackets: a 95 % interval over seeds, then the correlation of the critics' means and its p over all their orders."
    statement = "over all critics, the better the estimate the worse the generator"
    return Part("(v)", statement, verdict, lead, (*lines, how))


def _ranked(rank: Rank) -> str:
    if not math.isfinite(rank.rho):
        return "–"
    interval = f"{number(rank.low, 2)} to {number(rank.high, 2)}; " if math.isfinite(rank.low) else ""
    return f"{number(rank.rho, 2)} ({interval}of means {number(rank.means, 2)}, p = {number(rank.p, 2)})"


def blur(found: pd.DataFrame) -> Part:
    """Whether W1 of batches prefers centres to data, from what `prefers` found; decided on images where there are any."""
    verdicts: dict[str, list[str]] = {}
    lines, short = [], []
    for (data, kind), part in found.groupby(["data", "kind"], sort=False):
        verdicts.setdefault(str(kind), []).append(blurs(part))
        candidates = part[part["candidate"] != "data"].groupby("candidate", sort=False)
        sizes = f"{data}: {'; '.join(f'{name} {_sizes(each)}' for name, each in candidates)}"
        lines.append(f"{sizes}.")
        if kind == "images" or "images" not in set(found["kind"]):
            short.append(sizes)
    deciding = verdicts.get("images") or sum(verdicts.values(), [])
    others = found[found["candidate"] != "data"]
    above, below = (int((others["debiased_word"] == word).sum()) for word in ("farther", "nearer"))
    verdict = together(deciding)
    advice = {
        HOLDS: "Don't judge samples by W1 of batches, which prefers blurred centres to real data",
        REFUTED: "W1 of batches prefers real data to blurred centres",
        OPEN: "Whether W1 of batches prefers blurred centres to real data takes more draws to tell",
    }.get(verdict, "Judge samples by W1 of large batches only, since small ones prefer blurred centres to real data")
    of = ", decided on images" if "images" in verdicts else ""
    rule = (
        f"A batch of centres is nearer to a batch of data than other data are, by mean W1 at batch sizes from "
        f"{found['size'].min()} to {found['size'].max()} with intervals over draws, as listed{of}.",
        f"Debiased, centres are farther than data in {above} of {plural(len(others), 'case')} and nearer in {below}.",
        "The verdict and these counts are of t-tests over draws with Holm's correction; it holds for data to which some "
        "candidate is nearer at all sizes. Draws are from the examples to which centres are fitted: other data may say "
        "otherwise.",
    )
    statement = f"W1 of batches prefers a few blurred centres to real data{of}"
    return Part("(vi)", statement, verdict, f"{advice}: {'; '.join(short)}.", (*lines, *rule))


def _sizes(part: pd.DataFrame) -> str:
    """At which sizes one candidate is nearer than data by the mean gap, with the interval of the size where that ends."""
    size, low, high = crossover(part)
    near, far = (
        [f"{n}" for n, cell in zip(part["size"], part["gap"], strict=True) if (cell.mean < 0) == side] for side in (True, False)
    )
    if math.isnan(size):
        return f"at {listing(near)} but not at {listing(far)}, so that no size parts them"
    interval = "" if low == high else f" (interval: {_end(low)} to {_end(high)})"
    return (f"up to a batch of about {number(size, 2)}" if near and far else f"at {'every' if near else 'no'} size") + interval


def _end(size: float) -> str:
    return "none" if size == 0 else "all" if math.isinf(size) else number(size, 2)
