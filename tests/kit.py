"""What tests of many folders use."""

from pathlib import Path

import torch

__all__ = ["CONFIG", "CPU", "ROOT", "gen"]

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config"
CPU = torch.device("cpu")


def gen(seed: int = 0) -> torch.Generator:
    """A generator of random numbers."""
    return torch.Generator().manual_seed(seed)
