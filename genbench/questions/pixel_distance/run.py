"""Is what is equally far in pixels equally different?"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from genbench.data import Dataset
from genbench.metrics.encoder import accuracy, extract
from genbench.metrics.memorisation import nearest
from genbench.questions.perturb import equalised, perturbations, shifted
from genbench.questions.quality import classifier
from genbench.questions.training import Bench

if TYPE_CHECKING:
    from genbench.questions.pixel_distance.settings import Settings as PixelDistance

__all__ = ["run"]

KINDS = {"plain": False, "warped": True}  # whether a classifier learns from warped copies, to which shifts and turns look alike
DRAWS = 100  # pairs of test images per image, whose feature distance is the unit


def run(settings: "PixelDistance", bench: Bench) -> dict[str, pd.DataFrame]:
    """Change test images in several ways by one L2 distance in pixels, and measure what classifiers make of the changes.

    The distance is the median over test images of that to themselves moved aside by `shift` of their side. Images that some
    way of changing can't take so far are left out of all. Tables: `changes` (dataset, kind, seed, image, change, strength, l2,
    feature, flipped), where l2 is in units of the grey range, feature the distance in the z-scored features of a classifier over
    the mean distance of two test images of one class, and flipped whether the predicted class is another; kind says whether the
    classifier learned from warped copies, as none does of polygons. `sets` (dataset, kind, seed, accuracy, unit, target, images,
    left_out). `neighbours` (dataset, kind, seed, image, shifted, nearest, nearest_other, mean), distances of an image to itself
    so moved, to the nearest training image, the nearest one of another class, and the mean training image of its class, in a
    classifier's features or, kind "pixels", in pixels. `pictures` (dataset, image, label, change, row, column, value).

    References:
        Wasserstein GANs Work Because They Fail (to Approximate the Wasserstein Distance) (Stanczuk et al., 2021),
        arXiv 2103.01678, figure 26
    """
    tables: dict[str, list[pd.DataFrame]] = {"changes": [], "sets": [], "neighbours": [], "pictures": []}
    for name in settings.datasets:
        for table, frame in _dataset(bench.data[name], settings, bench).items():
            tables[table].append(frame.assign(dataset=name))
    out = {name: pd.concat(frames, ignore_index=True) for name, frames in tables.items()}
    return {name: frame[["dataset", *frame.columns.drop("dataset")]] for name, frame in out.items()}


def _dataset(data: Dataset, settings: "PixelDistance", bench: Bench) -> dict[str, pd.DataFrame]:
    top = data.levels - 1
    train, labels = data.splits["train"].float() / top, data.labels["train"]
    images, classes = (part[: settings.images] for part in (data.splits["test"].float() / top, data.labels["test"]))
    still = torch.zeros(len(images))
    moved = shifted(images, still + settings.shift * images.shape[-1], still)
    target = float(_l2(moved, images).median())
    partners = train[_nearest_other(images, classes, train, labels, target)[1]]
    versions, strengths = {}, {}
    for change, (limit, at) in perturbations(images, partners, torch.Generator().manual_seed(0)).items():
        strengths[change], versions[change] = equalised(images, at, limit, target)
    kept = ~torch.stack(list(strengths.values())).isnan().any(0)
    bench.log(f"{data.name}: L2 {target:.3g} in pixels, {int(kept.sum())} of {len(kept)} images reach it in every way")
    means = torch.stack([train[labels == c].mean(0) for c in range(data.classes)])[classes]
    changes, sets = [], []
    spaces = [_neighbours(*(x.flatten(1) for x in (images, moved, train, means)), classes, labels).assign(kind="pixels", seed=0)]
    for kind, augment in KINDS.items():
        if augment and not data.augmentable:
            continue
        for seed in range(settings.seeds):
            encoder = classifier(data, settings.encoder_epochs, bench.device, seed, augment)
            features, logits = extract(encoder, images * top)
            unit = _within(features, classes)
            about = {"accuracy": accuracy(encoder, data.splits["test"], data.labels["test"]), "unit": unit, "target": target}
            key = {"kind": kind, "seed": seed}
            sets.append({**key, **about, "images": int(kept.sum()), "left_out": int((~kept).sum())})
            for change, made in versions.items():
                other, predicted = extract(encoder, made * top)
                columns = {
                    "strength": strengths[change], "l2": _l2(made, images), "feature": (other - features).norm(dim=1) / unit,
                    "flipped": predicted.argmax(1) != logits.argmax(1),
                }  # fmt: skip
                frame = pd.DataFrame({name: column[kept].numpy() for name, column in columns.items()})
                changes.append(frame.assign(**key, change=change, image=kept.nonzero()[:, 0].numpy()))
            others = [extract(encoder, x * top)[0] for x in (moved, train, means)]
            spaces.append(_neighbours(features, *others, classes, labels).assign(**key))
    return {
        "changes": pd.concat(changes, ignore_index=True),
        "sets": pd.DataFrame(sets),
        "neighbours": pd.concat(spaces, ignore_index=True),
        "pictures": _pictures(images, versions, classes, kept, settings.shown),
    }


def _l2(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).flatten(1).norm(dim=1)


def _nearest_other(rows: Tensor, classes: Tensor, others: Tensor, labels: Tensor, least: float = 0.0) -> tuple[Tensor, Tensor]:
    """Distance (n,) to and index (n,) of the nearest of the others that is of another class and at least so far."""
    distance = torch.cdist(rows.flatten(1).double(), others.flatten(1).double())
    distance[(classes[:, None] == labels[None]) | (distance < least)] = torch.inf
    return distance.min(1)


def _within(features: Tensor, classes: Tensor) -> float:
    """Mean distance between two images of one class."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randint(len(features), (2, DRAWS * len(features)), generator=generator)
    alike = (classes[a] == classes[b]) & (a != b)
    return float((features[a[alike]] - features[b[alike]]).double().norm(dim=1).mean())


def _neighbours(rows: Tensor, moved: Tensor, train: Tensor, means: Tensor, classes: Tensor, labels: Tensor) -> pd.DataFrame:
    columns = {
        "image": np.arange(len(rows)),
        "shifted": (moved - rows).norm(dim=1).numpy(),
        "nearest": nearest(rows, train)[0].numpy(),
        "nearest_other": _nearest_other(rows, classes, train, labels)[0].numpy(),
        "mean": (means - rows).norm(dim=1).numpy(),
    }
    return pd.DataFrame(columns)


def _pictures(images: Tensor, versions: dict[str, Tensor], classes: Tensor, kept: Tensor, count: int) -> pd.DataFrame:
    """The first images that were kept, of classes of their own while there are any."""
    places = kept.nonzero()[:, 0].tolist()
    first = list({int(classes[i]): i for i in reversed(places)}.values())
    chosen = (sorted(first) + [i for i in places if i not in first])[:count]
    height, width = images.shape[-2:]
    row, column = np.divmod(np.arange(height * width), width)
    frames = []
    for change, made in {"original": images, **versions}.items():
        for i in chosen:
            about = {"image": i, "label": int(classes[i]), "change": change}
            grey = made[i].mean(0).flatten().numpy()
            frames.append(pd.DataFrame({**about, "row": row, "column": column, "value": grey.astype(np.float32)}))
    columns = ["image", "label", "change", "row", "column", "value"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
