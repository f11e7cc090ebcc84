"""Which estimator of a VAE's gradient is the least noisy, at the start of training and at its end?"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from genbench.data import space
from genbench.experiments.training import Bench, train
from genbench.models import MODELS
from genbench.models.vae import VAE
from genbench.training.replicas import stream
from genbench.training.trainer import Switches

if TYPE_CHECKING:
    from genbench.config.experiments import VAEGradients

__all__ = ["ESTIMATORS", "gradients", "run"]

# by name: the estimator, and whether it has a baseline
ESTIMATORS: Mapping[str, tuple[str, bool]] = {
    "closed": ("closed", False),
    "total": ("total", False),
    "path": ("path", False),
    "score": ("score", False),
    "score, baseline": ("score", True),
}
CHUNK = 50  # draws of noise that are differentiated together


class _Loss(nn.Module):
    """A VAE's loss by one of the estimators, as a function of its weights."""

    def __init__(self, model: VAE):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, noise: dict[str, Tensor], hp: dict[str, Tensor]) -> Tensor:
        return self.model.loss_net(x, noise, hp)


def gradients(model: VAE, name: str, x: Tensor, z: Tensor, part: str = "net.") -> Tensor:
    """Gradients (draws, n) of the loss on a batch x (B, ...), by estimator `name`, for each of the draws of noise z (draws, B, latent).

    n: how many weights have names that start with `part`.
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
