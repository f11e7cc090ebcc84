"""Does a maximum-entropy model of one texture resemble others of its kind?"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from genbench.models.base import normal, uniform
from genbench.models.maximum_entropy import Field, Fit, Moduli, soul
from genbench.questions.training import Bench

if TYPE_CHECKING:
    from genbench.questions.textures.settings import Settings as Textures

__all__ = ["TEXTURES", "random_phase", "run"]

LOOKS = 30  # at the statistics, averaged over the second half of the updates so far
DRAWS = 8  # images of each kind that are compared
STIFFNESS = 4.0  # at 1 the chain of an example of blobs ran away after 3000 updates
PROBES, SIDE = 24, 5  # filters of the statistics that no model is fitted to


def _smooth(n: int, side: int, width: float, generator: torch.Generator) -> Tensor:
    """Gaussian fields (n, side, side) of unit variance; width: of their spectrum, in cycles per image."""
    f = torch.fft.fftfreq(side, 1 / side)
    gain = torch.exp(-(f.square() + f[:, None].square()) / (2 * width**2))
    x = torch.fft.ifft2(torch.fft.fft2(normal((n, side, side), generator)) * gain).real
    return x / x.std((-1, -2), keepdim=True)


def stripes(n: int, side: int, generator: torch.Generator) -> Tensor:
    """Four slanted stripes that a smooth field bends."""
    y, x = torch.meshgrid(*[torch.arange(side) / side] * 2, indexing="ij")
    phase = 2 * math.pi * (4 * y + x + uniform((n, 1, 1), generator))
    return torch.tanh(3 * torch.sin(phase + 0.9 * _smooth(n, side, 1.5, generator)))


def blobs(n: int, side: int, generator: torch.Generator) -> Tensor:
    """Where a smooth Gaussian field is high."""
    return torch.tanh(4 * (_smooth(n, side, 2.5, generator) - 0.5))


def labyrinth(n: int, side: int, generator: torch.Generator) -> Tensor:
    """The end of a reaction-diffusion from random patches.

    References:
        Complex patterns in a simple system (Pearson, 1993), the model of Gray & Scott
    """
    v = 0.5 * (_smooth(n, side, 3.0, generator) > 0.8) + 0.05 * uniform((n, side, side), generator)
    u = 1 - v
    for _ in range(4000):
        made = u * v * v
        u = u + 0.16 * _laplacian(u) - made + 0.04 * (1 - u)
        v = v + 0.08 * _laplacian(v) + made - 0.1 * v
    return v


def _laplacian(x: Tensor) -> Tensor:
    return sum(torch.roll(x, shift, axis) for shift in (1, -1) for axis in (-1, -2)) - 4 * x


TEXTURES: dict[str, Callable[[int, int, torch.Generator], Tensor]] = {
    "stripes": stripes,
    "blobs": blobs,
    "labyrinth": labyrinth,
}


def run(settings: "Textures", bench: Bench) -> dict[str, pd.DataFrame]:
    """Model one example of each texture, and compare what the model makes with other examples that its process makes.

    The base measure is the Gaussian field with the example's spectrum, which has its second-order statistics; random phases
    are the baseline, nearly that measure, but with the example's amplitudes instead of random ones. A seed is an example and its
    model. Tables: `mismatch` (texture, seed, update, mismatch, random_phase): root mean square over the fitted statistics of
    the difference of their mean to the example's, in their standard deviations under the base measure; the mean is over the
    second half of the updates so far, or over images of random phases. `distances` (texture, seed, kind, distance): likewise
    between statistics that nothing is fitted to and their mean over other examples, in these' standard deviations, mean over
    some images of each kind; each other example is compared with the rest of them. `pictures` (texture, kind, row, column,
    value) of the first seed, in standard deviations of the example.

    References:
        Random phase textures: theory and synthesis (Galerne, Gousseau & Morel, 2011)
        Maximum entropy methods for texture synthesis: theory and practice (De Bortoli et al., 2021), arXiv 1912.01691
    """
    generator = torch.Generator(bench.device).manual_seed(0)
    # textures are made on the CPU: the same on every machine
    made = {name: _standard(TEXTURES[name](settings.seeds + settings.others, settings.side, torch.Generator().manual_seed(0)))
            for name in settings.textures}  # fmt: skip
    x = torch.cat([images[: settings.seeds] for images in made.values()]).to(bench.device)
    statistics = Moduli(x)
    target, power = statistics(x), torch.fft.fft2(x, norm="ortho").abs().square()
    fit = soul(
        statistics, target, Field(power, STIFFNESS), generator,
        updates=settings.updates, step=settings.step, rate=settings.rate, keep=DRAWS,
    )  # fmt: skip
    phased = torch.stack([random_phase(x, generator) for _ in range(DRAWS)])
    keys = [(name, seed) for name in settings.textures for seed in range(settings.seeds)]
    mismatch = _mismatch(keys, fit, target, torch.stack([statistics(each) for each in phased]).mean(0))
    for name, part in mismatch.groupby("texture", sort=False):
        first, last = (part.loc[part["update"] == at, "mismatch"].mean() for at in (part["update"].min(), part["update"].max()))
        bench.log(f"{name}: mismatch of statistics from {first:.3g} to {last:.3g}")
    distances = []
    for place, (name, seed) in enumerate(keys):
        others = _probes(made[name][settings.seeds :])
        kinds = {"the example": x[place : place + 1], "maximum entropy": fit.kept[:, place], "random phase": phased[:, place]}
        apart = {"other examples": _left_out(others)}
        apart |= {kind: _distance(_probes(images.cpu()), others) for kind, images in kinds.items()}
        distances += [{"texture": name, "seed": seed, "kind": kind, "distance": far} for kind, far in apart.items()]
    shown = {"the example": x, "maximum entropy": fit.kept[-1], "random phase": phased[-1]}
    pictures = [
        _picture(name, kind, images[place * settings.seeds])
        for place, name in enumerate(settings.textures)
        for kind, images in shown.items()
    ]
    return {"mismatch": mismatch, "distances": pd.DataFrame(distances), "pictures": pd.concat(pictures, ignore_index=True)}


def random_phase(x: Tensor, generator: torch.Generator) -> Tensor:
    """Images (B, H, W) with the amplitudes of x and the phases of white noise."""
    noise = torch.fft.fft2(normal(x.shape, generator))
    return torch.fft.ifft2(torch.fft.fft2(x).abs() * noise / noise.abs()).real


def _standard(x: Tensor) -> Tensor:
    return (x - x.mean((-1, -2), keepdim=True)) / x.std((-1, -2), keepdim=True)


def _probes(x: Tensor) -> Tensor:
    """Mean modulus and third moment (n, J) of fixed random filters' responses over their root mean square: both are blind to
    the spectrum, so that they tell what is not Gaussian."""
    filters = torch.randn(PROBES, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    response = F.conv2d(F.pad(x.unsqueeze(1), [SIDE // 2] * 4, mode="circular"), filters - filters.mean((-1, -2), keepdim=True))
    response = (response / response.square().mean((-1, -2), keepdim=True).sqrt()).flatten(2)
    return torch.cat([response.abs().mean(-1), response.pow(3).mean(-1)], 1)


def _distance(found: Tensor, others: Tensor) -> float:
    """Mean over `found` (n, J) of the root mean square distance from the mean of `others`, in their standard deviations."""
    return float(((found - others.mean(0)) / others.std(0)).square().mean(1).sqrt().mean())


def _left_out(others: Tensor) -> float:
    """Mean distance of each from all the rest."""
    rest = [torch.cat([others[:i], others[i + 1 :]]) for i in range(len(others))]
    return float(np.mean([_distance(each.unsqueeze(0), own) for each, own in zip(others, rest, strict=True)]))


def _mismatch(keys: list[tuple[str, int]], fit: Fit, target: Tensor, phased: Tensor) -> pd.DataFrame:
    def distance(mean: Tensor) -> list[float]:
        return ((mean - target) / fit.spread).square().mean(-1).sqrt().tolist()

    baseline, count, rows = distance(phased), len(fit.statistics), []
    for update in sorted({math.ceil(count * i / LOOKS) for i in range(1, LOOKS + 1)}):
        values = distance(fit.statistics[update // 2 : update].mean(0))
        for (name, seed), value, other in zip(keys, values, baseline, strict=True):
            rows.append({"texture": name, "seed": seed, "update": update, "mismatch": value, "random_phase": other})
    return pd.DataFrame(rows)


def _picture(texture: str, kind: str, x: Tensor) -> pd.DataFrame:
    row, column = np.divmod(np.arange(x.numel()), x.shape[-1])
    value = x.flatten().cpu().numpy().astype(np.float32)
    return pd.DataFrame({"texture": texture, "kind": kind, "row": row, "column": column, "value": value})
