"""A baseline against its rivals, each with its search, over all datasets together, and look by look as searches grow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genbench.statistics.distribution import cap
from genbench.statistics.search_curve import Pair, best_contrast
from genbench.statistics.verdict import UNDECIDED, Contrast, Verdict, decide

__all__ = ["Look", "Scores", "caps", "one_by_one", "pairs_of", "replay", "sized"]

Scores = Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]]  # by dataset and model: validation and test scores (n,)


@dataclass(frozen=True)
class Look:
    """What was known after as many configurations: `sizes` by dataset.

    `verdicts`: by rival, of the baseline against it over all datasets; those of rivals that an earlier look decided are that
    look's. `tried`: rivals that were still open before this look. `open`: those that are so after it.
    """

    sizes: dict[str, int]
    tried: tuple[str, ...]
    verdicts: dict[str, Verdict]
    open: tuple[str, ...]


def caps(scores: Scores, first: Mapping[str, int]) -> dict[str, float]:
    """By dataset, the most that a configuration is charged, from all models' `first` so many configurations.

    Later configurations don't move it, nor does which models they were still tried for.
    """
    return {name: cap(test[: first[name]] for _, test in models.values()) for name, models in scores.items()}


def sized(sizes: Mapping[str, Sequence[int]], place: int) -> dict[str, int]:
    """Configurations by dataset at a look; a search that doesn't grow has as many at all."""
    return {name: each[min(place, len(each) - 1)] for name, each in sizes.items()}


def pairs_of(a: str, b: str, scores: Scores, sizes: Mapping[str, int], charged: Mapping[str, float]) -> list[Pair]:
    """Searches of both models on every dataset that has them, of the first `sizes` configurations each."""
    return [
        Pair(*(tuple(each[: sizes[name]] for each in models[model]) for model in (a, b)), charged[name])
        for name, models in scores.items()
        if a in models and b in models
    ]


def replay(
    scores: Scores,
    baseline: str,
    rivals: Sequence[str],
    sizes: Mapping[str, Sequence[int]],
    k: int,
    charged: Mapping[str, float],
    margin: float,
    level: float = 0.05,
) -> list[Look]:
    """Looks at a growing study, in order, until every rival is decided or scores run out.

    `sizes`: by dataset, configurations after each look, lists of one length (or of one number, where a search doesn't grow).
    `charged`: of `caps`, from the first look.
    A look compares the baseline with every rival over all datasets (`best_contrast`) at `level` / looks, by Holm over all
    rivals, of which those decided before keep their p-values. So the chance of a false "better" or "worse" of any rival at any
    look is at most `level`, and so is that of a false "equivalent": looks share the level equally (Bonferroni), which needs
    nothing of how looks depend on each other. A rival is decided where it is better, worse or equivalent.

    References: Holm 1979; Maurer & Bretz 2013, doi:10.1080/19466315.2013.807748 (Holm with group-sequential looks).
    """
    count = max(map(len, sizes.values()))
    contrasts: dict[str, Contrast] = {}
    verdicts: dict[str, Verdict] = {}
    found: list[Look] = []
    open_ = tuple(rivals)
    for place in range(count):
        at = sized(sizes, place)
        if not open_ or not all(_reach(scores, at, model) for model in (baseline, *open_)):
            break
        contrasts |= {rival: best_contrast(baseline, rival, pairs_of(baseline, rival, scores, at, charged), k) for rival in open_}
        now = decide([contrasts[rival] for rival in rivals], margin, level / count)
        verdicts |= {rival: each for rival, each in zip(rivals, now, strict=True) if rival in open_}
        tried, open_ = open_, tuple(rival for rival in open_ if verdicts[rival].word == UNDECIDED)
        found.append(Look(at, tried, dict(verdicts), open_))
    return found


def _reach(scores: Scores, sizes: Mapping[str, int], model: str) -> bool:
    """Whether a model tried as many configurations wherever it was searched."""
    return all(len(models[model][1]) >= sizes[name] for name, models in scores.items() if model in models)


def one_by_one(
    scores: Scores,
    baseline: str,
    rivals: Sequence[str],
    sizes: Mapping[str, Sequence[int]],
    k: int,
    charged: Mapping[str, float],
    margin: float,
    level: float = 0.05,
) -> dict[str, list[Verdict]]:
    """By dataset, the baseline against every rival there, with as many configurations as both have.

    Arguments as in `replay`, with whose looks the level is shared here, too: each of these ended at a look that the data chose.
    One family: by Holm over all rivals and datasets.
    """
    datasets, contrasts = [], []
    for name, models in scores.items():
        for rival in (each for each in rivals if each in models and baseline in models):
            n = min(len(models[model][1]) for model in (baseline, rival))
            pairs = pairs_of(baseline, rival, {name: models}, {name: n}, charged)
            datasets.append(name)
            contrasts.append(best_contrast(baseline, rival, pairs, k))
    decided = decide(contrasts, margin, level / max(map(len, sizes.values()))) if contrasts else []
    return {name: [v for at, v in zip(datasets, decided, strict=True) if at == name] for name in scores}
