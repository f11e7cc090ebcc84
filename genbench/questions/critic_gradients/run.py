"""How do gradients pass a deep critic, and where do its weights end?"""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from genbench.nets import MLP
from genbench.questions.training import ALONE, Bench, CriticOfNoise, noised, train
from genbench.training.trainer import Switches

if TYPE_CHECKING:
    from genbench.questions.critic_gradients.settings import Settings as CriticGradients

__all__ = ["layer_gradients", "run"]

POINTS = 512  # of data and of fakes, at which gradients are taken
BINS = 41  # of the histograms of weights
AT_LIMIT = 1e-3  # a weight within this share of the limit has been clipped


def run(settings: "CriticGradients", bench: Bench) -> dict[str, pd.DataFrame]:
    """Train deep Wasserstein critics of data against other data plus unit noise under clipping and a gradient penalty.

    Tables: `gradients` (dataset, regularisation, seed, layer, norm), see layer_gradients, at held-out data and fakes. `weights`,
    one row per dataset, regularisation and seed: `limit` of clipping (inf without), `at_start`, the share of initial weights at
    or beyond it, `at_limit`, that of trained weights, their standard deviation `std` and `largest` magnitude, the critic's
    `estimate` E f(data) - E f(fakes) on validation data and the `status`. `histograms` (dataset, regularisation, left, right,
    share): weights of all seeds in bins up to the largest magnitude.

    References:
        Improved Training of Wasserstein GANs (Gulrajani et al., 2017), arXiv 1704.00028, figure 2
    """
    gradients, weights, histograms = [], [], []
    for name in settings.datasets:
        points = torch.cat(noised(name, POINTS, bench))
        for regularisation, net, hp in _regularisations(settings.limits, settings.gp):
            limit, beyond = hp.get("limit", math.inf), {}

            def look(replicas, _, limit=limit, beyond=beyond):
                for k in range(replicas.count):
                    beyond[k] = _share_at(_weights(replicas.extract(k).critic), limit)

            net = {"latent": 2, "width": settings.width, "depth": settings.depth, "loss": "wasserstein", **net}
            hp = {"lr": settings.lr, **ALONE, **hp}
            results = train(CriticOfNoise, name, settings, bench, net, hp, Switches(ema=0.0), [0], look)
            about, every = {"dataset": name, "regularisation": regularisation}, []
            for seed, result in enumerate(results):
                row = {**about, "seed": seed, "limit": limit, "at_start": beyond[seed], "status": result.status}
                if result.model is not None:
                    critic = result.model.critic
                    norms = layer_gradients(critic, points).tolist()
                    gradients += [{**about, "seed": seed, "layer": i, "norm": norm} for i, norm in enumerate(norms, 1)]
                    flat = _weights(critic)
                    every.append(flat)
                    row |= {"at_limit": _share_at(flat, limit), "std": float(flat.std()), "largest": float(flat.abs().max())}
                    row["estimate"] = [v for _, series, v, _ in result.history if series == "diagnostic/estimate"][-1]
                weights.append(row)
            if every:
                histograms.append(_histogram(torch.cat(every)).assign(**about))
                bench.log(f"{name}/{regularisation}: gradient at layer 1 {norms[0]:.3g}, at the last {norms[-1]:.3g}")
            else:
                bench.log(f"{name}/{regularisation}: {', '.join(result.status for result in results)}")
    return {"gradients": pd.DataFrame(gradients), "weights": pd.DataFrame(weights), "histograms": pd.concat(histograms)}


def _regularisations(limits: Sequence[float], gp: float) -> Iterator[tuple[str, dict[str, str], dict[str, float]]]:
    for limit in limits:
        yield f"clipping at {limit:g}", {"penalty": "clipping"}, {"limit": limit}
    yield "gradient penalty", {"penalty": "interpolates"}, {"gp": gp}


def layer_gradients(net: MLP, x: Tensor) -> Tensor:
    """Mean length over examples x (n, d) of the gradient of the perceptron's value by each hidden layer's output (depth,).

    Outputs before the activation, the first layer first.
    """
    outputs: list[Tensor] = []
    hooks = [layer.register_forward_hook(lambda _, __, out: outputs.append(out)) for layer in net.layers[:-1]]
    with torch.enable_grad():
        value = net(x.detach().requires_grad_()).sum()
        grads = torch.autograd.grad(value, outputs)
    for hook in hooks:
        hook.remove()
    return torch.stack([grad.norm(dim=-1).mean() for grad in grads])


def _weights(net: MLP) -> Tensor:
    """All weights, without biases."""
    return torch.cat([p.flatten() for p in net.parameters() if p.dim() > 1]).double().cpu()


def _share_at(weights: Tensor, limit: float) -> float:
    return float((weights.abs() >= limit * (1 - AT_LIMIT)).double().mean())


def _histogram(weights: Tensor) -> pd.DataFrame:
    largest = float(weights.abs().max())
    counts, edges = np.histogram(weights.numpy(), bins=BINS, range=(-largest, largest))
    return pd.DataFrame({"left": edges[:-1], "right": edges[1:], "share": counts / counts.sum()})
