"""The statements within the claim on Wasserstein critics: each with its verdict and its sentences."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from genbench.report.claim import HOLDS, IN_PART, OPEN, REFUTED, together
from genbench.report.claims.exact import bare
from genbench.report.claims.wasserstein_numbers import (
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

from genbench.report.tables import averaged
from genbench.report.text import listing, number, plural, value
from genbench.results.study import Results
from genbench.statistics.uncertainty import welch

__all__ = ["Part", "blur", "control", "directions", "rule", "thesis", "values"]

MOVING = 0.1  # change of a value over the second half of training that says that it has not converged
WORDS = {-1: "smaller", 0: "not told apart", 1: "larger"}


@dataclass(frozen=True)
class Part:
    """One statement of the claim and its verdict; `short`: the numbers in a few words, `because`: all sentences behind it.

    `own`: whether the paper itself says it; the others say how to read what it says.
    """

    key: str
    statement: str
    verdict: str
    short: str
    because: str
    own: bool = True


def values(held: pd.DataFrame) -> Part:
    """Whether values of restrained critics are W1, from cells of pairs in more than two dimensions, yardstick by yardstick."""
    known = held[held["law_word"] != ""]
    yardsticks = {"W1 of the laws": (known, "law"), "W1 of the finite sets": (held, "set")}
    yardsticks = {name: found for name, found in yardsticks.items() if len(found[0])}
    verdicts = {name: _wrongly(*found) for name, found in yardsticks.items()}
    because, always = f"Of {plural(held['pair'].nunique(), 'pair')} in more than two dimensions", []
    for name, (part, key) in yardsticks.items():
        said = [
            f"{critic} {_told(each[f'{key}_word'])} (value / W1 {_span([cell.mean for cell in each[f'{key}_ratio']])})"
            for critic, each in _by(part)
        ]
        pairs = part["pair"].nunique()
        because += f"{'; ' if always else ', '}against {name}, on {plural(pairs, 'pair')} ({verdicts[name]}): {', '.join(said)}"
        able = [str(critic) for critic, each in _by(part) if set(each[f"{key}_word"]) == {IS}]
        always.append(f"right against {name} on {pairs} of {pairs} pairs: {listing(able) if able else 'no critic'}")
    because += ". By t-tests over seeds with Holm's correction; what they leave open is neither right nor wrong."
    scaled = {name: (part[~part["critic"].isin(UNSCALED)], key) for name, (part, key) in yardsticks.items()}
    if any(len(part) < len(yardsticks[name][0]) for name, (part, _) in scaled.items()):
        aside = [critic for critic in UNSCALED if critic in set(held["critic"])]
        because += f" The slope of {listing(aside)} is not meant to be 1, so the value is K times W1 at best, and K is unknown"
        because += ", by design for clipping." if "clipping" in aside else "."
        if kept := {name: found for name, found in scaled.items() if len(found[0])}:
            tallies = [f"{_told(part[f'{key}_word'])} against {name}" for name, (part, key) in kept.items()]
            alone = together(_wrongly(*found) for found in kept.values())
            because += f" Of the values of critics whose slope is meant to be 1: {listing(tallies)}; by these alone: {alone}."
    if (own := held[held["critic"] == "c-transform"]).size:
        because += f" What the c-transform reports is {_span([cell.mean for cell in own['batch_ratio']])} times the raw batch W1."
    wrong = held[(held["law_word"] == IS_NOT) | (held["set_word"] == IS_NOT)]
    moving = sum(abs(cell.mean - 1) > MOVING for cell in wrong["half"])
    because += (
        f" In {moving} of {plural(len(wrong), 'case')} that are wrong by a yardstick the value on a batch after half of the "
        f"updates and that in the end differ by more than {100 * MOVING:.0f} %."
    )
    tallies = [f"against {name} {_told(part[f'{key}_word'])} of {len(part)}" for name, (part, key) in yardsticks.items()]
    statement = f"beyond the plane a critic's value is not W1 within a factor of {MARGIN:g}"
    return Part("(i)", statement, together(verdicts.values()), "; ".join([*tallies, *always]), because)


def _wrongly(part: pd.DataFrame, key: str) -> str:
    """The verdict on `values are not W1` by one yardstick, over critics."""
    return together(mostly(list(each[f"{key}_word"])) for _, each in _by(part))


def _told(words: pd.Series) -> str:
    return f"{int((words == IS_NOT).sum())} wrong, {int((words == IS).sum())} right"


def _by(cells: pd.DataFrame):
    return cells.groupby("critic", sort=False)


def _right(part: pd.DataFrame) -> str:
    return f"{int((part['word'] == IS).sum())} of {len(part)}"


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
    because = f"Shown to be right on pairs in the plane ({plural(held['pair'].nunique(), 'pair')}): {said}."
    short = f"on all pairs {listing(able) if able else 'no critic'}"
    return Part("(ii)", "in the plane some critics find W1", verdict, short, because, own=False)


def directions(held: pd.DataFrame) -> Part | None:
    """Whether the c-transform, which learns batch W1, points worse than the gradient penalty beyond the plane.

    None where a study has not both with at least two seeds.
    """
    held = held[[math.isfinite(cell.mean) for cell in held["cosine"]]]
    kinds = {"known laws": held[held["kind"] == "law"], "finite sets": held[held["kind"] != "law"]}
    signs = {name: _signs(part) for name, part in kinds.items()}
    signs = {name: each for name, each in signs.items() if each}
    if not signs:
        return None
    words = {-1: HOLDS, 0: OPEN, 1: REFUTED}
    verdicts = {name: together(words[sign] for sign in each) for name, each in signs.items()}
    said, short = [], []
    for name, each in signs.items():
        part = kinds[name]
        told = [f"{critic} {_span(_cosines(own))} (value right on {_right(own)})" for critic, own in _by(part)]
        said.append(
            f"on {plural(len(each), 'pair')} of {name} ({verdicts[name]}): {'; '.join(told)}; the c-transform's is below the "
            f"gradient penalty's on {each.count(-1)} and above on {each.count(1)}."
        )
        both = [_span(_cosines(part[part["critic"] == critic])) for critic in ("c-transform", "gradient penalty")]
        way = {-1: "less well", 1: "better"}.get(each[0] if len(set(each)) == 1 else 0, "not in one order")
        short.append(f"on {name} {way}, cosines of {both[0]} against {both[1]}")
    because = f"Mean cosine with the optimal direction beyond the plane, {' And '.join(said)}"
    because += " Orders are by a 95 % interval over seeds each."
    if "finite sets" in signs:
        because += " The plan of finite sets is exact for them, and no more than a sample of the laws' plan."
    statement = "the c-transform, which learns batch W1, points a generator less well than the gradient penalty"
    return Part("(iii)", statement, together(verdicts.values()), "; ".join(short), because, own=False)


def _signs(part: pd.DataFrame) -> list[int]:
    """Pair by pair, whether the c-transform's cosine is below (-1) or above (1) that of the gradient penalty."""
    signs = []
    for _, each in part.groupby("pair", sort=False):
        cosines = each.set_index("critic")["cosine"]
        if {"c-transform", "gradient penalty"} <= set(cosines.index):
            own, other = (np.array(cosines[critic].values) for critic in ("c-transform", "gradient penalty"))
            if min(own.size, other.size) > 1:
                signs.append(compared((float(own.mean()), float(other.mean()), welch(own, other))))
    return signs


