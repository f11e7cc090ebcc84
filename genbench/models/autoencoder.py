"""Autoencoders without a law of the latents, which gets one after training."""

import torch
from torch import Tensor, nn

from genbench.models.base import Model, chosen
from genbench.models.mixture import GMM
from genbench.nets import CRITICS, GENERATORS, generator

__all__ = ["AE", "coders"]

EM = 200  # most iterations
# a convolutional decoder's norm keeps examples independent; one that takes noise beside z goes without
DECODING = {"mlp": {}, "stylegan": {"noise": False}}


def coders(
    shape: tuple[int, ...], codes: int, latent: int, outputs: tuple[int, ...], width: int, depth: int, network: str,
    encoder_width: int = 0, classes: int = 0,
) -> nn.ModuleDict:  # fmt: skip
    """`encoder`, examples (B, *shape), or flat ones, -> (B, codes), and `decoder`, (B, latent) -> (B, *outputs), told the class.

    Arguments:
        width: of the decoder and, unless encoder_width says otherwise, of the encoder. depth: of both, perceptrons only.
        network: a key of GENERATORS for the decoder and of CRITICS for the encoder, images only; a convolutional decoder has
            layer norms.
    """
    more = {"depth": depth, "activation": "silu"} if chosen("network", network, GENERATORS) == "mlp" else {}
    decoding = DECODING.get(network, {"norm": "layer"})
    encoder = CRITICS[network](shape, encoder_width or width, outputs=codes, **more)
    return nn.ModuleDict({"encoder": encoder, "decoder": generator(network, latent, outputs, width, classes, **decoding, **more)})


class AE(Model):
    """An autoencoder that learns to reconstruct and nothing else; a density fitted to its codes afterwards makes it a sampler.

    References:
        From Variational to Deterministic Autoencoders (Ghosh et al., 2020), arXiv 1903.12436

    Arguments:
        latent: dimension of z. width, depth, network, encoder_width: see `coders`.
        components: Gaussians of the density of codes, of full covariance; 1 is a single Gaussian.
    """

    likelihood = "none"
    selects = True
    normal_prior = False

    def __init__(
        self, shape, levels=None, latent: int = 2, width: int = 128, depth: int = 2, network: str = "mlp", encoder_width: int = 0,
        components: int = 10,
    ):  # fmt: skip
        super().__init__(shape, levels)
        self.latent = latent
        self.net = coders(shape, latent, latent, shape, width, depth, network, encoder_width)
        self.density = GMM((latent,), components=components)

    def code(self, x: Tensor) -> Tensor:
        """z (B, latent) of examples."""
        return self.net["encoder"](self.flat(x))

    def generate(self, z: Tensor) -> Tensor:
        """Example (B, dim) of a code."""
        return self.flat(self.net["decoder"](z))

    def loss_net(self, x, noise, hp):
        return (self.generate(self.code(x)) - self.flat(x)).square().sum(-1).mean()

    def finish(self, x, generator):
        self.density.fit(torch.cat([self.code(part) for part in x.split(1024)]), EM, generator)

    def draw_prior(self, n, generator):
        return self.density.sample(n, generator)

    def log_prior(self, z):
        return self.density.log_prob(z)

    def sample(self, n, generator):
        return self.generate(self.draw_prior(n, generator)).reshape(n, *self.shape)
