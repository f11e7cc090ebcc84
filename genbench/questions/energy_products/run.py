"""Does the sum of two trained energies give the product of their densities?"""

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from genbench.config.budget import Budget
from genbench.data import PointDensity, space
from genbench.data.space import Standard
from genbench.models.base import uniform
from genbench.models.ebm import EBM
from genbench.models.langevin import corrected
from genbench.questions.training import Bench
from genbench.training.replicas import stream
from genbench.training.trainer import Switches, Trainer

if TYPE_CHECKING:
    from genbench.questions.energy_products.settings import Settings as EnergyProducts

__all__ = ["Bands", "Expert", "HalfPlane", "errors", "run"]

HALF, CELLS, COARSE = 4.0, 160, 16  # the grid on [-HALF, HALF]^2 of densities, and that of samples
PLANE = Standard((2,), None, (0.0, 0.0), 1.0)
TRAIN, VALIDATION = 20_000, 1000  # points of a distribution that is no dataset


class Bands(PointDensity):
    """Three narrow bands along one axis, a unit normal along the other; across=0: upright bands."""

    centres, std = torch.tensor([-1.4, 0.0, 1.4], dtype=torch.float64), 0.25

    def __init__(self, across: int) -> None:
        self.across = across

    def _log_prob(self, x: Tensor) -> Tensor:
        bands = -0.5 * ((x[:, self.across, None] - self.centres) / self.std).square()
        return bands.logsumexp(1) - 0.5 * x[:, 1 - self.across].square() - math.log(6 * math.pi * self.std)

    def _sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        x = rng.standard_normal((n, 2))
        x[:, self.across] = self.centres.numpy()[rng.integers(3, size=n)] + self.std * x[:, self.across]
        return x


class HalfPlane(PointDensity):
    """The upper half of N(0, 1.5^2 I)."""

    std = 1.5

    def _log_prob(self, x: Tensor) -> Tensor:
        log_p = -0.5 * (x / self.std).square().sum(1) - math.log(math.pi * self.std**2)
        return torch.where(x[:, 1] > 0, log_p, -math.inf)

    def _sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        x = self.std * rng.standard_normal((n, 2))
        x[:, 1] = np.abs(x[:, 1])
        return x


class Expert(NamedTuple):
    """A distribution on the plane: log p (n,) at (n, 2) but for a constant, and points of it."""

    name: str
    log_prob: Callable[[Tensor], Tensor]
    train: Tensor
    validation: Tensor


def run(settings: "EnergyProducts", bench: Bench) -> dict[str, pd.DataFrame]:
    """Train an energy on each of two distributions, and sample their densities' product by chains on the sum of the energies.

    Products: upright and level bands, which meet in nine spots, and each dataset with the upper half-plane. Points are in the
    models' space. They are compared on a grid: errors of the `model`, between the product of the trained densities and the true
    one, as total variation and Kullback-Leibler divergence from the truth in nats; and of the `sampler`, between chains and the
    product of the trained densities, as total variation over coarse cells, with a `floor`: that of as many exact draws.
    Tables: `experts` (product, expert, seed, status, tv, kl); `products` (product, seed, tv, kl, sampler, floor);
    `maps` (product, distribution, x, y, density) and `samples` (product, x, y), of the first seed.

    References:
        Training Products of Experts by Minimizing Contrastive Divergence (Hinton, 2002)
        Compositional Visual Generation with Energy Based Models (Du et al., 2020), arXiv 2004.06030
    """
    axis = (torch.arange(CELLS, dtype=torch.float32, device=bench.device) + 0.5) * (2 * HALF / CELLS) - HALF
    grid = torch.cartesian_prod(axis, axis)
    pairs = {"bands": (_drawn("upright bands", Bands(0)), _drawn("level bands", Bands(1)))}
    for name in settings.datasets:
        pairs[f"{name}, upper half"] = (_dataset(name, bench), _drawn("upper half-plane", HalfPlane()))
    tables: dict[str, list] = {"experts": [], "products": [], "maps": [], "samples": []}
    for product, pair in pairs.items():
        truth = [expert.log_prob(grid) for expert in pair]
        trained = [_train(expert, settings, bench) for expert in pair]
        for seed in range(settings.seeds):
            models = [results[seed].model for results in trained]
            found = [None if model is None else -model.energy(grid).double() for model in models]
            for expert, result, own, log_p in zip(pair, trained, found, truth, strict=True):
                row = {"product": product, "expert": expert.name, "seed": seed, "status": result[seed].status}
                tables["experts"].append(row | (errors(log_p, own) if own is not None else {"tv": math.nan, "kl": math.nan}))
            if any(model is None for model in models):
                continue
            x = _sample(models, settings, torch.Generator(bench.device).manual_seed(stream(seed, product)))
            row = {"product": product, "seed": seed, **errors(sum(truth), sum(found)), **_sampled(x, sum(found), seed)}
            tables["products"].append(row)
            if not seed:
                densities = {pair[0].name: found[0], pair[1].name: found[1], "product": sum(found), "true product": sum(truth)}
                tables["maps"] += [_map(log_p, axis).assign(product=product, distribution=d) for d, log_p in densities.items()]
                tables["samples"].append(pd.DataFrame(x.cpu().double(), columns=["x", "y"]).assign(product=product))
            bench.log(f"{product}: total variation of the model {row['tv']:.3f}, of the sampler {row['sampler']:.3f}")
    frames = {name: pd.DataFrame(tables[name]) for name in ("experts", "products")}
    return frames | {name: pd.concat(tables[name]) if tables[name] else pd.DataFrame() for name in ("maps", "samples")}


