"""What one step costs, counted rather than timed, and how many steps a budget buys."""

from dataclasses import dataclass

from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from genbench.config.budget import Budget
from genbench.models.base import Model

__all__ = ["StepCost", "count_step", "updates_of"]


@dataclass(frozen=True)
class StepCost:
    """Cost of one step (one cycle over the players) of one trial."""

    samples: int  # real examples shown
    evaluations: int  # examples passed forward through the players' networks (a network's busiest layer counts)
    flops: int  # multiply-adds count as two; matrix products and convolutions only, backward passes included


class _Flops(TorchDispatchMode):
    """Sum of the arithmetic of matrix products and convolutions, by PyTorch's own formulas.

    Not FlopCounterMode: its module tracker breaks where torch.func.grad runs inside torch.autograd.grad.
    """

    total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func._overloadpacket):
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


def count_step(model: Model, step, batch: int) -> StepCost:
    """Run `step()` once, counting; `step` must run one trial in loop mode on `model`'s layers.

    Arguments:
        model: the module whose layers run. step: callable without arguments. batch: examples per draw.
    """
    calls: dict[nn.Module, int] = {}

    def hook(layer, inputs, _):
        calls[layer] = calls.get(layer, 0) + inputs[0].shape[0]

    layers = {p: [m for m in getattr(model, p).modules() if isinstance(m, nn.Linear | nn.Conv2d)] for p in model.players}
    handles = [layer.register_forward_hook(hook) for group in layers.values() for layer in group]
    with _Flops() as counter:
        step()
    for handle in handles:
        handle.remove()
    evaluations = sum(max((calls.get(layer, 0) for layer in group), default=0) for group in layers.values())
    shown = batch * sum(n for player, n in model.players.items() if player not in model.blind)
    return StepCost(shown, evaluations, counter.total)


def updates_of(budget: Budget, cost: StepCost) -> int:
    """Steps that a budget buys, at least one; deterministic, so a trial is the same on every machine."""
    if budget.unit == "updates":
        return max(1, int(budget.value))
    return max(1, int(budget.value // max(getattr(cost, budget.unit), 1)))
