"""What does the adjoint's gradient cost and gain beside backpropagation through the solver?"""

from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor

from genbench.data import space
from genbench.models.continuous import CNF
from genbench.questions.training import Bench, clock, train
from genbench.training.replicas import Replicas
from genbench.training.trainer import Switches

if TYPE_CHECKING:
    from genbench.questions.adjoint.settings import Settings as Adjoint

__all__ = ["SavedTensors", "run", "ways"]

LOOKS = 6  # at the likelihood, at most
POINTS = 1000  # test points of a look
REFERENCE = 100  # RK4 steps, in float64, of the gradient that others are compared with


class Timed(CNF):
    """A flow that looks at no held-out data while it trains, which would take longer than the updates."""

    selects = False


def ways(settings: "Adjoint") -> dict[str, dict[str, Any]]:
    """Arguments of a CNF by the name of a way to its gradient."""
    found = {}
    for gradient in ("backprop", "adjoint"):
        found[f"{gradient}, RK4"] = {"gradient": gradient, "steps": settings.steps}
    for tolerance in settings.tolerances:
        for gradient in ("backprop", "adjoint"):
            found[f"{gradient}, dopri5 {tolerance:g}"] = {"gradient": gradient, "solver": "dopri5", "tolerance": tolerance}
    return found


def run(settings: "Adjoint", bench: Bench) -> dict[str, pd.DataFrame]:
    """Train the same flow with the same data and initial weights by each way to its gradient.

    Tables: `curves` (dataset, way, seed, update, seconds, nll): seconds spent in training, and nats per test point of the
    weights at that moment; `gradients` (dataset, way, seed, forward, backward, bytes, error): evaluations of the
    field in the forward and the backward solve of one update, most bytes that autograd held at once, and the norm of the
    gradient's error relative to the gradient of a tight solver in float64, all at the weights that backpropagation through RK4
    has found, on one batch.

    References:
        Neural ODEs (Chen et al., 2018), arXiv 1806.07366
        On Neural Differential Equations (Kidger, 2022), arXiv 2202.02435 (discretise then optimise, optimise then discretise)
    """
    curves: list[dict] = []
    gradients: list[dict] = []
    for dataset in settings.datasets:
        data = bench.data[dataset]
        seen = space(data, CNF.space[data.kind])
        net = {"width": settings.width, "depth": settings.depth}
        trained = None
        for way, own in ways(settings).items():
            rows, replicas = _curves(dataset, {**net, **own}, settings, bench)
            trained = trained or replicas
            curves += [{"dataset": dataset, "way": way, **row} for row in rows]
            bench.log(f"{dataset}/{way}: {rows[-1]['nll']:.3f} nats after {rows[-1]['seconds']:.1f} s")
        batch = seen.encode(data.splits["validation"][: settings.batch].to(bench.device))
        for seed in range(settings.seeds):
            weights = trained.extract(seed).state_dict()
            reference = _measured({**net, "steps": REFERENCE}, weights, batch.double())[0]
            for way, own in ways(settings).items():
                gradient, row = _measured({**net, **own}, weights, batch)
                error = float((gradient - reference).norm() / reference.norm())
                gradients.append({"dataset": dataset, "way": way, "seed": seed, **row, "error": error})
    return {"curves": pd.DataFrame(curves), "gradients": pd.DataFrame(gradients)}


def _curves(dataset: str, net: dict[str, Any], settings: "Adjoint", bench: Bench) -> tuple[list[dict], Replicas]:
    """Likelihood along a training of all seeds in turn, and their weights at its end."""
    data, rows, kept = bench.data[dataset], [], {}
    seen = space(data, CNF.space[data.kind])
    x = seen.encode(data.splits["test"][:POINTS].to(bench.device))
    timed = {"spent": 0.0, "since": clock(bench.device)}

    def look(replicas: Replicas, update: int) -> None:
        if update:
            timed["spent"] += clock(bench.device) - timed["since"]
        for seed in range(settings.seeds):
            nll = -float((replicas.extract(seed).log_prob(x) + seen.log_jacobian(x)).mean())
            rows.append({"seed": seed, "update": update, "seconds": timed["spent"] / settings.seeds, "nll": nll})
        kept["replicas"], timed["since"] = replicas, clock(bench.device)

    every = [round(settings.updates * i / LOOKS) for i in range(LOOKS + 1)]
    switches = Switches(ema=0.0, schedule="constant", replicas=1)
    train(Timed, dataset, settings, bench, net, {"lr": settings.lr, "clip": 5.0}, switches, every, look)
    return rows, kept["replicas"]


def _measured(net: dict[str, Any], weights: dict[str, Tensor], x: Tensor) -> tuple[Tensor, dict[str, int]]:
    """The gradient (parameters,) of the loss, flat and in float64, with its evaluations and memory."""
    model = CNF(x.shape[1:], None, **net).to(x)
    model.load_state_dict(weights)
    hp = {name: x.new_tensor(value) for name, value in model.hp.items()}
    with SavedTensors(model.parameters()) as saved:
        loss = model.loss_net(x, {}, hp)
        forward = model.evaluations
        gradient = torch.autograd.grad(loss, list(model.parameters()))
    counts = {"forward": forward, "backward": model.evaluations - forward, "bytes": saved.most}
    return torch.cat([each.flatten() for each in gradient]).double(), counts


class SavedTensors(torch.autograd.graph.saved_tensors_hooks):
    """Counts the bytes that autograd holds for backward passes: `most`, the most at any moment in this context.

    A storage that several operations save counts once; `given`, the parameters, not at all.
    """

    def __init__(self, given):
        self.most, self.now = 0, 0
        self._given = {each.untyped_storage().data_ptr() for each in given}
        self._held: dict[int, int] = {}  # times that a storage is saved
        super().__init__(self._pack, lambda saved: saved.tensor)

    def __enter__(self) -> "SavedTensors":
        super().__enter__()
        return self

    def _pack(self, tensor: Tensor) -> "_Saved":
        return _Saved(self, tensor)

    def add(self, tensor: Tensor, count: int) -> None:
        """Note that a tensor is saved once more (1) or no longer (-1)."""
        storage = tensor.untyped_storage()
        key = storage.data_ptr()
        if key in self._given:
            return
        before = self._held.get(key, 0)
        self._held[key] = before + count
        if not before or not self._held[key]:
            self.now += count * storage.nbytes()
        self.most = max(self.most, self.now)


class _Saved:
    """A tensor that reports when autograd lets go of it."""

    def __init__(self, counter: SavedTensors, tensor: Tensor):
        self.counter, self.tensor = counter, tensor
        counter.add(tensor, 1)

    def __del__(self):
        self.counter.add(self.tensor, -1)
