"""Checkpoints of a group: everything that makes a resumed run equal to an uninterrupted one."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from genbench.results.files import atomic

__all__ = ["load_tensors", "save_tensors"]


def save_tensors(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any] | None = None) -> None:
    """Write tensors and a JSON-able dict atomically; no pickle is involved."""
    with atomic(path) as temporary:
        contiguous = {n: t.detach().cpu().contiguous().clone() for n, t in tensors.items()}
        save_file(contiguous, temporary, metadata={"meta": json.dumps(meta or {})})


def load_tensors(path: Path, device: torch.device | str = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and meta, or None where there is no readable file."""
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            return tensors, json.loads(file.metadata()["meta"])
    except (FileNotFoundError, SafetensorError):
        return None
