"""What choosing costs and flatters: checkpoints other than the last, and choosing by the test split."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from genbench.questions.searches import FEWEST, DatasetSearches
from genbench.report.blocks import Fold, Paragraph, Points, Table
from genbench.report.text import listing, number, percent, plural
from genbench.statistics.search_curve import search_curve

__all__ = ["checkpoints", "peeking"]

NOTE = (
    "Checkpoints lie evenly over the training of every trial, of searches and of new seeds; the validation split chooses one. "
    "“Last”: the test score at the end over that of the chosen checkpoint. “Best on test”: the score that choosing by the test "
    "split itself appears to reach, as in Lucic et al., over that of the honest choice."
)


def checkpoints(every: Sequence[DatasetSearches]) -> Fold | None:
    """Return what stopping at the end costs, and how choosing by the test split flatters; None without checkpoints."""
    rows = []
    for each in every:
        for s in each.found:
            several = [c for c in s.checkpoints if len(c) > 1]
            if not several:
                continue
            best = [min(reversed(c), key=lambda at: at["validation"]) for c in several]  # of equal ones the last, as chosen
            chosen = [at["test"] for at in best]
            last = [math.log(c[-1]["test"] / score) for c, score in zip(several, chosen, strict=True)]
            flattered = [math.log(min(at["test"] for at in c) / score) for c, score in zip(several, chosen, strict=True)]
            earlier = sum(at is not c[-1] for at, c in zip(best, several, strict=True))
            rows.append(
                {
                    "dataset": each.name,
                    "model": s.label,
                    "trials": len(several),
                    "not the last": earlier / len(several),
                    "last, median": math.exp(float(np.median(last))),
                    "last, worst tenth": math.exp(float(np.quantile(last, 0.9))),
                    "best on test": math.exp(float(np.mean(flattered))),
                }
            )
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    worst = frame.loc[frame["last, worst tenth"].idxmax()]
    total = int(frame["trials"].sum())
    share = float((frame["not the last"] * frame["trials"]).sum() / total)
    middle = float((np.log(frame["best on test"]) * frame["trials"]).sum() / total)
    said = (
        f"Keep checkpoints: in {percent(share)} of {plural(total, 'trial')} an earlier one than the last is chosen.",
        f"{worst['model']} on {worst['dataset']} loses most without them: a tenth of its trials score at the end at least "
        f"{number(worst['last, worst tenth'])} times what the chosen checkpoint scores.",
        f"Choosing checkpoints by the test split would make scores look {percent(math.exp(-middle) - 1)} better on average.",
    )
    table = Table("c2_checkpoints", frame, "Checkpoints, by dataset and model", folded=True)
    return Fold("Are earlier checkpoints better?", (Points(said), table, Paragraph(NOTE, fine=True)))


def peeking(every: Sequence[DatasetSearches]) -> Fold | None:
    """Return how much better a search looks whose choice is scored on the split that chose it; None without wide searches."""
    by: dict[str, list[float]] = {}
    for each in every:
        for s in each.found:
            n = len(s.validation)
            if n < FEWEST or s.space != "wide":
                continue
            honest = search_curve(s.validation, s.test, [n // 2], cap=each.cap)[0].mean
            flattered = search_curve(s.test, None, [n // 2], cap=each.cap)[0].mean
            if math.isfinite(honest) and math.isfinite(flattered) and flattered > 0:
                by.setdefault(each.name, []).append(honest / flattered)
    if not by:
        return None
    gains = listing([f"{percent(math.expm1(np.mean(np.log(ratios))))} on {name}" for name, ratios in by.items()])
    said = (
        "Choosing configurations by the test split, as Lucic et al. did, makes the best of half of a search look better than the "
        f"honest choice by {gains} (geometric mean over models)."
    )
    return Fold("Does choosing by the test split flatter?", (Points((said,)),))
