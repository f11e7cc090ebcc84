"""Print what each generator and critic costs: parameters, operations of a forward pass, and time of a GAN's step.

Usage: python tests/benchmarks/networks.py [--shape 1 28 28] [--latent 64] [--parameters N] [--batch 64] [--rounds 5]

Widths are the small ones (about 100,000 parameters each at 28x28), or those that match --parameters. A step is one update of
the critic and one of the generator, without the optimiser. Rounds interleave the networks and medians are printed, so that a
noisy machine hits all alike. On the CPU the clock is the process's CPU time with one thread, elsewhere wall time.
"""

import argparse
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

from genbench.nets import CRITICS, GENERATORS, describe


def seconds(generator: nn.Module, critic: nn.Module, x: torch.Tensor) -> float:
    """Time of the two players' gradients."""
    clock = time.process_time if x.device.type == "cpu" else time.perf_counter
    if x.device.type != "cpu":
        torch.cuda.synchronize()
    start = clock()
    z = torch.randn(len(x), generator.latent, device=x.device)
    with torch.no_grad():
        fake = torch.tanh(generator(z))
    loss = F.softplus(-critic(x)).mean() + F.softplus(critic(fake)).mean()
    torch.autograd.grad(loss, list(critic.parameters()))
    torch.autograd.grad(F.softplus(-critic(torch.tanh(generator(z)))).mean(), list(generator.parameters()))
    if x.device.type != "cpu":
        torch.cuda.synchronize()
    return clock() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs=3, type=int, default=[1, 28, 28])
    parser.add_argument("--latent", type=int, default=64)
    parser.add_argument("--parameters", type=int)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = {(row.name, row.role): row for row in describe(tuple(args.shape), args.latent, args.parameters)}
    x = torch.rand(args.batch, *args.shape, device=args.device) * 2 - 1
    pairs = {
        name: (
            GENERATORS[name](args.latent, args.shape, rows[name, "generator"].width).to(args.device),
            CRITICS[name](args.shape, rows[name, "critic"].width).to(args.device),
        )
        for name in GENERATORS
    }
    times: dict[str, list[float]] = {name: [] for name in pairs}
    for _ in range(args.rounds + 1):  # the first warms up
        for name, pair in pairs.items():
            times[name].append(seconds(*pair, x))
    print(f"{tuple(args.shape)}, latent {args.latent}, batch {args.batch}, {args.device}, torch {torch.__version__}")
    print(f"{'':9} {'generator':^29}   {'critic':^29}   {'step':>7}")
    print(f"{'name':9} " + f"{'width':>5} {'parameters':>12} {'MFLOP':>10}   " * 2 + f"{'ms':>7}")
    for name in pairs:
        costs = [rows[name, role] for role in ("generator", "critic")]
        cells = "".join(f"{c.width:5} {c.parameters:12,} {c.flops / 1e6:10.2f}   " for c in costs)
        print(f"{name:9} {cells}{statistics.median(times[name][1:]) * 1e3:7.1f}")


if __name__ == "__main__":
    main()
