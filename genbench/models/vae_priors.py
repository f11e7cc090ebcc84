"""Variational autoencoders whose prior is learned."""

import math

import torch
from torch import Tensor, nn

from genbench.models.autoregressive_flow import AutoregressiveLayers
from genbench.models.base import normal
from genbench.models.outputs import gaussian, standard_normal
from genbench.models.vae import VAE, FreeBits
from genbench.nets import TimeMLP

__all__ = ["DiffusionPrior", "DiffusionPriorVAE", "FlowPriorVAE", "MixtureVAE", "VampVAE"]


class FlowPriorVAE(FreeBits):
    """An autoregressive flow as prior: it takes z to N(0, I) in one pass, and back, for samples, a coordinate at a time.

    References:
        Variational Lossy Autoencoder (Chen et al., 2016), arXiv 1611.02731

    Arguments:
        prior_layers: of the flow, in reversed order at every other one. prior_width: of their conditioners, perceptrons of two
            hidden layers. The others: VAE.
    """

    name = "flow_prior_vae"
    normal_prior = False
    estimators = ("total", "path")

    def __init__(self, *args, prior_layers: int = 4, prior_width: int = 64, **net):
        super().__init__(*args, **net)
        if prior_layers < 1:
            raise ValueError(f"prior_layers must be at least 1; got {prior_layers}")
        self.net["prior"] = AutoregressiveLayers(prior_layers, self.latent, prior_width)

    def log_prior(self, z):
        noise, log_det = self.net["prior"](z)
        return standard_normal(noise) + log_det

    def draw_prior(self, n, generator):
        return self.net["prior"].inverse(super().draw_prior(n, generator))


class MixtureVAE(FreeBits):
    """A mixture of normal distributions with diagonal covariance as prior, with learned weights, means and variances.

    References:
        VAE with a VampPrior (Tomczak & Welling, 2018), arXiv 1705.07120 (there a baseline)

    Arguments:
        components: of the mixture. The others: VAE.
    """

    name = "mixture_vae"
    normal_prior = False
    estimators = ("total", "path")

    def __init__(self, *args, components: int = 50, **net):
        super().__init__(*args, **net)
        if components < 1:
            raise ValueError(f"components must be at least 1; got {components}")
        self.components = components
        self.net["prior"] = self._prior()

    def _prior(self) -> nn.Module:
        return nn.ParameterDict(  # together about N(0, I)
            {
                "mean": 0.8 * torch.randn(self.components, self.latent),
                "log_std": torch.full((self.components, self.latent), math.log(0.6)),
                "logit": torch.zeros(self.components),
            }
        )

    def mixture(self) -> tuple[Tensor, Tensor, Tensor]:
        """Means and log standard deviations (K, latent) and logarithms of the weights (K,)."""
        prior = self.net["prior"]
        return prior["mean"], prior["log_std"].clamp(-8, 8), prior["logit"].log_softmax(0)

    def log_prior(self, z):
        mean, log_std, log_weight = self.mixture()
        return (log_weight + gaussian(z.unsqueeze(-2), mean, log_std).sum(-1)).logsumexp(-1)

    def draw_prior(self, n, generator):
        mean, log_std, log_weight = self.mixture()
        k = torch.multinomial(log_weight.exp(), n, replacement=True, generator=generator)
        return mean[k] + log_std[k].exp() * super().draw_prior(n, generator)


class VampVAE(MixtureVAE):
    """The mean of the encoder's distributions at pseudo-inputs as prior; these are learned, and start as examples of the data.

    They are the encoder's normal distributions: with a posterior that a flow makes, the prior has them before the flow, and
    is not the VampPrior of that posterior.

    References:
        VAE with a VampPrior (Tomczak & Welling, 2018), arXiv 1705.07120

    Arguments:
        components: number of pseudo-inputs. The others: VAE.
    """

    name = "vamp_vae"

    def _prior(self):
        return nn.ParameterDict({"input": 0.5 * torch.randn(self.components, *self.shape)})

    def begin(self, x, generator):
        index = torch.randint(len(x), (self.components,), generator=generator, device=generator.device)
        self.net["prior"]["input"].data.copy_(x[index])

    def mixture(self):
        mean, log_std = VAE.encode(self, self.net["prior"]["input"])
        return mean, log_std, torch.full_like(mean[:, 0], -math.log(self.components))


