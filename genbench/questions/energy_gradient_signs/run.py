"""Which signs do the Langevin step and the update of the weights need?"""

import math
from typing import TYPE_CHECKING

import pandas as pd

from genbench.data import space
from genbench.metrics import transport
from genbench.metrics.sets import Points
from genbench.models.ebm import LastBatchEBM
from genbench.questions.training import Bench, train
from genbench.training.trainer import Switches

if TYPE_CHECKING:
    from genbench.questions.energy_gradient_signs.settings import Settings as EnergyGradientSigns

__all__ = ["SIGNS", "SignedEBM", "run"]

# (climb, learn) of SignedEBM
SIGNS = {
    "as printed": (1, 1),
    "both flipped": (-1, -1),
    "only the chains' flipped": (-1, 1),
    "only the weights' flipped": (1, -1),
}


class SignedEBM(LastBatchEBM):
    """Algorithm 1 with free signs: x <- x + climb step grad f(x) + noise, and weights go up learn (f(data) - f(chains)).

    Printed are 1 and 1, for p proportional to exp(f). There is no base measure: where chains go is the network's doing alone.

    Arguments:
        climb, learn: 1 or -1. Others: see LastBatchEBM.
    """

    def __init__(self, shape, levels=None, climb=1, learn=1, **net):
        super().__init__(shape, levels, base=math.inf, **net)
        self.climb, self.learn = climb, learn

    def energy(self, x):
        return -self.climb * super().energy(x)

    def gradient(self, x):
        return -self.climb * super().gradient(x)

    def loss_net(self, x, noise, hp):
        return -self.learn * super().loss_net(x, noise, hp)


def run(settings: "EnergyGradientSigns", bench: Bench) -> dict[str, pd.DataFrame]:
    """Train by algorithm 1 with each pair of signs, and look at its buffer, the last batch of chains.

    All is in the models' space, where the data's standard deviation is 1. Tables: `looks` (dataset, signs, seed, update, std),
    standard deviations of the buffer's entries while they are finite; `ends` (dataset, signs, seed, update, std, status, w1,
    floor): the last of these, the exact W1 of the buffer to as many test points where training ended well, and that of as many
    validation points.
    """
    looks, ends = [], []
    for name in settings.datasets:
        data = bench.data[name]
        encode = space(data, SignedEBM.space[data.kind]).encode
        test, other = (encode(data.splits[split][: settings.batch].to(bench.device)) for split in ("test", "validation"))
        floor = transport.w1(Points(other, test)).value
        for signs, (climb, learn) in SIGNS.items():
            own: list[dict] = []

            def look(replicas, update, name=name, signs=signs, own=own):
                for seed in range(replicas.count):
                    std = float(replicas.extract(seed).replay.double().std())
                    if math.isfinite(std):
                        own.append({"dataset": name, "signs": signs, "seed": seed, "update": update, "std": std})

            net = {key: getattr(settings, key) for key in ("width", "depth", "steps", "step")}
            net |= {"buffer": settings.batch, "climb": climb, "learn": learn}
            every = [round(settings.updates * i / settings.looks) for i in range(settings.looks + 1)]
            switches = Switches(ema=0.0, schedule="constant")
            results = train(SignedEBM, name, settings, bench, net, {"lr": settings.lr}, switches, every, look)
            for seed, result in enumerate(results):
                last = [row for row in own if row["seed"] == seed][-1]
                w1 = transport.w1(Points(result.model.replay, test)).value if result.model is not None else math.nan
                ends.append(last | {"status": result.status, "w1": w1, "floor": floor})
            looks += own
            bench.log(f"{name}/{signs}: standard deviation {ends[-1]['std']:.3g} after {ends[-1]['update']} updates")
    return {"looks": pd.DataFrame(looks), "ends": pd.DataFrame(ends)}
