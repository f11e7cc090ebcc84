"""Small trainings: replicas that differ in their seeds, looked at on the way, and critics without a game."""

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genbench.config.budget import Budget
from genbench.data import Dataset, space
from genbench.models import Model
from genbench.models.base import normal
from genbench.models.gan import GAN
from genbench.training.replicas import Replicas, stream
from genbench.training.trainer import Result, Switches, Trainer

if TYPE_CHECKING:  # only here: what a schema says of other things should not run questions again
    from genbench.config.schema import Recipe
    from genbench.questions.base import Training as Settings

__all__ = ["ALONE", "Bench", "CriticOfNoise", "CriticOnly", "clock", "noised", "train"]

ALONE = dict(beta1=0.5, beta2=0.9)  # of critics that train without a generator


@dataclass(frozen=True)
class Bench:
    """What a question works with.

    `data`: the prepared datasets that its settings name; `recipe`: a model's on a dataset, by both names, of models that its
    settings name in `recipes`; `log`: takes a line of text.
    """

    data: Mapping[str, Dataset]
    recipe: "Callable[[str, str], Recipe]"
    device: torch.device
    log: Callable[[str], None]


def train(
    cls: type[Model],
    dataset: str,
    settings: "Settings",
    bench: Bench,
    net: Mapping[str, Any],
    hp: Mapping[str, float],
    switches: Switches,
    looks: Iterable[int] = (),
    look: Callable[[Replicas, int], None] | None = None,
) -> list[Result]:
    """Train seeds 0, 1, ... of a model; `look(replicas, update)` sees the current weights on the way.

    The trainer can be interrupted at its start and after whole blocks of randomness only (some 16 or 32 updates): each number
    of updates in `looks` is met at the first such moment that is not before it, and several that fall on one are met once.
    """
    due, data = sorted(looks), bench.data[dataset]

    def log(done: int, total: int, losses: dict[str, float]) -> None:
        if due and done >= due[0]:
            due[:] = [update for update in due if update > done]
            look(trainer.replicas, done)

    trainer = Trainer(
        functools.partial(cls, data.shape, data.levels, **net), range(settings.seeds), [hp] * settings.seeds,
        data.splits["train"], data.splits["validation"], space(data, cls.space[data.kind]), settings.batch,
        Budget(unit="updates", value=settings.updates), switches, device=bench.device, log=log,
    )  # fmt: skip
    if due and due[0] == 0:
        log(0, settings.updates, {})
    return trainer.run()


def clock(device: torch.device) -> float:
    """Seconds of all cores, which what else they do leaves alone, or of a GPU, by the wall's clock once its work is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def noised(dataset: str, count: int, bench: Bench) -> tuple[Tensor, Tensor]:
    """Test points (n, d) in the models' space, and as many others plus unit normal noise; n is `count` or half of the split."""
    data = bench.data[dataset]
    test = space(data, CriticOfNoise.space[data.kind]).encode(data.splits["test"].to(bench.device))
    count = min(count, len(test) // 2)
    generator = torch.Generator(bench.device).manual_seed(stream(0, "fakes"))
    return test[:count], test[count : 2 * count] + normal((count, data.shape[0]), generator)


class CriticOnly(GAN):
    """A critic that learns to tell data from what an untrained generator makes; the generator stays as it is."""

    players = {"critic": 1}


class CriticOfNoise(CriticOnly):
    """A critic that learns to tell data from other data plus unit normal noise in the model's space; latent is the data's dim.

    References:
        Improved Training of Wasserstein GANs (Gulrajani et al., 2017), arXiv 1704.00028, figure 1b
    """

    def prepare_critic(self, x, noise, hp):
        return {"fake": self.flat(x).flip(0) + noise["z"]}  # in another order: no example meets itself

    def diagnose(self, x, noise, hp):
        """estimate: the critic's E f(data) - E f(fakes) on held-out data."""
        fake = self.prepare_critic(x, noise, hp)["fake"]
        return {"estimate": self.score(self.flat(x)).mean() - self.score(fake).mean()}
