"""What all jobs share: which device, how progress is told."""

import contextlib
import fcntl
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from genbench.config.errors import UserError
from genbench.config.expand import Group, find_groups, resolve
from genbench.config.schema import Study
from genbench.results.files import read_json
from genbench.results.paths import Paths

__all__ = [
    "INFRASTRUCTURE",
    "cause_of",
    "choose_device",
    "chosen",
    "commit",
    "groups_of",
    "locked",
    "machine",
    "progress",
    "versions",
]

PACKAGES = (
    "genbench",
    "torch",
    "numpy",
    "scikit-learn",
    "torch-fidelity",
    "pot",
    "snakemake",
    "mlflow",
    "pandas",
    "seaborn",
)


# not the method's fault: the job must fail, and the same command run again continues from the checkpoint
# (a GPU that is out of memory is shared by several jobs; after another of its errors the process can run nothing more)
INFRASTRUCTURE = (OSError, MemoryError, torch.OutOfMemoryError, torch.AcceleratorError)


def cause_of(error: Exception) -> str:
    """What went wrong inside a method, in one line for its row."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def choose_device(name: str) -> torch.device:
    """ "auto" is cuda where there is one; else the device named, or a UserError if it can't be had."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        raise UserError(f"--device: {name!r} can't be had here; allowed: auto, cpu, cuda, cuda:N") from None
    return device


def groups_of(study: str, names: Sequence[str]) -> tuple[Study, list[Group]]:
    """A study and some of its groups; UserError if the configuration no longer has them."""
    try:
        return find_groups(study, names)
    except KeyError as error:
        name = error.args[0]
        raise UserError(f"config/studies/{study}.yaml: no group {name!r} (did the configuration change while it ran?)") from None


def chosen(group: Group, paths: Paths) -> Group:
    """The group itself, or with the trials of the chosen configuration if it confirms one; UserError if none is chosen."""
    if group.phase != "confirm":
        return group
    file = paths.selected(group.name)
    if not file.is_file():
        raise UserError(f"{file}: not found; {group.name} confirms the choice of a search that has not ended")
    return resolve(group, read_json(file)["configuration"])


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file lock, so that a duplicate of the same job (a resubmission, say) waits and then finds the work done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def progress(label: str, interval: float = 10.0) -> Callable[[int, int, dict[str, float]], None]:
    """A callback (done, total, values) that draws a bar on a terminal and prints plain lines elsewhere."""
    start = last = time.perf_counter()
    terminal = sys.stderr.isatty()

    def tell(done: int, total: int, values: dict[str, float]) -> None:
        nonlocal last
        now, end = time.perf_counter(), done == total
        if not end and now - last < (0.2 if terminal else interval):
            return
        last = now
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        left = (now - start) / max(done, 1) * (total - done)
        if terminal:
            filled = int(30 * done / total)
            bar = "#" * filled + "-" * (30 - filled)
            print(
                f"\r{label} [{bar}] {done}/{total} {left:.0f} s left  {shown}\033[K",
                end="\n" if end else "",
                file=sys.stderr,
            )
        else:
            print(f"{label}: {done}/{total}, {now - start:.0f} s, {left:.0f} s left  {shown}", file=sys.stderr, flush=True)

    return tell


def versions() -> dict[str, str]:
    """Versions of what results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def machine() -> dict[str, Any]:
    """The machine that this runs on."""
    cpu = platform.processor()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    memory = None
    with contextlib.suppress(ValueError, OSError, AttributeError):
        memory = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gb": memory,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


def commit() -> tuple[str | None, bool]:
    """Commit of the working directory and whether it has uncommitted changes; (None, False) outside a checkout."""

    def git(*args: str) -> str:
        return subprocess.run(["git", *args], capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None, False
