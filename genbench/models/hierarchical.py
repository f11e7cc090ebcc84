"""Variational autoencoders with several levels of latent variables."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.models.base import Model
from genbench.models.decoders import distribution_of
from genbench.models.outputs import gaussian
from genbench.models.vae import FreeBits, kl_from_standard
from genbench.nets import MLP
from genbench.nets.parts import grow, he, image, ladder, normaliser, shrink

__all__ = ["NVAE", "Hierarchy", "LadderVAE", "precision_weighted"]

Normal = tuple[Tensor, Tensor]  # mean and log standard deviation (B, size)


class Hierarchy(FreeBits):
    """Levels z_1, z_2, ..., top first, each with a normal prior given those above, and a normal posterior given x as well.

    The contract's latent is u ~ N(0, I), of which z_l = mean_l + std_l u_l under the prior of level l: the model decodes
    standard normal numbers as others do. A posterior is written by its distance from the prior, N(shift, ratio^2) of u_l, so
    the KL of a level is that of u_l to N(0, I) in closed form; the levels above it are sampled. z_1 = u_1.

    A subclass sets `sizes` and says by its methods how the levels hang together.
    """

    estimators = ("closed",)
    sizes: tuple[int, ...]  # numbers per level

    def up(self, x: Tensor) -> list:
        """What x says about each level: its evidence."""
        raise NotImplementedError

    def start(self, given: Tensor) -> Tensor:
        """The state (B, ...) above the top level, for latents (B, latent)."""
        raise NotImplementedError

    def conditional_prior(self, level: int, state: Tensor) -> Normal:
        """The prior of z_l below the top, given the state of the levels above."""
        raise NotImplementedError

    def residual(self, level: int, state: Tensor, evidence, prior: Normal) -> Normal:
        """Shift and log ratio of q(u_l | x, levels above), from what `up` says of x at this level and the level's prior."""
        raise NotImplementedError

    def down(self, level: int, state: Tensor, z: Tensor) -> Tensor:
        """The state of the levels down to z_l; that of all is what net["decoder"] sees."""
        raise NotImplementedError

    def descend(self, given: Tensor, x: Tensor | None = None) -> tuple[Tensor, Tensor, Normal]:
        """The state of all levels, u, and the distribution (shift, log ratio) from which u was drawn, (B, latent) each.

        Without x, `given` (B, latent) is u itself; with x, standard normal noise that draws u from the posterior.
        """
        evidence = None if x is None else self.up(x)
        state, rows = self.start(given), []
        for level, u in enumerate(given.split(self.sizes, -1)):
            mean = log_std = shift = log_ratio = torch.zeros_like(u)
            if level:
                mean, log_std = self.conditional_prior(level, state)
            if evidence is not None:
                shift, log_ratio = self.residual(level, state, evidence[level], (mean, log_std))
                u = shift + log_ratio.exp() * u
            state = self.down(level, state, mean + log_std.exp() * u)
            rows.append((u, shift, log_ratio))
        u, shift, log_ratio = (torch.cat(each, -1) for each in zip(*rows, strict=True))
        return state, u, (shift, log_ratio)

    def encode(self, x, label=None):
        """A normal distribution of u near the posterior: that of each level given the means of those above."""
        return self.descend(torch.zeros(len(x), self.latent).to(x), x)[2]

    def decode(self, z, label=None):
        return super().decode(self.descend(z)[0])

    def posterior(self, x, noise, label=None):
        _, u, (shift, log_ratio) = self.descend(noise["z"], x)
        return u, gaussian(u, shift, log_ratio).sum(-1)

    def terms(self, x, noise):
        state, _, q = self.descend(noise["z"], x)
        return self.distribution.log_prob(self.flat(x), *super().decode(state), self.levels).sum(-1), self.kl(q).sum(-1)

    def kl(self, q: Normal) -> Tensor:
        """KL (B, levels) of each level's posterior q, as `descend` gives it, from its prior, in nats: the bound has their sum."""
        return torch.stack([part.sum(-1) for part in kl_from_standard(*q).split(self.sizes, -1)], -1)


class LadderVAE(Hierarchy):
    """Two levels, whose posterior at the lower one is the product of what x says and of the prior given the upper one.

    The product of two normal distributions: precisions add, means are weighted by them.

    References:
        Ladder Variational Autoencoders (Sønderby et al., 2016), arXiv 1602.02282

    Arguments:
        top, bottom: numbers of the upper and the lower level, of which the decoder sees the lower. The others: see VAE.
    """

    name = "ladder_vae"

    def __init__(
        self, shape, levels=None, top: int = 2, bottom: int = 2, width: int = 128, depth: int = 2, network: str = "mlp",
        encoder_width: int = 0,
    ):  # fmt: skip
        super().__init__(shape, levels, bottom, width, depth, network, encoder_width)
        self.sizes, self.latent = (top, bottom), top + bottom
        self.net["top"] = MLP(self.net["encoder"].head.in_features, 2 * top, width, 1)
        self.net["prior"] = MLP(top, 2 * bottom, width, 1)

    def up(self, x):
        features = self.net["encoder"].features(x)
        return [bounded(self.net["top"](features)), bounded(self.net["encoder"].head(features))]

    def start(self, given):
        return given[:, :0]  # nothing depends on it

    def conditional_prior(self, level, state):
        return bounded(self.net["prior"](state))

    def residual(self, level, state, evidence, prior):
        return evidence if level == 0 else precision_weighted(evidence, prior)

    def down(self, level, state, z):
        return z


