"""Autoregressive models."""

import torch
from torch import Tensor

from genbench.models.base import Model, normal, uniform
from genbench.models.outputs import discretised_logistic, gaussian, sample_logistic
from genbench.nets import MaskedMLP

__all__ = ["MADE"]


class MADE(Model):
    """A masked autoencoder: each coordinate given the earlier ones, in raster order, by one network pass.

    Conditionals: points a mixture of Gaussians; images of at most 32 grey values a softmax over them, more a mixture of
    discretised logistics. Exact in each case (for images the probability of the image itself).

    References:
        MADE (Germain et al., 2015), arXiv 1502.03509; PixelCNN++ (Salimans et al., 2017), arXiv 1701.05517

    Arguments:
        width, depth: of the masked network. mixture: components of a conditional. dropout: share of hidden units dropped.
    """

    likelihood = "exact"
    selects = True

    def __init__(self, shape, levels=None, width=256, depth=2, mixture: int = 10, dropout: float = 0.0):
        super().__init__(shape, levels)
        self.mixture, self.dropout, self.width, self.depth = mixture, dropout, width, depth
        self.softmax = levels is not None and levels <= 32
        self.net = MaskedMLP(self.dim, levels if self.softmax else 3 * mixture, width, depth)
        if not self.softmax:  # spread the components over the data's range: equal ones would stay equal
            with torch.no_grad():
                bias = self.net.layers[-1].bias.view(self.dim, 3, mixture)
                bias[:, 1] = torch.linspace(-1.0, 1.0, mixture) * (1 if levels else 2)
                bias[:, 2] = -2.0 if levels else -1.0

    def noise(self, shape, generator):
        if not self.dropout:
            return {}
        keep = uniform((*shape, self.depth, self.width), generator) >= self.dropout
        return {"dropout": keep.float() / (1 - self.dropout)}

    def conditionals(self, x: Tensor, parameters: Tensor) -> Tensor:
        """log p(x_i | x_<i) (B, d) from the network's output (B, d, outputs)."""
        if self.softmax:
            index = torch.round((x + 1) / 2 * (self.levels - 1)).long()
            return parameters.log_softmax(-1).gather(-1, index.unsqueeze(-1)).squeeze(-1)
        logits, mean, log_scale = parameters.unflatten(-1, (3, self.mixture)).unbind(-2)
        x = x.unsqueeze(-1)
        if self.levels:
            log_p = discretised_logistic(x, mean, log_scale.clamp(-7, 2), self.levels)
        else:
            log_p = gaussian(x, mean, log_scale.clamp(-7, 3))
        return (logits.log_softmax(-1) + log_p).logsumexp(-1)

    def log_prob(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Exact log-probability (B,)."""
        x = self.flat(x)
        return self.conditionals(x, self.net(x)).sum(-1)

    def loss_net(self, x, noise, hp):
        x = self.flat(x)
        masks = list(noise["dropout"].unbind(-2)) if self.training and "dropout" in noise else None
        return -self.conditionals(x, self.net(x, masks)).sum(-1).mean()

    def sample(self, n, generator):
        x = torch.zeros(n, self.dim, device=generator.device)
        for i in range(self.dim):
            parameters = self.net(x)[:, i]
            if self.softmax:
                index = torch.multinomial(parameters.softmax(-1), 1, generator=generator)[:, 0]
                x[:, i] = 2 * index / (self.levels - 1) - 1
                continue
            logits, mean, log_scale = parameters.unflatten(-1, (3, self.mixture)).unbind(-2)
            index = torch.multinomial(logits.softmax(-1), 1, generator=generator)
            mean, log_scale = mean.gather(-1, index)[:, 0], log_scale.gather(-1, index)[:, 0]
            if self.levels:  # rounded at once: later pixels are conditioned on grey values, as in training
                draw = sample_logistic(mean, log_scale.clamp(-7, 2), uniform((n,), generator))
                x[:, i] = torch.round((draw + 1) / 2 * (self.levels - 1)) * 2 / (self.levels - 1) - 1
            else:
                x[:, i] = mean + log_scale.clamp(-7, 3).exp() * normal((n,), generator)
        return x.reshape(n, *self.shape)
