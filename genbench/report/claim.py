"""A claim of the literature, re-tried: its verdict and what the verdict rests on, all made from a study's numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from genbench.report.blocks import Figure, Heading, Paragraph, Points, Table

__all__ = ["HOLDS", "IN_PART", "OPEN", "REFUTED", "VERDICTS", "Claim", "tally", "together"]

HOLDS, IN_PART, REFUTED, OPEN = VERDICTS = ("holds", "holds in part", "does not hold", "undecided")


@dataclass(frozen=True)
class Claim:
    """One claim.

    Arguments:
        key: its name in a list of claims, such as "C4"; also the start of the names of its figures and tables.
        statement: the claim itself, a sentence without a full stop. source: who says it.
        verdict: one of VERDICTS. because: the sentences, with their numbers, that the verdict follows from.
        blocks: data, figures and readings below it. short: the verdict's cases in a few words, see `tally`.
    """

    key: str
    statement: str
    source: str
    verdict: str
    because: str
    blocks: tuple[Heading | Paragraph | Points | Figure | Table, ...]
    short: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"{self.key}: verdict must be one of {', '.join(VERDICTS)}, got {self.verdict!r}")


def together(verdicts: Iterable[str]) -> str:
    """The verdict on a claim from verdicts on its cases (datasets, pairs).

    It holds where it holds in all, in part where it holds (in part) in some; it does not hold where that is shown in some and the
    contrary in none. So more evidence for it never makes a weaker word.
    """
    found = set(verdicts)
    if found == {HOLDS}:
        return HOLDS
    if found & {HOLDS, IN_PART}:
        return IN_PART
    return REFUTED if REFUTED in found else OPEN


def tally(cases: Mapping[str, str]) -> str:
    """Verdicts on cases in a few words: which case got which, in the order of VERDICTS."""
    named = {word: [case for case, verdict in cases.items() if verdict == word] for word in VERDICTS}
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in named.items() if names)
