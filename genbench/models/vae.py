"""Variational autoencoders."""

import torch
from torch import Tensor

from genbench.models.base import Model, chosen, normal, uniform
from genbench.models.outputs import discretised_logistic, gaussian, sample_logistic, standard_normal
from genbench.nets import CRITICS, GENERATORS, generator

__all__ = ["VAE"]

# a convolutional decoder's norm keeps examples independent; one that takes noise beside z goes without
DECODING = {"mlp": {}, "stylegan": {"noise": False}}


class VAE(Model):
    """A Gaussian encoder and a decoder trained on the evidence lower bound with closed-form KL.

    Points have a Gaussian decoder with learned variances; images a discretised logistic with one learned scale per pixel,
    so that the bound is on the probability of the 8-bit image. Image samples are the decoder's means, as the field shows them.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2013), arXiv 1312.6114
        Importance Weighted Autoencoders (Burda et al., 2015), arXiv 1509.00519

    Arguments:
        latent: dimension of z. width: of the decoder and, unless encoder_width says otherwise, of the encoder.
        depth: of both, perceptrons only. network: a key of GENERATORS for the decoder and of CRITICS for the encoder, images
            only; a convolutional decoder has layer norms. classes: see Model; the decoder is told the class, and the encoder's
            output has a vector of the class added.
    """

    hp = {"beta": 1.0}  # weight of the KL; anything but 1 is no bound
    likelihood = "lower_bound"
    selects = True

    def __init__(
        self, shape, levels=None, latent: int = 2, width: int = 128, depth: int = 2, network: str = "mlp", encoder_width: int = 0,
        classes: int = 0,
    ):  # fmt: skip
        super().__init__(shape, levels, classes)
        self.latent = latent
        more = {"depth": depth, "activation": "silu"} if chosen("network", network, GENERATORS) == "mlp" else {}
        encoder = CRITICS[network](shape, encoder_width or width, outputs=2 * latent, **more)
        decoding = DECODING.get(network, {"norm": "layer"})
        decoder = generator(network, latent, shape if levels else (2 * self.dim,), width, classes, **decoding, **more)
        self.net = torch.nn.ModuleDict({"encoder": encoder, "decoder": decoder})
        if classes:
            self.net["label"] = torch.nn.Embedding.from_pretrained(torch.zeros(classes, 2 * latent), freeze=False)
        if levels:
            self.net.register_parameter("log_scale", torch.nn.Parameter(torch.full((self.dim,), -2.0)))

    def noise(self, shape, generator):
        return {"z": normal((*shape, self.latent), generator)}

    def encode(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation (B, latent) of q(z|x), or of q(z|x, y)."""
        out = self.net["encoder"](self.flat(x))
        mean, log_std = (out if label is None else out + self.net["label"](label)).chunk(2, -1)
        return mean, log_std.clamp(-8, 8)

    def decode(self, z: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Location and log scale (B, dim) of p(x|z), or of p(x|z, y)."""
        out = self.flat(self.net["decoder"](z) if label is None else self.net["decoder"](z, label))
        if self.levels:
            return out, self.net.log_scale.clamp(-7, 2).expand_as(out)
        mean, log_std = out.chunk(2, -1)
        return mean, log_std.clamp(-5, 3)

    def generate(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Mean (B, dim) of p(x|z), or of p(x|z, y)."""
        return self.decode(z, label)[0]

    def log_likelihood(self, x: Tensor, z: Tensor, label: Tensor | None = None) -> Tensor:
        """log p(x|z) (B,), or log p(x|z, y)."""
        location, log_scale = self.decode(z, label)
        if self.levels:
            return discretised_logistic(self.flat(x), location, log_scale, self.levels).sum(-1)
        return gaussian(self.flat(x), location, log_scale).sum(-1)

    def loss_net(self, x, noise, hp):
        label = noise.get("label")
        mean, log_std = self.encode(x, label)
        z = mean + log_std.exp() * noise["z"]
        kl = 0.5 * (mean.square() + (2 * log_std).exp() - 1 - 2 * log_std).sum(-1)
        return (hp["beta"] * kl - self.log_likelihood(x, z, label)).mean()

    def log_weights(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """log p(x, z) - log q(z|x) (B,) for one z ~ q; its mean is the ELBO, the log-mean-exp of k the IWAE bound.

        Told the class, log sum_y p(y) w_y with the weight w_y = p(x, z|y) / q(z|x, y) of one z for every class: the sum is
        an unbiased estimate of p(x), as a single weight is, so both are bounds on log p(x) still.
        """
        if self.classes:
            return self.by_class(lambda x, label: self._log_weights(x, generator, label), x).logsumexp(0)
        return self._log_weights(x, generator)

    def _log_weights(self, x: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
        mean, log_std = self.encode(x, label)
        z = mean + log_std.exp() * normal(mean.shape, generator)
        return self.log_likelihood(x, z, label) + standard_normal(z) - gaussian(z, mean, log_std).sum(-1)

    def draw(self, z: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
        """x ~ p(x|z) (B, *shape), with all of the decoder's noise; images in the symmetric space's grey values."""
        location, log_scale = self.decode(z, label)
        if self.levels:
            half = (self.levels - 1) / 2
            x = sample_logistic(location, log_scale, uniform(location.shape, generator))
            x = ((x + 1) * half).round() / half - 1
        else:
            x = location + log_scale.exp() * normal(location.shape, generator)
        return x.reshape(len(z), *self.shape)

    def sample(self, n, generator, label=None):
        label = self.draw_labels(n, generator) if label is None else label
        z = normal((n, self.latent), generator)
        return self.generate(z, label).reshape(n, *self.shape) if self.levels else self.draw(z, generator, label)
