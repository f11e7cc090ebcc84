"""The fairness linter: what in a study is not comparable, before it runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from genbench.checks.case import Case
from genbench.checks.rules import FOUND_BY
from genbench.config.expand import Trial, expand
from genbench.config.fairness import RULES
from genbench.config.read import ROOT, model_spec
from genbench.config.schema import Study

__all__ = ["Finding", "lint", "notes", "unfair"]


@dataclass(frozen=True)
class Finding:
    """What is not comparable in a study, the rule that found it, and why the study accepts it ("": it does not)."""

    rule: str
    text: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.text} (accepted: {self.reason})" if self.reason else self.text


def lint(trials: Iterable[Trial], study: Study | None = None, root: Path = ROOT) -> list[Finding]:
    """What is not comparable between trials of a study, in the order of the rules, and what it accepts for nothing."""
    case = Case(list(trials), study, root)
    accepts = study.accepts if study else {}
    found = [Finding(rule, text, accepts.get(rule, "")) for rule in RULES for text in dict.fromkeys(FOUND_BY[rule](case))]
    stale = [rule for rule in accepts if rule not in {finding.rule for finding in found}]
    return found + [Finding("stale", f"accepts.{rule} accepts nothing: the study has no such finding") for rule in stale]


def unfair(study: Study, root: Path = ROOT) -> list[str]:
    """What a reader of the comparison must know, one sentence each; with the reason for what the study accepts."""
    return [str(finding) for finding in lint(expand(study, root), study, root)]


def notes(trials: Iterable[Trial], root: Path = ROOT) -> list[str]:
    """What the models' files say of their methods, one line each."""
    said = {model: " ".join(model_spec(model, root).notes.split()) for model in dict.fromkeys(t.model for t in trials)}
    return [f"{model}: {text[0].lower()}{text[1:].rstrip('.')}" for model, text in said.items() if text]
