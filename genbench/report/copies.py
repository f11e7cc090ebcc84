"""What the scores say of copies: of training examples, and of the examples that models are scored against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genbench.metrics.card import ALARM
from genbench.report.text import listing, percent
from genbench.results.scores import parse
from genbench.results.study import Results
from genbench.statistics.uncertainty import wilson

__all__ = ["RULE", "Verdict", "verdict", "verdicts"]

EXACT, NEAR = "exact_copies", {"pixel_copies": "pixels", "feature_copies": "features"}
WHOLE = 50.0  # percent of samples from one split: then they are that split
RULE = (
    f"A set of fresh real data would be said to hold copies in at most {percent(ALARM)} of cases, all tests together: Fisher's "
    "for exact copies, and a beta-binomial one for near copies. Shifted, turned or mirrored copies are mostly not found."
)


@dataclass(frozen=True)
class Verdict:
    """What one model's sets of samples say: `copies`, whether they hold copies of training examples; `splits`: others that they
    hold examples of; `exact`, `near`: the smallest shares in percent of one set that would have been noticed, None where none
    would be, or was looked for; `told`: sentences on copies, `seen`: on the other splits.
    """

    copies: bool
    splits: tuple[str, ...]
    exact: float | None
    near: float | None
    told: tuple[str, ...]
    seen: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        return (*self.told, *self.seen)


def verdict(scores: Sequence[Mapping[str, Any]]) -> Verdict | None:
    """The verdict on all sets of samples of one model, from rows of scores with `metric`, `value`, `n` and `settings`.

    Each set is tested by itself, and one that is flagged suffices; shares in sentences are of all sets together. None where no
    copies were looked for.
    """
    rows = {key: [row for row in scores if row["metric"] == key] for key in (EXACT, *NEAR)}
    exact = rows[EXACT]
    if not exact:
        return None
    near = [key for key in NEAR if _found(rows[key])]
    copied, others = _found(exact), [key.removesuffix("_share") for key in exact[0]["settings"] if key.endswith("_share")]
    splits = tuple(split for split in others if _found(exact, f"{split}_p"))
    lines = []
    if near:
        key = max(near, key=lambda key: _mean(rows[key]))
        lines.append(
            f"{_share(rows[key])} of samples are near copies of training images, by {NEAR[key]}; of real held-out images "
            f"{_percent(_mean(rows[key], 'expected'))} are as near."
        )
    if copied or near:
        lines.append(
            f"{_share(exact)} of samples equal a training example exactly; of real examples {_percent(_mean(exact, 'real'))} do."
        )
    least = _least(exact)
    nearest = min((each for key in NEAR if rows[key] and (each := _least(rows[key])) is not None), default=None)
    missed = {"exact": least, "near": nearest}
    bounds = [f"{kind} copies of under {_percent(each)} of samples" for kind, each in missed.items() if each is not None]
    if not copied and not near:
        lines.append("No copies of training examples were found.")
        lines += [f"{listing(bounds).capitalize()} would not be noticed."] * bool(bounds)
    seen = []
    for split in splits:
        whole = _mean(exact, f"{split}_share") >= WHOLE
        what = f"The samples are the {split} split" if whole else f"The samples hold examples of the {split} split"
        share = _share(exact, f"{split}_share")
        seen.append(f"{what}: {share} equal one of its examples. Those are real data, so that their scores are no model's.")
    return Verdict(copied or bool(near), splits, least, nearest, tuple(lines), tuple(seen))


def verdicts(results: Results, dataset: str) -> dict[str, Verdict]:
    """Verdicts on a dataset's models by label; empty where no copies were looked for."""
    scores = results.scores
    scores = scores[(scores["dataset"] == dataset) & scores["metric"].isin((EXACT, *NEAR))]
    scores = scores.assign(settings=[parse(text) for text in scores["settings"]])
    found = {label: verdict(scores[scores["label"] == label].to_dict("records")) for label in results.labels(dataset)}
    return {label: each for label, each in found.items() if each is not None}


def _found(rows: Sequence[Mapping[str, Any]], p: str = "p") -> bool:
    """Whether a test finds anything in any of the sets."""
    return any(row["settings"][p] <= row["settings"]["level"] for row in rows)


def _mean(rows: Sequence[Mapping[str, Any]], setting: str | None = None) -> float:
    """The value or a setting, in percent, of all sets together."""
    values = [(row["value"] if setting is None else row["settings"][setting]) * row["n"] for row in rows]
    return sum(values) / sum(row["n"] for row in rows)


def _least(rows: Sequence[Mapping[str, Any]]) -> float | None:
    known = [row["settings"]["least"] for row in rows]
    return None if None in known else max(known)


def _share(rows: Sequence[Mapping[str, Any]], setting: str | None = None) -> str:
    """A share with Wilson's 95 % interval over the samples."""
    n, mean = sum(int(row["n"]) for row in rows), _mean(rows, setting)
    centre, half = wilson(mean / 100, n, 1.96)
    low, high = (_percent(100 * max(0.0, min(1.0, each))) for each in (centre - half, centre + half))
    return f"{_percent(mean)} ({low.removesuffix(' %')} to {high})"


def _percent(value: float) -> str:
    return percent(value / 100)
