"""Variational autoencoders: the evidence lower bound, four estimators of its gradient, and the importance-weighted bound."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from genbench.models.base import Model, chosen, normal
from genbench.models.decoders import coders, distribution_of
from genbench.models.outputs import gaussian

__all__ = ["IWAE", "VAE", "FreeBits", "kl_from_standard"]


def kl_from_standard(mean: Tensor, log_std: Tensor) -> Tensor:
    """KL of N(mean, exp(log_std)^2) from N(0, 1), element by element, in nats."""
    return 0.5 * (mean.square() + (2 * log_std).exp() - 1 - 2 * log_std)


class VAE(Model):
    """A Gaussian encoder and a decoder trained on the evidence lower bound E_q[log p(x|z)] - KL(q(z|x) | p(z)).

    Points have a Gaussian decoder with learned variances; images a discretised logistic with one learned scale per pixel,
    so that the bound is on the probability of the 8-bit image. Image samples are the decoder's means, as the field shows them.
    A subclass may have another `posterior`, `draw_prior` or `log_prior`, and `estimators` that fit them.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2013), arXiv 1312.6114
        Sticking the landing (Roeder et al., 2017), arXiv 1703.09194
        Monte Carlo gradient estimation in machine learning (Mohamed et al., 2019), arXiv 1906.10652

    Arguments:
        latent: dimension of z. width, depth, network, encoder_width: see `coders`. classes: see Model; the decoder is given the
            class, and the encoder's output has a vector of the class added.
        decoder: a key of DISTRIBUTIONS of the kind of data, the usual one if empty. std: a fixed decoder's own, in model space.
        estimator: of the gradient, the first of `estimators` if empty. "closed": KL in closed form, z reparameterised.
            "total": log q(z|x) - log p(z) for the KL, z reparameterised. "path": the same without the gradient by the parameters
            of log q, whose mean is zero. "score": z is not differentiated, and the encoder learns by the score function.
        baseline: subtract from an example's score weight the mean of the others' in the batch.
    """

    name = "vae"
    hp = {"beta": 1.0}  # weight of the KL; anything but 1 is no bound
    likelihood = "lower_bound"
    selects = True
    # the fitting ones, the default first: "closed" needs a normal posterior and prior, "path" and "score" a normal posterior
    estimators: ClassVar[tuple[str, ...]] = ("closed", "total", "path", "score")

    def __init__(
        self, shape, levels=None, latent: int = 2, width: int = 128, depth: int = 2, network: str = "mlp", encoder_width: int = 0,
        classes: int = 0, decoder: str = "", std: float = 1.0, estimator: str = "", baseline: bool = False,
    ):  # fmt: skip
        super().__init__(shape, levels, classes)
        if std <= 0:
            raise ValueError(f"std: must be > 0, got {std}")
        self.latent, self.distribution, self.std, self.baseline = latent, distribution_of(decoder, levels), std, baseline
        self.estimator = chosen("estimator", estimator or self.estimators[0], self.estimators)
        outputs = (2 * self.dim,) if self.distribution.learned and not levels else shape
        self.net = coders(shape, 2 * latent, latent, outputs, width, depth, network, encoder_width, classes)
        if classes:
            self.net["label"] = torch.nn.Embedding.from_pretrained(torch.zeros(classes, 2 * latent), freeze=False)
        if levels and self.distribution.learned:
            self.net.register_parameter("log_scale", torch.nn.Parameter(torch.full((self.dim,), -2.0)))

    def noise(self, shape, generator):
        return {"z": normal((*shape, self.latent), generator)}

    # ---- distributions

    def encode(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation (B, latent) of q(z|x), or of q(z|x, y)."""
        out = self.net["encoder"](self.flat(x))
        mean, log_std = (out if label is None else out + self.net["label"](label)).chunk(2, -1)
        return mean, log_std.clamp(-8, 8)

    def posterior(self, x: Tensor, noise: dict[str, Tensor], label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z ~ q(z|x) (B, latent), made of noise["z"] (B, latent) ~ N(0, I), and log q(z|x) (B,); both differentiable."""
        mean, log_std = self.encode(x, label)
        z = mean + log_std.exp() * noise["z"]
        return z, gaussian(z, mean, log_std).sum(-1)

    def decode(self, z: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Location and log scale (B, dim) of p(x|z), or of p(x|z, y)."""
        out = self.flat(self.net["decoder"](z) if label is None else self.net["decoder"](z, label))
        if not self.distribution.learned:
            return out, torch.full_like(out, math.log(self.std))
        if self.levels:
            return out, self.net.log_scale.clamp(-7, 2).expand_as(out)
        mean, log_std = out.chunk(2, -1)
        return mean, log_std.clamp(-5, 3)

    def generate(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Mean (B, dim) of p(x|z), or of p(x|z, y)."""
        return self.distribution.mean(self.decode(z, label)[0])

    def log_likelihood(self, x: Tensor, z: Tensor, label: Tensor | None = None) -> Tensor:
        """log p(x|z) (B,), or log p(x|z, y)."""
        return self.distribution.log_prob(self.flat(x), *self.decode(z, label), self.levels).sum(-1)

    # ---- training

    def terms(self, x: Tensor, noise: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """log p(x|z) and the KL, or its estimate, at one z per example (B,), with z reparameterised."""
        label = noise.get("label")
        if self.estimator == "total":
            z, log_q = self.posterior(x, noise, label)
            return self.log_likelihood(x, z, label), log_q - self.log_prior(z)
        mean, log_std = self.encode(x, label)
        z = mean + log_std.exp() * noise["z"]
        if self.estimator == "closed":
            kl = kl_from_standard(mean, log_std).sum(-1)
        else:
            kl = gaussian(z, mean.detach(), log_std.detach()).sum(-1) - self.log_prior(z)
        return self.log_likelihood(x, z, label), kl

    def loss_net(self, x, noise, hp):
        if self.estimator == "score":
            return self._score_loss(x, noise, hp)
        log_p, kl = self.terms(x, noise)
        return (hp["beta"] * kl - log_p).mean()

    def _score_loss(self, x, noise, hp):
        """The negative bound in value; the encoder's gradient is the mean of the cost at z times that of log q(z|x)."""
        label = noise.get("label")
        mean, log_std = self.encode(x, label)
        z = (mean + log_std.exp() * noise["z"]).detach()
        log_q = gaussian(z, mean, log_std).sum(-1)
        cost = hp["beta"] * (log_q.detach() - self.log_prior(z)) - self.log_likelihood(x, z, label)
        weight = cost.detach()
        if self.baseline:
            weight = weight - (weight.sum() - weight) / max(len(weight) - 1, 1)
        return (cost + weight * (log_q - log_q.detach())).mean()

    # ---- likelihood and samples

    def log_weights(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """log p(x, z) - log q(z|x) (B,) for one z ~ q; its mean is the ELBO, the log-mean-exp of k the IWAE bound.

        With classes, log sum_y p(y) w_y with the weight w_y = p(x, z|y) / q(z|x, y) of one z for every class: the sum is
        an unbiased estimate of p(x), as a single weight is, so both are bounds on log p(x) still.
        """
        if self.classes:
            return self.by_class(lambda x, label: self._log_weights(x, generator, label), x).logsumexp(0)
        return self._log_weights(x, generator)

    def _log_weights(self, x: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
        z, log_q = self.posterior(x, {"z": normal((len(x), self.latent), generator)}, label)
        return self.log_likelihood(x, z, label) + self.log_prior(z) - log_q

    def draw(self, z: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
        """x ~ p(x|z) (B, *shape), with all of the decoder's noise; images in the symmetric space's grey values."""
        x = self.distribution.draw(*self.decode(z, label), generator)
        if self.levels:
            half = (self.levels - 1) / 2
            x = ((x.clamp(-1, 1) + 1) * half).round() / half - 1
        return x.reshape(len(z), *self.shape)

    def sample(self, n, generator, label=None):
        label = self.draw_labels(n, generator) if label is None else label
        z = self.draw_prior(n, generator)
        return self.generate(z, label).reshape(n, *self.shape) if self.levels else self.draw(z, generator, label)


class FreeBits(VAE):
    """A VAE whose KL is free up to hp["free"] nats, in the mean over the batch, lest training end with the prior as posterior.

    Where the KL is less, the loss is no bound; `log_weights` always are those of one.

    References:
        Improving Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016), arXiv 1606.04934
    """

    hp = VAE.hp | {"free": 0.0}
    estimators = ("closed", "total", "path")

    def loss_net(self, x, noise, hp):
        log_p, kl = self.terms(x, noise)
        return hp["beta"] * torch.maximum(kl.mean(), hp["free"]) - log_p.mean()


class IWAE(VAE):
    """A VAE trained on the importance-weighted bound, the log of the mean of K weights p(x, z) / q(z|x).

    References:
        Importance Weighted Autoencoders (Burda et al., 2015), arXiv 1509.00519
        Doubly reparameterized gradient estimators (Tucker et al., 2018), arXiv 1810.04152

    Arguments:
        samples: K, of z for each example. estimator: "total", the bound's own gradient, or "dreg", whose encoder's gradient
            does not drown in noise as K grows. The others: VAE.
    """

    name = "iwae"
    hp: ClassVar[dict[str, float]] = {}
    estimators = ("total", "dreg")

    def __init__(self, *args, samples: int = 5, **net):
        super().__init__(*args, **net)
        if samples < 1:
            raise ValueError(f"samples: must be >= 1, got {samples}")
        self.samples = samples

    def noise(self, shape, generator):
        return {"z": normal((*shape, self.samples, self.latent), generator)}

    def loss_net(self, x, noise, hp):
        label, count = noise.get("label"), self.samples
        mean, log_std = (each.unsqueeze(1) for each in self.encode(x, label))
        z = mean + log_std.exp() * noise["z"]
        x, label = x.repeat_interleave(count, 0), None if label is None else label.repeat_interleave(count, 0)

        def log_weights(z: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
            flat = z.flatten(0, 1)
            log_joint = self.log_likelihood(x, flat, label) + self.log_prior(flat)
            return log_joint.unflatten(0, (-1, count)) - gaussian(z, mean, log_std).sum(-1)

        if self.estimator == "dreg":
            mean, log_std = mean.detach(), log_std.detach()
            share = log_weights(z.detach(), mean, log_std).detach().softmax(1).unsqueeze(-1)
            z = z.detach() + share * (z - z.detach())  # squares the weight of z's gradient, not of the decoder's
        return (math.log(count) - log_weights(z, mean, log_std).logsumexp(1)).mean()