def bounded(out: Tensor) -> Normal:
    """Mean and log standard deviation, within 5 of 0 and smoothly so, of a network's output (B, 2 size, ...), (B, size) each."""
    mean, log_std = out.flatten(1).chunk(2, -1)
    return mean, 5 * torch.tanh(log_std / 5)


def precision_weighted(evidence: Normal, prior: Normal) -> Normal:
    """The distribution evidence(z) prior(z) / const in units of the prior: shift and log ratio of u = (z - mean) / std."""
    log_odds = 2 * (prior[1] - evidence[1])  # of the precisions
    shift = (evidence[0] - prior[0]) * (-prior[1]).exp() * torch.sigmoid(log_odds)
    return shift, -0.5 * F.softplus(log_odds)


class NVAE(Hierarchy):
    """Feature maps at two scales, with groups of latent pixels added from the coarse to the fine one, for images.

    Posteriors are written relative to the prior: ratios of the standard deviations, and shifts in units of the prior's. The
    authors' model has more scales and groups, batch norm, squeeze-and-excitation, depthwise convolutions, spectral
    regularisation and flows in the posterior.

    References:
        NVAE: A Deep Hierarchical Variational Autoencoder (Vahdat & Kautz, 2020), arXiv 2007.03898

    Arguments:
        channels: latent numbers per pixel of a group. groups: per scale. width: channels of the feature maps.
    """

    name = "nvae"
    space = {"images": "symmetric"}

    def __init__(self, shape, levels=None, channels: int = 4, groups: int = 1, width: int = 32):
        Model.__init__(self, shape, levels)  # no network of the plain model's
        self.distribution, (self.estimator,) = distribution_of("", levels), self.estimators
        inputs, size = image(shape)
        coarse, fine, _ = ladder(size)[-3:]
        self.sides = [coarse] * groups + [fine] * groups + [size]  # of the maps that each group, and the output, is drawn on
        self.sizes = tuple(channels * side**2 for side in self.sides[:-1])
        self.latent, self.groups = sum(self.sizes), groups
        count = len(self.sizes)
        self.net = nn.ModuleDict(
            {
                "stem": nn.Conv2d(inputs, width, 3, padding=1),
                "up": nn.ModuleList(Cell(width) for _ in range(2)),
                "prior": nn.ModuleList(head(width, 2 * channels) for _ in range(count - 1)),
                "posterior": nn.ModuleList(head(2 * width, 2 * channels) for _ in range(count)),
                "inward": nn.ModuleList(nn.Conv2d(channels, width, 1) for _ in range(count)),
                "down": nn.ModuleList(Cell(width) for _ in range(count)),
                "decoder": nn.Sequential(normaliser("layer", width), nn.SiLU(), nn.Conv2d(width, inputs, 3, padding=1)),
            }
        )
        he(self.net, 1.0)
        self.net.register_parameter("start", nn.Parameter(torch.zeros(width, coarse, coarse)))
        if levels:
            self.net.register_parameter("log_scale", nn.Parameter(torch.full((self.dim,), -2.0)))

    def up(self, x):
        fine, coarse = self.net["up"]
        finer = fine(shrink(self.net["stem"](x.reshape(-1, *self.shape))))
        return [coarse(shrink(finer))] * self.groups + [finer] * self.groups

    def start(self, given):
        return self.net.start.expand(len(given), *self.net.start.shape)

    def conditional_prior(self, level, state):
        return bounded(self.net["prior"][level - 1](state))

    def residual(self, level, state, evidence, prior):
        return bounded(self.net["posterior"][level](torch.cat([state, evidence], 1)))

    def down(self, level, state, z):
        side, below = self.sides[level : level + 2]
        z = z.unflatten(-1, (-1, side, side))
        state = self.net["down"][level](state + self.net["inward"][level](z))
        return state if below == side else grow(state, below)


class Cell(nn.Module):
    """A residual block (B, width, H, W) -> same."""

    def __init__(self, width: int):
        super().__init__()
        self.norm1, self.norm2 = normaliser("layer", width), normaliser("layer", width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


def head(inputs: int, outputs: int) -> nn.Sequential:
    """Feature maps -> the numbers of a distribution at each pixel."""
    return nn.Sequential(nn.SiLU(), nn.Conv2d(inputs, inputs // 2, 1), nn.SiLU(), nn.Conv2d(inputs // 2, outputs, 1))
