"""The order of examples, which must not change any number: one order by content, and subsets drawn from it."""

import numpy as np
import torch
from torch import Tensor

__all__ = ["canonical", "drawn"]


def canonical(*parts: Tensor | None) -> tuple[Tensor | None, ...]:
    """Put the examples of some tensors (n, ...), row i of each being example i, into the one order that their bytes give.

    Permuted examples give equal tensors, so that no sum, split or seeded draw depends on the order that they came in; equal
    examples are alike in any. None stays None. ValueError for unequal numbers of rows.
    """
    given = [part for part in parts if part is not None]
    if len({len(part) for part in given}) > 1:
        raise ValueError(f"examples: {', '.join(map(str, map(len, given)))} rows; equally many are needed")
    keys = np.concatenate([_bytes(part) for part in given], axis=1)
    if not keys.size:
        return parts
    order = torch.from_numpy(np.argsort(keys.view(f"V{keys.shape[1]}")[:, 0], kind="stable"))
    return tuple(None if part is None else part[order.to(part.device)] for part in parts)


def drawn(rows: Tensor, n: int, seed: int = 0) -> Tensor:
    """At most n of the rows, drawn without replacement by content and `seed`: their order does not matter."""
    if len(rows) <= n:
        return rows
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:n]
    return canonical(rows)[0][chosen.to(rows.device)]


def _bytes(part: Tensor) -> np.ndarray:
    """The bytes (n, w) of each row of a tensor (n, ...)."""
    rows = part.detach().cpu().contiguous().numpy()
    return rows.view(np.uint8).reshape(len(rows), -1) if rows.size else np.empty((len(rows), 0), np.uint8)
