"""What does each term of a VAE's objective do to its latents?"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from genbench.data import Dataset, bits_per_dim, space
from genbench.models.base import normal
from genbench.models.vae import VAE
from genbench.questions.training import Bench, train
from genbench.sampling.latent import arcs
from genbench.training.replicas import stream
from genbench.training.trainer import Switches

if TYPE_CHECKING:
    from genbench.questions.vae_terms.settings import Settings as VAETerms

__all__ = ["TERMS", "run"]

TERMS = {"reconstruction only": (1.0, 0.0), "KL only": (0.0, 1.0), "both": (1.0, 1.0)}  # weights of both
NEIGHBOURS = 10
EDGE = 0.02  # of the probability that the grid of latents leaves out on each side


class Weighted(VAE):
    """A VAE whose terms both have weights."""

    hp = {"reconstruction": 1.0, "beta": 1.0}

    def loss_net(self, x, noise, hp):
        log_p, kl = self.terms(x, noise)
        return (hp["beta"] * kl - hp["reconstruction"] * log_p).mean()


def run(settings: "VAETerms", bench: Bench) -> dict[str, pd.DataFrame]:
    """Train VAEs of two latent numbers on the reconstruction alone, the KL alone and both, and look at the latents.

    Tables: `scores` (dataset, terms, seed, reconstruction, kl, spread, accuracy): means over test examples of -log p(x|z) and of
    the KL in bits per dimension, their sum the negative bound; the standard deviation of z under the encoder, over examples and
    draws, which is 1 under the prior; and how often most of the 10 nearest training means have a test mean's class.
    `codes` (dataset, terms, label, z1, z2): means of test examples, first seed. `pictures` (dataset, kind, row, column, levels,
    height, width, pixels), first seed of both terms: kind "grid", images decoded from a grid of latents at quantiles of the
    prior; kinds "spherical" and "linear", a row for each pair of test examples of two classes, decoded along the path between
    their means. Pixels are raw grey values, row by row.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2013), arXiv 1312.6114, figure 4
        Sampling generative networks (White, 2016), arXiv 1609.04468
    """
    scores, codes, pictures = [], [], []
    for name in settings.datasets:
        recipe, data = bench.recipe("vae", name), bench.data[name]
        for terms, (reconstruction, beta) in TERMS.items():
            hp = {**recipe.hp, "reconstruction": reconstruction, "beta": beta}
            results = train(Weighted, name, settings, bench, {**recipe.net, "latent": 2}, hp, Switches(**recipe.train))
            for seed, result in enumerate(results):
                row, mean = _looked_at(result.model, data, seed, settings.examples, bench.device)
                scores.append({"dataset": name, "terms": terms, "seed": seed, **row})
                if seed == 0:
                    labels = data.labels["test"][: len(mean)]
                    codes.append(
                        pd.DataFrame({"dataset": name, "terms": terms, "label": labels, "z1": mean[:, 0], "z2": mean[:, 1]})
                    )
                    pictures += _pictures(result.model, data, mean, settings) if terms == "both" else []
            bench.log(f"{name}/{terms}: neighbours find {scores[-1]['accuracy']:.0%} of classes")
    return {"scores": pd.DataFrame(scores), "codes": pd.concat(codes, ignore_index=True), "pictures": pd.DataFrame(pictures)}


def _looked_at(model: VAE, data: Dataset, seed: int, examples: int, device) -> tuple[dict[str, float], Tensor]:
    """A trained model's scores, and the means (n, 2) of test examples."""
    seen = space(data, model.space[data.kind])
    train_x, x = (seen.encode(data.splits[split][:examples].to(device)) for split in ("train", "test"))
    mean, log_std = model.encode(x)
    noise = normal(mean.shape, torch.Generator(device).manual_seed(stream(seed, "look")))
    log_p, kl = model.terms(x, {"z": noise})
    neighbours = KNeighborsClassifier(NEIGHBOURS).fit(model.encode(train_x)[0].cpu(), data.labels["train"][: len(train_x)])
    accuracy = neighbours.score(mean.cpu(), data.labels["test"][: len(x)])
    bits = {"reconstruction": log_p, "kl": -kl}
    row = {name: float(bits_per_dim(value, model.dim).mean()) for name, value in bits.items()}
    return {**row, "spread": float((mean + log_std.exp() * noise).std()), "accuracy": accuracy}, mean.cpu()


def _pictures(model: VAE, data: Dataset, mean: Tensor, settings: "VAETerms") -> list[dict]:
    """What is decoded from a grid of latents and along paths between means of test examples, as rows of a table."""
    axis = torch.special.ndtri(torch.linspace(EDGE, 1 - EDGE, settings.side))
    paths = {"grid": torch.stack(torch.meshgrid(axis.flip(0), axis, indexing="ij")[::-1], -1)}  # z1 to the right, z2 upwards
    labels = data.labels["test"][: len(mean)]
    firsts = [int((labels == label).nonzero()[0]) for label in labels.unique()]
    pairs = list(zip(firsts, firsts[1:], strict=False))[: settings.pairs]
    a, b = (mean[[pair[end] for pair in pairs]] for end in (0, 1))
    t = torch.linspace(0, 1, settings.steps)
    paths["spherical"], paths["linear"] = arcs(a, b, t).transpose(0, 1), torch.lerp(a, b, t.reshape(-1, 1, 1)).transpose(0, 1)
    rows, seen = [], space(data, model.space[data.kind])
    for kind, z in paths.items():
        images = seen.decode(model.generate(z.flatten(0, 1).to(next(model.parameters()))).reshape(-1, *model.shape)).cpu()
        grey = images.double().mean(1).round().flatten(1).numpy().astype(np.int64)
        about = {"dataset": data.name, "kind": kind, "levels": data.levels, "height": data.shape[1], "width": data.shape[2]}
        places = [(i, j) for i in range(z.shape[0]) for j in range(z.shape[1])]
        rows += [{**about, "row": i, "column": j, "pixels": p.tolist()} for (i, j), p in zip(places, grey, strict=True)]
    return rows