class DiffusionPriorVAE(FreeBits):
    """A diffusion as prior, trained together with encoder and decoder.

    Without free nats the loss is an unbiased estimate of a bound on log p(x): the diffusion's bound, at one of its steps per
    example, stands for log p(z). All three parts have the same loss. A weight is one of all variables, z and the diffusion's
    path, so that its logarithm's mean is that bound and its own mean p(x). The prior has no density in closed form.

    References:
        Score-based Generative Modeling in Latent Space (Vahdat et al., 2021), arXiv 2106.05931
        Diffusion Priors In Variational Autoencoders (Wehenkel & Louppe, 2021), arXiv 2106.15671

    Arguments:
        prior_steps: of the diffusion. prior_width, prior_depth: of its network. The others: VAE.
    """

    name = "diffusion_prior_vae"
    normal_prior = False
    log_prior = None
    estimators = ("total",)

    def __init__(self, *args, prior_steps: int = 32, prior_width: int = 128, prior_depth: int = 1, **net):
        super().__init__(*args, **net)
        self.net["prior"] = DiffusionPrior(self.latent, prior_steps, prior_width, prior_depth)

    def noise(self, shape, generator):
        step = torch.randint(self.net["prior"].steps, shape, generator=generator, device=generator.device)
        return {**super().noise(shape, generator), "step": step, "eps": normal((*shape, self.latent), generator)}

    def terms(self, x, noise):
        label = noise.get("label")
        z, log_q = self.posterior(x, noise, label)
        return self.log_likelihood(x, z, label), log_q - self.net["prior"].bound(z, noise["step"], noise["eps"])

    def _log_weights(self, x, generator, label=None):
        z, log_q = self.posterior(x, {"z": normal((len(x), self.latent), generator)}, label)
        return self.log_likelihood(x, z, label) + self.net["prior"].log_weights(z, generator) - log_q

    def draw_prior(self, n, generator):
        return self.net["prior"].sample(n, generator)


