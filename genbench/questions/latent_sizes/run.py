"""How many latent numbers does a VAE use, and what do more of them bring?"""

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import torch

from genbench.data import bits_per_dim, space
from genbench.likelihood.importance import importance_bounds
from genbench.models.vae import VAE
from genbench.questions.quality import sample_distance
from genbench.questions.training import Bench, train
from genbench.training.replicas import stream
from genbench.training.trainer import Switches

if TYPE_CHECKING:
    from genbench.questions.latent_sizes.settings import Settings as LatentSizes

__all__ = ["active_units", "run"]

ACTIVE = 0.01  # variance over examples of a latent's mean beyond which it is in use


def run(settings: "LatentSizes", bench: Bench) -> dict[str, pd.DataFrame]:
    """Train VAEs that differ in their number of latents, and score them on the test split.

    Table `sizes` (dataset, latent, seed, elbo, iwae, active, distance, floor): the negative bounds in bits per dimension, by one
    weight and by `weights` of them; the latents in use; the Fréchet distance of samples to the test split by the features of a
    small classifier, and that of as many training images.

    References:
        Importance Weighted Autoencoders (Burda et al., 2015), arXiv 1509.00519, section 5
    """
    rows = []
    for name in settings.datasets:
        recipe, data = bench.recipe("vae", name), bench.data[name]
        distance, seen = sample_distance(data, settings, bench.device), space(data, VAE.space[data.kind])
        floor = distance(data.splits["train"][: settings.samples])
        x = seen.encode(data.splits["test"][: settings.examples].to(bench.device))
        for latent in settings.sizes:
            results = train(VAE, name, settings, bench, {**recipe.net, "latent": latent}, recipe.hp, Switches(**recipe.train))
            for seed, result in enumerate(results):
                generator = torch.Generator(bench.device).manual_seed(stream(seed, "look"))
                bounds = importance_bounds(partial(result.model.log_weights, x, generator), settings.weights)
                made = seen.decode(result.model.sample(settings.samples, generator))
                row = {"dataset": name, "latent": latent, "seed": seed}
                row |= {k: float(bits_per_dim(getattr(bounds, k), result.model.dim).mean()) for k in ("elbo", "iwae")}
                rows.append({**row, "active": active_units(result.model, x), "distance": distance(made), "floor": floor})
            bench.log(f"{name}/{latent}: {rows[-1]['iwae']:.3f} bits/dim, {rows[-1]['active']} in use")
    return {"sizes": pd.DataFrame(rows)}


def active_units(model: VAE, x: torch.Tensor) -> int:
    """Number of latents whose posterior mean varies over examples x by more than 0.01 (Burda et al.'s A_u)."""
    return int((model.encode(x)[0].var(0) > ACTIVE).sum())
