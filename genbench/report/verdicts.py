"""Verdicts as a table."""

import math
from collections.abc import Sequence

import pandas as pd

from genbench.report.blocks import Table
from genbench.statistics.verdict import Verdict

__all__ = ["verdict_table"]


def verdict_table(
    name: str,
    caption: str,
    decided: Sequence[Verdict],
    unit: str = "configurations",
    ratio: str = "ratio of scores",
    alone: bool = False,
) -> Table:
    """A folded table with a row per verdict.

    `unit`: what is counted of each model; `ratio` heads the column of ratios; `alone`: the first name heads a row.
    """
    needed = f"{unit} to decide"
    frame = pd.DataFrame(
        {
            "model" if alone else "pair": [v.a if alone else f"{v.a} against {v.b}" for v in decided],
            "verdict": [v.word for v in decided],
            ratio: [v.ratio for v in decided],
            "low": [v.low for v in decided],
            "high": [v.high for v in decided],
            "p, no difference": [v.p_difference for v in decided],
            "p, at least the margin": [v.p_equivalence for v in decided],
            needed: [float(v.seeds) if v.seeds else math.nan for v in decided],
        }
    ).dropna(axis=1, how="all")
    whole = [f"{v.seeds:,}" if v.seeds else "–" for v in decided]
    return Table(name, frame, caption, {needed: whole} if needed in frame else None, folded=True)
