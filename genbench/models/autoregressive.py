"""Autoregressive models: what they share, and the masked autoencoder."""

import math

import torch
from torch import Tensor

from genbench.models.base import Model, uniform
from genbench.models.outputs import discretised_logistic, gaussian, sample_logistic
from genbench.nets import MaskedMLP

__all__ = ["MADE", "Autoregressive", "RowWise"]

SOFTMAX = 32  # most grey values that have a weight each
AT_ONCE = 512  # images that a convolutional network sees: its features need many times their memory


class Autoregressive(Model):
    """A product of conditionals p(x_i | x_<i), each of a few numbers that a network predicts.

    Conditionals: points a mixture of Gaussians; images of at most 32 grey values a softmax over them, more a mixture of
    discretised logistics. Exact in each case (for images the probability of the image itself).

    References:
        PixelCNN++ (Salimans et al., 2017), arXiv 1701.05517 (discretised logistics)

    Arguments:
        mixture: components of a conditional that is no softmax.
    """

    likelihood = "exact"
    selects = True

    def __init__(self, shape, levels=None, mixture: int = 10):
        super().__init__(shape, levels)
        self.mixture = mixture
        self.softmax = levels is not None and levels <= SOFTMAX
        self.outputs = levels if self.softmax else 3 * mixture

    @torch.no_grad()
    def spread(self, bias: Tensor) -> None:
        """Spread the components over the data's range by the last layer's bias (d * outputs,): equal ones would stay equal."""
        if not self.softmax:
            bias = bias.view(-1, 3, self.mixture)
            bias[:, 1] = torch.linspace(-1.0, 1.0, self.mixture) * (1 if self.levels else 2)
            bias[:, 2] = -2.0 if self.levels else -1.0

    def parts(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, means and log scales (..., mixture) of parameters (..., outputs)."""
        logits, mean, log_scale = parameters.unflatten(-1, (3, self.mixture)).unbind(-2)
        return logits, mean, log_scale.clamp(-7, 2 if self.levels else 3)

    def conditionals(self, x: Tensor, parameters: Tensor) -> Tensor:
        """log p(x_i | x_<i) (B, d) from x (B, d) and the network's output (B, d, outputs)."""
        if self.softmax:
            index = torch.round((x + 1) / 2 * (self.levels - 1)).long()
            return parameters.log_softmax(-1).gather(-1, index.unsqueeze(-1)).squeeze(-1)
        logits, mean, log_scale = self.parts(parameters)
        x = x.unsqueeze(-1)
        log_p = discretised_logistic(x, mean, log_scale, self.levels) if self.levels else gaussian(x, mean, log_scale)
        return (logits.log_softmax(-1) + log_p).logsumexp(-1)

    def draw(self, parameters: Tensor, u: Tensor) -> Tensor:
        """One coordinate (n,) from its parameters (n, outputs) and u (n, 2), uniform on [0, 1)."""
        logits = parameters if self.softmax else self.parts(parameters)[0]
        index = (logits.softmax(-1).cumsum(-1) <= u[:, :1]).sum(-1, keepdim=True).clamp(max=logits.shape[-1] - 1)
        if self.softmax:
            return 2 * index[:, 0] / (self.levels - 1) - 1
        _, mean, log_scale = (each.gather(-1, index)[:, 0] for each in self.parts(parameters))
        if self.levels:  # rounded at once: later pixels are conditioned on grey values, as in training
            return (
                torch.round((sample_logistic(mean, log_scale, u[:, 1]) + 1) / 2 * (self.levels - 1)) * 2 / (self.levels - 1) - 1
            )
        return mean + log_scale.exp() * torch.special.ndtri(u[:, 1].clamp(2**-25, 1 - 2**-24))


class MADE(Autoregressive):
    """A masked autoencoder: all conditionals by one network pass.

    In raster order, or order-agnostic: one of several fixed random orders is drawn for each update, and the model is the
    mixture of what the one network says in each of them, with equal weights.

    References:
        MADE (Germain et al., 2015), arXiv 1502.03509

    Arguments:
        width, depth: of the masked network. mixture: see Autoregressive. dropout: share of hidden units dropped.
        orders: number of random orders, 0 for the raster order.
    """

    name = "made"

    def __init__(self, shape, levels=None, width=256, depth=2, mixture: int = 10, dropout: float = 0.0, orders: int = 0):
        super().__init__(shape, levels, mixture)
        if orders < 0:
            raise ValueError(f"orders must be 0 (raster order) or more, got {orders}")
        self.dropout, self.width, self.depth = dropout, width, depth
        self.net = MaskedMLP(self.dim, self.outputs, width, depth)
        self.spread(self.net.layers[-1].bias)
        generator = torch.Generator().manual_seed(0)  # the same orders for every seed of a model
        places = [torch.randperm(self.dim, generator=generator) for _ in range(orders)] or [torch.arange(self.dim)]
        self.register_buffer("orders", torch.stack(places))  # place of each coordinate (orders, d)

    def noise(self, shape, generator):
        noise = {}
        if self.dropout:
            keep = uniform((*shape, self.depth, self.width), generator) >= self.dropout
            noise["dropout"] = keep.float() / (1 - self.dropout)
        if len(self.orders) > 1:
            noise["order"] = torch.randint(len(self.orders), shape, generator=generator, device=generator.device)
        return noise

    def in_order(self, x: Tensor, order: Tensor, dropout: list[Tensor] | None = None) -> Tensor:
        """Log-probability (B,) of flat x by the conditionals of one order (d,)."""
        return self.conditionals(x, self.net(x, dropout, order=order)).sum(-1)

    def log_prob(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Exact log-probability (B,)."""
        x = self.flat(x)
        return torch.stack([self.in_order(x, order) for order in self.orders]).logsumexp(0) - math.log(len(self.orders))

    def loss_net(self, x, noise, hp):
        if not self.training:
            return -self.log_prob(x).mean()
        dropout = list(noise["dropout"].unbind(-2)) if "dropout" in noise else None
        # the first example's draw serves the batch: an order for each would take as many networks
        order = self.orders.index_select(0, noise["order"][:1])[0] if "order" in noise else self.orders[0]
        return -self.in_order(self.flat(x), order, dropout).mean()

    def sample(self, n, generator):
        x = torch.zeros(n, self.dim, device=generator.device)
        of = torch.randint(len(self.orders), (n,), generator=generator, device=generator.device)
        for k, order in enumerate(self.orders):
            own = (of == k).nonzero()[:, 0]
            part = x[own]
            for i in order.argsort().tolist():
                part[:, i] = self.draw(self.net(part, order=order)[:, i], uniform((len(own), 2), generator))
            x[own] = part
        return x.reshape(n, *self.shape)


class RowWise(Autoregressive):
    """Images in raster order, the channels of a pixel in turn, by a network that can work row by row.

    `net(x) -> (B, C * outputs, H, W)` for images; a row of the same is `net.along(row, context)`, where the context is what the
    row sees of those above it, `net.above(rows, context of the row above)`: a sample costs a network pass over one row per
    number drawn, not over the image.
    """

    def __init__(self, shape, levels=None, mixture: int = 10):
        if len(shape) != 3 or levels is None:
            raise ValueError(f"needs images (C, H, W), not shape {tuple(shape)}")
        super().__init__(shape, levels, mixture)

    def parameters_of(self, out: Tensor) -> Tensor:
        """The network's output (B, C * outputs, H, W) as (B, C * H * W, outputs)."""
        return out.unflatten(1, (self.shape[0], self.outputs)).movedim(2, -1).flatten(1, 3)

    def log_prob(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Exact log-probability (B,)."""
        parts = [self.conditionals(self.flat(part), self.parameters_of(self.net(part))).sum(-1) for part in x.split(AT_ONCE)]
        return torch.cat(parts)

    def loss_net(self, x, noise, hp):
        return -self.log_prob(x).mean()

    def sample(self, n, generator):
        channels, height, width = self.shape
        x, context = torch.zeros(n, *self.shape, device=generator.device), None
        for i in range(height):
            context = self.net.above(x[:, :, :i], context)
            for j in range(width):
                for c in range(channels):
                    out = self.net.along(x[:, :, i : i + 1], context).unflatten(1, (channels, self.outputs))
                    x[:, c, i, j] = self.draw(out[:, c, :, 0, j], uniform((n, 2), generator))
        return x
