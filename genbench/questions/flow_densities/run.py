"""What do a flow of layers and a continuous one make of the same planar data?"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from genbench.data import Dataset, space
from genbench.models import MODELS, Model
from genbench.models.continuous import CNF
from genbench.questions.training import Bench, clock, train
from genbench.training.trainer import Switches

if TYPE_CHECKING:
    from genbench.questions.flow_densities.settings import Settings as FlowDensities

__all__ = ["run"]


def run(settings: "FlowDensities", bench: Bench) -> dict[str, pd.DataFrame]:
    """Train each model by its recipe, as long as the settings say, and look at its density.

    Tables: `nll` (dataset, model, seed, nll, entropy, seconds): nats per test point, the least that any model can reach, and
    seconds of training; `maps` (dataset, model, x, y, density): on the cells of a grid, of the first seed and of "data";
    `snapshots` (dataset, model, time, x, y, density): what continuous flows make of their first dataset's density on the way
    from the data at time 0 to the normal at 1, in the model's units.

    References:
        FFJORD (Grathwohl et al., 2018), arXiv 1810.01367, figure 2
    """
    rows: list[dict] = []
    maps: list[pd.DataFrame] = []
    snapshots: list[pd.DataFrame] = []
    for dataset in settings.datasets:
        data = bench.data[dataset]
        truth, grid = data.density(), _grid(data.density().support, settings.cells)
        maps.append(_map(grid, truth.log_prob(grid), dataset=dataset, model="data"))
        for name in settings.models:
            cls, recipe = MODELS[name], bench.recipe(name, dataset)
            start = clock(bench.device)
            results = train(cls, dataset, settings, bench, recipe.net, recipe.hp, Switches(**recipe.train))
            seconds = (clock(bench.device) - start) / settings.seeds
            for seed, result in enumerate(results):
                row = {"dataset": dataset, "model": name, "seed": seed, "nll": np.nan, "entropy": truth.entropy}
                row["seconds"] = seconds
                if result.model is not None:
                    row["nll"] = -float(_log_prob(result.model, data, data.splits["test"].to(bench.device)).mean())
                rows.append(row)
            bench.log(f"{dataset}/{name}: {rows[-1]['nll']:.3f} nats, entropy {truth.entropy:.3f}")
            if (first := results[0].model) is not None:
                maps.append(_map(grid, _log_prob(first, data, grid.to(bench.device)), dataset=dataset, model=name))
                if isinstance(first, CNF) and dataset == settings.datasets[0]:
                    plane = _grid(((-3.0, 3.0), (-3.0, 3.0)), settings.cells).float()
                    for t in np.linspace(0, 1, settings.times):
                        log_p = first.log_prob(plane.to(bench.device), time=float(t))
                        snapshots.append(_map(plane, log_p, dataset=dataset, model=name, time=t))
    return {
        "nll": pd.DataFrame(rows),
        "maps": pd.concat(maps),
        "snapshots": pd.concat(snapshots) if snapshots else pd.DataFrame(),
    }


def _log_prob(model: Model, data: Dataset, x: Tensor) -> Tensor:
    """Nats (n,) at raw points."""
    seen = space(data, model.space[data.kind])
    y = seen.encode(x)
    return model.log_prob(y, torch.Generator(x.device).manual_seed(0)).double() + seen.log_jacobian(y)


def _grid(box: tuple[tuple[float, float], tuple[float, float]], cells: int) -> Tensor:
    """Centres (cells^2, 2), float64, of the cells of a square that holds the box."""
    half = max(high - low for low, high in box) / 2
    middle = [(low + high) / 2 for low, high in box]
    steps = (torch.arange(cells, dtype=torch.float64) + 0.5) / cells * 2 - 1
    return torch.cartesian_prod(*(centre + half * steps for centre in middle))


def _map(grid: Tensor, log_p: Tensor, **named) -> pd.DataFrame:
    return pd.DataFrame({**named, "x": grid[:, 0], "y": grid[:, 1], "density": log_p.exp().cpu()})
