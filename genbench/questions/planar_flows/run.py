"""How many planar or radial layers does an energy of the plane need?"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from genbench.config.budget import Budget
from genbench.data.space import Standard
from genbench.likelihood.partition import quadrature_log_z
from genbench.models.base import Model, normal
from genbench.models.outputs import standard_normal
from genbench.models.planar import Planar, Radial
from genbench.questions.training import Bench
from genbench.training.replicas import build
from genbench.training.trainer import Switches, Trainer

if TYPE_CHECKING:
    from genbench.questions.planar_flows.settings import Settings as PlanarFlows

__all__ = ["ENERGIES", "EnergyFit", "divergence", "run"]

FLOWS = {"planar": Planar, "radial": Radial}
SHOWN = (1, 2, 10)  # random layers that a normal is pushed through
HALF, NODES = 6.0, 501  # the square of the latent plane on which integrals are taken, and its nodes per axis
EDGE = 4.0  # half of a map's width


def _wave(z: Tensor) -> Tensor:
    return z[..., 1] - torch.sin(0.5 * torch.pi * z[..., 0])


def _soft_min(a: Tensor, b: Tensor) -> Tensor:
    return -torch.logaddexp(-a, -b)


def _square(x: Tensor, scale: float) -> Tensor:
    return 0.5 * (x / scale).square()


def _wall(z: Tensor) -> Tensor:
    """Beyond |z_1| = 4: without it waves go on for ever, and three of the energies belong to no distribution."""
    return _square((z[..., 0].abs() - 4).clamp(min=0), 0.2)


def _ring(z: Tensor) -> Tensor:
    radius = (z.square().sum(-1) + 1e-12).sqrt()
    return _square(radius - 2, 0.4) + _soft_min(_square(z[..., 0] - 2, 0.6), _square(z[..., 0] + 2, 0.6))


def _fork(z: Tensor) -> Tensor:
    return _soft_min(_square(_wave(z), 0.35), _square(_wave(z) + 3 * torch.exp(-_square(z[..., 0] - 1, 0.6)), 0.35))


def _step(z: Tensor) -> Tensor:
    return _soft_min(_square(_wave(z), 0.4), _square(_wave(z) + 3 * torch.sigmoid((z[..., 0] - 1) / 0.3), 0.35))


# (..., 2) -> (...), by Rezende & Mohamed's names (their table 1)
ENERGIES: dict[str, Callable[[Tensor], Tensor]] = {
    "U1": lambda z: _ring(z) + _wall(z),
    "U2": lambda z: _square(_wave(z), 0.4) + _wall(z),
    "U3": lambda z: _fork(z) + _wall(z),
    "U4": lambda z: _step(z) + _wall(z),
}


class EnergyFit(Model):
    """A flow y = f(z), z ~ N(0, I), whose distribution q is fitted to exp(-U) / Z by the reverse divergence KL(q | exp(-U) / Z).

    The loss is that divergence but for constants, E [U(f(z)) - log |det df/dz|].

    Arguments:
        flow: a key of FLOWS. layers: number of them.
    """

    blind = ("net",)
    hp = {"target": 0.0}  # place of U in ENERGIES

    def __init__(self, shape, levels=None, flow: str = "planar", layers: int = 8):
        super().__init__(shape, levels)
        self.net = FLOWS[flow](self.dim, layers)

    def noise(self, shape, generator):
        return {"z": normal((*shape, self.dim), generator)}

    def loss_net(self, x, noise, hp):
        y, log_det = self.net(noise["z"])
        # all energies, one kept: replicas with several targets train together
        energies = torch.stack([energy(y) for energy in ENERGIES.values()])
        chosen = torch.arange(len(energies), device=y.device) == hp["target"]
        return (torch.where(chosen.unsqueeze(-1), energies, 0.0).sum(0) - log_det).mean()


def run(settings: "PlanarFlows", bench: Bench) -> dict[str, pd.DataFrame]:
    """Push a normal through random layers, and fit flows to the four energies of the paper by reverse KL.

    Divergences are integrals over the latent plane: they need no inverse. Tables: `pushed` (flow, layers, x, y, density) of the
    random layers; `targets` (target, log_z) with the constants of the energies by quadrature; `fits` (target, flow, layers, seed,
    status, kl) in nats; `maps` (target, flow, layers, x, y, density) of each first seed, the target itself as flow "exact" with 0
    layers.

    References:
        Variational Inference with Normalizing Flows (Rezende & Mohamed, 2015), arXiv 1505.05770, figures 1 and 3
    """
    log_z = {target: quadrature_log_z(ENERGIES[target]).value for target in settings.targets}
    maps = [_exact(target, log_z[target], settings.cells) for target in settings.targets]
    fits = []
    for flow in settings.flows:
        for layers in settings.layers:
            rows, drawn = _fit(flow, layers, log_z, settings, bench)
            fits, maps = fits + rows, maps + drawn
            bench.log(f"{flow}, {layers} layers: KL {', '.join(format(row['kl'], '.3f') for row in rows)}")
    targets = pd.DataFrame({"target": list(log_z), "log_z": list(log_z.values())})
    tables = {"pushed": _pushed(settings), "targets": targets, "fits": pd.DataFrame(fits)}
    return {**tables, "maps": pd.concat(maps, ignore_index=True)}


def _fit(flow: str, layers: int, log_z: dict[str, float], settings: "PlanarFlows", bench: Bench) -> tuple[list, list]:
    """Rows of `fits` and `maps` of one flow, all targets and seeds together."""
    trials = [(target, seed) for target in log_z for seed in range(settings.seeds)]
    nothing = torch.zeros(1, 2)  # the loss sees no data
    trainer = Trainer(
        functools.partial(EnergyFit, (2,), flow=flow, layers=layers), [seed for _, seed in trials],
        [{"lr": settings.lr, "clip": 5.0, "target": float(list(ENERGIES).index(target))} for target, _ in trials],
        nothing, nothing, Standard((2,), None, (0.0, 0.0), 1.0), settings.batch,
        Budget(unit="updates", value=settings.updates), Switches(ema=0.99), device=bench.device,
    )  # fmt: skip
    rows, maps = [], []
    for (target, seed), result in zip(trials, trainer.run(), strict=True):
        head = {"target": target, "flow": flow, "layers": layers}
        kl = float("nan")
        if result.status == "ok":
            net = result.model.cpu().net
            kl = divergence(net, ENERGIES[target], log_z[target])
            maps += [_map(net, settings.cells).assign(**head)] * (seed == 0)
        rows.append({**head, "seed": seed, "status": result.status, "kl": kl})
    return rows, maps


@functools.cache
def _nodes() -> tuple[Tensor, Tensor]:
    """Nodes (n, 2) of the latent plane, and the logarithm (n,) of the mass of N(0, I) that each stands for."""
    axis = torch.linspace(-HALF, HALF, NODES)
    z = torch.cartesian_prod(axis, axis)
    return z, standard_normal(z.double()).log_softmax(0)


@torch.no_grad()
def divergence(net: nn.Module, energy: Callable[[Tensor], Tensor], log_z: float) -> float:
    """KL(q | exp(-U) / Z) in nats of the flow's distribution q, by quadrature over its latents."""
    z, log_mass = _nodes()
    y, log_det = net(z)
    log_q = standard_normal(z) - log_det
    return float(log_mass.exp() @ (log_q + energy(y)).double()) + log_z


