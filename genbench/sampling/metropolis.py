"""Metropolis-Hastings over a generator's samples."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Chains", "metropolis"]


@dataclass(frozen=True)
class Chains:
    """`x` (n, ...), ends of chains; `acceptance` of all proposals; `restarted`, share of chains that began again with a
    sample of the generator; `proposals` in all."""

    x: Tensor
    acceptance: float
    restarted: float
    proposals: int


def metropolis(propose: Callable[[int], tuple[Tensor, Tensor]], start: Tensor, steps: int, generator: torch.Generator) -> Chains:
    """Run a chain of `steps` proposals from each start; its distribution tends to p_generator(x) exp(logit(x)).

    An independence chain: x' replaces x with probability min(1, (1 / D(x) - 1) / (1 / D(x') - 1)), which is
    min(1, exp(logit(x') - logit(x))). With D the probability that a real example has against a generator's, the distribution is
    that of the data where the generator reaches them. Chains start at real examples, of which only the log odds are needed:
    there it is right from the first step. A chain that has never moved would return its real example, so it begins again with
    a sample of the generator; only the few chains do whose start no proposal could match.

    Arguments:
        propose: n -> the generator's samples (n, ...) and their log odds of being real (n,).
        start: log odds (n,) of real examples that the critic was not trained on, one per chain.

    References:
        Metropolis-Hastings Generative Adversarial Networks (Turner et al., 2019), arXiv 1811.11357
    """
    x, moved, accepted = _chain(propose, None, start, steps, generator)
    still = (~moved).nonzero().squeeze(1)
    count = steps * len(start)
    if len(still):
        again, logit = propose(len(still))
        again, _, more = _chain(propose, again, logit, steps, generator)
        x, accepted, count = x.index_copy(0, still, again), accepted + more, count + steps * len(still)
    return Chains(x, accepted / count, len(still) / len(start), count)


def _chain(propose, x: Tensor | None, logit: Tensor, steps: int, generator) -> tuple[Tensor, Tensor, int]:
    """Ends (n, ...), who ever moved (n,), and how many proposals were accepted; x None: starts that nobody wants back."""
    moved, accepted = torch.zeros_like(logit, dtype=torch.bool), 0
    for _ in range(steps):
        new, value = propose(len(logit))
        x = torch.zeros_like(new) if x is None else x
        uniform = torch.rand(len(logit), generator=generator, device=logit.device)
        move = uniform.log() < value - logit
        x = torch.where(move.reshape(-1, *[1] * (x.dim() - 1)), new, x)
        logit, moved, accepted = torch.where(move, value, logit), moved | move, accepted + int(move.sum())
    return x, moved, accepted
