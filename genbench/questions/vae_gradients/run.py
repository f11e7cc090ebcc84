"""Which estimator of a VAE's gradient is the least noisy, at the start of training and at its end?"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from genbench.data import space
from genbench.models.base import normal
from genbench.models.vae import VAE
from genbench.questions.training import Bench, train
from genbench.training.replicas import stream
from genbench.training.trainer import Switches

if TYPE_CHECKING:
    from genbench.questions.vae_gradients.settings import Settings as VAEGradients

__all__ = ["ESTIMATORS", "gradients", "moments", "run"]

# by name: the estimator, and whether it has a baseline
ESTIMATORS: Mapping[str, tuple[str, bool]] = {
    "closed": ("closed", False),
    "total": ("total", False),
    "path": ("path", False),
    "score": ("score", False),
    "score, baseline": ("score", True),
}
EARLY = 0.05  # share of the updates
CHUNK = 50  # draws of noise that are differentiated together


def run(settings: "VAEGradients", bench: Bench) -> dict[str, pd.DataFrame]:
    """Variances of the estimators' gradients by the encoder's weights before, early in and after a training by the recipe.

    All estimators see the same weights, test examples and noise. Table `variances` (dataset, seed, stage, update, estimator,
    variance, signal): the variance over draws of the noise and the squared mean, both summed over the weights, of the gradient
    of the mean loss over `examples`; signal is the closed form's for all, less what the noise of its mean adds.

    References:
        Sticking the landing (Roeder et al., 2017), arXiv 1703.09194
        Monte Carlo gradient estimation in machine learning (Mohamed et al., 2019), arXiv 1906.10652
    """
    rows: list[dict] = []
    for name in settings.datasets:
        recipe, data = bench.recipe("vae", name), bench.data[name]
        x = space(data, VAE.space[data.kind]).encode(data.splits["test"][: settings.examples].to(bench.device))

        def look(replicas, update, x=x, name=name):
            for k in range(replicas.count):
                generator = torch.Generator(bench.device).manual_seed(stream(k, "look"))
                model = replicas.extract(k)
                z = normal((settings.draws, len(x), model.latent), generator)
                found = {each: moments(gradients(model, each, x, z, "net.encoder")) for each in ESTIMATORS}
                stage = "start" if not update else "end" if update == settings.updates else "early"
                about = {"dataset": name, "seed": k, "stage": stage, "update": update}
                signal = found["closed"][1]
                rows.extend({**about, "estimator": each, "variance": v, "signal": signal} for each, (v, _) in found.items())

        looks = [0, round(EARLY * settings.updates), settings.updates]
        train(VAE, name, settings, bench, recipe.net, recipe.hp, Switches(**recipe.train), looks, look)
        last = {row["estimator"]: row["variance"] for row in rows[-len(ESTIMATORS) :]}
        bench.log(f"{name}: variances of the last seed in the end: " + ", ".join(f"{k} {v:.3g}" for k, v in last.items()))
    return {"variances": pd.DataFrame(rows)}


class _Loss(nn.Module):
    """A VAE's loss by one of the estimators, as a function of its weights."""

    def __init__(self, model: VAE):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, noise: dict[str, Tensor], hp: dict[str, Tensor]) -> Tensor:
        return self.model.loss_net(x, noise, hp)


def gradients(model: VAE, name: str, x: Tensor, z: Tensor, part: str = "net.") -> Tensor:
    """Gradients (draws, n) of the loss on a batch x (B, ...), by estimator `name`, for each draw of noise z (draws, B, latent).

    Of the n weights whose names start with `part`.
    """
    estimator, baseline = model.estimator, model.baseline
    model.estimator, model.baseline = ESTIMATORS[name]
    loss, hp = _Loss(model), {key: x.new_tensor(value) for key, value in model.hp.items()}
    weights = {key: value.detach() for key, value in loss.named_parameters()}
    fixed = {key: value for key, value in weights.items() if not key.startswith(f"model.{part}")}
    moved = {key: value for key, value in weights.items() if key not in fixed}
    one = grad(lambda own, z: functional_call(loss, {**fixed, **own}, (x, {"z": z}, hp)))
    try:
        found = [vmap(one, (None, 0))(moved, each) for each in z.split(CHUNK)]
    finally:
        model.estimator, model.baseline = estimator, baseline
    return torch.cat([torch.cat([value.flatten(1) for value in each.values()], 1) for each in found])


def moments(gradients: Tensor) -> tuple[float, float]:
    """Variance over draws and squared mean of gradients (draws, n), summed over the n weights, both without bias."""
    variance = gradients.var(0).sum()
    # a mean over draws has noise left, which adds to its square
    return float(variance), float(gradients.mean(0).square().sum() - variance / len(gradients))