@torch.no_grad()
def _map(net: nn.Module, cells: int) -> pd.DataFrame:
    """Density of the flow: the mass that lands in each cell, over the cell's area."""
    z, log_mass = _nodes()
    y = net(z)[0].double().numpy()
    edges = np.linspace(-EDGE, EDGE, cells + 1)
    mass, _, _ = np.histogram2d(y[:, 0], y[:, 1], (edges, edges), weights=log_mass.exp().numpy())
    return _grid(mass / (edges[1] - edges[0]) ** 2)


def _exact(target: str, log_z: float, cells: int) -> pd.DataFrame:
    centres = (torch.arange(cells) + 0.5) * (2 * EDGE / cells) - EDGE
    density = torch.exp(-ENERGIES[target](torch.cartesian_prod(centres, centres)) - log_z)
    return _grid(density.reshape(cells, cells).numpy()).assign(target=target, flow="exact", layers=0)


def _grid(density: np.ndarray) -> pd.DataFrame:
    """Densities (cells of x, cells of y) as rows."""
    cells = len(density)
    centres = (np.arange(cells) + 0.5) * (2 * EDGE / cells) - EDGE
    return pd.DataFrame({"x": np.repeat(centres, cells), "y": np.tile(centres, cells), "density": density.ravel()})


def _pushed(settings: "PlanarFlows") -> pd.DataFrame:
    """Maps of a normal behind the first of some random layers."""
    parts = []
    for flow in settings.flows:
        deepest = build(lambda flow=flow: FLOWS[flow](2, max(SHOWN)), 1)
        for layers in SHOWN:
            net = FLOWS[flow](2, layers)
            net.load_state_dict({name: value[:layers] for name, value in deepest.state_dict().items()})
            parts.append(_map(net, settings.cells).assign(flow=flow, layers=layers))
    return pd.concat(parts, ignore_index=True)
