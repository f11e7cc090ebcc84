"""What does a sample cost beside a training example?"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor

from genbench.data.space import SPACES
from genbench.models import MODELS, Model
from genbench.questions.training import Bench, clock
from genbench.training.costs import count_step
from genbench.training.replicas import build, stream

if TYPE_CHECKING:
    from genbench.questions.sampling_cost.settings import Settings as SamplingCost

__all__ = ["run"]

MOMENT = 0.2  # seconds


def run(settings: "SamplingCost", bench: Bench) -> dict[str, pd.DataFrame]:
    """Seconds, network passes and FLOPs of a training example (loss and gradient) and of a sample, by model and image side.

    All sides have the network of the dataset's recipe; samples are drawn a batch at once. Nothing is trained: no cost depends on
    the weights, and seeds repeat the timing. Table `costs` (dataset, model, side, seed, train_seconds, sample_seconds,
    train_passes, sample_passes, train_flops, sample_flops), each per example. Seconds are of all cores, or of a GPU; a pass runs
    the network's busiest layer once, over one row of the image where the network works row by row.
    """
    rows = []
    for name in settings.datasets:
        for model in settings.models:
            for side in settings.sides:
                for seed in range(settings.seeds):
                    costs = _costs(name, model, side, seed, settings, bench)
                    rows.append({"dataset": name, "model": model, "side": side, "seed": seed, **costs})
            last = rows[-1]
            ratio = last["sample_seconds"] / last["train_seconds"]
            bench.log(f"{name}/{model}: a sample of side {last['side']} takes {ratio:.3g} times a training example's time")
    return {"costs": pd.DataFrame(rows)}


def _costs(name: str, model: str, side: int, seed: int, settings: "SamplingCost", bench: Bench) -> dict[str, float]:
    """Costs per example of one model on images of one side."""
    data, cls, n = bench.data[name], MODELS[model], settings.batch
    shape, low = (data.shape[0], side, side), [(size - side) // 2 for size in data.shape[1:]]
    raw = data.splits["train"][:n, :, low[0] : low[0] + side, low[1] : low[1] + side].to(bench.device)
    generator = torch.Generator(bench.device).manual_seed(stream(seed, "cost"))
    x = SPACES[cls.space[data.kind]](shape, data.levels).seen(raw, generator)[0]
    one = build(functools.partial(cls, shape, data.levels, **bench.recipe(model, name).net), seed).to(bench.device)
    one.begin(x, generator)
    hp = {key: torch.tensor(value, device=bench.device) for key, value in one.hp.items()}

    def train() -> None:
        _gradient(one, x, {key: value[0] for key, value in one.noise((1, len(x)), generator).items()}, hp)

    @torch.no_grad()
    def sample() -> None:
        one.eval().sample(n, generator)

    out = {}
    for what, call in (("train", train), ("sample", sample)):
        count = count_step(one, call, n)  # warms up as well
        out[f"{what}_seconds"] = _seconds(call, bench.device) / n
        out[f"{what}_passes"], out[f"{what}_flops"] = count.evaluations / n, count.flops / n
    return out


def _gradient(model: Model, x: Tensor, noise: dict[str, Tensor], hp: dict[str, Tensor]) -> None:
    torch.autograd.grad(model.loss_net(x, noise, hp), list(model.net.parameters()))


def _seconds(call: Callable[[], None], device: torch.device) -> float:
    """Time of a call, the mean of as many as take a moment."""
    start, calls = clock(device), 0
    while not calls or clock(device) - start < MOMENT:
        call()
        calls += 1
    return (clock(device) - start) / calls
