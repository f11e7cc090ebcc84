"""The cautionary tale: claims of the literature on generative models, re-tried, each with a verdict."""

import pandas as pd

from genbench.report.blocks import Chapter, Heading, Paragraph, Table
from genbench.report.claims import CLAIMS
from genbench.results.study import Results

__all__ = ["chapter"]

INTRO = (
    "Lucic et al. (2018, arXiv:1711.10337) and Stanczuk et al. (2021, arXiv:2103.01678) warned that much of what is said of "
    "adversarial models does not survive a fair comparison. Each claim below is tested on this study's own runs; every word of "
    "the verdicts follows from the numbers beside it, by rules and margins that stand in the code and in the study's file; a "
    "few of them were chosen after a first look, which is said there."
)
PROTOCOL = (
    "Searched models tried equally many configurations of one quasi-random stream that all share, each over its own space; the "
    "validation split chose configuration and checkpoint, the test split is what is shown. What failed, by an error or by values "
    "that are not finite, counts as the worst; what diverges otherwise counts by its score. What is said holds for these spaces, "
    "networks and budgets: equal numbers of configurations are not equal shares of spaces of unequal dimension. A claim holds "
    "where it holds in all cases, and in part where it does in some."
)


def chapter(results: Results) -> Chapter | None:
    """The claims that a study has data on; None without any."""
    claims = [found for claim in CLAIMS if (found := claim(results)) is not None]
    if not claims:
        return None
    rows = [
        {"claim": f"{c.key}: {c.statement}", "verdict here": c.verdict, "in short": c.short, "source": c.source} for c in claims
    ]
    blocks: list = [Paragraph(INTRO), Table("claims", pd.DataFrame(rows), "Claims and verdicts"), Paragraph(PROTOCOL, fine=True)]
    for c in claims:
        blocks += [Heading(f"{c.key} · {c.statement}?", large=True), Paragraph(f"Verdict: {c.verdict}. {c.because}"), *c.blocks]
    return Chapter("tale", "A cautionary tale", tuple(blocks), lead=True)
