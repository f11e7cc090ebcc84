"""Projects a study's files into MLflow: one writer, idempotent, and safe to kill at any moment."""

import contextlib
import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from genbench.results.paths import table
from genbench.results.study import about
from genbench.tracking.runs import Record, record

__all__ = ["Counts", "sync"]

TRIAL, DIGEST = "genbench.trial_id", "genbench.digest"


@dataclass(frozen=True)
class Counts:
    """What a pass did with the study's trials."""

    created: int
    updated: int
    unchanged: int


def sync(study_dir: Path, store: Path, uri: str | None, root: Path, log: Callable[[str], Any] = print) -> Counts:
    """Bring the MLflow experiment `genbench/<study>` in line with the files: a run per row of trials.parquet.

    `root` is the folder of the lock, and of mlflow.db and artifacts where `uri` is None; a `uri` such as
    http://server:5000 sends the runs there. A run whose files changed is deleted and made anew. The tag
    genbench.digest is written last: a run without it was cut short and is made anew as well. Runs of trials
    that left the study are kept and counted in the log. UserError if the study has not been gathered.
    """
    study_dir, store, root = Path(study_dir), Path(store), Path(root).resolve()
    study = about(study_dir)
    rows = pd.read_parquet(table(study_dir, "trials")).to_dict("records")
    root.mkdir(parents=True, exist_ok=True)
    with _lock(root / ".sync.lock"):  # also spares a fresh database two migrations at once, which break it
        client = _client(uri or f"sqlite:///{root / 'mlflow.db'}")
        experiment = _experiment(client, f"genbench/{study['study']}", study, None if uri else root / "artifacts")
        known = _known(client, experiment)
        counts = {"created": 0, "updated": 0, "unchanged": 0}
        for row in rows:
            new = record(row, store, study)
            runs = known.pop(new.trial, [])
            same = [run for run, digest in runs if digest == new.digest]
            for run in (run for run, _ in runs if run not in same[:1]):
                client.delete_run(run)
            if same:
                counts["unchanged"] += 1
                continue
            _write(client, experiment, new)
            counts["updated" if runs else "created"] += 1
    done = Counts(**counts)
    left = f"; {len(known)} runs of trials no longer in the study kept" if known else ""
    log(f"mlflow: {done.created} created, {done.updated} updated, {done.unchanged} unchanged{left}")
    return done


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock that the kernel drops when the process ends, however it ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _client(uri: str) -> Any:
    """An MLflow client; telemetry and printing of links are switched off before mlflow is imported."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # the default blocks for minutes without a server
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _experiment(client: Any, name: str, study: dict[str, Any], artifacts: Path | None) -> str:
    """Id of the experiment, created with an explicit place for artifacts, or restored if it was deleted."""
    note = f"{study.get('title') or study['study']}\n\n{study.get('description') or ''}".strip()
    tags = {"mlflow.experimentKind": "custom_model_development", "mlflow.note.content": note}
    found = client.get_experiment_by_name(name)
    if found is None:
        place = (artifacts / study["study"]).as_uri() if artifacts else None
        return client.create_experiment(name, artifact_location=place, tags=tags)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    for key, value in tags.items():
        if found.tags.get(key) != value:
            client.set_experiment_tag(found.experiment_id, key, value)
    return found.experiment_id


def _known(client: Any, experiment: str) -> dict[str, list[tuple[str, str | None]]]:
    """Active runs by trial, as (run id, digest), from one search."""
    known: dict[str, list[tuple[str, str | None]]] = {}
    token = None
    while True:
        page = client.search_runs([experiment], max_results=5000, page_token=token)
        for run in page:
            if TRIAL in run.data.tags:
                known.setdefault(run.data.tags[TRIAL], []).append((run.info.run_id, run.data.tags.get(DIGEST)))
        token = page.token
        if not token:
            return known


def _write(client: Any, experiment: str, new: Record) -> None:
    """Make a run; the digest comes last."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    run = client.create_run(experiment, start_time=new.start, tags=new.tags, run_name=new.name).info.run_id
    client.log_batch(
        run,
        metrics=[Metric(key, value, time, step) for key, value, time, step in new.metrics],
        params=[Param(key, value) for key, value in new.params.items()],
    )
    source = f'{{"uri": "results/data/{new.dataset["name"]}"}}'
    dataset = Dataset(new.dataset["name"], new.dataset["digest"], source_type="local", source=source)
    client.log_inputs(run, datasets=[DatasetInput(dataset, tags=[InputTag("mlflow.data.context", "training")])])
    for path in new.artifacts:
        client.log_artifact(run, str(path))
    client.set_terminated(run, status="FINISHED" if new.ok else "FAILED", end_time=new.end)
    client.set_tag(run, DIGEST, new.digest)
