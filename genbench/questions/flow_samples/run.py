"""What does the temperature of a flow's samples trade, and do its latents lead from one image to another?"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from genbench.data import Dataset, space
from genbench.data.space import Space
from genbench.metrics.distances import frechet
from genbench.metrics.encoder import Encoder, extract
from genbench.metrics.neighbours import neighbours
from genbench.models.glow import Glow
from genbench.questions.quality import classifier
from genbench.questions.training import Bench, train
from genbench.training.replicas import stream
from genbench.training.trainer import Switches

if TYPE_CHECKING:
    from genbench.questions.flow_samples.settings import Settings as FlowSamples

__all__ = ["run"]

ROW = 10  # samples shown of a temperature


def run(settings: "FlowSamples", bench: Bench) -> dict[str, pd.DataFrame]:
    """Train Glow by its recipe, sample it at several temperatures, and walk between latents of test images.

    Scores are those of a small classifier's features against the test split: Fréchet distance, precision and recall. Tables:
    `temperatures` (dataset, seed, temperature, fid, precision, recall), latents drawn from N(0, temperature^2 I); `real`
    (dataset, fid, precision, recall), of as many training images; `paths` (dataset, seed, way, weight, confidence, precision),
    over pairs of test images of different classes, mixed with `weight` of the second: "latents", mixed before the flow's inverse,
    or "pixels"; confidence is the classifier's in its guess, precision the share within the manifold of the training images.
    `pictures` (dataset, what, line, place, row, column, value) of seed 0; what is "samples" or a way, and line a temperature
    or the number of a pair.

    References:
        Glow (Kingma & Dhariwal, 2018), arXiv 1807.03039, section 6, figures 5 and 8
        Improved Precision and Recall Metric for Assessing Generative Models (Kynkäänniemi et al., 2019), arXiv 1904.06991
    """
    tables: dict[str, list[pd.DataFrame]] = {"temperatures": [], "real": [], "paths": [], "pictures": []}
    for name in settings.datasets:
        for table, rows in _dataset(bench.data[name], settings, bench).items():
            tables[table].append(pd.DataFrame(rows) if table != "pictures" else pd.concat(rows, ignore_index=True))
            tables[table][-1].insert(0, "dataset", name)
    return {table: pd.concat(frames, ignore_index=True) for table, frames in tables.items()}


def _dataset(data: Dataset, settings: "FlowSamples", bench: Bench) -> dict[str, list]:
    seen, recipe = space(data, Glow.space[data.kind]), bench.recipe("glow", data.name)
    encoder = classifier(data, settings.encoder_epochs, bench.device)
    known, test = (extract(encoder, data.splits[split])[0] for split in ("train", "test"))
    count = min(settings.samples, len(known))  # recall and the Fréchet distance depend on it
    out = {"temperatures": [], "real": [_scores(known[:count], test)], "paths": [], "pictures": []}
    ends = _pairs(data, settings.pairs)
    weights = np.linspace(0, 1, settings.steps).tolist()
    results = train(Glow, data.name, settings, bench, recipe.net, recipe.hp, Switches(**recipe.train))
    for seed, result in enumerate(results):
        flow = result.model
        if flow is None:
            continue
        for temperature in settings.temperatures:
            generator = torch.Generator(bench.device).manual_seed(stream(seed, "look"))  # the same at every temperature
            images = seen.decode(flow.sample(count, generator, temperature))
            features, _ = extract(encoder, images)
            out["temperatures"].append({"seed": seed, "temperature": temperature, **_scores(features, test)})
            if seed == 0:
                out["pictures"] += [_picture(image, data, "samples", temperature, i) for i, image in enumerate(images[:ROW])]
        latents = _latents(flow, seen, ends.to(bench.device), seed)
        for place, weight in enumerate(weights):
            mixed = {
                "latents": seen.decode(flow.inverse(torch.lerp(*latents, weight)).unflatten(-1, flow.shape)),
                "pixels": torch.lerp(*ends.float(), weight).round().to(ends.dtype),
            }
            for way, images in mixed.items():
                row = {"seed": seed, "way": way, "weight": weight}
                out["paths"].append({**row, **_guessed(encoder, images, known)})
                if seed == 0:
                    out["pictures"] += [_picture(image, data, way, i, place) for i, image in enumerate(images[: settings.shown])]
        last = out["temperatures"][-1]
        bench.log(f"{data.name}: seed {seed}, at temperature {last['temperature']:g} FID {last['fid']:.3g}")
    return out


def _scores(features: Tensor, test: Tensor) -> dict[str, float]:
    counts = neighbours(features, test)
    return {"fid": frechet(features, test)[0], "precision": counts.precision[0], "recall": counts.recall[0]}


def _pairs(data: Dataset, count: int) -> Tensor:
    """Test images (2, pairs, ...) of different classes, in a fixed random order."""
    images, labels = data.splits["test"], data.labels["test"]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    first, second = order, order.roll(1)
    apart = labels[first] != labels[second]
    return torch.stack([images[first[apart][:count]], images[second[apart][:count]]])


def _latents(flow: Glow, seen: Space, images: Tensor, seed: int) -> Tensor:
    """Latents (2, pairs, dim) of dequantised raw images (2, pairs, ...)."""
    u = torch.rand(images.shape, generator=torch.Generator(images.device).manual_seed(stream(seed, "look")), device=images.device)
    return torch.stack([flow(flow.flat(x))[0] for x in seen.encode(images, u)])


def _guessed(encoder: Encoder, images: Tensor, known: Tensor) -> dict[str, float]:
    features, logits = extract(encoder, images)
    precision = neighbours(features, known).precision[0]
    return {"confidence": float(logits.softmax(1).amax(1).mean()), "precision": precision}


def _picture(image: Tensor, data: Dataset, what: str, line: float, place: int) -> pd.DataFrame:
    grey = image.cpu().float().mean(0) / (data.levels - 1)
    row, column = np.divmod(np.arange(grey.numel()), grey.shape[1])
    about = {"what": what, "line": float(line), "place": place, "row": row, "column": column}
    return pd.DataFrame({**about, "value": grey.flatten().numpy()})
