"""The form of claims, and the chapter that they make."""

import pandas as pd
import pytest
from matplotlib.figure import Figure as Drawing

from genbench.questions.tale import tale
from genbench.report import style
from genbench.report.blocks import Claim, Figure, Fold, Paragraph, Points, Table, leaves
from genbench.report.verdicts import HOLDS, OPEN

ROWS = pd.DataFrame({"model": ["a"], "score": [1.0]})


def claim(key="C8", verdict=HOLDS, because=("Do this.",), blocks=()):
    return Claim(key, "It is so", "someone", verdict, because, blocks, f"{verdict}: digits")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"verdict": "maybe"}, "C8: verdict must be one of holds, .*, got 'maybe'"),
        ({"because": ("a.", "b.", "c.", "d.")}, "C8: at most 3 sentences before the fold, got 4"),
        ({"blocks": (Paragraph("x"), Table("c8_rows", ROWS, "Rows"))}, "C8: blocks must be behind folds, got paragraph, table"),
    ],
)
def test_a_claim_has_a_verdict_three_sentences_and_folds(wrong, message):
    with pytest.raises(ValueError, match=message):
        claim(**wrong)


def test_the_chapter_has_every_verdict_and_what_lies_in_folds():
    with style.theme():
        inner = Fold("Numbers", (Points(("One.",)), Table("c8_rows", ROWS, "Rows"), Figure("c8_line", Drawing(), "A line")))
        chapter = tale([claim(blocks=(Fold("All", (inner,)), Table("c8_more", ROWS, "More", folded=True))), claim("C9", OPEN)])
        assert list(chapter.figures()) == ["c8_line"] and chapter.lead
    assert list(chapter.tables()) == ["tale_claims", "tale_c8_rows", "tale_c8_more"]
    assert list(chapter.tables()["tale_claims"]["verdict here"]) == [HOLDS, OPEN]
    assert [block.text for block in leaves(chapter.blocks) if block.kind == "heading"] == ["C8 · It is so", "C9 · It is so"]
    assert [block.text for block in chapter.blocks if block.kind == "paragraph"][1:] == [
        "Verdict: holds. Do this.",
        "Verdict: undecided. Do this.",
    ]
