"""What real data score against real data, and training data against test data: beside it stands every score."""

import sys
from collections.abc import Collection

import torch
from torch import Tensor

from genbench.config.code import code_hash
from genbench.config.hashing import short_hash
from genbench.config.schema import Study
from genbench.data import Dataset, load
from genbench.jobs.manifold import known_manifold
from genbench.jobs.reference import (
    asked,
    classes,
    image_scores,
    named_encoder,
    references,
    sample_count,
    sample_scores,
    scorable,
    scoring_of,
)
from genbench.metrics.cards import scores, units
from genbench.metrics.encoder import extract
from genbench.metrics.references import Reference, Training
from genbench.metrics.score import Score
from genbench.metrics.sets import Images, Points
from genbench.results.files import read_json, write_json
from genbench.results.paths import FLOOR, FLOOR_PARTS, Paths

__all__ = ["floor_rows", "make_floors", "scores_and_floors"]

REPEATS = 5  # draws of two disjoint sets of real data, whose scores make the floor
POOL = 70_000  # real images that floors are drawn from
FURTHER = 12_000  # real images that the floors of further encoders, expensive ones among them, are drawn from


def make_floors(dataset: str, paths: Paths, study: Study, device: torch.device) -> None:
    """results/reference/<dataset>/floor.json; metrics whose floors were computed the same way before are not computed again."""
    data, folder = load(paths.data(dataset)), paths.reference(dataset)
    parts = units(data.kind, study.metrics) | ({"genbench.jobs.floors:_true_nll": ["nll"]} if data.kind == "points" else {})
    about = [scoring_of(data, study, paths), sample_count(data, study)]
    roots = ("genbench.jobs.floors:floor_rows", "genbench.jobs.manifold:known_manifold", "genbench.data.dataset:Dataset")
    words = [*study.encoder_kinds, data.meta["source"]]
    keys = {part: short_hash([about, code_hash(part, *roots, settings=words)]) for part in parts}
    file = folder / FLOOR_PARTS
    kept = read_json(file) if file.is_file() else {}
    missing = [part for part in parts if kept.get(part, {}).get("key") != keys[part]]
    rows = floor_rows(data, study, paths, device, [metric for part in missing for metric in parts[part]]) if missing else []
    for part in missing:
        kept[part] = {"key": keys[part], "rows": [row for row in rows if row["metric"] in parts[part]]}
    write_json(file, kept)
    write_json(folder / FLOOR, {"dataset": dataset, "scores": [row for part in parts for row in kept[part]["rows"]]})


def scores_and_floors(
    samples: Tensor, data: Dataset, encoders: tuple[str, ...], paths: Paths, device
) -> tuple[list[Score], list[dict]]:
    """Every sample metric of samples in raw units, and what equally many real examples score, without a study."""
    if data.kind == "points":
        found = scores(Points(samples, data.splits["test"], data.density(), "test", splits=data.splits))
    else:
        reference, manifold = references(data, encoders, paths, device), known_manifold(samples, data)
        found = image_scores(samples, data, encoders, reference, paths, device, 0, None, manifold, None)
    return found, _floors(data, len(samples), encoders, paths, device, None)


def floor_rows(
    data: Dataset, study: Study, paths: Paths, device: torch.device, keys: Collection[str] | None = None
) -> list[dict]:
    """What real data score by the metrics named or all: rows of scores with their `repeat` and `role`.

    Roles: "real", real data redrawn or the true density; "training", copies of training examples. Needs what
    `make_reference` writes. A metric's rows are the same whichever others are named.
    """
    count = sample_count(data, study)
    rows = _floors(data, count, study.encoders, paths, device, keys)
    if data.kind == "images" and (labelled := asked(keys, needs="labels")):
        rows += _true_accuracy(data, study.encoders[0], paths, device, labelled)
    if data.kind == "points" and (keys is None or "nll" in keys):
        rows.append(_true_nll(data, count))
    return [{**row, "role": "real"} for row in rows] + _copies(data, count, study.encoders, paths, device, keys)


def _some(images: Tensor, count: int) -> Tensor:
    """At most `count` of the images, always the same ones."""
    return images[_order(len(images), 0)[:count]] if len(images) > count else images


