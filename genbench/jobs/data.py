"""Jobs on real data: prepare it, train the encoder that scores images, and measure what real data score."""

import sys

import numpy as np
import torch

from genbench.config.read import dataset_spec
from genbench.config.schema import Study
from genbench.data import Dataset, load, prepare
from genbench.files import write_json, write_npz
from genbench.jobs.common import Paths
from genbench.jobs.pictures import save_preview
from genbench.metrics.coverage import coverage
from genbench.metrics.encoder import accuracy, extract, load_encoder, save_encoder, train_encoder
from genbench.metrics.points import data_nll, modes, wasserstein1
from genbench.metrics.score import Score

__all__ = ["density_grid", "encode", "image_scores", "make_reference", "point_scores", "prepare_data"]

REPEATS = 5  # draws of two disjoint sets of real data, whose scores make the floor
GRID = 80  # cells per axis of a density picture


def prepare_data(dataset: str, paths: Paths) -> None:
    """results/data/<dataset>: splits and meta.json."""
    prepare(dataset_spec(dataset), paths.data(dataset))


def encode(dataset: str, paths: Paths, epochs: int, device: torch.device) -> None:
    """results/encoders/<dataset>: a classifier of the training split; its test accuracy is printed and stored."""
    data = load(paths.data(dataset))

    def log(line) -> None:
        print("encoder:", line, file=sys.stderr, flush=True)

    split = {name: (data.splits[name], data.labels[name]) for name in data.splits}
    encoder = train_encoder(
        *split["train"], classes=data.classes, levels=data.levels, seed=0, epochs=epochs, device=device,
        validation=split["validation"], log=log,
    )  # fmt: skip
    reached = accuracy(encoder, *split["test"])
    print(f"encoder of {dataset}: test accuracy {reached:.4f}", file=sys.stderr)
    save_encoder(encoder, paths.encoder(dataset), {"accuracy": reached})


def image_scores(images: torch.Tensor, data: Dataset, paths: Paths, device: torch.device) -> list[Score]:
    """Every sample metric of images (n, C, H, W) against the test split, from one extraction of features."""
    encoder = load_encoder(paths.encoder(data.name), device)
    with np.load(paths.reference(data.name) / "features.npz", allow_pickle=False) as file:
        reference = torch.from_numpy(file["features"])
    features, logits = extract(encoder, images.to(device))
    settings = {"encoder": encoder.name, "reference": "test"}
    return _compare(features, logits, reference, data.labels["test"], data.classes, settings)


def _compare(features, logits, reference, labels, classes: int, settings: dict[str, str]) -> list[Score]:
    from genbench.metrics.fidelity import fidelity  # here: it takes seconds to import, and points do without

    return [*fidelity(features, reference, settings=settings), *coverage(logits, torch.bincount(labels, minlength=classes))]


def point_scores(points: torch.Tensor, test: torch.Tensor, data: Dataset, seed: int) -> list[Score]:
    """Every sample metric of points (n, 2) against test points (m, 2)."""
    density, count = data.density(), min(2000, len(points), len(test))
    scores = [wasserstein1(points, test, n=count, seed=seed), data_nll(points, density.log_prob)]
    return scores + (modes(points, density.means, density.std) if density.means is not None else [])


def make_reference(dataset: str, paths: Paths, study: Study, device: torch.device) -> None:
    """results/reference/<dataset>: features of the test split, and what real data score against real data.

    Each floor draws disjoint sets, as large as the samples and the test split, from all splits together: draws against
    the one test split would carry its chance in common and look far too certain.
    """
    data, folder = load(paths.data(dataset)), paths.reference(dataset)
    test, images = data.splits["test"], data.kind == "images"
    pool = torch.cat(list(data.splits.values()))
    count = min(study.samples if images else study.point_samples, len(pool) - len(test))
    if images:
        encoder = load_encoder(paths.encoder(dataset), device)
        features, logits = extract(encoder, pool.to(device))
        labels = torch.cat(list(data.labels.values()))
        write_npz(folder / "features.npz", features=features[-len(test) :].numpy())  # the test split comes last
        settings = {"encoder": encoder.name, "reference": "redrawn"}
    else:
        x, y, points = density_grid(data)
        log_p = data.density().log_prob(points).reshape(GRID, GRID)
        write_npz(folder / "density.npz", x=x.numpy(), y=y.numpy(), log_prob=log_p.float().numpy())
    rows = []
    for repeat in range(REPEATS):
        order = torch.randperm(len(pool), generator=torch.Generator().manual_seed(repeat))
        drawn, against = order[:count], order[count : count + len(test)]
        if images:
            scores = _compare(features[drawn], logits[drawn], features[against], labels[against], data.classes, settings)
        else:
            scores = point_scores(pool[drawn], pool[against], data, repeat)
        rows += [{**score.as_dict(), "repeat": repeat} for score in scores]
    if not images:
        values = -data.density().log_prob(test[: study.point_samples])
        finite = values[values.isfinite()]
        score = Score("nll", float(finite.mean()), len(finite), "nats", float(finite.std() / len(finite) ** 0.5), "exact",
                      {"split": "test", "estimator": "the true density"})  # fmt: skip
        rows.append({**score.as_dict(), "repeat": 0})
    write_json(folder / "floor.json", {"dataset": dataset, "scores": rows})
    support = None if images else data.density().support
    save_preview(folder / "preview.png", test[: study.point_samples].numpy(), data.levels, support)


def density_grid(data: Dataset) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Axes (GRID,) and points (GRID * GRID, 2), row by row from below, over the support of a 2-D dataset."""
    (left, right), (low, high) = data.density().support
    x, y = torch.linspace(left, right, GRID), torch.linspace(low, high, GRID)
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return x, y, torch.stack([columns, rows], -1).reshape(-1, 2)
