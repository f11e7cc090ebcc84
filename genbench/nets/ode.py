"""A fixed-step solver of ordinary differential equations that vmap can lift."""

from collections.abc import Callable

from torch import Tensor

__all__ = ["rk4"]


def rk4(f: Callable, state: tuple[Tensor, ...], start: float, stop: float, steps: int) -> tuple[Tensor, ...]:
    """Integrate d state/dt = f(t, *state) by classical Runge-Kutta of order 4 with equal steps.

    By hand because torchdiffeq's in-place sums can't be lifted by vmap; it is the oracle of the test.
    """
    h = (stop - start) / steps

    def shift(k, size):
        return tuple(s + size * d for s, d in zip(state, k, strict=True))

    for i in range(steps):
        t = start + i * h
        k1 = f(t, *state)
        k2 = f(t + h / 2, *shift(k1, h / 2))
        k3 = f(t + h / 2, *shift(k2, h / 2))
        k4 = f(t + h, *shift(k3, h))
        slopes = zip(state, k1, k2, k3, k4, strict=True)
        state = tuple(s + h / 6 * (a + 2 * b + 2 * c + d) for s, a, b, c, d in slopes)
    return state
