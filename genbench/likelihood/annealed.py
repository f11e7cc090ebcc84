"""Annealed importance sampling of p(x) for models with a decoder, its check on simulated data, and a surrogate for GANs."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from genbench.models.hmc import LastLook, hmc_step
from genbench.models.outputs import gaussian, standard_normal

__all__ = ["Annealed", "Gap", "Sigma", "bdmc", "decoder_ais", "fit_sigma", "start_of", "surrogate"]

LogLikelihood = Callable[[Tensor, Tensor], Tensor]  # x (B, ...), z (B, dim) -> log p(x|z) (B,)
LogPrior = Callable[[Tensor], Tensor]  # z (B, dim) -> log p(z) (B,)
Start = tuple[Tensor, Tensor]  # mean and log standard deviation (n, dim) of q(z|x)
Look = Callable[[Tensor], tuple[Tensor, Tensor]]

ACCEPTANCE, RATE = 0.8, 0.3  # what the pilot's steps aim at, and how fast their logarithm follows
JITTER = 0.3  # steps are a random share, between this and 1, of the tuned one: no trajectory comes back to where it began


@dataclass(frozen=True)
class Annealed:
    """What annealing gives of log p(x) for each example."""

    lower: Tensor  # (n,) nats: its expectation is at most log p(x), and it exceeds log p(x) + c with probability < exp(-c)
    ess: Tensor  # (n,) effective number of chains (sum w)^2 / sum w^2, between 1 and `chains`
    acceptance: float  # mean over all transitions


@dataclass(frozen=True)
class Gap:
    """Bounds on log p(x) from both sides for examples that the model itself made, in nats."""

    lower: Tensor  # (n,) forward, as in `Annealed`
    upper: Tensor  # (n,) reverse: its expectation is at least log p(x)
    ess: Tensor  # (n,) of the forward chains
    value: float  # mean of upper - lower: what the lower bound lacks is at most this, in expectation
    se: float  # standard error of `value` over the examples


@dataclass(frozen=True)
class Sigma:
    """A fitted noise scale, the mean lower bound (nats) that it reaches, and all (sigma, bound) that were tried."""

    value: float
    lower: float
    tried: tuple[tuple[float, float], ...]


def decoder_ais(
    log_likelihood: LogLikelihood, dim: int, x: Tensor, generator: torch.Generator, *,
    chains: int = 16, temperatures: int = 500, leapfrog: int = 3, start: Start | None = None, pilot: int = 4,
    log_prior: LogPrior = standard_normal,
) -> Annealed:  # fmt: skip
    """Bound log p(x) = log E_{z ~ p(z)} p(x|z) from below by annealing from N(0, I), or from q(z|x), to p(z|x).

    The distributions between are q^(1-b) (p(z) p(x|z))^b, where q is N(0, I) without a `start`; b = ((1 + v)^t - 1) / v on an
    even grid of t, with v the standard deviation of the log-weight under the first distribution, which makes equal steps in
    log(1 + v b): the sigmoid grid of Wu et al. is far too coarse near 0 where p(x|z) is narrow. v and the step sizes, functions
    of x and b only, come from pilot chains and are then frozen: steps that follow the chains themselves would break the bound.
    A high acceptance proves nothing: look at a run's `ess` and at `bdmc`. Memory grows with n * chains: split many examples.
    Raises ValueError where the log-likelihood is not finite at the start of the chains.

    Arguments:
        log_likelihood: (x (B, ...), z (B, dim)) -> log p(x|z) (B,), differentiable in z. x: (n, ...), also its device and type.
        chains, pilot: for each example, of the run that counts and of the tuning (2 or more). temperatures: number of steps of b.
        leapfrog: steps per trajectory; a step costs `leapfrog` gradients per chain. start: of an encoder; good ones need
            far fewer temperatures, but one that is too narrow loses mass. log_prior: differentiable, of N(0, I) by default.

    References:
        Annealed importance sampling (Neal, 2001), arXiv physics/9803008
        On the quantitative analysis of decoder-based generative models (Wu et al., 2017), arXiv 1611.04273
    """
    n = len(x)
    grid, steps = _tune(log_likelihood, log_prior, dim, x, generator, start, temperatures, leapfrog, pilot)
    u = _draw(n * chains, dim, x, generator)
    log_w, acceptance = _anneal(_look(log_likelihood, log_prior, dim, x, start, chains), u, n, grid, leapfrog, generator, steps)
    return Annealed(_mean(log_w), _ess(log_w), float(acceptance))


def bdmc(
    log_likelihood: LogLikelihood, z: Tensor, x: Tensor, generator: torch.Generator, *,
    chains: int = 16, temperatures: int = 500, leapfrog: int = 3, start: Start | None = None, pilot: int = 4,
    log_prior: LogPrior = standard_normal,
) -> Gap:  # fmt: skip
    """Bound the error of `decoder_ais` by bidirectional Monte Carlo on pairs drawn from the model.

    z is an exact draw of p(z|x), so the path can also be run backwards from it, which bounds log p(x) from above. The gap
    holds for such simulated data; how far it holds for real data depends on how much they resemble them.

    Arguments:
        z, x: (n, dim) and (n, ...), z ~ p(z) and x ~ p(x|z) with all of the decoder's noise. The others: `decoder_ais`.

    References:
        Sandwiching the marginal likelihood using bidirectional Monte Carlo (Grosse et al., 2015), arXiv 1511.02543
    """
    n, dim = z.shape
    grid, steps = _tune(log_likelihood, log_prior, dim, x, generator, start, temperatures, leapfrog, pilot)
    look = _look(log_likelihood, log_prior, dim, x, start, chains)
    forward, _ = _anneal(look, _draw(n * chains, dim, x, generator), n, grid, leapfrog, generator, steps)
    exact = z if start is None else (z - start[0]) * (-start[1]).exp()
    u = exact.to(x.dtype).repeat_interleave(chains, 0)
    backward, _ = _anneal(look, u, n, grid, leapfrog, generator, steps, reverse=True)
    lower, upper = _mean(forward), -_mean(-backward)
    return Gap(lower, upper, _ess(forward), float((upper - lower).mean()), float((upper - lower).std() / n**0.5))


def surrogate(generate: Callable[[Tensor], Tensor], sigma: float) -> LogLikelihood:
    """The log-density log N(x; G(z), sigma^2 I) that is attached to a model without one, to score it by `decoder_ais`."""

    def log_likelihood(x: Tensor, z: Tensor) -> Tensor:
        mean = generate(z).flatten(1)
        return gaussian(x.flatten(1), mean, mean.new_tensor(math.log(sigma))).sum(-1)

    return log_likelihood


def start_of(z: Tensor, n: int) -> Start:
    """Where annealing for n examples starts under a prior with these draws (m, dim): a normal distribution with their moments."""
    mean, log_std = z.mean(0), z.std(0).clamp(min=1e-6).log()
    return mean.expand(n, -1), log_std.expand(n, -1)


def fit_sigma(
    generate: Callable[[Tensor], Tensor], dim: int, x: Tensor, generator: torch.Generator, *,
    chains: int = 8, temperatures: int = 100, evaluations: int = 12, log_prior: LogPrior = standard_normal,
    z: Tensor | None = None,
) -> Sigma:  # fmt: skip
    """Choose the surrogate's sigma by the mean annealed bound on validation examples x (n, ...), common random numbers.

    Bounded search from 1/100 of the examples' root mean square deviation to a little beyond their root mean square distance
    from the generator's own, which is the best where those are all alike. To choose it by a Parzen window or by importance
    sampling from the prior would favour far too large values. z: draws of another prior than N(0, I), at whose mean and
    standard deviation annealing then starts.
    """
    seed = int(torch.randint(2**31, (1,), generator=generator, device=generator.device))
    with torch.no_grad():
        made = generate(_draw(max(len(x), 256), dim, x, generator) if z is None else z)
    flat, made = x.flatten(1), made.flatten(1)
    spread = float((flat - flat.mean(0)).square().mean().sqrt())
    distance = float((made.var(0, correction=0) + (flat[:, None] - made.mean(0)).square().mean((0, 1))).mean().sqrt())
    start, tried = None if z is None else start_of(z, len(x)), []

    def loss(log_sigma: float) -> float:
        same = torch.Generator(generator.device).manual_seed(seed)
        p = surrogate(generate, math.exp(log_sigma))
        found = decoder_ais(p, dim, x, same, chains=chains, temperatures=temperatures, start=start, log_prior=log_prior)
        lower = float(found.lower.mean())
        tried.append((math.exp(log_sigma), lower))
        return -lower

    bounds, options = (math.log(spread / 100), math.log(1.1 * max(distance, spread))), {"maxiter": evaluations, "xatol": 0.02}
    minimize_scalar(loss, bounds=bounds, method="bounded", options=options)
    value, lower = max(tried, key=lambda pair: pair[1])
    return Sigma(value, lower, tuple(tried))


def _look(log_likelihood: LogLikelihood, log_prior: LogPrior, dim: int, x: Tensor, start: Start | None, chains: int) -> Look:
    """Return h and its gradient at u = (z - mean) / std, with N(u; 0, I) exp(b h(u)) the distribution at b, p(x) = E exp h."""
    x = x.repeat_interleave(chains, 0)
    mean, log_std = (t.repeat_interleave(chains, 0) for t in start) if start else (0.0, torch.zeros(dim).to(x))

    def look(u: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            u = u.detach().requires_grad_()
            z = mean + log_std.exp() * u
            h = log_likelihood(x, z) + log_prior(z) - standard_normal(u) + log_std.sum(-1)
            (gradient,) = torch.autograd.grad(h.sum(), u)
        return h.detach(), gradient

    return look


def _tune(log_likelihood, log_prior, dim, x, generator, start, temperatures, leapfrog, pilot) -> tuple[list[float], list[Tensor]]:
    """Grid of b, from 0 to 1, and steps (n,) at each of its later entries, from pilot chains."""
    look = _look(log_likelihood, log_prior, dim, x, start, pilot)
    h, _ = look(_draw(len(x) * pilot, dim, x, generator))
    if not h.isfinite().all():
        raise ValueError("annealing: the log-likelihood is not finite at the start of the chains")
    v = max(float(h.double().reshape(len(x), pilot).std(1).mean()), 1.0)
    grid = [math.expm1(i / temperatures * math.log1p(v)) / v for i in range(temperatures)] + [1.0]
    steps: list[Tensor] = []
    _anneal(look, _draw(len(x) * pilot, dim, x, generator), len(x), grid, leapfrog, generator, steps, adapt=True)
    return grid, steps


def _anneal(
    look: Look, u: Tensor, n: int, grid: list[float], leapfrog: int, generator: torch.Generator, steps: list[Tensor],
    reverse: bool = False, adapt: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Log-weights (n, chains) in float64 and mean acceptance of chains that begin at u (n * chains, dim).

    Forward: weigh, then move at the new b. Reverse: from b = 1, move at the old b, then weigh. `adapt` fills `steps`.
    """
    last = len(grid) - 1
    largest = 0.5 * math.pi / leapfrog  # of the whitened start's unit scale: a quarter of its period
    log_w = torch.zeros(len(u), dtype=torch.float64, device=u.device)
    now, step, moved = look(u), torch.full((n,), largest).to(u), torch.zeros(n).to(u)
    for i in reversed(range(last)) if reverse else range(last):
        b, width = grid[i + 1], grid[i + 1] - grid[i]
        if not reverse:
            log_w += width * now[0].double()
        if adapt:
            steps.append(step)
        share = JITTER + (1 - JITTER) * torch.rand(len(u), 1, generator=generator, device=u.device, dtype=u.dtype)
        size = steps[i].repeat_interleave(len(u) // n).unsqueeze(-1) * share
        u, now, accepted = _move(look, u, now, b, size, leapfrog, generator)
        if reverse:
            log_w += width * now[0].double()
        rate = accepted.to(u).reshape(n, -1).mean(1)
        moved += rate / last
        step = (step * (RATE * (rate - ACCEPTANCE)).exp()).clamp(max=largest)
    return log_w.reshape(n, -1), moved.mean()


def _move(look: Look, u: Tensor, now: tuple[Tensor, Tensor], b: float, size: Tensor, leapfrog: int, generator):
    """One HMC transition at b; h and its gradient are computed once at each point of the trajectory."""
    at = LastLook(look, u, now)

    def energy(v: Tensor) -> Tensor:
        return 0.5 * v.square().sum(-1) - b * at(v)[0]

    def gradient(v: Tensor) -> Tensor:
        return v - b * at(v)[1]

    new, _, accepted = hmc_step(u, energy(u), energy, gradient, size, leapfrog, generator)
    return new, at.kept(accepted), accepted


def _draw(count: int, dim: int, like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(count, dim, generator=generator, device=like.device, dtype=like.dtype)


def _mean(log_w: Tensor) -> Tensor:
    """Log of the mean weight over the chains (n, chains)."""
    return log_w.logsumexp(1) - math.log(log_w.shape[1])


def _ess(log_w: Tensor) -> Tensor:
    return (2 * log_w.logsumexp(1) - (2 * log_w).logsumexp(1)).exp()
