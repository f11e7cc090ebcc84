"""Jobs on a dataset: prepare it, and train the classifiers that score its images."""

import sys
from pathlib import Path

import pandas as pd
import torch

from genbench.config.errors import UserError
from genbench.config.read import dataset_spec
from genbench.data import load, prepare
from genbench.metrics.encoder import accuracy, save_encoder, train_encoder, train_stacked_encoder
from genbench.results.paths import Paths

__all__ = ["encode", "parzen", "prepare_data"]


def prepare_data(dataset: str, paths: Paths) -> None:
    """results/data/<dataset>: splits and meta.json; what held-out splits share with others is printed."""
    shared = prepare(dataset_spec(dataset), paths.data(dataset))["duplicates"]
    counts = ", ".join(f"{count:,} of {name}" for name, count in shared.items())
    print(f"exact duplicates in {dataset}: {counts}", file=sys.stderr)


def encode(dataset: str, encoder: str, paths: Paths, epochs: int, device: torch.device) -> None:
    """results/encoders/<dataset>/<encoder>: a classifier of the training split, "classifier" or "classifier-<seed>".

    Its test accuracy, of single channels where these are images of their own, is printed and stored.
    """
    data = load(paths.data(dataset))

    def log(line) -> None:
        print("encoder:", line, file=sys.stderr, flush=True)

    split = {name: (data.splits[name], data.labels[name]) for name in data.splits}
    seed = int(encoder.partition("-")[2] or 0)
    train = train_stacked_encoder if data.composed else train_encoder
    trained = train(
        *split["train"], classes=data.classes, levels=data.levels, seed=seed, epochs=epochs, device=device,
        validation=split["validation"], log=log, augment=data.augmentable,
    )  # fmt: skip
    reached = accuracy(trained, *split["test"])
    print(f"encoder of {dataset}: test accuracy {reached:.4f}", file=sys.stderr)
    save_encoder(trained, paths.encoder(dataset, encoder), {"accuracy": reached})


def parzen(dataset: str, paths: Paths, out: Path) -> pd.DataFrame:
    """The picture `out` of what Parzen windows say of real images and of their cluster centres, and its table."""
    from genbench.likelihood.parzen import parzen_figure

    data = load(paths.data(dataset))
    if data.kind != "images":
        raise UserError(f"--dataset: {dataset} has points; a Parzen window is shown for images")
    flat = (data.splits[split].flatten(1).float() / (data.levels - 1) for split in ("train", "validation", "test"))
    return parzen_figure(*flat, out)
