"""Langevin chains on known potentials."""

import math

import pytest
import torch
from kit import gen

from genbench.models import MODELS
from genbench.models.langevin import mala, ula


def plain(x, gradient, step, steps, generator, fold=None):
    for _ in range(steps):
        x = ula(x, gradient, step, torch.randn(len(x), 1, x.shape[1], generator=generator), fold)
    return x


@pytest.mark.parametrize("step", [0.005, 0.02, 0.04])
def test_variance_of_a_gaussian(step):
    """ULA's distribution is N(0, s^2 / (1 - step / (2 s^2))), MALA's is N(0, s^2)."""
    s, n = 0.2, 20000
    energy, gradient = (lambda x: 0.5 * (x / s).square().sum(-1)), (lambda x: x / s**2)
    start = s * torch.randn(n, 1, generator=gen(1))
    error = 4 * (2 / n) ** 0.5
    wide = s**2 / (1 - step / (2 * s**2))
    x = plain(start, gradient, step, 60, gen(2))
    assert float(x.var()) == pytest.approx(wide, rel=error)
    x, rate = mala(x, energy, gradient, step, 100, gen(3))
    assert float(x.var()) == pytest.approx(s**2, rel=error)
    assert 0.4 < rate < 1


def moments(energy, low=-4.0, high=4.0):
    """Mean, variance and fourth moment of exp(-U) by quadrature in one dimension."""
    x = torch.linspace(low, high, 20001, dtype=torch.float64).unsqueeze(1)
    p = (-energy(x)).softmax(0)
    return [float((p * x[:, 0] ** k).sum()) for k in (1, 2, 4)]


def double_well(x):
    return (1.5 * (x.square() - 1).square() + 0.3 * x).sum(-1)


def double_well_gradient(x):
    return 6 * x * (x.square() - 1) + 0.3


def mixture(x):
    return -torch.stack([-0.5 * ((x + 0.6) / 0.3).square(), 0.5 - 0.5 * ((x - 0.6) / 0.3).square()]).logsumexp(0).sum(-1)


def mixture_gradient(x):
    share = torch.stack([-0.5 * ((x + 0.6) / 0.3).square(), 0.5 - 0.5 * ((x - 0.6) / 0.3).square()]).softmax(0)
    return (share[0] * (x + 0.6) + share[1] * (x - 0.6)) / 0.09


@pytest.mark.parametrize(("energy", "gradient"), [(double_well, double_well_gradient), (mixture, mixture_gradient)])
def test_mala_has_the_moments_of_two_modes_and_ula_has_not(energy, gradient):
    n, step = 20000, 0.08
    exact = moments(energy)
    x, _ = mala(3 * torch.rand(n, 1, generator=gen()) - 1.5, energy, gradient, step, 400, gen(1))
    for k, expected in zip((1, 2, 4), exact, strict=True):
        values = x[:, 0] ** k
        assert float(values.mean()) == pytest.approx(expected, abs=4 * float(values.std()) / n**0.5)
    fourth = plain(x, gradient, step, 50, gen(2))[:, 0] ** 4
    assert not abs(float(fourth.mean()) - exact[2]) < 5 * float(fourth.std()) / n**0.5  # the double well's run away: nan


def test_mala_reaches_the_right_share_of_two_dimensional_modes():
    """Two wells of masses 1 and 3, started from the wrong shares."""
    centre, s = torch.tensor([0.7, 0.0]), 0.4

    def logs(x):
        return torch.stack([-0.5 * ((x + centre) / s).square().sum(-1), math.log(3) - 0.5 * ((x - centre) / s).square().sum(-1)])

    def gradient(x):
        share = logs(x).softmax(0).unsqueeze(-1)
        return (share[0] * (x + centre) + share[1] * (x - centre)) / s**2

    n = 4000
    x, _ = mala(s * torch.randn(n, 2, generator=gen()) - centre, lambda x: -logs(x).logsumexp(0), gradient, 0.1, 300, gen(1))
    mean = x.mean(0)
    torch.testing.assert_close(mean, 0.5 * centre, rtol=0, atol=0.05)


def flow(step_of, x, seed):
    """z-scores of E[g(x) h(x')] - E[h(x) g(x')] for one step from x to x': zero under detailed balance."""
    after = step_of(x, gen(seed))
    pairs = [(lambda v: v, lambda v: v**2), (lambda v: v, lambda v: v**3), (torch.sin, lambda v: v.abs())]
    out = []
    for g, h in pairs:
        difference = (g(x) * h(after) - h(x) * g(after))[:, 0]
        out.append(float(difference.mean() / difference.std()) * len(x) ** 0.5)
    return out


