"""Energies that learn by matching the data's score, without chains: the losses side by side, and the models trained by them.

A loss takes the gradient of the energy U, (B, d) -> (B, d); the model's score is minus that. It is a mean over examples:
half the mean squared distance between the model's score and the data's, but for a constant of the data.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import vjp, vmap

from genbench.models.base import normal
from genbench.models.ebm import Energy

__all__ = ["DSMEBM", "SSMEBM", "denoising", "exact", "sliced"]

Function = Callable[[Tensor], Tensor]


def exact(gradient: Function, x: Tensor) -> Tensor:
    """Estimation of Non-Normalized Statistical Models by Score Matching (Hyvärinen, 2005): d derivatives of the gradient."""
    value, back = vjp(gradient, x)
    basis = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    rows = vmap(lambda v: (back(v.expand_as(x))[0] * v).sum(-1))(basis)
    return (0.5 * value.square().sum(-1) - rows.sum(0)).mean()


def sliced(gradient: Function, x: Tensor, v: Tensor) -> Tensor:
    """Sliced Score Matching (Song et al., 2019), arXiv 1905.07088, with variance reduction: one derivative, along v (B, d).

    Its mean over v with E v v^T = I is `exact`.
    """
    value, back = vjp(gradient, x)
    return (0.5 * value.square().sum(-1) - (back(v)[0] * v).sum(-1)).mean()


def denoising(gradient: Function, x: Tensor, noise: Tensor, sigma: float) -> Tensor:
    """A Connection Between Score Matching and Denoising Autoencoders (Vincent, 2011): no derivative of the gradient.

    Matches the score of x + sigma noise, noise (B, d) being standard normal: that distribution is learnt, not the data's.
    """
    return 0.5 * (gradient(x + sigma * noise) - noise / sigma).square().sum(-1).mean()


class ScoreEBM(Energy):
    """An energy that learns by its gradient alone; its constant means nothing.

    Arguments:
        See Energy.
    """

    def __init__(self, shape, levels=None, **energy):
        super().__init__(shape, levels, **energy)
        self.net.layers[-1].register_parameter("bias", None)


class DSMEBM(ScoreEBM):
    """Denoising score matching at one noise level: the density learnt is that of the data plus N(0, sigma^2 I).

    The loss is sigma^2 times Vincent's, so that one learning rate serves all levels. Images are noised out of their box; the
    density is the energy's inside.

    References:
        A Connection Between Score Matching and Denoising Autoencoders (Vincent, 2011)
        How to Train Your Energy-Based Models (Song & Kingma, 2021), arXiv 2101.03288

    Arguments:
        sigma: of the noise. Others: see Energy.
    """

    name = "dsm_ebm"

    def __init__(self, shape, levels=None, sigma=0.1, **energy):
        super().__init__(shape, levels, **energy)
        if not sigma > 0:
            raise ValueError(f"sigma: must be > 0, got {sigma:g}")
        self.sigma = sigma

    def noise(self, shape, generator):
        return {"noise": normal((*shape, self.dim), generator)}

    def loss_net(self, x, noise, hp):
        return self.sigma**2 * denoising(self.gradient, self.flat(x), noise["noise"], self.sigma)


class SSMEBM(ScoreEBM):
    """Sliced score matching with variance reduction, along a random sign for each coordinate.

    For points only: the loss is right for densities that vanish at infinity or at the walls, which those of images do not.

    References:
        Sliced Score Matching (Song et al., 2019), arXiv 1905.07088
    """

    name = "ssm_ebm"
    space = {"points": "standard"}

    def noise(self, shape, generator):
        return {"v": normal((*shape, self.dim), generator).sign()}

    def loss_net(self, x, noise, hp):
        return sliced(self.gradient, self.flat(x), noise["v"])
