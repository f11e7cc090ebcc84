"""Variational autoencoders whose posterior is not normal."""

import torch
from torch import nn

from genbench.models.autoregressive_flow import AutoregressiveLayers
from genbench.models.base import normal
from genbench.models.outputs import gaussian
from genbench.models.vae import VAE, FreeBits

__all__ = ["IAFVAE"]

DRAWS = 64  # of a posterior for its moments


class IAFVAE(FreeBits):
    """A posterior that an inverse autoregressive flow makes of the encoder's normal distribution.

    The encoder gives z_0, and z_t = s_t z_{t-1} + (1 - s_t) m_t with gates s_t in (0, 1) that depend on the earlier
    coordinates of z_{t-1} and on a context of the encoder, in reversed order at every other step. So
    log q(z_T|x) = log q(z_0|x) - sum of log s_t. The prior stays N(0, I).

    References:
        Improving Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016), arXiv 1606.04934

    Arguments:
        steps: of the flow. flow_width: of its conditioners, perceptrons of two hidden layers. context: numbers that the encoder
            gives them. The others: VAE.
    """

    name = "iaf_vae"
    estimators = ("total",)

    def __init__(self, *args, steps: int = 2, flow_width: int = 64, context: int = 16, **net):
        super().__init__(*args, **net)
        if steps < 1 or context < 1:
            raise ValueError(f"steps and context must be at least 1; got {steps} and {context}")
        self.net["context"] = nn.Linear(self.net["encoder"].head.in_features, context)
        self.net["flow"] = AutoregressiveLayers(steps, self.latent, flow_width, 2, context, gate="sigmoid")

    def posterior(self, x, noise, label=None):
        mean, log_std = VAE.encode(self, x, label)
        start = mean + log_std.exp() * noise["z"]
        context = self.net["context"](self.net["encoder"].features(x.reshape(-1, *self.shape)))
        z, log_det = self.net["flow"](start, context)
        return z, gaussian(start, mean, log_std).sum(-1) - log_det

    def encode(self, x, label=None):
        """Mean and log standard deviation of q(z|x), from draws that are always the same."""
        generator = torch.Generator(x.device).manual_seed(0)
        noise = normal((DRAWS, 1, self.latent), generator).to(x).expand(-1, len(x), -1)
        z = torch.stack([self.posterior(x, {"z": each}, label)[0] for each in noise])
        return z.mean(0), z.std(0).log()