def _cosines(part: pd.DataFrame) -> list[float]:
    return [cell.mean for cell in part["cosine"] if math.isfinite(cell.mean)]


def _span(values: list[float]) -> str:
    low, high = number(min(values), 2), number(max(values), 2)
    return low if low == high else f"{low} to {high}"


def thesis(found: pd.DataFrame, results: Results, conditions: str) -> Part | None:
    """The critics that the paper compares, in this study's games; `conditions` says how. None where a study has not both."""
    said, short, verdicts = [], [], []
    for dataset, part in found.groupby("dataset", sort=False):
        own = rivals(part)
        if own is None:
            continue
        error, debiased, quality, batch = (compared(each) for each in own.values())
        pairs = {key: f"{number(each[0])} against {number(each[1])}" for key, each in own.items()}
        measure = "exact W1 to test points" if results.kind(str(dataset)) == "points" else "Fréchet distance"
        verdict, shown = _shown(str(dataset), error, quality)
        verdicts.append(verdict)
        turned = f"against debiased W1 the order of the estimators reverses, {pairs['error_debiased']}"
        turned = f"; {turned}" if error * debiased < 0 else ""
        short.append(f"{shown} (error {pairs['error_batch']}, {measure} {pairs['quality']}{turned})")
        said.append(
            f"{dataset}: the error of its value against batch W1 is {WORDS[error]} ({pairs['error_batch']}), the {measure} of "
            f"its samples is {WORDS[quality]} ({pairs['quality']}), their batch W1 to the data is {WORDS[batch]} "
            f"({pairs['batch']}){turned}."
        )
    if not said:
        return None
    because = (
        "The c-transform against the gradient penalty, the critics that the paper compares, here in this study's games and under "
        f"its settings, by 95 % Welch intervals over seeds. {' '.join([*said, *_centred(found, results), conditions])}"
    )
    statement = "of c-transform and gradient penalty, the better estimator of batch W1 makes the worse generator"
    return Part("(iv)", statement, together(verdicts), "; ".join(short), because)


