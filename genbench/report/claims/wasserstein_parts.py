"""The statements within the claim on Wasserstein critics: each with its verdict and its sentences."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from genbench.metrics.uncertainty import welch
from genbench.report.claim import HOLDS, IN_PART, OPEN, REFUTED, together
from genbench.report.claims.wasserstein_numbers import (
    IS,
    IS_NOT,
    MARGIN,
    UNSURE,
    Rank,
    blurs,
    compared,
    crossover,
    mostly,
    rivals,
)
from genbench.report.read import Results
from genbench.report.tables import averaged
from genbench.report.text import listing, number, plural, value

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
    """Whether values of restrained critics are W1, from cells of pairs in more than two dimensions."""
    verdicts, said = [], []
    for critic, part in held.groupby("critic", sort=False):
        verdicts.append(mostly(list(part["word"])))
        wrong, right = (int((part["word"] == word).sum()) for word in (IS_NOT, IS))
        ratios = _span([cell.mean for cell in part["ratio"]])
        said.append(f"{critic} {wrong} wrong, {right} right (value / W1 {ratios})")
    because = (
        f"Of {plural(held['pair'].nunique(), 'pair')} in more than two dimensions, the value is, by critic: {'; '.join(said)}. "
        "Right is the W1 of the laws where it is known, else of the finite sets; by t-tests over seeds with Holm's correction, "
        "what they leave open is neither."
    )
    always = []
    for what, part in (("known laws", held[held["kind"] == "law"]), ("finite sets", held[held["kind"] != "law"])):
        if len(part):
            counts = "; ".join(f"{critic} {_right(each)}" for critic, each in _by(part))
            because += f" Right on {what}: {counts}."
            able = [str(critic) for critic, each in _by(part) if set(each["word"]) == {IS}]
            always.append(f"right on all {what} {listing(able) if able else 'none'}")
    if (own := held[held["critic"] == "c-transform"]).size:
        because += f" What the c-transform reports is {_span([cell.mean for cell in own['batch_ratio']])} times the raw batch W1."
    wrong, right = (int((held["word"] == word).sum()) for word in (IS_NOT, IS))
    moving = sum(abs(cell.mean - 1) > MOVING for cell in held.loc[held["word"] == IS_NOT, "half"])
    share = f"{100 * MOVING:.0f} %"
    because += (
        f" In {moving} of {plural(wrong, 'wrong case')} the value on a batch after half of the updates and that in the end "
        f"differ by more than {share}."
    )
    short = "; ".join([f"{wrong} of {len(held)} values wrong, {right} right", *always])
    return Part(
        "(i)", f"beyond the plane a critic's value is not W1 within a factor of {MARGIN:g}", together(verdicts), short, because
    )


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
    """Whether the c-transform, which learns batch W1, points worse than the gradient penalty on known laws beyond the plane.

    None where a study has not both with at least two seeds.
    """
    known, sets = (held[(held["kind"] == "law") == law] for law in (True, False))
    signs = []
    for _, part in known.groupby("pair", sort=False):
        cosines = part.set_index("critic")["cosine"]
        if {"c-transform", "gradient penalty"} <= set(cosines.index):
            own, other = (np.array(cosines[critic].values) for critic in ("c-transform", "gradient penalty"))
            if min(own.size, other.size) > 1:
                signs.append(compared((float(own.mean()), float(other.mean()), welch(own, other))))
    if not signs:
        return None
    verdict = HOLDS if set(signs) == {-1} else REFUTED if set(signs) == {1} else IN_PART if {-1, 1} <= set(signs) else OPEN
    said = []
    for critic, part in _by(known):
        said.append(f"{critic} {_span(_cosines(part))} (value right on {_right(part)})")
    because = (
        f"Mean cosine with the optimal direction on {plural(len(signs), 'known law')} beyond the plane: {'; '.join(said)}. The "
        f"c-transform's is below the gradient penalty's on {signs.count(-1)} and above on {signs.count(1)}, by a 95 % interval "
        "over seeds each."
    )
    if len(told := [f"{critic} {_span(_cosines(part))}" for critic, part in _by(sets) if _cosines(part)]):
        because += f" With the exact plan of finite sets, itself no more than a sample of the laws' plan: {'; '.join(told)}."
    both = [_span(_cosines(known[known["critic"] == name])) for name in ("c-transform", "gradient penalty")]
    statement = "the c-transform, which learns batch W1, points a generator less well than the gradient penalty"
    return Part("(iii)", statement, verdict, f"cosines of {both[0]} against {both[1]} on known laws", because, own=False)


def _cosines(part: pd.DataFrame) -> list[float]:
    return [cell.mean for cell in part["cosine"] if math.isfinite(cell.mean)]


def _span(values: list[float]) -> str:
    low, high = number(min(values), 2), number(max(values), 2)
    return low if low == high else f"{low} to {high}"


def thesis(found: pd.DataFrame, results: Results, conditions: str) -> Part | None:
    """The critics that the paper compares, in this study's games; `conditions` says how. None where a study has not both."""
    said, short, verdicts = [], [], {}
    for dataset, part in found.groupby("dataset", sort=False):
        own = rivals(part)
        if own is None:
            continue
        error, quality, batch = (compared(own[key]) for key in ("error_batch", "quality", "batch"))
        verdicts[str(dataset)] = OPEN if not error or not quality else HOLDS if error != quality else REFUTED
        measure = "exact W1 to test points" if results.kind(str(dataset)) == "points" else "Fréchet distance"
        pairs = [f"{number(own[key][0])} against {number(own[key][1])}" for key in ("error_batch", "quality", "batch")]
        short.append(f"{dataset}: error {pairs[0]}, {measure} {pairs[1]}")
        said.append(
            f"{dataset}: the error of its value against batch W1 is {WORDS[error]} ({pairs[0]}), the {measure} of its samples is "
            f"{WORDS[quality]} ({pairs[1]}), their batch W1 to the data is {WORDS[batch]} ({pairs[2]})."
        )
    if not said:
        return None
    because = (
        "The c-transform against the gradient penalty, the critics that the paper compares, here in this study's games and under "
        f"its settings, by 95 % Welch intervals over seeds. {' '.join([*said, *_centred(found, results), conditions])}"
    )
    statement = "of c-transform and gradient penalty, the better estimator of batch W1 makes the worse generator"
    return Part("(iv)", *_on_images(statement, verdicts, results), "; ".join(short), because)


