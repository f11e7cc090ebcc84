"""How many trials to train together on this machine: timed once for each network, then remembered."""

import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from genbench.results.files import read_json, write_json
from genbench.training.trainer import Trainer

__all__ = ["SIZES", "fastest"]

SIZES = (1, 4, 16, 64)
ROUNDS = 3  # of which the fastest counts, since others on a machine only slow it down
ENOUGH = 1.1  # the smallest size within this factor of the fastest is taken: it needs the least memory
HOPELESS = 1.3  # so much slower than a smaller size, larger ones are not tried


def fastest(make: Callable[[int], Trainer], key: str, cache: Path | None = None, sizes: Sequence[int] = SIZES, least=0.1) -> int:
    """The number K of trials, one of `sizes` in rising order, whose training together takes about the least time per trial.

    A trial's results do not depend on K but for rounding, so a badly timed K costs time only. Of two processes that write the
    cache at once, one's entry is lost and timed again.

    Arguments:
        make: a trainer of K trials, which is not used afterwards. key: all that speed depends on, but for machine and versions.
        cache: JSON file of earlier answers. least: seconds that steps of one size are timed for, in each of the rounds.
    """
    known = read_json(cache) if cache is not None and cache.is_file() else {}
    name = f"{platform.node()} {platform.processor()} torch {torch.__version__} threads {torch.get_num_threads()} {key}"
    if name not in known or known[name] not in sizes:
        known[name] = _timed(make, sizes, least)
        if cache is not None:
            cache.parent.mkdir(parents=True, exist_ok=True)
            write_json(cache, known)
    return known[name]


def _timed(make: Callable[[int], Trainer], sizes: Sequence[int], least: float) -> int:
    spent: dict[int, float] = {}
    for size in sizes:
        trainer = make(size)
        trainer.replicas.traced = False  # tracing takes longer than timing
        clock = time.process_time if trainer.replicas.device.type == "cpu" else _synchronised
        trainer.step()  # draws noise for many
        spent[size] = min(_step(trainer, clock, least) for _ in range(ROUNDS)) / size
        if spent[size] > HOPELESS * min(spent.values()):
            break
    return next(size for size, seconds in spent.items() if seconds <= ENOUGH * min(spent.values()))


def _step(trainer: Trainer, clock: Callable[[], float], least: float) -> float:
    """Seconds of a step of all replicas."""
    start, count, spent = clock(), 0, 0.0
    while not count or spent < least:
        trainer.step()
        count, spent = count + 1, clock() - start
    return spent / count


def _synchronised() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()
