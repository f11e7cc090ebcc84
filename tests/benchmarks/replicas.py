"""Print how much faster K trials train together than one after the other, for each liftable model.

Usage: python tests/benchmarks/replicas.py [--device cpu] [--kinds points images] [--k 4 16] [--rounds 5] [--models ...]

One table per kind: milliseconds per step of one trial, trained alone (a loop, which is also what a single trial runs), and the
ratio alone / together for each K. Rounds interleave the variants, medians are printed, so that a noisy machine hits all
alike. On the CPU the clock is the process's CPU time with one thread, elsewhere wall time after a synchronisation.
"""

import argparse
import functools
import statistics
import time

import torch

from genbench.config.read import dataset_spec, model_spec, recipe
from genbench.config.schema import Budget
from genbench.data.space import Standard, Symmetric
from genbench.models import MODELS
from genbench.training.trainer import Switches, Trainer

DATASETS = {"points": ("ring8", 256), "images": ("digits", 128)}


def trainer(name: str, kind: str, count: int, lifted: bool, device: str) -> Trainer:
    """A trainer with the model's own recipe on random data of the right shape: speed does not depend on the values."""
    dataset, batch = DATASETS[kind]
    spec = dataset_spec(dataset)
    parts = recipe(model_spec(name), spec)
    make = functools.partial(MODELS[name], spec.shape, spec.levels, **parts.net)
    if kind == "points":
        data, space = torch.randn(4096, 2), Standard(spec.shape, None, (0.0, 0.0), 1.0)
    else:
        data, space = torch.randint(spec.levels, (1024, *spec.shape)).to(torch.uint8), Symmetric(spec.shape, spec.levels)
    hps = [{**parts.hp, "lr": 1e-4 * (1 + k)} for k in range(count)]
    budget = Budget(value=10**6)
    return Trainer(make, range(count), hps, data, data, space, batch, budget, Switches(), device=device, lifted=lifted)


def seconds(subject: Trainer, steps: int, device: str) -> float:
    """Time per step and trial."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    if device != "cpu":
        torch.cuda.synchronize()
    start = clock()
    for _ in range(steps):
        subject.step()
    if device != "cpu":
        torch.cuda.synchronize()
    return (clock() - start) / steps / subject.replicas.count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--kinds", nargs="+", default=["points"], choices=list(DATASETS))
    parser.add_argument("--k", nargs="+", type=int, default=[4, 16])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=[n for n, c in MODELS.items() if c.players and c.liftable])
    args = parser.parse_args()
    torch.set_num_threads(1)
    for kind in args.kinds:
        print(f"{kind}, batch {DATASETS[kind][1]}, {args.device}, torch {torch.__version__}")
        print(f"{'model':10} {'alone, ms':>10} " + " ".join(f"{f'K={k}':>8}" for k in args.k))
        for name in args.models:
            subjects = {1: trainer(name, kind, 1, False, args.device)}
            subjects |= {k: trainer(name, kind, k, True, args.device) for k in args.k}
            for subject in subjects.values():
                seconds(subject, 2, args.device)  # warm-up
            times: dict[int, list[float]] = {k: [] for k in subjects}
            for _ in range(args.rounds):
                for k, subject in subjects.items():
                    times[k].append(seconds(subject, max(2, 16 // k), args.device))
            alone = statistics.median(times[1])
            ratios = [alone / statistics.median(times[k]) for k in args.k]
            print(f"{name:10} {alone * 1e3:10.2f} " + " ".join(f"{ratio:7.2f}x" for ratio in ratios), flush=True)


if __name__ == "__main__":
    main()
