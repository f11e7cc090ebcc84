"""Print how fast a GAN trains here and in the ordinary way: eager autograd, a DataLoader, torch.optim, default threads.

Usage: python tests/benchmarks/training.py [--cases ...] [--rounds 5]

The ordinary loop is that of mimicry (Lee & Town, 2020, arXiv 2005.02494): zero_grad, backward and step for each player,
fakes made with a graph and detached, losses and shares read out in every update. Both loops train the same modules with the
same loss, batch and updates. In the ordinary loop's favour its data are encoded beforehand, its DataLoader keeps its
processes between epochs, and it neither draws, prints nor saves; ours is a trial's whole training, with averaged weights,
history and diagnostics. What is compared is checked first: from equal weights, batches and noise both give equal losses.

Every contestant is a process of its own. They run in turns, so that a noisy machine hits all alike; medians over rounds are
printed, and ratios to the faster of the two ordinary loops with default threads, with their range over rounds. Processes
that run at once count together; K replicas count as K trials. CPU seconds leave out the processes of a DataLoader.
"""

import argparse
import functools
import itertools
import multiprocessing
import os
import statistics
import time
from dataclasses import dataclass

os.environ.pop("OMP_NUM_THREADS", None)  # before the import: the default number of threads is to be PyTorch's own

import torch
from torch.utils.data import DataLoader, TensorDataset

from genbench.config.budget import Budget
from genbench.config.read import dataset_spec, model_spec, recipe
from genbench.data.space import Standard, Symmetric
from genbench.models import MODELS
from genbench.models.gan_losses import LOSSES
from genbench.nets.architectures import SMALL
from genbench.training.replicas import build
from genbench.training.trainer import HP, Switches, Trainer

BLOCK = 32  # updates between two moments at which the trainer reports


@dataclass(frozen=True)
class Case:
    """One GAN on one kind of data: what is trained, with how much, and the ratio that is wanted."""

    model: str
    dataset: str
    batch: int
    updates: int  # of a trial of the default study
    blocks: int  # of updates per round
    wanted: float
    network: str = "mlp"

    def __str__(self):
        return f"{self.model}, {self.network}, {self.dataset}"

    def parts(self):
        """What makes the model, hyperparameters, raw data of the dataset's shape and size, and their space: speed does not
        depend on the values."""
        spec = dataset_spec(self.dataset)
        found = recipe(model_spec(self.model), spec)
        net = found.net
        if self.network != "mlp":
            width, critic_width = SMALL[self.network]
            net = {"latent": 64, "network": self.network, "width": width, "critic_width": critic_width}
        make = functools.partial(MODELS[self.model], spec.shape, spec.levels, **net)
        generator = torch.Generator().manual_seed(0)
        if spec.kind == "points":
            data, space = (
                torch.randn(spec.split.train, *spec.shape, generator=generator),
                Standard(spec.shape, None, (0.0, 0.0), 1.0),
            )
        else:
            data = torch.randint(spec.levels, (spec.split.train, *spec.shape), generator=generator).to(torch.uint8)
            space = Symmetric(spec.shape, spec.levels)
        return make, {**HP, **make().hp, **found.hp}, data, space

    def trainer(self, count: int = 1, updates: int = 0, dtype=torch.float32, log=None) -> Trainer:
        make, hp, data, space = self.parts()
        budget = Budget(unit="updates", value=updates or self.updates)
        return Trainer(
            make, range(count), [hp] * count, data, data, space, self.batch, budget, Switches(schedule="constant"),
            dtype=dtype, log=log,
        )  # fmt: skip


CASES = (
    Case("ns_gan", "ring8", 256, 1000, 2, 1.5),
    Case("wgan_gp", "ring8", 256, 1000, 1, 1.5),
    Case("ns_gan", "digits", 128, 1000, 2, 1.5),
    Case("ns_gan", "mnist5k", 64, 400, 1, 1.0, "infogan"),
    Case("ns_gan", "mnist5k", 64, 400, 1, 1.0, "dcgan"),
)


