"""Wasserstein critics of every regularisation, as critics of a fixed pair of sets and as players of a game."""

from collections.abc import Mapping

import torch
from torch import Tensor

from genbench.models.gan import GAN
from genbench.models.gan_penalties import PENALTIES, gradient, length
from genbench.questions.transport import costs

__all__ = ["PAIRED", "PLAYING", "CriticOfPair", "c_transform", "felt", "regularised", "value"]


def regularised(name: str, limit: float, gp: float) -> tuple[dict[str, str], dict[str, float]]:
    """Arguments and hyperparameters of the critics of a name; those of the c-transform have none but their loss."""
    return {
        "clipping": ({"penalty": "clipping"}, {"limit": limit}),
        "gradient penalty": ({"penalty": "interpolates"}, {"gp": gp}),
        "one-sided penalty": ({"penalty": "one_sided"}, {"gp": gp}),
        "spectral norm": ({"norm": "spectral"}, {}),
        "c-transform": ({}, {}),
        "no regularisation": ({}, {}),
    }[name]


def c_transform(x: Tensor, values: Tensor, y: Tensor) -> Tensor:
    """min_i |x_i - y_j| - values_i (m,), for x (n, d) with values (n,) and y (m, d); differentiable in values and y.

    With any values f at x, mean f + mean of this is at most the W1 of the two sets, and equal to it for the best f.

    References:
        (q, p)-Wasserstein GANs (Mallasto et al., 2019), arXiv 1902.03642
    """
    with torch.no_grad():  # which is nearest only: by matrix products, whose rounding near 0 the line below does not inherit
        squares = x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T
        nearest = (squares.clamp(min=0).sqrt() - values[:, None]).argmin(0)
    return length(y - x[nearest]) - values[nearest]


class CTransforms:
    """The losses of a critic that is a potential on real batches and whose values of fakes are its c-transform.

    References:
        How Well Do WGANs Estimate the Wasserstein Metric? (Mallasto et al., 2019), arXiv 1910.03875
    """

    def dual(self, x: Tensor, fake: Tensor) -> Tensor:
        """Lower bound () on the W1 of two batches, which training makes tight."""
        values = self.score(x)
        return values.mean() + c_transform(x, values, fake).mean()

    def loss_critic(self, x, noise, hp):
        return -self.dual(self.flat(x), noise["fake"])

    def loss_generator(self, x, noise, hp):
        return self.dual(self.flat(x), self.fakes(noise))


class CriticOfPair(GAN):
    """A Wasserstein critic that learns to tell its examples from a fixed set of `others` (m, d)."""

    players = {"critic": 1}
    loss = "wasserstein"

    def __init__(self, shape, levels=None, others: Tensor | None = None, **net):
        super().__init__(shape, levels, latent=1, **net)
        self.register_buffer("others", others.clone())

    def noise(self, shape, generator):
        pick = torch.randint(len(self.others), shape, generator=generator, device=generator.device)
        return {"pick": pick, **PENALTIES[self.penalty].noise(shape, self.dim, generator)}

    def prepare_critic(self, x, noise, hp):
        return {"fake": self.others[noise["pick"]]}

    def diagnose(self, x, noise, hp):
        """estimate: the critic's own value, on a batch, without what a penalty adds to its loss."""
        fake = self.prepare_critic(x, noise, hp)["fake"]
        return {"estimate": self.score(self.flat(x)).mean() - self.score(fake).mean()}


class CTransformOfPair(CTransforms, CriticOfPair):
    """A critic of a pair by the c-transform."""

    def diagnose(self, x, noise, hp):
        """estimate: the dual, on a batch."""
        return {"estimate": self.dual(self.flat(x), self.prepare_critic(x, noise, hp)["fake"])}


class Player(GAN):
    """A Wasserstein GAN whose regularisation its arguments say."""

    loss = "wasserstein"
    players = {"critic": 5, "generator": 1}


class CTransformGAN(CTransforms, Player):
    """A Wasserstein GAN by the c-transform."""

    blind = ()  # its generator's loss is of fakes and data


PAIRED = {"c-transform": CTransformOfPair}  # others: CriticOfPair
PLAYING: Mapping[str, type[GAN]] = {"c-transform": CTransformGAN}  # others: Player


@torch.no_grad()
def value(model: GAN, real: Tensor, fake: Tensor, batch: int, draws: int) -> float:
    """What the critic says the distance of real (n, d) and fake (m, d) is.

    E f(real) - E f(fake) over the whole sets, in float64; for the c-transform its value on batches, the mean of `draws` of them.
    """
    if not isinstance(model, CTransforms):
        return float(_whole(model, real).mean() - _whole(model, fake).mean())
    order = torch.Generator().manual_seed(0)

    def pick(x):
        return x[torch.randperm(len(x), generator=order)[:batch].to(x.device)]

    return sum(float(model.dual(pick(real), pick(fake))) for _ in range(draws)) / draws


@torch.no_grad()
def bound(model: GAN, real: Tensor, fake: Tensor) -> float:
    """Largest value that the critic's potential guarantees: mean f + mean f^c over the whole sets, at most their exact W1.

    Of the critic as it is and of 0, the better; in float64.
    """
    cost = costs(real, fake)
    return max(
        float(f.mean() + (cost - f[:, None]).min(0).values.mean()) for f in (_whole(model, real), torch.zeros(len(real)).double())
    )


def felt(model: GAN, real: Tensor, fake: Tensor, batch: int) -> Tensor:
    """The directions (m, d) in which a generator's fakes are pulled, as gradients of what it wants to be large.

    The critic's gradient; for the c-transform minus that of the transform, in consecutive batches.
    """
    if not isinstance(model, CTransforms):
        return gradient(model.score, fake)
    parts = []
    for start in range(0, len(fake), batch):
        x = real[torch.arange(start, start + batch) % len(real)]
        values = model.score(x)
        parts.append(-gradient(lambda y, x=x, values=values: c_transform(x, values, y), fake[start : start + batch]))
    return torch.cat(parts)


def _whole(model: GAN, x: Tensor) -> Tensor:
    return model.score(x).double().cpu()
