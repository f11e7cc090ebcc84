"""The chapter of claims: the cautionary tale, told again on a study's own numbers."""

from collections.abc import Sequence

import pandas as pd

from genbench.report.blocks import Chapter, Claim, Fold, Heading, Paragraph, Table

__all__ = ["tale"]

INTRO = (
    "Lucic et al. (2018, arXiv:1711.10337) and Stanczuk et al. (2021, arXiv:2103.01678) warned that much of what is said of "
    "adversarial models does not survive a fair comparison. Each claim is tested here on this study's own runs. A claim holds "
    "where it holds in all cases, and in part where it does in some; where the numbers leave it open, the text says what would "
    "decide."
)
PROTOCOL = (
    "Every verdict follows from its numbers by rules and margins that stand in the code and in the study's file. A few of them "
    "were chosen after a first look, which is said there.",
    "Searched models try equally many configurations of one quasi-random stream, each over its own search space. The validation "
    "split chooses configuration and checkpoint; test scores are shown. No trial is charged more than a cap, which each claim "
    "states; one that ends with an error or with values that are not finite is charged that. Verdicts are of these search "
    "spaces, networks and budgets: equal numbers of configurations are not equal shares of spaces of unequal dimension.",
)


def tale(claims: Sequence[Claim]) -> Chapter:
    """Return the leading chapter: all verdicts in one table, then each claim with at most three sentences before its folds."""
    rows = [
        {"claim": f"{c.key}: {c.statement}", "verdict here": c.verdict, "in short": c.short, "source": c.source} for c in claims
    ]
    rules = Fold("How claims are tested", tuple(Paragraph(text, fine=True) for text in PROTOCOL))
    blocks: list = [Paragraph(INTRO), Table("claims", pd.DataFrame(rows), "Claims and verdicts"), rules]
    for c in claims:
        blocks += [
            Heading(f"{c.key} · {c.statement}", large=True),
            Paragraph(" ".join((f"Verdict: {c.verdict}.", *c.because))),
            *c.blocks,
        ]
    return Chapter("tale", "A cautionary tale", tuple(blocks), lead=True)