class Ordinary:
    """A GAN trained as mimicry trains: one update of a player per call."""

    def __init__(self, model, hp):
        self.model, self.loss, self.hp = model, LOSSES[model.loss], hp
        betas = (hp["beta1"], hp["beta2"])
        self.optimisers = {
            p: torch.optim.Adam(getattr(model, p).parameters(), lr=hp.get(f"lr_{p}", hp["lr"]), betas=betas)
            for p in model.players
        }

    def critic(self, x, z, mix):
        """Its loss on real examples x (B, d) and fakes from z; mix (B, 1) are the places of the gradient penalty."""
        self.model.critic.zero_grad()
        real = self.model.score(x)
        made = self.model.generate(z).detach()
        fake = self.model.score(made)
        loss = self.loss.critic(real, fake, self.hp).mean()
        if self.model.penalty == "interpolates":
            between = (made + mix * (x - made)).requires_grad_()
            gradients = torch.autograd.grad(self.model.score(between).sum(), between, create_graph=True)[0]
            loss = loss + self.hp["gp"] * (gradients.norm(dim=1) - 1).square().mean()
        loss.backward()
        self.optimisers["critic"].step()
        return loss.item(), torch.sigmoid(real).mean().item(), torch.sigmoid(fake).mean().item()

    def generator(self, z):
        self.model.generator.zero_grad()
        loss = self.loss.generator(self.model.score(self.model.generate(z)), self.hp).mean()
        loss.backward()
        self.optimisers["generator"].step()
        return loss.item()

    def run(self, data: torch.Tensor, batch: int, workers: int, meter) -> None:
        """Train on encoded data until the meter ends it."""
        loader = DataLoader(
            TensorDataset(data), batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
        )
        batches, latent, done = iter(loader), self.model.latent, 0
        while True:
            meter(0, done)
            for _ in range(self.model.players["critic"]):
                try:
                    (x,) = next(batches)
                except StopIteration:
                    batches = iter(loader)
                    (x,) = next(batches)
                self.critic(x.flatten(1), torch.randn(batch, latent), torch.rand(batch, 1))
            self.generator(torch.randn(batch, latent))
            done += 1


class Finished(Exception):
    """The parent has seen enough of a case."""


class Meter:
    """Holds a training between two rounds and reports what each round cost."""

    def __init__(self, pipe):
        self.pipe, self.target = pipe, 0

    def __call__(self, before: int, done: int, *_) -> None:
        """So many updates in earlier trials, so many in this one."""
        done += before
        if done < self.target:
            return
        if self.target:
            self.pipe.send((done - self.start, time.perf_counter() - self.wall, time.process_time() - self.cpu))
        else:
            self.pipe.send(torch.get_num_threads())
        if (more := self.pipe.recv()) is None:
            raise Finished
        self.start, self.target = done, done + more
        self.wall, self.cpu = time.perf_counter(), time.process_time()


@dataclass(frozen=True)
class Contestant:
    """One way to train; threads 0 is PyTorch's default."""

    name: str
    threads: int = 1
    workers: int | None = None  # of the DataLoader; None is our trainer
    replicas: int = 1
    processes: int = 1


def serve(pipe, contestant: Contestant) -> None:
    """A contestant's process: trains a case in rounds, then waits for the next case."""
    if contestant.threads:
        torch.set_num_threads(contestant.threads)
    while (case := pipe.recv()) is not None:
        meter = Meter(pipe)
        try:
            if contestant.workers is not None:
                make, hp, data, space = case.parts()
                Ordinary(build(make, 0), hp).run(space.encode(data), case.batch, contestant.workers, meter)
            for trial in itertools.count():
                log = functools.partial(meter, trial * case.updates)
                case.trainer(contestant.replicas, log=log).run()
        except Finished:
            pass


class Process:
    """The parent's end of a contestant's process."""

    def __init__(self, contestant: Contestant):
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        # not a daemon: a DataLoader has processes of its own
        self.process = context.Process(target=serve, args=(other, contestant))
        self.process.start()
        other.close()

    def send(self, message) -> None:
        self.pipe.send(message)

    def receive(self):
        return self.pipe.recv()


