"""What samples of a dataset are compared with, and what real data score against real data."""

import sys
from collections.abc import Collection

import torch
from torch import Tensor, nn

from genbench.config.errors import UserError
from genbench.config.read import dataset_spec
from genbench.config.schema import Study
from genbench.data import Dataset, load
from genbench.jobs.manifold import known_manifold
from genbench.metrics.cards import METRICS, scores
from genbench.metrics.encoder import extract, load_encoder
from genbench.metrics.references import Reference, Training, read_reference, write_reference
from genbench.metrics.score import Score
from genbench.metrics.sets import Images, Manifold, Points
from genbench.results.files import read_json, write_json, write_npz
from genbench.results.paths import DENSITY, ENCODER, FLOOR, PREVIEW, Paths
from genbench.results.pictures import save_preview

__all__ = [
    "GRID",
    "density_grid",
    "floor_rows",
    "make_reference",
    "named_encoder",
    "sample_count",
    "sample_scores",
    "scores_and_floors",
]

REPEATS = 5  # draws of two disjoint sets of real data, whose scores make the floor
GRID = 80  # cells per axis of a density picture
POOL = 70_000  # real images that floors are drawn from
FURTHER = 12_000  # real images that the floors of further encoders, expensive ones among them, are drawn from


def sample_count(data: Dataset, study: Study) -> int:
    """Examples that each trial generates: the study's number, more where the dataset's metrics need more."""
    least = study.samples if data.kind == "images" else study.point_samples
    return max(least, dataset_spec(data.name).samples or 0)


def named_encoder(name: str, data: Dataset, paths: Paths, device: torch.device) -> nn.Module:
    """An encoder by its name in a study: classifier[-seed], inception[:file], dinov2:file."""
    kind, _, file = name.partition(":")
    if kind == "inception":
        from genbench.metrics.inception import inception_encoder

        return inception_encoder(file or None, levels=data.levels, device=device)
    if kind == "dinov2":
        from genbench.metrics.dinov2 import dinov2_encoder

        return dinov2_encoder(file, levels=data.levels, device=device)
    return load_encoder(paths.encoder(data.name, kind), device)


def sample_scores(
    samples: Tensor,
    data: Dataset,
    encoders: tuple[str, ...],
    paths: Paths,
    device,
    seed: int,
    labels: Tensor | None = None,
    manifold: Manifold | None = None,
    keys: Collection[str] | None = None,
) -> list[Score]:
    """Scores of samples in raw units against the reference that `make_reference` wrote, by the metrics named or all.

    `labels` (n,): the classes that they were asked to be of, if any; only images have them, as they alone have a `manifold`.
    """
    if data.kind == "points":
        return scores(Points(samples, data.splits["test"], data.density(), "test", seed=seed), keys)
    reference = read_reference(paths.reference(data.name), len(encoders))
    return _image_scores(samples, data, encoders, reference, paths, device, seed, labels, manifold, keys)


def scores_and_floors(
    samples: Tensor, data: Dataset, encoders: tuple[str, ...], paths: Paths, device
) -> tuple[list[Score], list[dict]]:
    """Every sample metric of samples in raw units, and what equally many real examples score, without a study."""
    if data.kind == "points":
        found = scores(Points(samples, data.splits["test"], data.density(), "test"))
    else:
        reference, manifold = _references(data, encoders, paths, device), known_manifold(samples, data)
        found = _image_scores(samples, data, encoders, reference, paths, device, 0, None, manifold, None)
    return found, _floors(data, len(samples), encoders, paths, device, None)


def _image_scores(
    samples, data: Dataset, encoders: tuple[str, ...], reference, paths: Paths, device, seed: int, labels, manifold, keys
) -> list[Score]:
    """Scores from one extraction of features per encoder; further ones than the first are asked for a few metrics only."""
    references, training = reference
    found = []
    for place, (name, reference) in enumerate(zip(encoders, references, strict=True)):
        if not _asked(keys, encoders="all" if place else None):
            continue
        encoder = named_encoder(name, data, paths, device)
        if encoder.name != reference.encoder:
            raise UserError(
                f"{paths.reference(data.name)}: made by {reference.encoder}, but {name} is now {encoder.name}; make it anew"
            )
        seen = extract(encoder, samples.to(device))
        first = {"further": True} if place else {"training": training, "labels": labels, "manifold": manifold}
        found += scores(Images(*seen, reference, samples, **first, seed=seed), keys)
    return found


def _asked(keys: Collection[str] | None, **fields: str | None) -> list[str]:
    """Those metrics of samples named, or of all, whose cards have these fields; None is any."""
    cards = [card for card in METRICS.values() if (card.standard if keys is None else card.key in keys)]
    cards = [card for card in cards if card.needs != "density"]
    return [card.key for card in cards if all(value in (None, getattr(card, field)) for field, value in fields.items())]


def make_reference(dataset: str, paths: Paths, study: Study, device: torch.device) -> None:
    """results/reference/<dataset>: real data as the encoders see them, the true density, and floor.json."""
    data, folder = load(paths.data(dataset)), paths.reference(dataset)
    if data.kind == "images":
        write_reference(folder, *_references(data, study.encoders, paths, device))
    else:
        x, y, points = density_grid(data)
        log_p = data.density().log_prob(points).reshape(GRID, GRID)
        write_npz(folder / DENSITY, x=x.numpy(), y=y.numpy(), log_prob=log_p.float().numpy())
    write_json(folder / FLOOR, {"dataset": dataset, "scores": floor_rows(data, study, paths, device)})
    support = None if data.kind == "images" else data.density().support
    save_preview(folder / PREVIEW, data.splits["test"][: study.point_samples].numpy(), data.levels, support)