class DiffusionPrior(nn.Module):
    """A variance-preserving diffusion of vectors in few steps: z_phi = cos(phi) z + sin(phi) eps, phi = 0 for z itself.

    The network predicts the velocity d z_phi / d phi, which is 0 where z ~ N(0, I): an output of 0 is that, and training
    starts there, as with the mixed score of Vahdat et al. Angles grow such that log sin(phi) has equal steps: errors of the
    velocity then count equally at each. The variance of a step lies between that which is right where z is known and that which
    is right where z ~ N(0, I), learned for each step, which spares most of the loss by few steps.

    References:
        Improved DDPM (Nichol & Dhariwal, 2021), arXiv 2102.09672 (the variances)
        Variational Diffusion Models (Kingma et al., 2021), arXiv 2107.00630 (the bound)

    Arguments:
        features: of z. steps: of the chain. width, depth: of the network, see TimeMLP.
        first: sine of the least angle.
    """

    def __init__(self, features: int, steps: int = 32, width: int = 128, depth: int = 1, first: float = 0.02):
        super().__init__()
        if steps < 2:
            raise ValueError(f"a diffusion needs at least 2 steps; got {steps}")
        self.features, self.steps = features, steps
        self.net = TimeMLP(features, width, depth)
        nn.init.zeros_(self.net.outward.weight)
        nn.init.zeros_(self.net.outward.bias)
        self.logit = nn.Parameter(torch.full((steps - 1, 1), 3.0))  # of the variances' place between their ends
        sine = first * ((1 - 1e-4) / first) ** torch.linspace(0, 1, steps, dtype=torch.float64)
        phi = sine.arcsin().unsqueeze(-1)
        high, low = phi[1:], phi[:-1]
        ratio = (low.tan() / high.tan()).square()  # of the signal-to-noise ratios
        for name, value in {
            "phi": phi,  # (steps, 1), that nearest z first
            # q(z_low | z_high, z) = N(of_clean z + of_noisy z_high, exp(known)), (steps - 1, 1) each
            "of_clean": low.cos() * (1 - ratio),
            "of_noisy": ratio * low.cos() / high.cos(),
            "known": (low.sin().square() * (1 - ratio)).log(),
            "normal": (1 - (high.cos() / low.cos()).square()).log(),  # log variance for z ~ N(0, I) that is not known
        }.items():
            self.register_buffer(name, value.float())

    def clean(self, noisy: Tensor, step: Tensor) -> Tensor:
        """z (B, features) predicted from z_phi at the angles of steps (B,)."""
        phi = self.phi[step]
        return phi.cos() * noisy - phi.sin() * self.net(noisy, (step / (self.steps - 1)).to(noisy.dtype))

    def log_var(self) -> Tensor:
        """Logarithms of the variances (steps - 1, 1) of p(z_low | z_high); its means are q's at the predicted z."""
        return torch.lerp(self.known, self.normal, torch.sigmoid(self.logit))

    def bound(self, z: Tensor, step: Tensor, eps: Tensor) -> Tensor:
        """An unbiased estimate (B,) of a lower bound on log p(z), in nats, by one of the steps 0, 1, ... for each z.

        The bound is log p(z | z_0) - sum of KL(q(z_i | z_{i+1}, z) || p(z_i | z_{i+1})) - KL(q(z_last | z) || N(0, I)), with
        z_i at angle i, where eps (B, features) ~ N(0, I) makes z_step.
        """
        phi, log_var = self.phi[step], self.log_var()
        error = (z - self.clean(phi.cos() * z + phi.sin() * eps, step)).square().sum(-1)
        first, last = self.phi[:1], self.phi[-1]
        precision = torch.cat([first.sin() ** -2, self.of_clean.square() * (-log_var).exp()])[:, 0]
        gap = self.known - log_var
        constant = -0.5 * (gap.exp() - 1 - gap).sum() - first.sin().log().sum() - 0.5 * math.log(2 * math.pi)
        end = (last.cos() * z).square() + last.sin().square() - 1 - 2 * last.sin().log()
        return self.features * constant - 0.5 * (self.steps * precision[step] * error + end.sum(-1))

    def log_weights(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """log p(z, path) - log q(path | z) (B,) for one path of the diffusion: its mean is the bound, that of its exp p(z)."""
        phi, log_var = self.phi, self.log_var()

        def draw(mean, log_std):
            return mean + log_std.exp() * normal(z.shape, generator)

        noisy = draw(phi[-1].cos() * z, phi[-1].sin().log())
        total = standard_normal(noisy) - gaussian(noisy, phi[-1].cos() * z, phi[-1].sin().log()).sum(-1)
        for i in reversed(range(self.steps - 1)):
            step = torch.full_like(z[:, 0], i + 1, dtype=torch.long)
            mean, guess = (self.of_clean[i] * each + self.of_noisy[i] * noisy for each in (z, self.clean(noisy, step)))
            noisy = draw(mean, self.known[i] / 2)
            log_ratio = gaussian(noisy, guess, log_var[i] / 2) - gaussian(noisy, mean, self.known[i] / 2)
            total = total + log_ratio.sum(-1)
        return total + gaussian(z, self.clean(noisy, torch.zeros_like(step)), phi[0].sin().log()).sum(-1)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """z (n, features), by the chain from N(0, I)."""
        z, log_std = normal((n, self.features), generator), self.log_var() / 2
        for i in reversed(range(self.steps - 1)):
            step = torch.full((n,), i + 1, device=z.device)
            z = self.of_clean[i] * self.clean(z, step) + self.of_noisy[i] * z + log_std[i].exp() * normal(z.shape, generator)
        return self.clean(z, torch.zeros_like(step)) + self.phi[0].sin() * normal(z.shape, generator)
