"""Adam for replicas: one fused kernel per replica, each with its own learning rate and betas."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["RowAdam", "clip_norm"]


class RowAdam:
    """AdamW on the parameters of K replicas, row by row.

    A stacked elementwise Adam is 15-20 times slower: it leaves the cache and allocates. Rows may be views of stacked tensors.

    References:
        Adam (Kingma & Ba, 2014), arXiv 1412.6980; AdamW (Loshchilov & Hutter, 2017), arXiv 1711.05101

    Arguments:
        rows: for each replica its parameters, updated in place.
    """

    def __init__(self, rows: Sequence[Sequence[Tensor]]):
        self.rows = [list(row) for row in rows]
        self.first = [[torch.zeros_like(p, memory_format=torch.contiguous_format) for p in row] for row in rows]
        self.second = [[torch.zeros_like(p, memory_format=torch.contiguous_format) for p in row] for row in rows]
        self.steps = [torch.zeros((), device=row[0].device) for row in rows]

    @torch.no_grad()
    def step(self, k: int, grads: Sequence[Tensor], hp: Mapping[str, float], lr: float) -> None:
        """Update replica k; hp holds beta1, beta2, weight_decay."""
        self.steps[k] += 1
        # contiguous: the CPU kernel ignores strides and would apply a transposed gradient to the wrong weights
        torch._fused_adamw_(
            self.rows[k], [g.contiguous() for g in grads], self.first[k], self.second[k], [],
            [self.steps[k]] * len(grads), lr=lr, beta1=hp["beta1"], beta2=hp["beta2"], weight_decay=hp["weight_decay"],
            eps=1e-8, amsgrad=False, maximize=False,
        )  # fmt: skip

    def state(self) -> dict[str, Tensor]:
        """Tensors that a checkpoint needs, by name."""
        out = {}
        for k, step in enumerate(self.steps):
            out[f"{k}.step"] = step
            out |= {f"{k}.first.{i}": m for i, m in enumerate(self.first[k])}
            out |= {f"{k}.second.{i}": v for i, v in enumerate(self.second[k])}
        return out


def clip_norm(grads: Sequence[Tensor], limit: float) -> list[Tensor]:
    """Scale a replica's gradients so that their joint norm is at most `limit`."""
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(grads))))
    scale = (limit / (norm + 1e-12)).clamp(max=1.0)
    return list(torch._foreach_mul(list(grads), scale))
