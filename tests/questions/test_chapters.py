"""Chapters are found by folder, and claims lead."""

import types

import pytest

from genbench import questions
from genbench.questions import chapters
from genbench.questions.chapters import TALE, TITLES, reports
from genbench.report.blocks import Claim, Paragraph
from genbench.report.verdicts import OPEN


def module(key, place, made):
    return types.SimpleNamespace(CHAPTER=key, PLACE=place, report=lambda results: made, __name__=f"{key}{place}")


def test_every_report_has_its_chapter_and_a_place_of_its_own():
    found = reports()
    assert len(found) == len(questions.names("report")) and len({each.PLACE for each in found}) == len(found)
    assert {each.CHAPTER for each in found} == {TALE, *TITLES}
    assert [each.PLACE for each in found] == sorted(each.PLACE for each in found)


@pytest.fixture
def made(monkeypatch):
    """chapters(made(...)): of these reports."""

    def make(*modules):
        monkeypatch.setattr(chapters, "reports", lambda: modules)
        return chapters.chapters(None)

    return make


def test_questions_of_one_key_share_a_chapter_and_claims_lead(made):
    first, second, third = (Paragraph(word) for word in ("first", "second", "third"))
    claim = Claim("C9", "It holds", "Someone 2020", OPEN, ("Nothing is known.",), ())
    found = made(
        module("critics", 1, (first,)), module("Own title!", 2, (third,)), module("critics", 3, (second,)),
        module("flows", 4, None), module(TALE, 5, claim),
    )  # fmt: skip
    assert [chapter.key for chapter in found] == ["tale", "critics", "own_title_"]
    assert [chapter.lead for chapter in found] == [True, False, False]
    assert found[1].blocks == (first, second) and found[1].title == TITLES["critics"] and found[2].title == "Own title!"
    assert made(module("flows", 1, None)) == []
