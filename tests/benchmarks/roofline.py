"""Print how near a training step comes to the speed of its own matrix products, and what the rest of its time is spent on.

    python tests/benchmarks/roofline.py [--study laptop] [--datasets ring8 digits] [--models ...] [--k 1 16]

For each model at its size in the study, K trials together, on one thread: updates of trials per CPU-second; the step's GFLOP/s;
the GFLOP/s of its products and convolutions when each is run alone at its shape and strides; their ratio, which is the share of
the step that these would take; and by the profiler, shares of the step's wall time. "between" is Python, autograd and dispatch:
time inside no kernel. Alone, a product's operands are in the cache, so its speed is an upper bound.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import torch
from machine import calibration
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from genbench.checks.clock import trainer
from genbench.config.expand import Trial, expand
from genbench.config.read import read_study
from genbench.training.trainer import Trainer

LEAST = 0.01  # CPU-seconds that a product is timed for
KINDS = {  # of kernels, by parts of their names: the first that fits; what fits none is elementwise
    "products": ("mm", "conv"),
    "optimiser": ("_fused_adam", "lerp"),
    "copies, sums": ("copy", "cat", "stack", "sum", "mean", "vector_norm", "index", "scatter", "fill", "zero"),
    "between": (
        "view", "reshape", "expand", "transpose", "as_strided", "select", "unbind", "empty", "linear", "matmul", "slice",
        "narrow", "squeeze", "alias", "detach", "resize", "item", "permute",
    ),
}  # fmt: skip


class Products(TorchDispatchMode):
    """Counts the calls whose FLOPs PyTorch can count, by function, shapes and strides."""

    def __init__(self):
        super().__init__()
        self.calls: Counter = Counter()
        self.flops: dict = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func._overloadpacket):
            key = func, tuple(_Shape(a) if isinstance(a, Tensor) else tuple(a) if isinstance(a, list) else a for a in args)
            self.calls[key] += 1
            self.flops[key] = formula(*args, **(kwargs or {}), out_val=out)
        return out


class _Shape(tuple):
    """Shape and strides of a tensor."""

    def __new__(cls, tensor: Tensor):
        return super().__new__(cls, (tuple(tensor.shape), tensor.stride()))

    def tensor(self) -> Tensor:
        """Random numbers in this layout."""
        size = 1 + sum((n - 1) * step for n, step in zip(*self, strict=True))
        return torch.randn(size).as_strided(*self)


def seconds(call: Callable[[], object], least: float) -> float:
    """CPU-seconds of a call: the least of three means, since others on the machine only slow it down."""
    call()
    best = float("inf")
    for _ in range(3):
        start, count, spent = time.process_time(), 0, 0.0
        while not count or spent < least:
            call()
            count, spent = count + 1, time.process_time() - start
        best = min(best, spent / count)
    return best


def alone(products: Products) -> float:
    """CPU-seconds of a step's products, each timed alone."""
    total = 0.0
    for (func, args), count in products.calls.items():
        own = [a.tensor() if isinstance(a, _Shape) else a for a in args]
        total += count * seconds(lambda func=func, own=own: func(*own), LEAST)
    return total


def shares(subject: Trainer, steps: int = 3) -> dict[str, float]:
    """Share of a step's wall time by kind."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        start = time.perf_counter()
        for _ in range(steps):
            subject.step()
        wall = time.perf_counter() - start
    out = dict.fromkeys(["products", "elementwise", "optimiser", "copies, sums"], 0.0)
    for event in found.key_averages():
        kind = next((kind for kind, parts in KINDS.items() if any(p in event.key for p in parts)), "elementwise")
        if event.key.startswith("aten::") and event.key != "aten::t" and kind != "between":
            out[kind] += event.self_cpu_time_total / 1e6 / wall
    return out | {"between": 1 - sum(out.values())}


def group(trials: list[Trial], model: str, dataset: str, count: int) -> list[Trial]:
    """K trials of the study's first configuration of a model on a dataset, none if it has none there; seeds differ."""
    own = next((t for t in trials if (t.model, t.dataset) == (model, dataset) and not t.levels and not t.variant), None)
    budget = {"unit": "updates", "value": 10**6}
    return [replace(own, seed=k, train=own.train | {"replicas": count}, budget=budget) for k in range(count)] if own else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default="laptop")
    parser.add_argument("--datasets", nargs="+", default=["ring8", "digits"])
    parser.add_argument("--models", nargs="+", help="default: all of the study")
    parser.add_argument("--k", nargs="+", type=int, default=[1, 16])
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"calibration {calibration(3):.3f} CPU-seconds, torch {torch.__version__}", flush=True)
    trials = expand(read_study(args.study))
    kinds = ["products", "elementwise", "optimiser", "copies, sums", "between"]
    print(f"{'model':10} {'dataset':9} {'K':>3} {'updates/s':>10} {'GFLOP/s':>8} {'alone':>6} {'ratio':>6}  share of time: "
          + ", ".join(kinds))  # fmt: skip
    for dataset in args.datasets:
        for model in args.models or dict.fromkeys(t.model for t in trials if t.dataset == dataset):
            for count in args.k:
                if not (own := group(trials, model, dataset, count)):
                    continue
                subject = trainer(own)
                seconds(subject.step, 0)
                with Products() as products:
                    subject.step()
                step, product = seconds(subject.step, 0.3), alone(products)
                flops = sum(products.flops[key] * n for key, n in products.calls.items()) / 1e9
                parts = shares(subject)
                speeds = f"{count / step:10.1f} {flops / step:8.1f} {flops / product:6.1f} {product / step:6.2f}"
                spread = " ".join(f"{100 * parts[kind]:3.0f} %" for kind in kinds)
                print(f"{model:10} {dataset:9} {count:3} {speeds}  {spread}", flush=True)


if __name__ == "__main__":
    main()
