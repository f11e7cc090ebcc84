"""The job that checks a study before it runs: names and types, what would run, what is not comparable, what it costs."""

import json
from collections.abc import Sequence

from genbench import questions
from genbench.checks.cost import Cost, Work, estimate
from genbench.checks.fairness import Finding, lint, notes
from genbench.checks.trials import check_trial
from genbench.config.expand import Group, Trial
from genbench.config.jobs import MINUTES, jobs
from genbench.config.schema import Study
from genbench.jobs.common import chosen
from genbench.results.paths import TRAINED, Paths

__all__ = ["cost", "findings", "shown", "would_run"]


def would_run(parts: Sequence[Group], paths: Paths) -> list[dict]:
    """A row for each group of trials; UserError at the first trial that can't run."""
    rows, seen = [], set()
    for group in parts:
        first = group.trials[0]
        for trial in group.trials if group.phase == "search" else [first]:
            if (key := _checked(trial)) not in seen:
                check_trial(trial)
                seen.add(key)
        ready = group.phase != "confirm" or paths.selected(group.name).is_file()
        own = chosen(group, paths).trials if ready else ()
        done = sum((paths.trial(t.id) / TRAINED).exists() for t in own)
        budget = f"{first.budget['value']:g} {first.budget['unit']} x {first.batch}"
        size = len(group.seeds) if group.phase == "confirm" else len(group.trials)
        rows.append({"group": group.name, "phase": group.phase, "trials": size, "done": done, "budget": budget})
    return rows


def _checked(trial: Trial) -> str:
    """All of a trial that its check depends on: values of hyperparameters are numbers already."""
    return json.dumps([trial.dataset, trial.model, trial.net, sorted(trial.hp), trial.train], sort_keys=True)


def findings(study: Study, parts: Sequence[Group]) -> tuple[list[Finding], list[str]]:
    """What the linter finds in a study, and notes on its methods."""
    trials = [trial for group in parts for trial in group.trials if group.phase != "confirm"]
    return lint(trials, study), notes(trials)


def cost(study: Study, parts: Sequence[Group], paths: Paths, device: str) -> tuple[list[Cost], list[str]]:
    """What a study has left to do, by part, and what to know of these numbers."""
    works, todo = [], []
    for group in parts:
        if group.phase != "confirm" or paths.selected(group.name).is_file():
            own = chosen(group, paths).trials
            left = tuple(t for t in own if not (paths.trial(t.id) / TRAINED).exists())
            works.append(Work(group.phase or "train", len(own), len(left), left))
            todo += [group] * bool(left)
        else:
            size = len(group.seeds)
            works.append(Work("confirm", size, size, group.trials))
            todo.append(group)
    return estimate(study, works, questions.folders(study), paths.results, len(jobs(todo, MINUTES)), device)


def shown(costs: list[Cost], device: str, cores: int) -> tuple[list[dict[str, str]], str]:
    """Rows of a table of costs with their sum, and the time that it takes where `cores` jobs run at once."""
    unit = "core-hours" if device == "cpu" else "GPU-hours"
    rows = [
        {"what": c.what, "all": f"{c.trials:,}", "to do": f"{c.left:,}", unit: _hours(c.hours), "disk": _bytes(c.bytes)}
        for c in costs
    ]
    hours = sum(c.hours for c in costs)
    trials = [c for c in costs if c.what in ("search", "confirm", "train")]
    counts = {"all": f"{sum(c.trials for c in trials):,}", "to do": f"{sum(c.left for c in trials):,}"}
    last = {"what": "total", **counts, unit: _hours(hours), "disk": _bytes(sum(c.bytes for c in costs))}
    at_once = "one job at a time" if cores == 1 else f"{cores} jobs at once"
    return [*rows, last], f"about {_hours(hours / cores)} h with {at_once}"


def _hours(hours: float) -> str:
    return f"{hours:.2f}" if hours < 10 else f"{hours:,.0f}"


def _bytes(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return "-"
