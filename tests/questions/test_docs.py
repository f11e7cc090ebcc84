from pathlib import Path

from genbench import questions
from genbench.questions.docs import markdown, rows

ROOT = Path(__file__).parents[2]


def test_the_page_of_questions_is_made_from_their_folders():
    text = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
    assert text == markdown(), "run `genbench questions --markdown > docs/questions.md`"


def test_every_question_says_in_one_line_what_it_asks():
    listed = {row["question"]: row for row in rows()}
    assert set(listed) == {path.name for path in questions.HERE.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert all("\n" not in row["asks"] and row["asks"].endswith(".") for row in listed.values())
    for name in questions.names():
        settings = questions.part(name, "settings").Settings
        assert all(f"{key}: " in listed[name]["settings"] for key in settings.model_fields if getattr(settings(), key) != ())
