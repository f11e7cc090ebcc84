"""Print how long this machine takes for a fixed training job, to compare speeds measured on different machines.

    python tests/benchmarks/machine.py [--rounds 5]

The job does not use genbench, so no change of it moves the unit: 200 updates by Adam of a perceptron 64-256-256-64 with
rectifiers on a batch of 64, mean squared error, float32, one thread. That is 7 GFLOP in small products, with all that surrounds
them in training.
"""

import argparse
import statistics
import time

import torch
from torch import nn

__all__ = ["calibration"]

UPDATES, BATCH, FEATURES, WIDTH = 200, 64, 64, 256


def calibration(rounds: int = 5) -> float:
    """Median CPU-seconds of the job over rounds, after one that is not counted; restores the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return statistics.median([_job() for _ in range(rounds + 1)][1:])
    finally:
        torch.set_num_threads(threads)


def _job() -> float:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, FEATURES))
        x = torch.randn(BATCH, FEATURES)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    start = time.process_time()
    for _ in range(UPDATES):
        adam.zero_grad()
        (net(x) - x).square().mean().backward()
        adam.step()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    print(f"{calibration(parser.parse_args().rounds):.3f} CPU-seconds for the fixed job, torch {torch.__version__}")


if __name__ == "__main__":
    main()
