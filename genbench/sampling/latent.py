"""A generator's latent space: Langevin chains by the critic's advice, truncated normals, paths between latents."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from genbench.models.base import normal, uniform
from genbench.models.hmc import LastLook, hmc_step
from genbench.models.outputs import standard_normal

__all__ = ["arcs", "ddls", "slerp", "truncated_normal"]

ACCEPTANCE, RATE = 0.574, 0.1  # of the proposals, best for Langevin steps; how fast their length follows
LONGEST = math.pi / 2  # length of a step: a quarter of the prior's period


def ddls(
    logit: Callable[[Tensor], Tensor], z: Tensor, steps: int, generator: torch.Generator,
    log_prior: Callable[[Tensor], Tensor] = standard_normal,
) -> tuple[Tensor, float, float]:  # fmt: skip
    """Discriminator-driven latent sampling: Langevin chains from z (n, d) down the energy -log p(z) - logit(z).

    With logit(z) the log odds of G(z) being real, a calibrated critic's, G(z) has the distribution that Metropolis-Hastings over
    the generator's samples has. Unlike the authors' steps these are Metropolis-corrected, so their length does not bias the
    distribution. In the first half of the steps one length for all chains is tuned to an acceptance of 0.574; then it is kept.
    Chains rarely cross between modes, so the modes' shares stay about the generator's.

    Returns the ends (n, d), the acceptance and the length of the steps of the second half. A step costs one forward and one
    backward pass through generator and critic.

    Arguments:
        logit: (n, d) -> (n,), differentiable. z: starts, drawn from p(z). steps: at least 2.
        log_prior: log p(z) (n,), differentiable, of N(0, I) by default.

    References:
        Your GAN is secretly an energy-based model (Che et al., 2020), arXiv 2003.06060
        Optimal scaling of discrete approximations to Langevin diffusions (Roberts & Rosenthal, 1998)
    """

    def look(z: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            energy = -log_prior(z) - logit(z)
            (gradient,) = torch.autograd.grad(energy.sum(), z)
        return energy.detach(), gradient

    now, length, accepted, tuning = look(z), 0.5, 0.0, steps // 2
    for i in range(steps):
        z, now, moved = _step(look, z, now, length, generator)
        rate = float(moved.float().mean())
        if i < tuning:
            length = min(length * math.exp(RATE * (rate - ACCEPTANCE) / ACCEPTANCE), LONGEST)
        else:
            accepted += rate / (steps - tuning)
    return z, accepted, length


def _step(look, z: Tensor, now: tuple[Tensor, Tensor], length: float, generator) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
    """One Metropolis-corrected Langevin step that computes energy and gradient once, at the proposal."""
    at = LastLook(look, z, now)
    z, _, moved = hmc_step(z, now[0], lambda v: at(v)[0], lambda v: at(v)[1], length, 1, generator)
    return z, at.kept(moved), moved


def truncated_normal(shape: tuple[int, ...], threshold: float, generator: torch.Generator) -> Tensor:
    """Standard normal numbers given that each lies within [-threshold, threshold]: as if those beyond it were redrawn.

    The variance is 1 - 2 t phi(t) / (2 Phi(t) - 1).

    References:
        Large Scale GAN Training (Brock et al., 2018), arXiv 1809.11096, section 3.1
    """
    if math.isinf(threshold):
        return normal(shape, generator)
    return 2**0.5 * torch.erfinv((2 * uniform(shape, generator) - 1) * math.erf(threshold / 2**0.5))


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Points (T, ..., d) at the shares t (T,) of the arc from a to b (..., d): a at 0 and b at 1; equal norms are kept.

    A straight line between two normal vectors passes the origin closely, where a normal vector of many dimensions never lies.
    Vectors along one line have no arc: they are joined straight.

    References:
        Animating rotation with quaternion curves (Shoemake, 1985); Sampling generative networks (White, 2016), arXiv 1609.04468
    """
    t = t.reshape(-1, *[1] * a.dim())
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=-1).clamp(-1, 1).unsqueeze(-1)
    angle = cosine.acos()
    straight = angle.sin() < 1e-4
    sine = torch.where(straight, 1.0, angle.sin())
    arc = ((1 - t) * angle).sin() / sine * a + (t * angle).sin() / sine * b
    return torch.where(straight, (1 - t) * a + t * b, arc)


def arcs(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Points (T, n, d) at shares t of the way from a to b (n, d): directions along great circles, norms along straight lines.

    slerp of the vectors themselves goes far away where they have unequal norms and almost opposite directions.
    """
    norms = (each.norm(dim=-1, keepdim=True) for each in (a, b))
    return slerp(normalize(a, dim=-1), normalize(b, dim=-1), t) * torch.lerp(*norms, t.reshape(-1, 1, 1))
