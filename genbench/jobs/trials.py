"""The job that trains groups of trials of one dataset and scores them, one group after the other."""

from collections.abc import Sequence
from pathlib import Path

import torch

from genbench.checks.trials import check_trial
from genbench.data import load
from genbench.jobs.common import chosen, groups_of
from genbench.jobs.context import Context
from genbench.jobs.evaluate import evaluate_group
from genbench.jobs.search import choose, score_searched
from genbench.jobs.train import train_group
from genbench.results.files import read_json, write_json
from genbench.results.paths import Paths

__all__ = ["run_trials"]


def run_trials(
    study: str,
    names: Sequence[str],
    paths: Paths,
    out: Path,
    device: torch.device,
    interval: float,
    searched: Sequence[Path] = (),
) -> None:
    """Train what the store lacks of the groups, score what was not scored before, and write the manifest `out` of all scores.

    Arguments:
        names: of groups of one dataset. interval: seconds between checkpoints of their training.
        searched: manifests of the searches whose choices the groups confirm; the choices are made here.
    """
    settings, groups = groups_of(study, names)
    tried = [row for path in searched for row in read_json(path)["rows"]]
    for group in groups:
        if group.phase == "confirm":
            choose([row for row in tried if row["group"] in group.searched], paths.selected(group.name))
    groups = [chosen(group, paths) for group in groups]
    for group in groups:  # before anything is trained
        for trial in group.trials:
            check_trial(trial)
    context = Context(settings, load(paths.data(groups[0].dataset)), paths, device)
    rows = []
    for group in groups:
        train_group(group, context, interval)
        scored = (score_searched if group.phase == "search" else evaluate_group)(group, context)
        rows += [{"group": group.name, **row} for row in scored]
    write_json(out, {"study": study, "rows": rows})