def _order(n: int, seed: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


def _floors(data: Dataset, count: int, names: tuple[str, ...], paths: Paths, device, keys) -> list[dict]:
    """Scores of real data against disjoint real data, redrawn REPEATS times from all splits: rows with their repeat."""
    everything, rows = torch.cat(list(data.splits.values())), []
    if data.kind == "points":
        looking = asked(keys, needs="training")
        for repeat in range(REPEATS):
            a, b, train, scored, held = _redraw(data, len(everything), count, repeat)
            found = scores(Points(everything[a], everything[b], data.density(), "redrawn", seed=repeat), keys)
            splits = {"train": everything[train], "held out": everything[held]}
            rows += _rows(found + scores(Points(everything[scored], splits=splits), looking), repeat)
        return rows
    m = len(data.splits["test"])
    for place, name in enumerate(names):
        if not asked(keys, encoders="all" if place else None):
            continue
        encoder = named_encoder(name, data, paths, device)
        pool = everything if data.composed else _some(everything, max(FURTHER if place else POOL, count + m))
        features, logits = extract(encoder, pool.to(device))
        for repeat in range(REPEATS):
            a, b, train, scored, held = _redraw(data, len(pool), count, repeat)
            reference = Reference(encoder.name, "redrawn", features[b], *classes(logits[b], data, name, paths, not place))
            first = {"further": True} if place else {"manifold": known_manifold(pool[a], data)}
            found = scores(Images(features[a], logits[a], reference, pool[a], **first, seed=repeat), keys)
            if not place and (looking := asked(keys, needs="training")):
                splits, held_out = {"train": pool[train], "held out": pool[held]}, (pool[held], features[held])
                training = Training.fit(encoder.name, pool[train], features[train], features[held], others=held_out)
                found += scores(Images(features[scored], samples=pool[scored], training=training, splits=splits), looking)
            rows += _rows(found, repeat)
        print(f"{data.name}: floors by {encoder.name}", file=sys.stderr, flush=True)
    return rows


def _rows(found: list[Score], repeat: int) -> list[dict]:
    return [{**score.as_dict(), "repeat": repeat} for score in found]


def _redraw(data: Dataset, total: int, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Indices of `total` examples of all splits in a row: samples and reference; training, scored and held-out examples.

    Samples (`count`) and reference (as many as the test split) are disjoint and drawn from all splits together: draws against
    the one test split would carry its chance in common and look far too certain. For what looks at the training split one
    of its size is drawn, and of the rest a half is scored and a half held out: as many as of a model's samples are compared
    with the training split. Stacks of digits would share their digits if
    they were drawn from all splits, which no model's do with the test split: there the splits stay what they are.
    """
    m, size, half = len(data.splits["test"]), len(data.splits["train"]), min(scorable(data), count)
    if data.composed:
        scored, held = (total - m + _order(m, seed)).split([scorable(data), m - scorable(data)])
        return _order(total - m, seed)[:count], torch.arange(total - m, total), torch.arange(size), scored[:half], held
    count = min(count, total - m)
    order, size = _order(total, seed), min(size, total - 2 * half)  # of the largest datasets, `total` is but a part
    return order[:count], order[count : count + m], order[:size], order[size : size + half], order[size + half : size + 2 * half]


def _copies(data: Dataset, count: int, names: tuple[str, ...], paths: Paths, device, keys) -> list[dict]:
    """What a perfect copier scores against the test split: training examples, drawn without replacement."""
    train = data.splits["train"]
    drawn = train[_order(len(train), 0)[:count]]
    manifold = known_manifold(drawn, data) if data.kind == "images" else None
    found = sample_scores(drawn, data, names, paths, device, 0, None, manifold, keys)
    return [{**row, "role": "training"} for row in _rows(found, 0)]


def _true_accuracy(data: Dataset, name: str, paths: Paths, device, keys) -> list[dict]:
    """What real images of the test split get for the classes that they are of: the classifier's accuracy."""
    encoder = named_encoder(name, data, paths, device)
    seen = extract(encoder, data.splits["test"].to(device))
    reference = Reference(encoder.name, "test", seen[0])
    return _rows(scores(Images(*seen, reference, labels=data.labels["test"]), keys), 0)


def _true_nll(data: Dataset, count: int) -> dict:
    """The true density's own likelihood of the test points that models see."""
    values = -data.density().log_prob(data.splits["test"][:count])
    finite = values[values.isfinite()]
    se, settings = float(finite.std() / len(finite) ** 0.5), {"split": "test", "estimator": "the true density"}
    return {**Score("nll", float(finite.mean()), len(finite), "nats", se, "exact", settings).as_dict(), "repeat": 0}
