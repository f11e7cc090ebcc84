"""The contract of a model: one method, written once as ordinary single-model PyTorch."""

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from genbench.models.outputs import standard_normal

if TYPE_CHECKING:
    from genbench.data.points import PointDensity

__all__ = ["Model", "chosen", "normal", "uniform"]


def normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Standard normal numbers on the generator's device."""
    return torch.randn(*shape, generator=generator, device=generator.device)


def uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Numbers uniform on [0, 1) on the generator's device."""
    return torch.rand(*shape, generator=generator, device=generator.device)


def chosen(what: str, name: str, table: Iterable[str]) -> str:
    """The name, if the table has it; ValueError with what is allowed."""
    if name not in table:
        raise ValueError(f"{what}: allowed: {', '.join(table)}; got {name!r}")
    return name


class Model(nn.Module):
    """One generative method; the trainer runs it singly or as K replicas with their own seeds and hyperparameters.

    For each player `p` (a sub-module) write `loss_p(x, noise, hp) -> scalar`, and where wanted
    `prepare_p(x, noise, hp) -> dict`: what the loss only consumes, made with detached parameters and merged into `noise`;
    `state_p(noise, hp) -> dict`: new values of buffers, computed before the update, and
    `project_p(hp) -> dict`: new values of parameters, computed after it. `diagnose(x, noise, hp) -> dict` are scalars that the
    trainer records now and then, on held-out x. All of these are lifted by torch.func.vmap: randomness comes in through `noise`,
    inner gradients by torch.func.grad, hp[...] are 0-d tensors, nothing branches on data.
    A model without gradient steps has no players and a `fit(x, updates, generator) -> int` that returns the updates it used.

    Likelihood, all in nats per example of model space: `log_prob(x, generator)` (its kind is `likelihood`), or
    `log_weights(x, generator)` (one importance weight per call), or `elbo(x, generator)`, or `energy(x)` (unnormalised).
    A model that decodes z has `latent`, its dimension, and `generate(z) -> (B, dim)`, a differentiable mean; z ~ N(0, I), unless
    it has a `draw_prior` and a `log_prior` of its own and `normal_prior` is False. It has `log_likelihood(x, z)`,
    `draw(z, generator)`, x ~ p(x|z), and `encode(x)`, the mean and log standard deviation of a normal distribution of z that is
    near the posterior, where it has these distributions.

    A model of `classes` is one of p(x|y) p(y): the trainer gives it the batch's classes as noise["label"] (B,), int64, and
    `prior` (classes,), the frequencies of the training split. Its `sample(n, generator, label)` draws labels from there unless
    they are given, `generate(z, label)` needs them, and its likelihoods are of x alone: log sum_y p(y) p(x|y), or bounds on that.

    Arguments:
        shape: shape of an example, (d,) or (C, H, W).
        levels: number of grey values of an image, None for points.
        classes: number of class labels of a class-conditional model, 0 for one without.
    """

    players: ClassVar[dict[str, int]] = {"net": 1}  # sub-module updated: updates per step, in this order
    blind: ClassVar[tuple[str, ...]] = ()  # players whose loss does not look at the data
    hp: ClassVar[dict[str, float]] = {}  # the method's own hyperparameters with their defaults
    likelihood: ClassVar[str] = "none"  # exact | lower_bound | upper_bound | estimate | none
    space: ClassVar[dict[str, str]] = {"points": "standard", "images": "symmetric"}  # see data/space.py
    liftable: ClassVar[bool] = True  # False: the trainer runs the same code trial by trial
    selects: ClassVar[bool] = False  # True: the loss on held-out data chooses the checkpoint
    normal_prior: ClassVar[bool] = True  # False: the latents are not N(0, I)

    def __init__(self, shape: tuple[int, ...], levels: int | None = None, classes: int = 0):
        super().__init__()
        self.shape, self.levels, self.classes = tuple(shape), levels, classes
        self.dim = math.prod(shape)
        if classes:
            self.register_buffer("prior", torch.full((classes,), 1 / classes))

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """All randomness of updates; `shape` is (updates, batch), every value starts with it."""
        return {}

    def begin(self, x: Tensor, generator: torch.Generator) -> None:
        """What is to do before training, in place: initial values that depend on data; called once.

        x (n, *shape): examples of the training split in model space, all of it or several thousands.
        """

    def finish(self, x: Tensor, generator: torch.Generator) -> None:
        """What is left to do after training, with the weights that are kept; called once, before the model is stored.

        x: as begin's.
        """

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """n examples (n, *shape) in model space."""
        raise NotImplementedError

    def contains(self, density: "PointDensity") -> bool:
        """Whether some weights make the model's distribution this one, so that it is a reference and no contender."""
        return False

    def draw_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Latents (n, latent) of a model that decodes them."""
        return normal((n, self.latent), generator)

    def log_prior(self, z: Tensor) -> Tensor:
        """Log-density (B,) of latents (B, latent), in nats; None in place of the method where there is none at hand."""
        return standard_normal(z)

    def draw_labels(self, n: int, generator: torch.Generator) -> Tensor | None:
        """Classes (n,) of examples, drawn from the prior; None for a model without classes."""
        return torch.multinomial(self.prior, n, replacement=True, generator=generator) if self.classes else None

    def by_class(self, log_p: Callable[[Tensor, Tensor], Tensor], x: Tensor) -> Tensor:
        """log p(y) + log_p(x, y) (classes, B) for every class y and example of x (B, ...); log_p gets classes * B of both."""
        labels = torch.arange(self.classes, device=x.device).repeat_interleave(len(x))
        each = log_p(x.repeat(self.classes, *[1] * (x.dim() - 1)), labels)
        return each.unflatten(0, (self.classes, len(x))) + self.prior.log().unsqueeze(1)

    def flat(self, x: Tensor) -> Tensor:
        """(B, *shape) -> (B, dim)."""
        return x.flatten(x.dim() - len(self.shape))