def test_detailed_balance():
    """From exact samples of a skewed distribution on the line, one step and its reversal are equally likely; not so for ULA."""
    n, step = 100000, 0.05
    grid = torch.linspace(-3, 3, 60001, dtype=torch.float64).unsqueeze(1)

    def energy(x):
        return (2 * x.square() + torch.sin(3 * x) + 0.2 * x).sum(-1)

    def gradient(x):
        return 4 * x + 3 * torch.cos(3 * x) + 0.2

    rows = torch.multinomial((-energy(grid)).softmax(0), n, replacement=True, generator=gen())
    x = grid[rows] + 1e-4 * (torch.rand(n, 1, generator=gen(1), dtype=torch.float64) - 0.5)
    corrected = flow(lambda x, g: mala(x, energy, gradient, step, 1, g)[0], x, 2)
    assert max(map(abs, corrected)) < 4
    uncorrected = flow(lambda x, g: ula(x, gradient, step, torch.randn(n, 1, 1, generator=g, dtype=torch.float64)), x, 2)
    assert max(map(abs, uncorrected)) > 6


def test_mala_in_a_box_bounces():
    """An exponential density on [-1, 1]: the walls hold much of the mass, and no chain leaves."""
    n, rate = 20000, 2.0
    energy, gradient = (lambda x: rate * x.sum(-1)), (lambda x: torch.full_like(x, rate))
    x, accepted = mala(2 * torch.rand(n, 2, generator=gen()) - 1, energy, gradient, 0.1, 60, gen(1), half=1.0)
    assert float(x.abs().max()) <= 1 and accepted > 0.5
    expected = 1 / rate - 1 / math.tanh(rate)
    error = 4 * float(x.std()) / n**0.5
    torch.testing.assert_close(x.mean(0), torch.full((2,), expected), rtol=0, atol=error)
    edges = torch.linspace(-1, 1, 9)
    mass = (math.exp(rate) - (-rate * edges).exp()) / (math.exp(rate) - math.exp(-rate))
    seen = torch.histc(x[:, 0], 8, -1, 1) / n
    torch.testing.assert_close(seen, mass.diff(), rtol=0, atol=4 * (0.25 / n) ** 0.5)
    # one step keeps detailed balance at the walls, too
    start = (-(torch.rand(100000, 1, generator=gen(2)) * (1 - math.exp(-2 * rate)) + math.exp(-2 * rate)).log() / rate) - 1
    assert max(map(abs, flow(lambda x, g: mala(x, energy, gradient, 0.1, 1, g, half=1.0)[0], start, 3))) < 4


def test_mala_never_enters_a_region_of_infinite_energy():
    def energy(x):
        return torch.where(x[:, 0] > 0, x[:, 0], torch.inf)

    n = 20000
    x, _ = mala(torch.rand(n, 1, generator=gen()), energy, torch.ones_like, 0.2, 150, gen(1))
    assert float(x.min()) > 0
    assert float(x.mean()) == pytest.approx(1, abs=4 / n**0.5)


def test_small_steps_are_all_accepted():
    energy, gradient = (lambda x: x.pow(4).sum(-1)), (lambda x: 4 * x**3)
    _, rate = mala(torch.randn(500, 3, generator=gen()), energy, gradient, 1e-7, 5, gen(1))
    assert rate > 0.999
    x = torch.randn(5, 3, generator=gen())
    still, rate = mala(x, energy, gradient, 0.1, 0, gen())
    assert still is x and rate == 0


# ---- the energy-based model's samples


def bare(shape, levels, **net):
    """An EBM whose network is zero: the Gaussian base measure alone."""
    model = MODELS["ebm"](shape, levels, width=4, depth=1, buffer=10, **net).requires_grad_(False)
    for p in model.parameters():
        p.zero_()
    return model


def test_ebm_samples_have_its_density_and_not_the_wider_one_of_its_steps():
    model, n = bare((2,), None, base=0.2, step=0.02, sample_steps=200), 5000
    x = model.sample(n, gen())
    wide = plain(x, model.gradient, model.step, 60, gen(1))
    assert float(wide.var()) == pytest.approx(0.04 / (1 - 0.02 / 0.08), rel=4 * (1 / n) ** 0.5)
    assert float(x.var()) == pytest.approx(0.04, rel=4 * (1 / n) ** 0.5)


def test_ebm_samples_of_images_stay_in_the_box_and_have_its_density():
    model, n = bare((1, 2, 2), 17, base=0.8, step=0.1, sample_steps=100), 4000
    x = model.sample(n, gen())
    assert x.shape == (n, 1, 2, 2) and float(x.abs().max()) <= 1
    expected = moments(lambda v: 0.5 * (v / 0.8).square().sum(-1), -1.0, 1.0)[1]
    assert float(x.square().mean()) == pytest.approx(expected, abs=4 * float(x.square().std()) / (4 * n) ** 0.5)


def test_ebm_lowers_a_step_that_is_refused():
    """Steps of training may be too long for the energy: the corrected ones get shorter until they are accepted."""
    model = bare((8,), None, base=0.05, step=0.005, sample_steps=1000)  # twice as long is unstable
    x = model.sample(1000, gen())
    assert float(x.var()) == pytest.approx(0.0025, rel=0.07)


def test_ebm_needs_a_buffer_of_a_batch():
    model = MODELS["ebm"]((2,), None, width=4, depth=1, buffer=10)
    assert model.noise((3, 10), gen())["start"].shape == (3, 10, 1)
    with pytest.raises(ValueError, match="buffer: 10 chains are fewer than the batch of 11"):
        model.noise((3, 11), gen())