def differences(case: Case, updates: int = 30) -> tuple[float, float]:
    """Largest differences of losses and weights of both loops in float64, from equal weights, batches and noise."""
    subject, twin = (case.trainer(updates=updates, dtype=torch.float64) for _ in range(2))
    make, hp, _, _ = case.parts()
    ordinary = Ordinary(build(make, 0).double(), hp)
    losses = {}
    for update in range(1, updates + 1):
        for _ in range(ordinary.model.players["critic"]):
            x, noise = twin.losses.draw()
            mix = noise["mix"][0] if "mix" in noise else None
            losses[update, "loss/critic"] = ordinary.critic(x[0].flatten(1), noise["z"][0], mix)[0]
        losses[update, "loss/generator"] = ordinary.generator(twin.losses.draw()[1]["z"][0])
    (result,) = subject.run()
    own = {(update, series): value for update, series, value, _ in result.history}
    weights = {f"model.{name}": p for name, p in ordinary.model.named_parameters()}
    return (
        max(abs(own[key] - value) for key, value in losses.items()),
        max(float((subject.replicas.rows[0][name] - p.detach()).abs().max()) for name, p in weights.items()),
    )


def measure(case: Case, contestants: list[Contestant], running: dict, rounds: int) -> dict[Contestant, list[tuple[float, float]]]:
    """Updates of trials per second and per CPU second of every contestant, round by round."""
    rates: dict[Contestant, list[tuple[float, float]]] = {c: [] for c in contestants}
    for process in [p for c in contestants for p in running[c]]:
        process.send(case)
        process.receive()
    for place in range(rounds + 1):  # the first warms up
        for contestant in contestants:
            for process in running[contestant]:
                process.send(BLOCK * (case.blocks if contestant.replicas == 1 else 1))
            costs = [process.receive() for process in running[contestant]]
            updates = sum(cost[0] for cost in costs) * contestant.replicas
            if place:
                rates[contestant].append((updates / max(c[1] for c in costs), updates / sum(c[2] for c in costs)))
    for process in [p for c in contestants for p in running[c]]:
        process.send(None)
    return rates


def show(case: Case, rates: dict[Contestant, list[tuple[float, float]]]) -> None:
    """Rates, and ratios to the faster ordinary loop with default threads."""
    ordinary = [c for c in rates if c.workers is not None and not c.threads]
    base = max(ordinary, key=lambda c: statistics.median(r[0] for r in rates[c]))
    print(f"{'':36} {'updates/s':>10} {'per CPU s':>10} {'ratio':>7}  over rounds")
    for contestant, found in rates.items():
        wall, cpu = (statistics.median(rate[i] for rate in found) for i in (0, 1))
        ratios = [own[0] / other[0] for own, other in zip(found, rates[base], strict=True)]
        span = f"{statistics.median(ratios):6.2f}x  {min(ratios):.2f} to {max(ratios):.2f}" if contestant != base else "   1"
        print(f"{contestant.name:36} {wall:10.1f} {cpu:10.1f} {span}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", type=int, default=list(range(len(CASES))), help="places in the list of cases")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    cores = torch.get_num_threads()
    contestants = [
        Contestant(f"ordinary, {cores} threads, 0 workers", threads=0, workers=0),
        Contestant(f"ordinary, {cores} threads, 2 workers", threads=0, workers=2),
        Contestant("ordinary, 1 thread, 0 workers", workers=0),
        Contestant(f"genbench, {cores} threads", threads=0),
        Contestant("genbench"),
        Contestant(f"genbench, {cores} processes", processes=cores),
        Contestant("genbench, K=16", replicas=16),
    ]
    running = {c: [Process(c) for _ in range(c.processes)] for c in contestants}
    print(f"{cores} threads by default, torch {torch.__version__}; genbench: one thread per process unless it says otherwise")
    torch.set_num_threads(1)
    for case in (CASES[i] for i in args.cases):
        loss, weight = differences(case)
        parameters = sum(p.numel() for p in case.parts()[0]().parameters())
        print(f"\n{case}: {parameters:,} parameters, batch {case.batch}, wanted {case.wanted}x")
        print(f"after 30 equal updates in float64 losses differ by at most {loss:.1e}, weights by {weight:.1e}", flush=True)
        taking_part = [c for c in running if c.replicas == 1 or case.network == "mlp"]
        show(case, measure(case, taking_part, running, args.rounds))
    for process in [p for each in running.values() for p in each]:
        process.send(None)


if __name__ == "__main__":
    main()