def _on_images(statement: str, verdicts: dict[str, str], results: Results) -> tuple[str, str]:
    """A statement and the verdict on it, which images decide where there are any: it is of them that the paper speaks."""
    images = [verdict for dataset, verdict in verdicts.items() if results.kind(dataset) == "images"]
    mixed = 0 < len(images) < len(verdicts)
    return statement + ", judged on images" * mixed, together(images or verdicts.values())


def _centred(found: pd.DataFrame, results: Results) -> list[str]:
    said = []
    for dataset, part in found.groupby("dataset", sort=False):
        own = averaged(part.loc[part["critic"] == "c-transform", "centred"])
        if results.kind(str(dataset)) != "images" or not own.n:
            continue
        others = [averaged(each["centred"]).mean for critic, each in _by(part) if critic != "c-transform"]
        beside = f", those of other critics at {_span(others)} times" if others else ""
        said.append(
            f"{dataset}: samples of the c-transform lie at {value(own)} times the distance of test images from the training "
            f"data's centroids{beside}."
        )
    return said


def rule(found: pd.DataFrame, results: Results) -> Part:
    """The same over all critics, by rank correlation."""
    said, short, verdicts = [], [], {}
    for dataset, part in found.groupby("dataset", sort=False):
        own, debiased = Rank(part, "batch"), Rank(part, "debiased")
        verdicts[str(dataset)] = own.verdict
        short.append(f"{dataset} {_ranked(own)}")
        said.append(
            f"{dataset}: {_ranked(own)} against raw batch W1, {_ranked(debiased)} against debiased, of "
            f"{plural(own.trainings, 'training')} with {plural(own.critics, 'critic')}."
        )
    because = (
        "Rank correlation of the error of a critic's value with the distance of its samples from data, below 0 if so; in "
        f"brackets a 95 % interval over seeds, and p over all orders of the critics. {' '.join(said)}"
    )
    statement = "over all critics, the better the estimate the worse the generator"
    return Part("(v)", *_on_images(statement, verdicts, results), f"rank correlation {'; '.join(short)}", because)


def _ranked(rank: Rank) -> str:
    if not math.isfinite(rank.rho):
        return "–"
    interval = f"{number(rank.low, 2)} to {number(rank.high, 2)}, " if math.isfinite(rank.low) else ""
    return f"{number(rank.rho, 2)} ({interval}p = {number(rank.p, 2)})"


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
