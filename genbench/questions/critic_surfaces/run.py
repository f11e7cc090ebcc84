"""What does a critic look like near its optimum, by what keeps it Lipschitz?"""

import math
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor

from genbench.metrics.sets import Points
from genbench.metrics.transport import w1
from genbench.models.gan_penalties import gradient, length
from genbench.questions.training import ALONE, Bench, CriticOfNoise, noised, train
from genbench.training.trainer import Switches

if TYPE_CHECKING:
    from genbench.questions.critic_surfaces.settings import Settings as CriticSurfaces

__all__ = ["regularisations", "run"]

LAST = Switches(ema=0.0)  # the critic itself, not an average of it
SHOWN = 500  # data points of a map


def regularisations(limit: float, gp: float) -> dict[str, tuple[dict[str, str], dict[str, float]]]:
    """Arguments and hyperparameters of Wasserstein critics that one means each keeps Lipschitz."""
    return {
        "clipping": ({"penalty": "clipping"}, {"limit": limit}),
        "gradient penalty": ({"penalty": "interpolates"}, {"gp": gp}),
        "spectral norm": ({"norm": "spectral"}, {}),
    }


def run(settings: "CriticSurfaces", bench: Bench) -> dict[str, pd.DataFrame]:
    """Train Wasserstein critics of data against other data plus unit noise, and look at them on held-out data.

    Everything is in the models' space, where the data's standard deviation is 1. Tables: `critics`, one row per dataset,
    regularisation and seed, with `estimate`, E f(data) - E f(fakes) on `settings.points` test points and as many fakes; the
    `exact` W1 between these very points, which a critic of gradient norm at most 1 cannot exceed; `half`, the estimate on
    validation data after half of the updates over that in the end; of |grad f| at points between data and fakes the mean
    `gradient_mean` and quantiles `gradient_low` (5 %) and `gradient_high` (95 %), and over these, data, fakes and the map
    `gradient_max`. `maps` (dataset, regularisation, x, y, value): the first seed's critic on a grid over data and fakes.
    `points` (dataset, x, y): data.

    References:
        Improved Training of Wasserstein GANs (Gulrajani et al., 2017), arXiv 1704.00028, figure 1b
    """
    critics, maps, points = [], [], []
    for name in settings.datasets:
        real, fake = noised(name, settings.points, bench)
        between = fake + torch.linspace(0, 1, len(real), device=bench.device)[:, None] * (real - fake)
        grid = _grid(torch.cat([real, fake]), settings.cells)
        exact = w1(Points(fake, real), n=settings.points).value
        points.append(pd.DataFrame(real[:SHOWN].cpu().double(), columns=["x", "y"]).assign(dataset=name))
        for regularisation, (net, hp) in regularisations(settings.limit, settings.gp).items():
            net = {"latent": 2, "width": settings.width, "depth": settings.depth, "loss": "wasserstein", **net}
            results = train(CriticOfNoise, name, settings, bench, net, {"lr": settings.lr, **ALONE, **hp}, LAST)
            for seed, result in enumerate(results):
                row = {"dataset": name, "regularisation": regularisation, "seed": seed, "exact": exact, "status": result.status}
                if result.model is not None:
                    score = result.model.score
                    row |= {"estimate": float(score(real).mean() - score(fake).mean()), "half": _halfway(result.history)}
                    row |= _gradients(score, between, torch.cat([real, fake, grid]))
                    if not seed:
                        xy = pd.DataFrame(grid.cpu().double(), columns=["x", "y"])
                        maps.append(xy.assign(value=score(grid).cpu().double(), dataset=name, regularisation=regularisation))
                critics.append(row)
            bench.log(f"{name}/{regularisation}: estimate {critics[-1].get('estimate', math.nan):.4g} of W1 {exact:.4g}")
    return {"critics": pd.DataFrame(critics), "maps": pd.concat(maps), "points": pd.concat(points)}


def _halfway(history: list[tuple[int, str, float, float]]) -> float:
    """The estimate on validation data after half of the updates over that in the end: near 1 where the critic has converged."""
    looks = {update: value for update, series, value, _ in history if series == "diagnostic/estimate"}
    last = max(looks)
    half = min(looks, key=lambda update: abs(update - last / 2))
    return looks[half] / looks[last] if looks[last] else math.nan


def _gradients(score, between: Tensor, everywhere: Tensor) -> dict[str, float]:
    norms = length(gradient(score, between)).double().cpu()
    low, high = norms.quantile(torch.tensor([0.05, 0.95]).double()).tolist()
    largest = max(float(norms.max()), float(length(gradient(score, everywhere)).max()))
    return {"gradient_mean": float(norms.mean()), "gradient_low": low, "gradient_high": high, "gradient_max": largest}


def _grid(points: Tensor, cells: int) -> Tensor:
    """A square grid (cells^2, 2) that holds 99 % of the points in each direction."""
    half = float(points.abs().double().quantile(0.99))
    axis = torch.linspace(-half, half, cells, device=points.device)
    return torch.cartesian_prod(axis, axis)
