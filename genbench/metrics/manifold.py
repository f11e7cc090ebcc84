"""Precision, recall and F1 on data whose manifold is known, by projection and by inversion of the generator."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genbench.metrics.card import Card, metric
from genbench.metrics.cards import METRICS
from genbench.metrics.score import Score
from genbench.metrics.sets import Images, Manifold
from genbench.statistics.uncertainty import wilson

__all__ = ["DELTA", "inversion", "invert", "manifold_precision"]

LUCIC = "Lucic et al. 2018, arXiv:1711.10337 (their code for these metrics was never released)"
CLOSE = (
    "On the manifold means within a squared distance delta: 0.75 for 28x28 images with values in 0..1 as in the paper, in "
    "proportion to the number of pixels for other sizes (stricter for small images: an edge's error grows with the side only)."
)
SHARE = "half of Wilson's interval for a share, which is not 0 where all or none succeed"
INVERSION = (
    "Latents may leave the region where the prior has its mass (the setting `latent_radius` is about 1 inside it), so an example "
    "can count as covered that the model all but never generates."
)
DELTA = 0.75 / 28**2  # Lucic et al. (2018): a squared distance of .75 in images of 28 x 28 values in 0..1, here per value
CONTROL = 0.9  # least share of a model's own samples that its inversion must find
POOL = 4096  # samples whose latents are an inversion's candidates to start from
BATCH = 256  # targets inverted together


@metric(
    Card(
        key="manifold_precision",
        title="Precision on the manifold",
        unit="share",
        direction="higher",
        applies="images",
        group="Manifold",
        what="Share of generated images that lie on the data's known manifold. " + CLOSE,
        range="0 to 1",
        floor="1 for real images; what the search for the nearest point of the manifold finds of the test images is the setting "
        "`ceiling`.",
        uncertainty=f"Standard error over the generated images: {SHARE}.",
        traps="One perfect image repeated gets 1: read it with the recall. Counts all or nothing at delta: a shape shifted by a "
        "pixel fails like noise (`median_distance` in the settings tells them apart). The distance is an upper bound, found by "
        "optimisation. Of polygons, centring and the circle through all vertices belong to the manifold, too.",
        source=LUCIC,
        place=290,
    )
)
def manifold_precision(images: Images) -> Score | None:
    """Share of generated images within DELTA, per value, of the data's known manifold; None where none is known.

    ValueError for images that are not finite.

    References:
        Are GANs Created Equal? (Lucic et al., 2018), arXiv 1711.10337
    """
    manifold = images.manifold
    if manifold is None:
        return None
    distance, delta = images.once(_distances), _delta(manifold)
    precision, ceiling = (float((d <= delta).double().mean()) for d in (distance, manifold.project(manifold.test)))
    about = {**_about(manifold), "ceiling": ceiling, "median_distance": float(distance.double().median())}
    n = len(manifold.made)
    return _score("manifold_precision", precision, n, wilson(precision, n, 1.0)[1], about)


@metric(
    Card(
        key="manifold_recall",
        title="Recall by inversion",
        unit="share",
        direction="higher",
        applies="images",
        group="Manifold",
        what="Share of test images that the generator can reproduce: the least squared error over its latents is at most delta. "
        + CLOSE,
        range="0 to 1",
        floor="1 for a generator that reaches the whole manifold, if the inversion succeeds; `inversion_control` says how "
        "often it does.",
        uncertainty=f"Standard error over the test images: {SHARE}. It is shared by models scored on the same images, and "
        "leaves out the inversion's random starts.",
        traps="Confounds modes that are not covered with an optimiser that fails and with the number of latent dimensions: not "
        "measurable where the control is below 0.9 (`measurable` in the settings). Only for models with a deterministic map from "
        "latents to images. " + INVERSION,
        source=LUCIC,
        place=300,
        needs="decoder",
    )
)
@metric(
    Card(
        key="inversion_control",
        title="Inversion control",
        unit="share",
        direction="none",
        applies="images",
        group="Manifold",
        what="Share of a model's own fresh samples that the inversion of its generator finds again within delta.",
        range="0 to 1",
        floor="1: every one of these samples has a latent that gives it exactly.",
        uncertainty=f"Standard error over the samples: {SHARE}.",
        traps="Says whether manifold_recall can be believed and nothing about the model's quality: a collapsed generator gets 1.",
        source="a control on the inversion of Lucic et al. 2018, arXiv:1711.10337",
        ranked=False,
        place=310,
        needs="decoder",
    )
)
@metric(
    Card(
        key="manifold_f1",
        title="F1 on the manifold",
        unit="share",
        direction="higher",
        applies="images",
        group="Manifold",
        what="Harmonic mean of manifold_precision and manifold_recall.",
        range="0 to 1",
        floor="That of its two parts: 1 for a perfect generator whose inversion succeeds.",
        uncertainty="Standard error by the delta method from those of precision (over generated images) and recall (over test "
        "images), taken as independent.",
        traps="Those of both parts; not measurable where the inversion's control is below 0.9.",
        source=LUCIC,
        place=320,
        needs="decoder",
    )
)
def inversion(images: Images) -> list[Score] | None:
    """Recall by inverting the generator at the test images, its control, and F1; None without a decoder or known manifold.

    The control inverts the generator at as many fresh samples of its own as there are test images, at most n. The three
    share one random stream.

    References:
        Are GANs Created Equal? (Lucic et al., 2018), arXiv 1711.10337
    """
    manifold = images.manifold
    if manifold is None or manifold.generate is None:
        return None
    generate, latent, generator, delta = manifold.generate, manifold.latent, manifold.generator, _delta(manifold)
    n, m = len(manifold.made), len(manifold.test)
    precision = float((images.once(_distances) <= delta).double().mean())
    with torch.no_grad():
        own = generate(torch.randn(min(m, n), latent, generator=generator, device=generator.device))
    (found, z), (kept, _) = (invert(generate, latent, targets, generator) for targets in (manifold.test, own))
    recall, control = (float((errors <= delta).double().mean()) for errors in (found, kept))
    se = wilson(recall, m, 1.0)[1]
    about = {
        **_about(manifold),
        "inversion_control": control,
        "measurable": control >= CONTROL,
        # 1 is where the prior has its mass; far above, an example is only reached from where the model never samples
        "latent_radius": float(z.double().square().mean(1).sqrt().median()),
    }
    f1, error = _f1(precision, wilson(precision, n, 1.0)[1], recall, se)
    own_se = wilson(control, len(own), 1.0)[1]
    return [
        _score("manifold_recall", recall, m, se, about),
        _score("inversion_control", control, len(own), own_se, {**_about(manifold), "least": CONTROL}),
        _score("manifold_f1", f1, n, error, about),
    ]


def _distances(images: Images) -> Tensor:
    """Squared distances (n,) of the generated images to the manifold; ValueError for images that are not finite."""
    manifold = images.manifold
    for name, x in (("samples", manifold.made), ("test examples", manifold.test)):
        if len(x) == 0 or not bool(torch.isfinite(x).all()):
            raise ValueError(f"manifold: {len(x)} {name}, {int((~torch.isfinite(x)).sum())} of their values not finite")
    return manifold.project(manifold.made)


def _delta(manifold: Manifold) -> float:
    """The largest squared distance that counts as on the manifold."""
    return DELTA * manifold.made[0].numel() if manifold.delta is None else manifold.delta


def _about(manifold: Manifold) -> dict[str, Any]:
    return {"reference": "test", "delta": _delta(manifold), "n_reference": len(manifold.test)}


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
    rates = 2 * (recall / total) ** 2, 2 * (precision / total) ** 2
    return 2 * precision * recall / total, math.hypot(rates[0] * precision_se, rates[1] * recall_se)
