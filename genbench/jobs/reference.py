"""What samples of a dataset are compared with."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from genbench.config.code import code_hash
from genbench.config.errors import UserError
from genbench.config.read import dataset_spec
from genbench.config.schema import Study
from genbench.data import Dataset, load
from genbench.metrics.cards import METRICS, scores
from genbench.metrics.encoder import extract, load_encoder
from genbench.metrics.order import canonical
from genbench.metrics.references import Reference, Training, read_reference, write_reference
from genbench.metrics.score import Score
from genbench.metrics.sets import Images, Manifold, Points
from genbench.results.files import read_json, write_json, write_npz
from genbench.results.paths import DENSITY, ENCODER, PREVIEW, REFERENCE, Paths
from genbench.results.pictures import save_preview

__all__ = [
    "GRID", "asked", "classes", "density_grid", "image_scores", "make_reference", "named_encoder", "references",
    "sample_count", "sample_scores", "scorable", "scoring_of",
]  # fmt: skip

GRID = 80  # cells per axis of a density picture


def sample_count(data: Dataset, study: Study) -> int:
    """Examples that each trial generates: the study's number, more where the dataset's metrics need more."""
    least = study.samples if data.kind == "images" else study.point_samples
    return max(least, dataset_spec(data.name).samples or 0)


def scorable(data: Dataset) -> int:
    """Real images that can be scored against a training split of the given size, while equally many are held out.

    All others than training images; stacks of digits would share their digits, so of those the test split alone.
    """
    others = ("test",) if data.composed else [split for split in data.splits if split != "train"]
    return sum(len(data.splits[split]) for split in others) // 2


def _classifier(name: str, file: str, data: Dataset, paths: Paths, device: torch.device) -> nn.Module:
    return load_encoder(paths.encoder(data.name, name), device)


def _inception(name: str, file: str, data: Dataset, paths: Paths, device: torch.device) -> nn.Module:
    from genbench.metrics.inception import inception_encoder

    return inception_encoder(file or None, levels=data.levels, device=device)


def _dinov2(name: str, file: str, data: Dataset, paths: Paths, device: torch.device) -> nn.Module:
    from genbench.metrics.dinov2 import dinov2_encoder

    return dinov2_encoder(file, levels=data.levels, device=device)


ENCODERS = {"classifier": _classifier, "inception": _inception, "dinov2": _dinov2}


def named_encoder(name: str, data: Dataset, paths: Paths, device: torch.device) -> nn.Module:
    """An encoder by its name in a study: classifier[-seed], inception[:file], dinov2:file."""
    name, _, file = name.partition(":")
    return ENCODERS[name.partition("-")[0]](name, file, data, paths, device)


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
        return scores(Points(samples, data.splits["test"], data.density(), "test", seed=seed, splits=data.splits), keys)
    reference = read_reference(paths.reference(data.name), len(encoders))
    return image_scores(samples, data, encoders, reference, paths, device, seed, labels, manifold, keys)


def image_scores(
    samples, data: Dataset, encoders: tuple[str, ...], reference, paths: Paths, device, seed: int, labels, manifold, keys
) -> list[Score]:
    """Scores from one extraction of features per encoder; further ones than the first are asked for a few metrics only."""
    references, training = reference
    found = []
    samples, labels = canonical(samples, labels)  # before features are extracted: their last digits depend on the batch
    for place, (name, reference) in enumerate(zip(encoders, references, strict=True)):
        if not asked(keys, encoders="all" if place else None):
            continue
        encoder = named_encoder(name, data, paths, device)
        if encoder.name != reference.encoder:
            raise UserError(
                f"{paths.reference(data.name)}: made by {reference.encoder}, but {name} is now {encoder.name}; make it anew"
            )
        seen = extract(encoder, samples.to(device))
        first = {"training": training, "labels": labels, "manifold": manifold, "splits": data.splits}
        first = {"further": True} if place else first
        found += scores(Images(*seen, reference, samples, **first, seed=seed), keys)
    return found


def asked(keys: Collection[str] | None, **fields: str | None) -> list[str]:
    """Those metrics of samples named, or of all, whose cards have these fields; None is any."""
    cards = [card for card in METRICS.values() if (card.standard if keys is None else card.key in keys)]
    cards = [card for card in cards if card.needs != "density"]
    return [card.key for card in cards if all(value in (None, getattr(card, field)) for field, value in fields.items())]


def make_reference(dataset: str, paths: Paths, study: Study, device: torch.device) -> None:
    """results/reference/<dataset>: real data as the encoders see them, or the true density, and reference.json, written last."""
    data, folder = load(paths.data(dataset)), paths.reference(dataset)
    encoders = []
    if data.kind == "images":
        found, training = references(data, study.encoders, paths, device)
        write_reference(folder, found, training)
        encoders = [each.encoder for each in found]
    else:
        x, y, points = density_grid(data)
        log_p = data.density().log_prob(points).reshape(GRID, GRID)
        write_npz(folder / DENSITY, x=x.numpy(), y=y.numpy(), log_prob=log_p.float().numpy())
    support = None if data.kind == "images" else data.density().support
    save_preview(folder / PREVIEW, data.splits["test"][: study.point_samples].numpy(), data.levels, support)
    words = [data.kind, data.meta["source"], *study.encoder_kinds]
    code = code_hash("genbench.jobs.reference:make_reference", settings=words)
    write_json(folder / REFERENCE, {"dataset": dataset, "content_hash": data.content_hash, "encoders": encoders, "code": code})


def scoring_of(data: Dataset, study: Study, paths: Paths) -> list[str]:
    """What samples are compared with, as hashes: the data, and of images the code and encoders that made their reference.

    UserError where that was not made.
    """
    if data.kind == "points":
        return [data.content_hash]
    try:
        made = read_json(paths.reference(data.name) / REFERENCE)
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: missing; make the reference first") from None
    return [data.content_hash, made["code"], *made["encoders"], *study.encoders]


def references(data: Dataset, names: tuple[str, ...], paths: Paths, device) -> tuple[list[Reference], Training]:
    """The test split as each encoder sees it; the first one's knows its classes and the training split, too."""
    test, train = data.splits["test"], data.splits["train"]
    references = []
    for name in names:
        encoder = named_encoder(name, data, paths, device)
        features, logits = extract(encoder, test.to(device))
        references.append(Reference(encoder.name, "test", features, *classes(logits, data, name, paths, not references)))
        if len(references) == 1:
            held_out = torch.cat([data.splits["validation"], test])
            codes = torch.cat([extract(encoder, data.splits["validation"].to(device))[0], features])
            seen = extract(encoder, train.to(device))[0]
            training = Training.fit(encoder.name, train, seen, features, scorable(data), (held_out, codes))
    return references, training


def classes(logits: Tensor, data: Dataset, name: str, paths: Paths, first: bool) -> tuple:
    """Predicted classes and the encoder's accuracy; nothing for further encoders."""
    if not first:
        return ()
    accuracy = read_json(paths.encoder(data.name, name) / ENCODER)["accuracy"]
    return torch.bincount(logits.argmax(1), minlength=logits.shape[1]), accuracy


def density_grid(data: Dataset) -> tuple[Tensor, Tensor, Tensor]:
    """Axes (GRID,) and points (GRID * GRID, 2), row by row from below, over the support of a 2-D dataset."""
    (left, right), (low, high) = data.density().support
    x, y = torch.linspace(left, right, GRID), torch.linspace(low, high, GRID)
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return x, y, torch.stack([columns, rows], -1).reshape(-1, 2)
