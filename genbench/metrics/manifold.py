"""Precision, recall and F1 on data whose manifold is known, by projection and by inversion of the generator."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genbench.metrics.cards import METRICS
from genbench.metrics.score import Score
from genbench.statistics.uncertainty import wilson

__all__ = ["DELTA", "invert", "polygon_scores"]

DELTA = 0.75 / 28**2  # Lucic et al. (2018): a squared distance of .75 in images of 28 x 28 values in 0..1, here per value
CONTROL = 0.9  # least share of a model's own samples that its inversion must find
POOL = 4096  # samples whose latents are an inversion's candidates to start from
BATCH = 256  # targets inverted together


def polygon_scores(
    samples: Tensor,
    test: Tensor,
    project: Callable[[Tensor], Tensor],
    *,
    generate: Callable[[Tensor], Tensor] | None = None,
    latent: int = 0,
    generator: torch.Generator | None = None,
    delta: float | None = None,
    settings: dict[str, Any] | None = None,
) -> list[Score]:
    """Score samples (n, ...) against test examples (m, ...), both in the units of `project`, images in 0..1.

    `project` gives each example's squared distance (n,) to the manifold, `delta` is the largest that counts as on it (default:
    DELTA times the values of an example). With `generate`, from latents (B, latent) ~ N(0, I) to (B, ...) in the same units,
    differentiable and on the device of `generator`, recall is measured by inverting it at the test examples, and checked by
    inverting it at n fresh samples of its own, at most m. Returns manifold_precision, and with `generate`
    manifold_recall, inversion_control and manifold_f1. Raises ValueError for non-finite input.

    References:
        Are GANs Created Equal? (Lucic et al., 2018), arXiv 1711.10337
    """
    for name, x in (("samples", samples), ("test examples", test)):
        if len(x) == 0 or not bool(torch.isfinite(x).all()):
            raise ValueError(f"manifold: {len(x)} {name}, {int((~torch.isfinite(x)).sum())} of their values not finite")
    if delta is None:
        delta = DELTA * samples[0].numel()
    common = {**(settings or {}), "delta": delta, "n_reference": len(test)}
    distance = project(samples)
    precision, ceiling = (float((d <= delta).double().mean()) for d in (distance, project(test)))
    about = {**common, "ceiling": ceiling, "median_distance": float(distance.double().median())}
    scores = [_score("manifold_precision", precision, len(samples), wilson(precision, len(samples), 1.0)[1], about)]
    if generate is None:
        return scores
    m = len(test)
    with torch.no_grad():
        own = generate(torch.randn(min(m, len(samples)), latent, generator=generator, device=generator.device))
    (found, z), (kept, _) = (invert(generate, latent, targets, generator) for targets in (test, own))
    recall, control = (float((errors <= delta).double().mean()) for errors in (found, kept))
    se = wilson(recall, m, 1.0)[1]
    about = {
        **common,
        "inversion_control": control,
        "measurable": control >= CONTROL,
        # 1 is where the prior has its mass; far above, an example is only reached from where the model never samples
        "latent_radius": float(z.double().square().mean(1).sqrt().median()),
    }
    scores.append(_score("manifold_recall", recall, m, se, about))
    scores.append(_score("inversion_control", control, len(own), wilson(control, len(own), 1.0)[1], {**common, "least": CONTROL}))
    f1, error = _f1(precision, scores[0].se, recall, se)
    return [*scores, _score("manifold_f1", f1, len(samples), error, about)]


def invert(
    generate: Callable[[Tensor], Tensor],
    latent: int,
    targets: Tensor,
    generator: torch.Generator,
    *,
    steps: int = 150,
    restarts: int = 3,
    lr: float = 0.05,
) -> tuple[Tensor, Tensor]:
    """Return the least squared errors (n,) of `generate` at targets (n, ...), and the latents (n, latent) that gave them.

    Adam from the latents of the `restarts` nearest of 4096 samples of the model, with a rate that falls to 0 like a cosine;
    the best state of all is kept. Latents are free: they may leave the region where the prior has its mass. float32 on the
    CPU; an upper bound of the true least error, for the search may fail.
    """
    device = generator.device
    with torch.no_grad():
        pool = torch.randn(POOL, latent, generator=generator, device=device)
        made = generate(pool).flatten(1)
    errors, latents = [], []
    for part in targets.flatten(1).to(made).split(BATCH):
        near = torch.cdist(part, made).topk(restarts, largest=False).indices
        x = part[:, None].expand(-1, restarts, -1).flatten(0, 1)
        z = pool[near].flatten(0, 1).requires_grad_()
        optimizer = torch.optim.Adam([z], lr=lr, betas=(0.9, 0.99))
        best, kept = torch.full((len(z),), math.inf, device=device), z.detach().clone()
        for step in range(steps + 1):
            error = (generate(z).flatten(1) - x).square().sum(1)
            better = error.detach() < best
            best = torch.where(better, error.detach(), best)
            kept = torch.where(better[:, None], z.detach(), kept)
            if step < steps:
                optimizer.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * step / steps)) / 2
                (z.grad,) = torch.autograd.grad(error.sum(), z)
                optimizer.step()
        best, place = best.unflatten(0, (-1, restarts)).min(1)
        errors.append(best.float().cpu())
        latents.append(kept.unflatten(0, (-1, restarts))[torch.arange(len(part), device=device), place].float().cpu())
    return torch.cat(errors), torch.cat(latents)


def _score(metric: str, value: float, n: int, se: float, settings: dict[str, Any]) -> Score:
    return Score(metric, value, n, METRICS[metric].unit, se, settings=settings)


def _f1(precision: float, precision_se: float, recall: float, recall_se: float) -> tuple[float, float]:
    """Harmonic mean of independent precision and recall, and its standard error by the delta method."""
    total = precision + recall
    if total == 0:
        return 0.0, max(precision_se, recall_se)
    slopes = 2 * (recall / total) ** 2, 2 * (precision / total) ** 2
    return 2 * precision * recall / total, math.hypot(slopes[0] * precision_se, slopes[1] * recall_se)
