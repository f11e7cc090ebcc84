"""Scores of samples that were made elsewhere: the suite's metrics for models that live outside it."""

from pathlib import Path

import numpy as np
import torch

from genbench.config.read import dataset_spec
from genbench.data import load
from genbench.data.samples import read_samples
from genbench.jobs.data import encode, prepare_data
from genbench.jobs.floors import scores_and_floors
from genbench.metrics.cards import METRICS
from genbench.metrics.score import Score
from genbench.report.copies import RULE, verdict
from genbench.results.files import write_json
from genbench.results.paths import ENCODER, META, Paths

__all__ = ["evaluate_samples"]

EPOCHS = 20  # of a classifier that no run has trained yet, as in a study by default


def evaluate_samples(
    samples: Path, dataset: str, encoders: tuple[str, ...], paths: Paths, device: torch.device, out: Path | None
) -> None:
    """Print every sample metric of a file or folder beside what real data score, and whether it holds copies of the data.

    `out`: write all of it as JSON, too. Data and classifiers that the results folder lacks are prepared and trained first.
    """
    spec = dataset_spec(dataset)
    made = read_samples(samples, spec)
    if not (paths.data(dataset) / META).exists():
        prepare_data(dataset, paths)
    data = load(paths.data(dataset))
    for name in encoders if spec.kind == "images" else ():
        if name.startswith("classifier") and not (paths.encoder(dataset, name) / ENCODER).exists():
            encode(dataset, name, paths, EPOCHS, device)
    scores, floors = scores_and_floors(made, data, encoders, paths, device)
    told = verdict([score.as_dict() for score in scores])
    said = [*told.lines, RULE] if told else []
    if out is not None:
        rows = {"scores": [score.as_dict() for score in scores], "floors": floors, "copies": said}
        write_json(out, {"samples": str(samples), "dataset": dataset, **rows})
    print(f"{len(made)} samples of {samples} against {dataset}. floor: what real data score, mean and range of redraws")
    print(f"{'metric':<18}{'value':>10}{'se':>9}  {'floor':<38}{'better':<8}holds for")
    for score in scores:
        print(_line(score, [row for row in floors if _key(row) == _key(score.as_dict())]))
    print(*["", *(f"copies: {line}" for line in said)], sep="\n")


def _line(score: Score, floors: list[dict]) -> str:
    card, floor = METRICS[score.metric], ""
    if floors:
        own = [row["value"] for row in floors]
        floor = f"{np.mean(own):.4g} ({min(own):.4g} to {max(own):.4g})"
        if floors[0]["n"] != score.n:
            floor += f" at n={floors[0]['n']}"
    se = "" if score.se is None else f"{score.se:.2g}"
    better, holds = card.direction if card.ranked else "", score.name.partition("(")[2].rstrip(")")
    return f"{card.key:<18}{score.value:>10.4g}{se:>9}  {floor:<38}{better:<8}{holds}"


def _key(row: dict) -> tuple:
    return row["metric"], row["settings"].get("encoder")
