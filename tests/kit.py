"""What tests of many folders use."""

from pathlib import Path

import torch

from genbench.config.expand import Group
from genbench.data import load
from genbench.jobs.common import chosen, groups_of
from genbench.jobs.context import Context
from genbench.results.paths import Paths

__all__ = ["CONFIG", "CPU", "ROOT", "gen", "of_study"]

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config"
CPU = torch.device("cpu")


def gen(seed: int = 0) -> torch.Generator:
    """A generator of random numbers."""
    return torch.Generator().manual_seed(seed)


def of_study(study: str, name: str, paths: Paths) -> tuple[Group, Context]:
    """A group of a study, by name, and what its trials share."""
    settings, (group,) = groups_of(study, [name])
    group = chosen(group, paths)
    return group, Context(settings, load(paths.data(group.dataset)), paths, CPU)
