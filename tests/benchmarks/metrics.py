"""Print genbench's metrics beside other libraries' values, and what they cost beside torch-fidelity's FID alone.

Usage: python tests/benchmarks/metrics.py [--dataset mnist5k|digits] [--n 5000] [--features 64] [--epochs 3]

Real images against a Gaussian of their first 50 principal components, in the features of a briefly trained encoder. All
libraries get the same features; the times include extracting them. Times are CPU seconds of this process, one thread.
Points: two Gaussians in the plane, with the same projections for the sliced distance.
"""

import argparse
import contextlib
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import ot
import torch
from prdc import compute_prdc
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from genbench.config.read import dataset_spec
from genbench.data import IMAGES
from genbench.metrics.cards import scores
from genbench.metrics.distances import frechet
from genbench.metrics.encoder import Encoder, extract, train_encoder
from genbench.metrics.references import Reference
from genbench.metrics.sets import Images, Points
from genbench.metrics.torchfidelity import measure
from genbench.metrics.transport import sliced_w1, w1

OURS = ("fid", "fid_infinity", "kid", "inception_score", "precision", "recall", "density", "coverage")
COLUMNS = ("genbench", "torch-fidelity", "torchmetrics", "prdc", "POT")


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """The result, and the CPU seconds of all threads."""
    start = time.process_time()
    result = call()
    return result, time.process_time() - start


