"""What the Fréchet distance makes of small samples, lost classes, other encoders and copies."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from genbench.data import Dataset
from genbench.metrics.cards import scores
from genbench.metrics.distances import fid_bias, frechet
from genbench.metrics.encoder import Encoder, extract, train_encoder
from genbench.metrics.memorisation import Memory
from genbench.metrics.neighbours import neighbours
from genbench.metrics.references import Training
from genbench.metrics.sets import Images
from genbench.questions.degraded import samplers
from genbench.questions.training import Bench

if TYPE_CHECKING:
    from genbench.questions.fid_faults.settings import Settings as FidFaults

__all__ = ["run"]

Features = Callable[[Tensor], Tensor]
SIZES = 5  # of real samples, each half of the one before
COMPONENTS = 64  # of pixels
COPIED = {"copies": 1.0, "copies, half as many": 0.5, "copies, a tenth as many": 0.1}


def run(settings: "FidFaults", bench: Bench) -> dict[str, pd.DataFrame]:
    """Score real data and samplers of known faults against the test split, by several encoders.

    The encoders learn from the first half of the training split; samples are made of its second half, anew in each redraw, so
    that no sample was seen by an encoder, but for copies, which repeat the first half. "classifier s" are classifiers that differ
    in their seed, "untrained" is one as it was initialised, "pixels" are the 64 leading principal components. Tables, all by
    dataset, encoder and redraw: `bias` (n, fid, predicted), of n real images, and what `fid_bias` says; `dropping` (kept,
    classes, n, fid, coverage, recall), of n images of `kept` of the classes; `samplers` (sampler, n, fid); `copies` (sampler, n,
    fid, fid_training, ct, authpct, nn_distance), of n images that a classifier learned from, all different or fewer repeated, and
    of fresh ones, where fid_training is the distance to all images that it learned from. The last two tables' samples have the
    classes' shares of all. Neighbours are counted by the first classifier only, copies by classifiers only.

    References:
        Are GANs Created Equal? A Large-Scale Study (Lucic et al., 2018), arXiv 1711.10337, section on the FID's robustness
        Effectively Unbiased FID and Inception Score (Chong & Forsyth, 2020), arXiv 1911.07023
    """
    tables: dict[str, list[dict]] = {"bias": [], "dropping": [], "samplers": [], "copies": []}
    for name in settings.datasets:
        for table, row in _rows(bench.data[name], settings, bench):
            tables[table].append({"dataset": name, **row})
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}


def _rows(data: Dataset, settings: "FidFaults", bench: Bench) -> Iterator[tuple[str, dict]]:
    half = len(data.splits["train"]) // 2
    pool, labels = data.splits["train"][half:], data.labels["train"][half:]
    seen, seen_labels = data.splits["train"][:half], data.labels["train"][:half]
    n = min(settings.images, len(pool) // 2)
    streams = [torch.Generator().manual_seed(r) for r in range(settings.redraws)]
    free = [torch.randperm(len(pool), generator=stream) for stream in streams]
    even = [(_balanced(labels, stream), _balanced(seen_labels, stream)) for stream in streams]
    made = [
        samplers(pool[own[:n]], labels[own[:n]], pool[own[n : 2 * n]], data.levels, stream)
        for stream, (own, _) in zip(streams, even, strict=True)
    ]
    for encoder, features in _encoders(data, half, settings, bench).items():
        reference, real, train = features(data.splits["test"]), features(pool), features(seen)
        learned = encoder.startswith("classifier")
        memory = Memory.fit(train, reference) if learned else None
        for r, order in enumerate(free):
            key = {"encoder": encoder, "redraw": r}
            for size in (n // 2**i for i in range(SIZES)):
                fid = frechet(real[order[:size]], reference)[0]
                yield "bias", {**key, "n": size, "fid": fid, "predicted": fid_bias(reference, size, len(reference))}
            for row in _dropped(real, labels, order, reference, encoder == "classifier 0"):
                yield "dropping", {**key, **row}
            for name, images in made[r].items():
                yield "samplers", {**key, "sampler": name, "n": n, "fid": frechet(features(images), reference)[0]}
            if memory is not None:
                own, copied = even[r]
                for row in _copies(train[copied[:n]], real[own[:n]], train, reference, memory):
                    yield "copies", {**key, "n": n, **row}
        bench.log(f"{data.name}: {encoder} done")


def _balanced(labels: Tensor, generator: torch.Generator) -> Tensor:
    """A random order of examples whose first ones, however many, have nearly the shares of classes that all have."""
    place = torch.rand(len(labels), generator=generator, dtype=torch.float64)
    for c in labels.unique():
        own = (labels == c).nonzero()[:, 0]
        place[own] = (torch.randperm(len(own), generator=generator) + place[own]) / len(own)
    return place.argsort()


def _encoders(data: Dataset, half: int, settings: "FidFaults", bench: Bench) -> dict[str, Features]:
    """Functions from raw images to float64 features (n, d), by name."""
    images, labels = data.splits["train"][:half], data.labels["train"][:half]
    found: dict[str, Features] = {}
    for seed in range(settings.seeds):
        encoder = train_encoder(
            images, labels, classes=data.classes, levels=data.levels, seed=seed, epochs=settings.encoder_epochs,
            augment=data.meta["source"] != "polygons",  # a warp would change their class
            device=bench.device, validation=(data.splits["validation"], data.labels["validation"]),
        )  # fmt: skip
        found[f"classifier {seed}"] = _of(encoder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        untrained = Encoder(data.shape, data.classes, data.levels).to(bench.device)
    raw = extract(untrained, images)[0]
    untrained.mean.copy_(raw.mean(0))
    untrained.std.copy_(raw.std(0).clamp_min(1e-6))
    found["untrained"] = _of(untrained)
    flat = images.flatten(1).double() / (data.levels - 1)
    axes = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)[2][:COMPONENTS].T
    found["pixels"] = lambda x: x.flatten(1).double() / (data.levels - 1) @ axes
    return found


def _of(encoder: Encoder) -> Features:
    return lambda images: extract(encoder, images)[0].double()


def _dropped(real: Tensor, labels: Tensor, order: Tensor, reference: Tensor, counted: bool) -> Iterator[dict]:
    """Real images of fewer and fewer classes, equally many each time: of the two rarest classes, all."""
    kinds, counts = labels.unique(return_counts=True)
    n = int(counts.sort().values[:2].sum())
    kinds = kinds[order.argsort()[: len(kinds)].argsort()]  # another order of the classes in each redraw
    for kept in range(len(kinds), 1, -2 if len(kinds) > 5 else -1):
        rows = real[order[torch.isin(labels[order], kinds[:kept])][:n]]
        row = {"kept": kept, "classes": len(kinds), "n": n, "fid": frechet(rows, reference)[0]}
        counts = neighbours(rows, reference) if counted else None
        yield {**row, "coverage": counts.coverage[0] if counts else np.nan, "recall": counts.recall[0] if counts else np.nan}


def _copies(copied: Tensor, fresh: Tensor, train: Tensor, reference: Tensor, memory: Memory) -> Iterator[dict]:
    """Training data again, all different or a few of them many times, beside fresh data, in a classifier's features."""
    n = len(copied)
    rows = {"fresh data": fresh} | {name: copied[torch.arange(n) % max(1, round(n * share))] for name, share in COPIED.items()}
    for name, each in rows.items():
        found = scores(Images(each, training=Training("", memory)), ("ct", "authpct", "nn_distance"))
        fids = {"fid": frechet(each, reference)[0], "fid_training": frechet(each, train)[0]}
        yield {"sampler": name, **fids, **{score.metric: score.value for score in found}}