def floor_rows(
    data: Dataset, study: Study, paths: Paths, device: torch.device, keys: Collection[str] | None = None
) -> list[dict]:
    """What real data score by the metrics named or all: rows of scores with their `repeat` and `role`.

    Roles: "real", real data redrawn or the true density; "training", copies of training examples. Needs what
    `make_reference` writes before. A metric's rows are the same whichever others are named.
    """
    count = sample_count(data, study)
    rows = _floors(data, count, study.encoders, paths, device, keys)
    if data.kind == "images" and (labelled := _asked(keys, needs="labels")):
        rows += _true_accuracy(data, study.encoders[0], paths, device, labelled)
    if data.kind == "points" and (keys is None or "nll" in keys):
        rows.append(_true_nll(data, count))
    return [{**row, "role": "real"} for row in rows] + _copies(data, count, study.encoders, paths, device, keys)


def _references(data: Dataset, names: tuple[str, ...], paths: Paths, device) -> tuple[list[Reference], Training]:
    """The test split as each encoder sees it; the first one's knows its classes and the training split, too."""
    test, train = data.splits["test"], data.splits["train"]
    references = []
    for name in names:
        encoder = named_encoder(name, data, paths, device)
        features, logits = extract(encoder, test.to(device))
        references.append(Reference(encoder.name, "test", features, *_classes(logits, data, name, paths, not references)))
        if len(references) == 1:
            training = Training.fit(encoder.name, train, extract(encoder, train.to(device))[0], features)
    return references, training


def _classes(logits: Tensor, data: Dataset, name: str, paths: Paths, first: bool) -> tuple:
    """Predicted classes and the encoder's accuracy; nothing for further encoders."""
    if not first:
        return ()
    accuracy = read_json(paths.encoder(data.name, name) / ENCODER)["accuracy"]
    return torch.bincount(logits.argmax(1), minlength=logits.shape[1]), accuracy


def _some(images: Tensor, count: int) -> Tensor:
    """At most `count` of the images, always the same ones."""
    return images[_order(len(images), 0)[:count]] if len(images) > count else images


def _order(n: int, seed: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


def _floors(data: Dataset, count: int, names: tuple[str, ...], paths: Paths, device, keys) -> list[dict]:
    """Scores of real data against disjoint real data, redrawn REPEATS times from all splits: rows with their repeat."""
    everything, rows = torch.cat(list(data.splits.values())), []
    if data.kind == "points":
        for repeat in range(REPEATS):
            a, b, *_ = _redraw(data, len(everything), count, repeat)
            rows += _rows(scores(Points(everything[a], everything[b], data.density(), "redrawn", seed=repeat), keys), repeat)
        return rows
    m = len(data.splits["test"])
    for place, name in enumerate(names):
        if not _asked(keys, encoders="all" if place else None):
            continue
        encoder = named_encoder(name, data, paths, device)
        pool = everything if data.composed else _some(everything, max(FURTHER if place else POOL, count + m))
        features, logits = extract(encoder, pool.to(device))
        for repeat in range(REPEATS):
            a, b, train, scored, held = _redraw(data, len(pool), count, repeat)
            reference = Reference(encoder.name, "redrawn", features[b], *_classes(logits[b], data, name, paths, not place))
            first = {"further": True} if place else {"manifold": known_manifold(pool[a], data)}
            found = scores(Images(features[a], logits[a], reference, pool[a], **first, seed=repeat), keys)
            if not place and (looking := _asked(keys, needs="training")):
                training = Training.fit(encoder.name, pool[train], features[train], features[held])
                found += scores(Images(features[scored], samples=pool[scored], training=training), looking)
            rows += _rows(found, repeat)
        print(f"{data.name}: floors by {encoder.name}", file=sys.stderr, flush=True)
    return rows


def _rows(found: list[Score], repeat: int) -> list[dict]:
    return [{**score.as_dict(), "repeat": repeat} for score in found]


def _redraw(data: Dataset, total: int, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Indices of `total` examples of all splits in a row: samples and reference; training, scored and held-out examples.

    Samples (`count`) and reference (as many as the test split) are disjoint and drawn from all splits together: draws against
    the one test split would carry its chance in common and look far too certain. For what looks at the training split one
    of its size is drawn, and of the rest a half is scored and a half held out. Stacks of digits would share their digits if
    they were drawn from all splits, which no model's do with the test split: there the splits stay what they are.
    """
    m, size = len(data.splits["test"]), len(data.splits["train"])
    if data.composed:
        scored, held = (total - m + _order(m, seed)).tensor_split(2)
        return _order(total - m, seed)[:count], torch.arange(total - m, total), torch.arange(size), scored[:count], held
    count = min(count, total - m)
    order, half = _order(total, seed), min((total - size) // 2, count)
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


def density_grid(data: Dataset) -> tuple[Tensor, Tensor, Tensor]:
    """Axes (GRID,) and points (GRID * GRID, 2), row by row from below, over the support of a 2-D dataset."""
    (left, right), (low, high) = data.density().support
    x, y = torch.linspace(left, right, GRID), torch.linspace(low, high, GRID)
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return x, y, torch.stack([columns, rows], -1).reshape(-1, 2)
