"""The list of questions and docs/questions.md, made from the questions' folders."""

import re

from genbench import questions
from genbench.questions.base import Question

__all__ = ["markdown", "rows"]

HEAD = """# Questions

Made from `genbench/questions/` by `genbench questions --markdown > docs/questions.md`: change the folders, not this file.

A question is something that a study answers besides the scores of its trials. A study asks one under the key `questions` of its
file, as in `questions: {critic_quality: {datasets: [ring8], updates: 200}}`; what it leaves out has a default. Questions of the
study's own trials need no key: they stand in the report wherever there is something to say.
"""
TRIALS = "the study's own trials"


def rows() -> list[dict[str, str]]:
    """Return by question what it asks, what it takes, and its settings with their defaults."""
    known = set(questions.names())
    found = []
    for folder in sorted(path.parent for path in questions.HERE.glob("*/README.md")):
        asks = (folder / "README.md").read_text(encoding="utf-8").strip()
        settings = questions.part(folder.name, "settings").Settings() if folder.name in known else None
        takes, keys = (_takes(settings), _keys(settings)) if settings else (TRIALS, "")
        found.append({"question": folder.name, "asks": asks, "takes": takes, "settings": keys})
    return found


def _takes(settings: Question) -> str:
    families = f"; models: {', '.join(settings.families)}" if settings.families else ""
    return (settings.takes if settings.datasets else "no dataset") + families


def _keys(settings: Question) -> str:
    return ", ".join(f"{key}: {_value(value)}" for key, value in settings if value != ())


def _value(value: object) -> str:
    return (
        f"[{', '.join(map(_value, value))}]"
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def markdown() -> str:
    """Return all questions as one Markdown page: a table of what they ask, then the settings of those that a study asks."""
    table = [f"| [`{row['question']}`](#{row['question']}) | {row['asks']} | {row['takes']} |" if row["settings"]
             else f"| `{row['question']}` | {row['asks']} | {row['takes']} |" for row in rows()]  # fmt: skip
    parts = [HEAD, "\n".join(["| question | what it asks | of |", "|---|---|---|", *table]), ""]
    parts += ["## Settings and their defaults", ""]
    for row in rows():
        if row["settings"]:
            keys = re.sub(r"(^|, )([a-z_]+): ", r"\1`\2`: ", row["settings"])
            parts += [f"### {row['question']}", "", keys, ""]
    return "\n".join(parts)
