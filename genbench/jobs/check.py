"""The job that checks a study before it runs: names and types, what would run, and what in it is not comparable."""

import json

from genbench.config.expand import Trial, groups
from genbench.config.schema import Study
from genbench.jobs.common import Paths, chosen
from genbench.studies.check import check_trial
from genbench.studies.fairness import Finding, lint, notes

__all__ = ["findings", "would_run"]


def would_run(study: Study, paths: Paths) -> list[dict]:
    """A row for each group of trials; UserError at the first trial that can't run."""
    rows, seen = [], set()
    for group in groups(study):
        first = group.trials[0]
        for trial in group.trials if group.phase == "search" else [first]:
            if (key := _checked(trial)) not in seen:
                check_trial(trial)
                seen.add(key)
        ready = group.phase != "confirm" or paths.selected(group.name).is_file()
        own = chosen(group, paths).trials if ready else ()
        done = sum((paths.store / t.id / "train.json").exists() for t in own)
        budget = f"{first.budget['value']:g} {first.budget['unit']} x {first.batch}"
        size = len(group.seeds) if group.phase == "confirm" else len(group.trials)
        rows.append({"group": group.name, "phase": group.phase, "trials": size, "done": done, "budget": budget})
    return rows


def _checked(trial: Trial) -> str:
    """All of a trial that its check depends on: values of hyperparameters are numbers already."""
    return json.dumps([trial.dataset, trial.model, trial.net, sorted(trial.hp), trial.train], sort_keys=True)


def findings(study: Study) -> tuple[list[Finding], list[str]]:
    """What the linter finds in a study, and notes on its methods."""
    trials = [trial for group in groups(study) for trial in group.trials if group.phase != "confirm"]
    return lint(trials, study), notes(trials)