def _shown(dataset: str, error: int, quality: int) -> tuple[str, str]:
    """The verdict for one dataset, and in words whether it shows that the better estimate makes the worse generator."""
    if not error:
        return OPEN, f"not on {dataset}, where neither estimate is surely better"
    if not quality:
        return OPEN, f"not on {dataset}, where the better estimate makes no surely worse generator"
    if error == quality:
        return REFUTED, f"not on {dataset}, where the better estimate makes the better generator"
    return HOLDS, f"shown on {dataset}"


def _centred(found: pd.DataFrame, results: Results) -> list[str]:
    said = []
    for dataset, part in found.groupby("dataset", sort=False):
        own = averaged(part.loc[part["critic"] == "c-transform", "centred"])
        if results.kind(str(dataset)) != "images" or not own.n:
            continue
        others = [averaged(each["centred"]).mean for critic, each in _by(part) if critic != "c-transform"]
        beside = f", those of other critics at {_span(others)} times" if others else ""
        said.append(
            f"{dataset}: samples of the c-transform lie at {value(bare(own))} times the distance of test images from the "
            f"training data's centroids{beside}."
        )
    return said


def rule(found: pd.DataFrame) -> Part:
    """The same over all critics, by rank correlation."""
    said, short, verdicts = [], [], []
    for dataset, part in found.groupby("dataset", sort=False):
        own, debiased = Rank(part, "batch"), Rank(part, "debiased")
        verdicts.append(own.verdict)
        short.append(f"{dataset} {_ranked(own)}")
        said.append(
            f"{dataset}: {_ranked(own)} against raw batch W1, {_ranked(debiased)} against debiased, of "
            f"{plural(own.trainings, 'training')} with {plural(own.critics, 'critic')}."
        )
    because = (
        "Rank correlation, over trainings, of the error of a critic's value with the distance of its samples from data, below 0 "
        "if so; in brackets a 95 % interval over seeds, then the rank correlation of the critics' means and its p over all "
        f"orders of the critics. {' '.join(said)}"
    )
    statement = "over all critics, the better the estimate the worse the generator"
    return Part("(v)", statement, together(verdicts), f"rank correlation {'; '.join(short)}", because)


def _ranked(rank: Rank) -> str:
    if not math.isfinite(rank.rho):
        return "–"
    interval = f"{number(rank.low, 2)} to {number(rank.high, 2)}; " if math.isfinite(rank.low) else ""
    return f"{number(rank.rho, 2)} ({interval}of means {number(rank.means, 2)}, p = {number(rank.p, 2)})"


def blur(found: pd.DataFrame) -> Part:
    """Whether W1 of batches prefers centres to data, from what `prefers` found; judged on images where there are any."""
    verdicts: dict[str, list[str]] = {}
    said, short = [], []
    for (data, kind), part in found.groupby(["data", "kind"], sort=False):
        verdicts.setdefault(str(kind), []).append(blurs(part))
        candidates = part[part["candidate"] != "data"].groupby("candidate", sort=False)
        told = f"{data}: {'; '.join(f'{name} {_sizes(each)}' for name, each in candidates)}"
        said.append(f"{told}.")
        if kind == "images" or "images" not in set(found["kind"]):
            short.append(told)
    judged = verdicts.get("images") or sum(verdicts.values(), [])
    others = found[found["candidate"] != "data"]
    above, below = (int((others["debiased_word"] == word).sum()) for word in ("farther", "nearer"))
    because = (
        f"By mean W1 at batch sizes from {found['size'].min()} to {found['size'].max()}, with intervals over draws, a batch of "
        f"centres is nearer to a batch of data than another batch of data is: {' '.join(said)} Debiased, centres are farther "
        f"than data in {above} of {plural(len(others), 'case')} and nearer in {below}. The verdict and these counts are of "
        "t-tests over draws with Holm's correction; it holds for data to which some candidate is nearer at all sizes. Draws are "
        "from the same examples, to which centres are fitted: other data may say otherwise."
    )
    of = ", judged on images" if "images" in verdicts else ""
    return Part(
        "(vi)", f"W1 of batches prefers a few blurred centres to real data{of}", together(judged), "; ".join(short), because
    )


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
