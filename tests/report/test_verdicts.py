"""Verdicts on claims from verdicts on their cases, counts of pairs, and what would decide."""

import math
from itertools import combinations_with_replacement

import pytest

from genbench.report.verdicts import (
    BETTER,
    EQUIVALENT,
    HOLDS,
    IN_PART,
    OPEN,
    REFUTED,
    UNDECIDED,
    VERDICTS,
    WORSE,
    counted,
    deciding,
    enough,
    tally,
    together,
)


@pytest.mark.parametrize(
    ("cases", "word"),
    [
        ([HOLDS, HOLDS], HOLDS), ([HOLDS, OPEN], IN_PART), ([HOLDS, REFUTED], IN_PART), ([IN_PART, OPEN], IN_PART),
        ([REFUTED, OPEN], REFUTED), ([REFUTED, REFUTED], REFUTED), ([OPEN, OPEN], OPEN), ([], OPEN),
    ],
)  # fmt: skip
def test_cases_together(cases, word):
    assert together(cases) == word == together(reversed(cases))


def test_more_evidence_for_a_claim_never_weakens_its_word():
    rank = {REFUTED: 0, OPEN: 1, IN_PART: 2, HOLDS: 3}
    for cases in combinations_with_replacement(VERDICTS, 3):
        for place, case in enumerate(cases):
            for better in (word for word in VERDICTS if rank[word] > rank[case]):
                more = [*cases[:place], better, *cases[place + 1 :]]
                assert rank[together(more)] >= rank[together(cases)], (cases, more)


def test_a_tally_names_the_cases():
    assert tally({"a": OPEN, "b": HOLDS, "c": OPEN}) == "holds: b; undecided: a, c"


def test_pairs_are_counted_by_word():
    words = [BETTER, WORSE, EQUIVALENT, UNDECIDED, UNDECIDED]
    assert counted(words, 1.1).startswith("of 5 pairs, 2 are different, 1 is equivalent") and "1.1" in counted(words, 1.1)
    assert counted(words, 1.1, directed=True).startswith("of 5 pairs, 1 is better, 1 is worse, 1 is")
    assert counted([UNDECIDED] * 3, 1.1) == "none of the 3 pairs could be decided"


def test_enough_values_make_an_interval_narrow():
    """Ten values with an interval of ± 1: half of that needs four times as many, and twice for a power of 80 %."""
    assert enough(10, 1.0, 0.5) == pytest.approx(10 * 4 * 2.04, rel=0.02)
    assert enough(10, 0.1, 0.5) == 10  # they decide already
    assert enough(10, 1.0, 0.0) is enough(10, math.nan, 1.0) is enough(10, 1.0, 1e-3) is None


def test_what_would_decide_is_said_where_something_is_open():
    assert deciding({"a": [], "b": []}, [16], "configurations") == ""
    said = deciding({"a": [100, 200, None], "b": [50]}, [8, 16], "configurations", " (2 s each)")
    assert said.startswith("8 to 16 configurations") and "50 to 200 (2 s each)" in said
    assert "on 1 of 2 datasets" in deciding({"a": [100], "b": [None, math.nan]}, [8], "configurations")
    assert "10,000" in deciding({"a": [None]}, [8], "configurations")