def setting(name: str, n: int, width: int, epochs: int) -> tuple[Encoder, Tensor, Tensor]:
    """A trained encoder, generated images and as many real ones, uint8 (n, C, H, W)."""
    spec = dataset_spec(name)
    pool = IMAGES[spec.source](spec)[0]
    order = torch.randperm(len(pool.images), generator=torch.Generator().manual_seed(0))[:n]
    real, labels = torch.from_numpy(pool.images)[order], torch.from_numpy(pool.labels).long()[order]
    encoder = train_encoder(
        real, labels, classes=spec.classes, levels=spec.levels, seed=0, epochs=epochs, features=width
    )  # fmt: skip
    flat = real.flatten(1).double()
    _, values, directions = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    z = torch.randn(len(flat), 50, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    made = flat.mean(0) + (z * values[:50] / len(flat) ** 0.5) @ directions[:50]
    return encoder, made.round().clamp(0, spec.levels - 1).to(torch.uint8).reshape(real.shape), real


def identity(width: int) -> nn.Module:
    """What torchmetrics takes as a feature network: here the images are the features."""
    module = nn.Flatten()
    module.num_features = width
    return module


def others(x: Tensor, y: Tensor, logits: Tensor, seed: int) -> dict[str, dict[str, float]]:
    """Values of the other libraries for the same features."""
    n, width = x.shape
    found: dict[str, dict[str, float]] = {key: {} for key in COLUMNS[1:]}
    theirs = measure(
        generated=x, reference=y, cuda=False, fid=True, kid=True, prc=True, kid_subsets=1, kid_subset_size=n, batch_size=1024
    )
    score = measure(generated=logits, reference=logits, cuda=False, isc=True, rng_seed=seed, batch_size=1024)
    found["torch-fidelity"] = {
        "fid": theirs["frechet_inception_distance"],
        "kid": theirs["kernel_inception_distance_mean"],
        "precision": theirs["precision"],
        "recall": theirs["recall"],
        "inception_score": score["inception_score_mean"],
    }
    images = [rows.double().reshape(n, 1, 1, width) for rows in (x, y)]
    fid = FrechetInceptionDistance(identity(width), input_img_size=(1, 1, width), normalize=True).set_dtype(torch.float64)
    kid = KernelInceptionDistance(identity(width), subsets=1, subset_size=n, normalize=True).set_dtype(torch.float64)
    for metric in (fid, kid):
        metric.update(images[0], real=False)
        metric.update(images[1], real=True)
    found["torchmetrics"] = {"fid": float(fid.compute()), "kid": float(kid.compute()[0])}
    with contextlib.redirect_stdout(io.StringIO()):
        third, fifth = (compute_prdc(y.double().numpy(), x.double().numpy(), nearest_k=k) for k in (3, 5))
    found["prdc"] = {key: third[key] for key in ("precision", "recall")} | {key: fifth[key] for key in ("density", "coverage")}
    a, b = x.double().numpy(), y.double().numpy()
    moments = a.mean(0), b.mean(0), np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    found["POT"] = {"fid": float(ot.gaussian.bures_wasserstein_distance(*moments)) ** 2}
    return found


def points(n: int = 2000) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Our distances of points, and others' of the same points."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(n, 2, generator=generator).double() + 0.3, torch.randn(n, 2, generator=generator).double()
    directions = nn.functional.normalize(torch.randn(200, 2, generator=generator).double(), dim=1)
    ours = {"w1": w1(Points(x, y), n).value, "sliced_w1": sliced_w1(Points(x, y), directions=directions).value}
    cost = torch.cdist(x, y).numpy()
    sliced = ot.sliced_wasserstein_distance(x.numpy(), y.numpy(), projections=directions.numpy().T, p=1)
    found = {"POT": {"w1": ot.emd2([], [], cost, numItermax=10**7), "sliced_w1": float(sliced)}}
    found["scipy"] = {"w1": float(cost[linear_sum_assignment(cost)].mean())}
    return ours, found


def table(ours: dict[str, float], found: dict[str, dict[str, float]], columns: tuple[str, ...]) -> None:
    """Print a row per metric; the last column is the largest relative difference from ours."""
    print(f"{'metric':<16}" + "".join(f"{c:>17}" for c in columns) + f"{'difference':>13}")
    for key, value in ours.items():
        theirs = [found.get(column, {}).get(key) for column in columns[1:]]
        cells = [f"{'':>17}" if v is None else f"{v:17.8g}" for v in (value, *theirs)]
        gaps = [abs(v / value - 1) if value else abs(v) for v in theirs if v is not None]
        print(f"{key:<16}" + "".join(cells) + (f"{max(gaps):13.1e}" if gaps else f"{'':>13}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="mnist5k", choices=("mnist5k", "digits"))
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    encoder, made, real = setting(args.dataset, args.n, args.features, args.epochs)
    (features, logits), seconds = timed(lambda: extract(encoder, made))
    (reference, _), seconds_real = timed(lambda: extract(encoder, real))
    seen = Images(features, logits, Reference(encoder.name, "test", reference))
    found, scoring = timed(lambda: scores(seen, OURS))
    (fid, _), fid_alone = timed(lambda: frechet(features.double(), reference.double()))
    theirs, fid_theirs = timed(
        lambda: measure(generated=made, reference=real, cuda=False, encoder=encoder, fid=True, batch_size=256)
    )
    several = {"fid": True, "kid": True, "isc": True, "prc": True, "kid_subset_size": min(1000, len(made) // 2)}
    _, all_theirs = timed(lambda: measure(generated=made, reference=real, cuda=False, encoder=encoder, batch_size=256, **several))
    print(f"{args.dataset}: {len(made)} generated and {len(real)} real images, {args.features} features of {encoder.name}\n")
    table({s.metric: s.value for s in found}, others(features, reference, logits, seed=0), COLUMNS)
    print(f"\nFID from images by torch-fidelity: relative difference {theirs['frechet_inception_distance'] / fid - 1:.1e}\n")
    table(*points(), ("genbench", "POT", "scipy"))
    extraction = seconds + seconds_real
    print(f"\n{'CPU seconds':<52}{'all':>7}{'reference stored':>18}")
    for name, own in (("extraction", 0.0), ("FID alone", fid_alone), ("everything", scoring)):
        print(f"{'genbench, ' + name:<52}{extraction + own:7.2f}{seconds + own:18.2f}")
    print(f"{'torch-fidelity, FID alone':<52}{fid_theirs:7.2f}")
    print(f"{'torch-fidelity, FID, KID (100 x 1000), IS, PRC':<52}{all_theirs:7.2f}")
    for name, theirs in (("FID alone", fid_theirs), ("its four metrics", all_theirs)):
        label = f"everything of ours / {name} of torch-fidelity"
        print(f"{label:<52}{(extraction + scoring) / theirs:7.2f}{(seconds + scoring) / theirs:18.2f}")


if __name__ == "__main__":
    main()
