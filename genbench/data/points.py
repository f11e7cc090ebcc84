"""Points in the plane whose density is known exactly, so that a sampler can be scored against the truth."""

import functools
import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["Checkerboard", "Curve", "Mixture", "Pinwheel", "PointDensity"]
__all__ += ["checkerboard", "grid25", "moons", "pinwheel", "ring8", "swiss_roll"]

Box = tuple[tuple[float, float], tuple[float, float]]

TABLE = 3_000_000  # entries of a (points x components) table in float64: bounds memory to some 100 MB
NODES = 2000  # most nodes per axis of the entropy's grid


class PointDensity:
    """A density on the plane: exact log-probability, sampler and entropy.

    Attributes:
        support: Box ((xmin, xmax), (ymin, ymax)) for plots: the data up to about 4 noise standard deviations.
        domain: Larger box outside which no float64 quadrature finds mass.
        step: Side of a quadrature cell that resolves the density.
        means: Centres of the modes (K, 2), float64, or None where there are no modes.
        std: Standard deviation of every mode, or None.
        gaussians: Number of Gaussians that the density is a mixture of; 0 if it is no such mixture.
    """

    support: Box
    domain: Box
    step: float
    means: Tensor | None = None
    components: int = 8  # values held per point
    std: float | None = None
    gaussians: int = 0

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats, float64, of points (..., 2) in raw units; differentiable."""
        flat = x.reshape(-1, 2).to(torch.float64)
        return torch.cat([self._log_prob(part) for part in flat.split(max(1, TABLE // self.components))]).reshape(x.shape[:-1])

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw n points (n, 2), float32."""
        return self._sample(rng, n).astype(np.float32)

    @functools.cached_property
    def entropy(self) -> float | None:
        """Differential entropy in nats; None where the grid is too coarse to find the whole mass."""
        mass, entropy = self.quadrature()
        return entropy if abs(mass - 1) < 1e-4 else None

    @property
    def entropy_method(self) -> str:
        """How the entropy was computed."""
        return "2-D grid quadrature of -p log p"

    def quadrature(self, step: float | None = None) -> tuple[float, float]:
        """Integrals of p and of -p log p over the domain by the midpoint rule on a grid."""
        axes, cell = [], 1.0
        for low, high in self.domain:
            n = min(math.ceil((high - low) / (step or self.step)), NODES)
            axes.append(low + (torch.arange(n, dtype=torch.float64) + 0.5) * (high - low) / n)
            cell *= (high - low) / n
        log_p = self.log_prob(torch.cartesian_prod(*axes))
        p = log_p.exp()
        return float(p.sum() * cell), float(-torch.xlogy(p, p).sum() * cell)

    def _log_prob(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        raise NotImplementedError


class Mixture(PointDensity):
    """Equally weighted isotropic Gaussians."""

    def __init__(self, means: np.ndarray, std: float) -> None:
        self.means, self.std = torch.as_tensor(means, dtype=torch.float64), std
        self.components = self.gaussians = len(means)
        self.support, self.domain = _box(means, 4 * std), _box(means, 8 * std)
        self.step = std / 3

    def _log_prob(self, x: Tensor) -> Tensor:
        return _blurred(x, self.means.to(x.device), torch.zeros((), dtype=x.dtype), self.std) - math.log(len(self.means))

    def _sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return self.means.numpy()[rng.integers(len(self.means), size=n)] + self.std * rng.standard_normal((n, 2))


class Curve(PointDensity):
    """Curves with a uniform parameter t on [low, high], all equally likely, plus isotropic Gaussian noise.

    The density is the integral of the noise's density over t, by Gauss-Legendre on panels no longer than 1.5
    standard deviations of the noise. ValueError if the noise is too small for that.
    """

    def __init__(self, curves: list, low: float, high: float, noise: float) -> None:
        self.curves, self.low, self.high, self.noise = curves, low, high, noise
        fine = np.linspace(low, high, 2001)
        step = max(np.linalg.norm(np.diff(curve(fine), axis=0), axis=-1).max() for curve in curves)
        panels = int(np.ceil(2000 * step / (1.5 * noise)))
        if panels > 250:
            raise ValueError(f"noise must be at least {noise * panels / 250:.2g}")
        roots, weights = np.polynomial.legendre.leggauss(12)
        t = low + (high - low) * ((roots + 1) / 2 + np.arange(panels)[:, None]).ravel() / panels
        weights = np.tile(weights / 2, panels * len(curves)) / (panels * len(curves))
        self.centres = torch.as_tensor(np.concatenate([curve(t) for curve in curves]))
        self.log_weights = torch.as_tensor(np.log(weights))
        self.components = len(weights)
        self.support, self.domain = _box(self.centres, 4 * noise), _box(self.centres, 8 * noise)
        self.step = noise / 3

    def _log_prob(self, x: Tensor) -> Tensor:
        return _blurred(x, self.centres.to(x.device), self.log_weights.to(x.device), self.noise)

    def _sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        t = rng.uniform(self.low, self.high, n)
        every = np.stack([curve(t) for curve in self.curves])
        return every[rng.integers(len(self.curves), size=n), np.arange(n)] + self.noise * rng.standard_normal((n, 2))


class Checkerboard(PointDensity):
    """Uniform on the 8 dark squares of a 4 x 4 board on [-4, 4]^2; log-density -inf elsewhere."""

    support = domain = ((-4.0, 4.0), (-4.0, 4.0))
    step = 0.05
    entropy = math.log(32)
    entropy_method = "closed form log(area)"

    def _log_prob(self, x: Tensor) -> Tensor:
        square = (x / 2).floor()
        dark = (square.sum(-1) % 2 == 0) & (square >= -2).all(-1) & (square <= 1).all(-1)
        value = torch.where(dark, -math.log(32), -math.inf).to(x.dtype)
        return torch.where(x.isnan().any(-1), math.nan, value)

    def _sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        column, half = rng.integers(-2, 2, size=n), rng.integers(-1, 1, size=n)
        corner = np.stack([column, 2 * half + column % 2], -1)
        inside = (rng.integers(2**20, size=(n, 2)) + 0.5) / 2**20  # exact in float32: no point is rounded onto a border
        return 2 * (corner + inside)


class Pinwheel(PointDensity):
    """Gaussian arms, each point turned by an angle that grows with its radius.

    A turn by a function of the radius keeps areas: the density of a point is that of the point turned back.
    Johnson et al. 2016 turn by a function of the radial coordinate instead, whose inverse has no closed form.
    """

    arms = 5
    size = 2.0

    def __init__(self, radial: float, tangential: float, rate: float) -> None:
        self.radial, self.tangential, self.rate = radial, tangential, rate
        self.support = _square(self.size * (1 + 4 * radial))
        self.domain = _square(self.size * (1 + 8 * radial + 8 * tangential))
        self.step = self.size * min(radial, tangential) / 10  # the turn makes the arms thinner than their standard deviation

    def _log_prob(self, x: Tensor) -> Tensor:
        x = x / self.size
        turns = 2 * math.pi / self.arms * torch.arange(self.arms, dtype=x.dtype, device=x.device)
        # far out the angle stays constant: still a turn by a function of the radius, and exp cannot overflow
        angle = turns + self.rate * x.square().sum(-1, keepdim=True).clamp(1e-300, 100).sqrt().exp()
        cos, sin, a, b = angle.cos(), angle.sin(), x[:, :1], x[:, 1:]
        radial, tangential = (cos * a + sin * b - 1) / self.radial, (cos * b - sin * a) / self.tangential
        area = self.arms * 2 * math.pi * self.radial * self.tangential * self.size**2
        return torch.logsumexp(-(radial.square() + tangential.square()) / 2, -1) - math.log(area)

    def _sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        a, b = np.array([[1], [0]]) + np.array([[self.radial], [self.tangential]]) * rng.standard_normal((2, n))
        angle = 2 * np.pi / self.arms * rng.integers(self.arms, size=n) + self.rate * np.exp(np.minimum(np.hypot(a, b), 10))
        cos, sin = np.cos(angle), np.sin(angle)
        return self.size * np.stack([cos * a - sin * b, sin * a + cos * b], -1)


def ring8(radius: float = 4 / math.sqrt(2), std: float = 0.5 / math.sqrt(2)) -> Mixture:
    """8 Gaussians on a circle (Grathwohl et al. 2019, FFJORD: radius 4, std .5, over the root of 2)."""
    angle = np.pi / 4 * np.arange(8)
    return Mixture(radius * np.stack([np.cos(angle), np.sin(angle)], -1), std)


def grid25(std: float = 0.05) -> Mixture:
    """25 Gaussians on the grid {-4, -2, 0, 2, 4}^2 (Srivastava et al. 2017, VEEGAN; Lin et al. 2018)."""
    return Mixture(np.array([(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)], dtype=float), std)


def moons(noise: float = 0.2) -> Curve:
    """Two interleaved half circles of radius 2 plus noise (scikit-learn's, twice as large and centred)."""

    def upper(t: np.ndarray) -> np.ndarray:
        return np.stack([2 * np.cos(t) - 1, 2 * np.sin(t) - 0.5], -1)

    return Curve([upper, lambda t: -upper(t)], 0, np.pi, noise)


def swiss_roll(noise: float = 2 / 7) -> Curve:
    """Spiral t (cos t, sin t) / 3.5, t ~ U[1.5 pi, 4.5 pi], plus noise (Marsland 2009, in 2-D)."""

    def spiral(t: np.ndarray) -> np.ndarray:
        return np.stack([t * np.cos(t), t * np.sin(t)], -1) / 3.5

    return Curve([spiral], 1.5 * np.pi, 4.5 * np.pi, noise)


def checkerboard() -> Checkerboard:
    """Uniform on the dark squares of a 4 x 4 board: a density with edges (Grathwohl et al. 2019)."""
    return Checkerboard()


def pinwheel(radial: float = 0.3, tangential: float = 0.1, rate: float = 0.25) -> Pinwheel:
    """5 bent arms (after Johnson et al. 2016): anisotropic Gaussians turned by rate * exp(radius)."""
    return Pinwheel(radial, tangential, rate)


def _blurred(x: Tensor, centres: Tensor, log_weights: Tensor, std: float) -> Tensor:
    """log sum_k w_k N(x; c_k, std^2 I) for x (n, 2) and centres (K, 2)."""
    squared = (x[:, :1] - centres[:, 0]).square() + (x[:, 1:] - centres[:, 1]).square()
    return torch.logsumexp(log_weights.to(x.device) - squared / (2 * std**2), -1) - math.log(2 * math.pi * std**2)


def _box(centres: np.ndarray | Tensor, margin: float) -> Box:
    centres = np.asarray(centres)
    (x0, y0), (x1, y1) = centres.min(0) - margin, centres.max(0) + margin
    return (float(x0), float(x1)), (float(y0), float(y1))


def _square(half: float) -> Box:
    return (-half, half), (-half, half)