def errors(truth: Tensor, found: Tensor) -> dict[str, float]:
    """Total variation, and KL(truth || found) in nats, of distributions by their unnormalised log-densities on a grid."""
    p, q = truth.log_softmax(0), found.log_softmax(0)
    kl = torch.where(p.isfinite(), p.exp() * (p - q), 0.0).sum()
    return {"tv": float(0.5 * (p.exp() - q.exp()).abs().sum()), "kl": float(kl)}


def _drawn(name: str, density: PointDensity) -> Expert:
    points = torch.from_numpy(density.sample(np.random.default_rng(stream(0, name)), TRAIN + VALIDATION))
    return Expert(name, density.log_prob, points[:TRAIN], points[TRAIN:])


def _dataset(name: str, bench: Bench) -> Expert:
    data = bench.data[name]
    own, density = space(data, EBM.space[data.kind]), data.density()
    train, validation = (own.encode(data.splits[split]) for split in ("train", "validation"))
    return Expert(name, lambda x: density.log_prob(own.decode(x)), train, validation)


def _train(expert: Expert, settings: "EnergyProducts", bench: Bench) -> list:
    net = {key: getattr(settings, key) for key in ("width", "depth", "steps", "step")}
    trainer = Trainer(
        functools.partial(EBM, (2,), None, **net), range(settings.seeds), [{"lr": settings.lr, "clip": 1.0}] * settings.seeds,
        expert.train, expert.validation, PLANE, settings.batch, Budget(unit="updates", value=settings.updates), Switches(),
        device=bench.device,
    )  # fmt: skip
    return trainer.run()


def _sample(models: list[EBM], settings: "EnergyProducts", generator: torch.Generator) -> Tensor:
    """Chains (n, 2) on the sum of the energies."""
    start = models[0].spread(uniform((settings.samples, 2), generator))
    energy, gradient = (lambda x, name=name: sum(getattr(model, name)(x) for model in models) for name in ("energy", "gradient"))
    return corrected(start, energy, gradient, settings.step, settings.sample_steps, generator)


def _sampled(x: Tensor, log_p: Tensor, seed: int) -> dict[str, float]:
    """Total variation over coarse cells between points (n, 2) and a density on the grid, and of as many draws of it from it."""
    p = log_p.softmax(0).unflatten(0, (CELLS, CELLS)).cpu()
    p = p.unflatten(1, (COARSE, -1)).unflatten(0, (COARSE, -1)).sum((1, 3)).flatten()
    cell = ((x.cpu().double() + HALF) / (2 * HALF / COARSE)).floor()
    inside = ((cell >= 0) & (cell < COARSE)).all(1)
    cell = (cell[inside, 0] * COARSE + cell[inside, 1]).long()
    drawn = torch.multinomial(p, len(x), replacement=True, generator=torch.Generator().manual_seed(stream(seed, "draws")))

    def distance(cells: Tensor) -> float:
        share = torch.bincount(cells, minlength=COARSE**2) / len(x)
        return float(0.5 * ((share - p).abs().sum() + 1 - share.sum()))  # what lies outside is as wrong as can be

    return {"sampler": distance(cell), "floor": distance(drawn)}


def _map(log_p: Tensor, axis: Tensor) -> pd.DataFrame:
    """Densities on every second line of the grid."""
    density = (log_p.softmax(0) * (CELLS / (2 * HALF)) ** 2).unflatten(0, (CELLS, CELLS))[::2, ::2].flatten()
    xy = torch.cartesian_prod(axis[::2], axis[::2])
    return pd.DataFrame(torch.cat([xy.double(), density.unsqueeze(1)], 1).cpu().numpy(), columns=["x", "y", "density"])
