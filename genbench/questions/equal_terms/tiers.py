"""What is asked of searches first, and what then: the baseline against its rivals over all datasets, then on each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from genbench.questions.searches import DatasetSearches
from genbench.report.blocks import Fold, Paragraph, Table
from genbench.report.text import listing, number, plural
from genbench.report.verdicts import BETTER, EQUIVALENT, HOLDS, NOT_WORSE, OPEN, REFUTED, UNDECIDED, WORSE
from genbench.results.searched import Arena, arenas
from genbench.results.study import Results
from genbench.statistics.looks import Look, caps, one_by_one, replay, sized
from genbench.statistics.verdict import Verdict

__all__ = ["LEVEL", "Tiers", "compared", "looked", "over_all", "tiers", "word"]

LEVEL = 0.05  # of a false verdict, of each family of comparisons
PHRASES = {
    BETTER: "better than",
    EQUIVALENT: "equivalent to",
    NOT_WORSE: "not worse by the margin than",
    WORSE: "worse than",
    UNDECIDED: "undecided against",
}


@dataclass(frozen=True)
class Tiers:
    """Three families of comparisons of a baseline, in the order in which they are asked; each errs with a chance of LEVEL.

    `rivals`, `others`: looks at its rivals, and at models of other families, over all datasets. `cases`: against its rivals, by
    dataset. `level`: of a verdict of any of them, corrected for looks.
    """

    arena: Arena
    rivals: list[Look]
    others: list[Look]
    cases: dict[str, list[Verdict]]
    level: float

    def verdicts(self, rivals: bool = True) -> list[Verdict]:
        """Return what the last look says of rivals, or of others."""
        looks = self.rivals if rivals else self.others
        return list(looks[-1].verdicts.values()) if looks else []

    @property
    def needed(self) -> list[int | None]:
        """By rival that is open, as many configurations as would decide it."""
        return [v.seeds for v in self.verdicts() if word(v, self.level) == UNDECIDED]

    @property
    def pooled(self) -> str:
        """Whether the baseline does as well as its rivals, over all datasets."""
        return self.on(self.verdicts())

    def on(self, verdicts: Sequence[Verdict]) -> str:
        """Whether the baseline does as well as its rivals by these verdicts; undecided without any."""
        words = [word(v, self.level) for v in verdicts]
        if WORSE in words:
            return REFUTED
        return HOLDS if words and UNDECIDED not in words else OPEN


def tiers(results: Results) -> list[Tiers]:
    """Return what is asked of a study's searches: one, or two where models that see class labels stand by themselves."""
    k, margin, out = results.k, results.margin, []
    for arena in arenas(results.searched, results.config):
        given = arena.sizes, k, caps(arena.scores, sized(arena.sizes, 0)), margin, LEVEL
        rivals, others = (
            replay(arena.scores, arena.baseline, names, *given) if names else [] for names in (arena.rivals, arena.others)
        )
        cases = one_by_one(arena.scores, arena.baseline, arena.rivals, *given)
        out.append(Tiers(arena, rivals, others, cases, LEVEL / arena.looks))
    return out


def word(verdict: Verdict, level: float) -> str:
    """The verdict, or NOT_WORSE where an undecided pair shows that."""
    return NOT_WORSE if verdict.word == UNDECIDED and verdict.p_not_worse <= level else verdict.word


def compared(against: Sequence[Verdict], level: float) -> str:
    """What a model is beside others: a list of words with names."""
    by = {each: [v.b for v in against if word(v, level) == each] for each in PHRASES}
    return "; ".join(f"{PHRASES[each]} {listing(names)}" for each, names in by.items() if names)


def over_all(own: Tiers, file: str) -> Fold | None:
    """The baseline against each other model over all datasets, the first of the three families; None without any."""
    rows = []
    for kind, looks in (("of its family", own.rivals), ("of others", own.others)):
        for name, v in (looks[-1].verdicts if looks else {}).items():
            at = next(place for place in reversed(range(len(looks))) if name in looks[place].tried)
            rows.append(
                {
                    "against": name,
                    "family": kind,
                    "verdict": word(v, own.level),
                    "ratio of scores": v.ratio,
                    "low": v.low,
                    "high": v.high,
                    "p, no difference": v.p_difference,
                    "p, at least the margin": v.p_equivalence,
                    "p, worse by the margin": v.p_not_worse,
                    "configurations": _sizes(looks[at]),
                    "look": at + 1,
                    "to decide": float(v.seeds) if v.seeds else math.nan,
                }
            )
    if not rows:
        return None
    frame = pd.DataFrame(rows).dropna(axis=1, how="all")
    if own.arena.looks == 1:
        frame = frame.drop(columns="look")
    title = f"{own.arena.baseline} against each other model, {plural(len(own.arena.scores), 'dataset')} together"
    shown = {"to decide": [f"{round(n):,}" if n == n else "–" for n in frame["to decide"]]} if "to decide" in frame else None
    return Fold(f"{own.arena.baseline} against each other model", (Table(file, frame, title, shown),))


def _sizes(look: Look) -> str:
    return listing([str(size) for size in sorted(set(look.sizes.values()))])


def looked(own: Tiers, every: Sequence[DatasetSearches], file: str) -> Fold | None:
    """Look by look, what was decided and what it cost; None for a study that does not grow."""
    if own.arena.looks == 1:
        return None
    rows, before = [], dict.fromkeys(own.arena.sizes, 0)
    seconds = {(each.dataset, s.label): s.seconds for each in every for s in each.found}
    for place in range(max(len(own.rivals), len(own.others))):
        looks = [each[place] for each in (own.rivals, own.others) if place < len(each)]
        sizes = looks[0].sizes
        asked = [name for look in looks for name in look.tried]
        stopped = [f"{name} ({look.verdicts[name].word})" for look in looks for name in look.tried if name not in look.open]
        new = [
            (sizes[dataset] - before[dataset], seconds.get((dataset, name), math.nan))
            for dataset, models in own.arena.scores.items()
            for name in (own.arena.baseline, *asked)
            if name in models
        ]
        rows.append(
            {
                "look": place + 1,
                "configurations": _sizes(looks[0]),
                "searched": len(asked) + 1,
                "decided here": listing(stopped) or "–",
                "still open": listing([name for look in looks for name in look.open]) or "–",
                "trials": sum(count for count, _ in new),
                "minutes of training": float(np.nansum([count * each for count, each in new])) / 60,
            }
        )
        before = sizes
    planned = listing([str(size) for size in dict.fromkeys(max(own.arena.sizes.values(), key=len))])
    last = rows[-1]
    total, minutes = (sum(row[key] for row in rows) for key in ("trials", "minutes of training"))
    said = (
        f"The study looks at {planned} configurations per model and dataset, and stopped at look {last['look']} of "
        f"{own.arena.looks}, after {total:,} trials and {number(minutes)} minutes of training. A model that a look "
        "decides is searched no further."
    )
    return Fold("Look by look", (Paragraph(said), Table(file, pd.DataFrame(rows), "Looks, and what each cost")))
