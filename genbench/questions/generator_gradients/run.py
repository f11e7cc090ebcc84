"""What does a generator learn from a critic that is far ahead of it?"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch.func import grad

from genbench.data import space
from genbench.models.base import normal
from genbench.models.gan_losses import LOSSES
from genbench.questions.training import ALONE, Bench, CriticOnly, train
from genbench.training.replicas import stream
from genbench.training.trainer import Switches

if TYPE_CHECKING:
    from genbench.questions.generator_gradients.settings import Settings as GeneratorGradients

__all__ = ["curves", "run"]

VALUES = np.linspace(-8, 8, 161)  # of the critic
LOOKS = 16  # at the gradients, after the first at a critic that has learnt nothing
POINTS = 512  # fakes behind a gradient
# losses of critics, and the losses of generators that meet them: two share one critic
PAIRS = {
    "non_saturating": ("minimax", "non_saturating"),
    "least_squares": ("least_squares",),
    "wasserstein": ("wasserstein",),
    "hinge": ("hinge",),
}


def run(settings: "GeneratorGradients", bench: Bench) -> dict[str, pd.DataFrame]:
    """Gradients of the generator's losses: by the critic's value, and in front of a critic that has been trained alone.

    The generator keeps its initial weights while a critic learns to reject it; from time to time the gradient of the generator's
    loss by its weights is taken. Critics have no regularisation, the Wasserstein one a gradient penalty. Tables: `curves`, see
    there; `gradients` (dataset, loss, seed, update, norm, accuracy): Euclidean norms, with the share of real and fake examples
    that the critic gets right at its boundary.

    References:
        Towards Principled Methods for Training GANs (Arjovsky & Bottou, 2017), arXiv 1701.04862, figures 2 and 3
    """
    rows: list[dict] = []
    for name in settings.datasets:
        for critic in PAIRS:
            rows += _ahead(name, critic, settings, bench)
            bench.log(f"{name}/{critic}: gradient {rows[-1]['norm']:.3g} after {rows[-1]['update']} updates of the critic")
    return {"curves": curves(), "gradients": pd.DataFrame(rows)}


def curves() -> pd.DataFrame:
    """Derivatives of the generators' losses by the critic's value at a fake: (loss, value, gradient), by autograd."""
    parts = []
    for name, loss in LOSSES.items():
        hp = {key: torch.tensor(value, dtype=torch.float64) for key, value in loss.hp.items()}
        values = torch.as_tensor(VALUES)
        gradient = grad(lambda v, loss=loss, hp=hp: loss.generator(v, hp).sum())(values)
        parts.append(pd.DataFrame({"loss": name, "value": VALUES, "gradient": gradient}))
    return pd.concat(parts, ignore_index=True)


def _ahead(name: str, critic: str, settings: "GeneratorGradients", bench: Bench) -> list[dict]:
    """Gradients in front of critics of one loss, seed by seed."""
    data, rows = bench.data[name], []
    real = space(data, CriticOnly.space[data.kind]).encode(data.splits["test"][:POINTS].to(bench.device)).flatten(1)

    def look(replicas, update):
        for k in range(replicas.count):
            model, hp = replicas.extract(k), {key: value[k] for key, value in replicas.hp.items()}
            weights = list(model.generator.requires_grad_(True).parameters())
            z = normal((POINTS, model.latent), torch.Generator(bench.device).manual_seed(stream(k, "look")))
            true, fake = model.score(real), model.score(model.generate(z))
            boundary = model.boundary(true, fake, hp)
            right = 0.5 * (true > boundary).float().mean() + 0.5 * (fake < boundary).float().mean()
            for loss in PAIRS[critic]:
                grads = torch.autograd.grad(LOSSES[loss].generator(fake, hp).mean(), weights, retain_graph=True)
                norm = torch.stack([each.norm() for each in grads]).norm()
                row = {"dataset": name, "loss": loss, "seed": k, "update": update}
                rows.append({**row, "norm": float(norm), "accuracy": float(right)})

    (network,) = settings.recipes
    net = {**bench.recipe(network, name).net, "loss": critic}
    hp = {"lr": settings.lr, **ALONE}
    if critic == "wasserstein":
        net, hp = {**net, "penalty": "interpolates"}, {**hp, "gp": settings.gp}
    every = [round(settings.updates * i / LOOKS) for i in range(LOOKS + 1)]
    train(CriticOnly, name, settings, bench, net, hp, Switches(ema=0.0, schedule="constant"), every, look)
    return rows
