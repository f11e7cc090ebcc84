"""The fairness linter: what in a study is not comparable, before it runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from genbench.checks.case import Case
from genbench.checks.rules import RULES, meaning
from genbench.config.errors import UserError
from genbench.config.expand import Trial, expand
from genbench.config.read import ROOT, model_spec
from genbench.config.schema import Study

__all__ = ["Finding", "check_accepts", "lint", "markdown", "notes", "unfair"]

RENAMED = {"reference": "well_specified", "slope": "lipschitz", "spaces": "search_ranges", "switches": "fixed_settings"}
WORDS = 5  # of a reason, below which it is no sentence
HEAD = """# Rules of the fairness linter

Made from `genbench/checks/rules.py` by `genbench rules --markdown > docs/fairness_rules.md`: change that, not this file.

| rule | finds |
|---|---|
"""


@dataclass(frozen=True)
class Finding:
    """What is not comparable in a study, the rule that found it, and why the study accepts it ("": it does not)."""

    rule: str
    text: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.text} (accepted: {self.reason})" if self.reason else self.text


def check_accepts(study: Study, root: Path = ROOT) -> None:
    """UserError (one line) unless a study accepts findings of rules that there are, each with a reason."""
    file = f"{root}/studies/{study.name}.yaml"
    for name, reason in study.accepts.items():
        if name in RENAMED:
            raise UserError(f"{file}: accepts.{name}: renamed to {RENAMED[name]}")
        if name not in RULES:
            raise UserError(f"{file}: accepts.{name}: no such rule; allowed: {', '.join(RULES)}")
        if len(reason.split()) < WORDS:
            raise UserError(f"{file}: accepts.{name}: needs a reason of at least {WORDS} words, got {reason.strip()!r}")


def lint(trials: Iterable[Trial], study: Study | None = None, root: Path = ROOT) -> list[Finding]:
    """What is not comparable between trials of a study, in the order of the rules, and what it accepts for nothing."""
    if study:
        check_accepts(study, root)
    case = Case(list(trials), study, root)
    accepts = study.accepts if study else {}
    found = [Finding(rule, text, accepts.get(rule, "")) for rule, check in RULES.items() for text in dict.fromkeys(check(case))]
    stale = [rule for rule in accepts if rule not in {finding.rule for finding in found}]
    return found + [Finding("stale", f"accepts.{rule} accepts nothing: the study has no such finding") for rule in stale]


def unfair(study: Study, root: Path = ROOT) -> list[str]:
    """What a reader of the comparison must know, one sentence each; with the reason for what the study accepts."""
    return [str(finding) for finding in lint(expand(study, root), study, root)]


def notes(trials: Iterable[Trial], root: Path = ROOT) -> list[str]:
    """What the models' files say of their methods, one line each."""
    said = {model: " ".join(model_spec(model, root).notes.split()) for model in dict.fromkeys(t.model for t in trials)}
    return [f"{model}: {text[0].lower()}{text[1:].rstrip('.')}" for model, text in said.items() if text]


def markdown() -> str:
    """docs/fairness_rules.md: a row for each rule."""
    return HEAD + "".join(f"| `{name}` | {meaning(name)} |\n" for name in RULES)
