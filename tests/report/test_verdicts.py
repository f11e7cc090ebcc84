"""Verdicts on claims from verdicts on their cases."""

from itertools import combinations_with_replacement

import pytest

from genbench.report.blocks import Claim
from genbench.report.verdicts import HOLDS, IN_PART, OPEN, REFUTED, VERDICTS, tally, together


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


def test_a_verdict_is_one_of_four_words():
    with pytest.raises(ValueError, match="C9: verdict must be one of holds, .*, got 'maybe'"):
        Claim("C9", "", "", "maybe", (), ())
