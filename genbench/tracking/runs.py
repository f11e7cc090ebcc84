"""One trial's files as what an MLflow run holds: plain values, no mlflow."""

import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from genbench.results.files import read_json
from genbench.results.labels import flat
from genbench.results.paths import HISTORY, PREVIEW, SCORED, TRAINED, TRIAL
from genbench.results.scores import primary

__all__ = ["Record", "record"]

FORMAT = 2  # part of every digest: raise it when this file projects differently, and all runs are made anew
FILES = (TRIAL, TRAINED, SCORED, HISTORY, PREVIEW)
MAX_POINTS = 200  # per curve; MLflow's queries slow down with the number of stored points
MAX_TEXT = 5000  # MLflow truncates parameters at 6000 characters


@dataclass(frozen=True)
class Record:
    """A run to be: `metrics` are (key, value, timestamp in ms, step); times in ms since the epoch."""

    trial: str
    name: str
    digest: str
    ok: bool
    start: int
    end: int
    params: dict[str, str]
    tags: dict[str, str]
    metrics: list[tuple[str, float, int, int]]
    dataset: dict[str, str]
    artifacts: list[Path] = field(default_factory=list)


def record(row: dict[str, Any], store: Path, study: dict[str, Any]) -> Record:
    """Project a trial: a row of trials.parquet and the trial's folder in the store, which may lack files.

    The digest covers the files, the row and what the study says of dataset, model and commit.
    """
    row = {key: None if _missing(value) else value for key, value in row.items()}
    folder = store / row["trial"]
    config, train, scored = (_json(folder / name) for name in FILES[:3])
    start = 1000 * float(train.get("started") or row.get("started") or 0.0)
    end = max(start, 1000 * float(train.get("finished") or row.get("finished") or 0.0))
    step = int(row.get("selected_update") or 0)
    meta = (study.get("datasets") or {}).get(row["dataset"]) or {}
    points, dropped = _metrics(row, scored, meta, step, int(end))
    points += _curves(folder / HISTORY, start)
    # metrics.json says under which settings each score holds: too long for tags
    kept, artifacts = [], [folder / PREVIEW, folder / SCORED]
    for point in points:
        (kept if math.isfinite(point[1]) else dropped).append(point if math.isfinite(point[1]) else point[0])
    return Record(
        trial=row["trial"],
        name=f"{row['model']}-{row['dataset']}-s{row['seed']}",
        digest=_digest(folder, row, study, meta),
        ok=row["status"] == "ok",
        start=int(start),
        end=int(end),
        params=_params(row, config),
        tags=_tags(row, study, sorted(set(dropped))),
        metrics=kept,
        dataset={"name": row["dataset"], "digest": str(meta.get("content_hash") or "unknown")[:36]},
        artifacts=[path for path in artifacts if path.is_file()],
    )


def _digest(folder: Path, row: dict[str, Any], study: dict[str, Any], meta: dict[str, Any]) -> str:
    digest = hashlib.sha256()
    facts = [
        FORMAT,
        {k: str(v) for k, v in row.items()},
        study.get("commit"),
        study.get("dirty"),
        meta.get("content_hash"),
    ]
    facts.append((study.get("models") or {}).get(row["model"]))
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    for name in FILES:
        path = folder / name
        digest.update(f"\0{name}\0".encode() + (hashlib.sha256(path.read_bytes()).digest() if path.is_file() else b""))
    return digest.hexdigest()


def _params(row: dict[str, Any], config: dict[str, Any]) -> dict[str, str]:
    params = {key: row[key] for key in ("dataset", "model", "family", "seed")}
    params |= {key: config[key] for key in ("batch", "code") if key in config}
    for part in ("budget", "net", "hp"):
        params |= flat(config.get(part) or {}, f"{part}.")
    return {_key(key): str(value)[:MAX_TEXT] for key, value in params.items()}


def _tags(row: dict[str, Any], study: dict[str, Any], dropped: list[str]) -> dict[str, str]:
    card = (study.get("models") or {}).get(row["model"]) or {}
    tags = {
        "genbench.trial_id": row["trial"],
        "genbench.dataset": row["dataset"],
        "genbench.model": row["model"],
        "genbench.family": row["family"],
        "genbench.seed": row["seed"],
        "genbench.status": row["status"],
        "genbench.likelihood": card.get("likelihood") or "none",
        "mlflow.source.name": "genbench",
        "mlflow.source.type": "PROJECT",
        "mlflow.note.content": _note(row, card),
    }
    if study.get("commit"):
        tags["mlflow.source.git.commit"] = study["commit"]
    if row.get("cause"):
        tags["genbench.cause"] = row["cause"]
    if row.get("step") is not None:
        tags["genbench.failed_update"] = int(row["step"])
    if dropped:
        tags["genbench.not_finite"] = ", ".join(dropped)
    return {key: str(value)[:MAX_TEXT] for key, value in tags.items()}


def _note(row: dict[str, Any], card: dict[str, Any]) -> str:
    text = f"**{card.get('title') or row['model']}** on {row['dataset']}, seed {row['seed']}: {row['status']}"
    text += f" ({row['cause']})" if row.get("cause") else ""
    return text + f".\n\n{card.get('paper') or ''}\n\nFiles: `results/store/{row['trial']}/`"


def _metrics(
    row: dict[str, Any], scored: dict[str, Any], meta: dict[str, Any], step: int, end: int
) -> tuple[list[tuple[str, float, int, int]], list[str]]:
    """Final scores and costs, and the names of those whose value is no number."""
    scores = scored.get("scores") or []
    first = primary(meta, (_encoder(score) for score in scores))
    found = {_score_key(score, first): score.get("value") for score in scores}
    found |= {f"cost/{k.removeprefix('cost_')}": v for k, v in row.items() if k.startswith("cost_") and v is not None}
    dropped = [key for key, value in found.items() if value is None]
    return [(_key(key), float(value), end, step) for key, value in found.items() if value is not None], dropped


def _score_key(score: dict[str, Any], first: str) -> str:
    """The metric, with its kind for likelihoods, and its encoder if that is not the first: they must not share a column."""
    encoder = _encoder(score)
    parts = [score["metric"], score.get("kind"), encoder if encoder != first else ""]
    return "_".join(part for part in parts if part)


def _encoder(score: dict[str, Any]) -> str:
    return (score.get("settings") or {}).get("encoder") or ""


def _curves(path: Path, start: float) -> list[tuple[str, float, int, int]]:
    """At most MAX_POINTS of each series, first and last among them."""
    if not path.is_file():
        return []
    points = []
    for series, part in pd.read_parquet(path).groupby("series", sort=True):
        part = part.sort_values("update", kind="stable")
        places = sorted({round(i * (len(part) - 1) / max(1, MAX_POINTS - 1)) for i in range(MAX_POINTS)})
        for update, value, seconds in part.iloc[places][["update", "value", "seconds"]].itertuples(index=False):
            after = 1000 * float(seconds) if math.isfinite(seconds) else 0.0
            key = f"curve/{series}" if "/" not in series else series  # a final metric may have the same name
            points.append((_key(key), float(value), int(start + after), int(update)))
    return points


def _key(name: str) -> str:
    """A name that MLflow accepts: letters, digits and _-.:/ only."""
    return re.sub(r"[^\w\-.:/ ]", "_", name, flags=re.ASCII)[:250]


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NaT or value is pd.NA


def _json(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}
