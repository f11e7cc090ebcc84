"""Normalising constants against known ones."""

import math

import pytest
import torch

from genbench.likelihood.partition import HMCPath, ais_log_z, quadrature_log_z, walk


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def gaussian(mean, std):
    mean, std = torch.tensor(mean), torch.tensor(std)
    return lambda x: 0.5 * ((x - mean) / std).square().sum(-1), math.log(2 * math.pi) + float(std.log().sum())


@pytest.mark.parametrize(("mean", "std"), [((0.0, 0.0), (1.0, 1.0)), ((1.0, -2.0), (0.1, 0.7)), ((3.0, 3.0), (0.05, 1.2))])
def test_quadrature_of_a_gaussian(mean, std):
    energy, exact = gaussian(mean, std)
    found = quadrature_log_z(energy)
    assert found.value == pytest.approx(exact, abs=1e-3)
    assert abs(found.error) < 1e-3 and found.se is None and found.ess is None


def test_quadrature_of_a_mixture():
    parts = [gaussian((2.0, 0.0), (0.2, 0.3)), gaussian((-2.0, 1.0), (0.5, 0.5))]
    weights = [0.3, 2.7]

    def energy(x):
        logs = [math.log(w) - e(x) - z for w, (e, z) in zip(weights, parts, strict=True)]
        return -torch.stack(logs).logsumexp(0)

    assert quadrature_log_z(energy).value == pytest.approx(math.log(3.0), abs=1e-4)


@pytest.mark.parametrize("constant", [-50.0, 1.5, 200.0])
def test_a_constant_added_to_the_energy_shifts_log_z(constant):
    energy, exact = gaussian((0.5, 0.0), (0.4, 1.0))
    shifted = quadrature_log_z(lambda x: energy(x) + constant)
    assert shifted.value == pytest.approx(exact - constant, abs=1e-3)
    assert abs(shifted.error) < 1e-3


def test_mass_outside_the_box_shows():
    wide, _ = gaussian((0.0, 0.0), (6.0, 6.0))
    assert quadrature_log_z(wide).error > 0.2
    flat = quadrature_log_z(lambda x: torch.zeros(len(x)))  # no normalising constant at all
    assert flat.error == pytest.approx(2 * math.log(2), abs=0.01)


def test_the_wider_domain_costs_no_resolution():
    """A needle: the check must not be an artefact of a coarser grid."""
    energy, exact = gaussian((0.003, 0.0), (0.02, 0.02))
    found = quadrature_log_z(energy)
    assert found.value == pytest.approx(exact, abs=0.05) and abs(found.error) < 1e-3


def truncated(std, dim, mean=0.0, half=1.0):
    """Energy, its gradient, and log Z of N(mean, std^2 I) cut to the box [-half, half]^dim."""

    def energy(x):
        return 0.5 * ((x - mean) / std).square().sum(-1)

    def gradient(x):
        return (x - mean) / std**2

    inside = 0.5 * (math.erf((half - mean) / std / 2**0.5) + math.erf((half + mean) / std / 2**0.5))
    return energy, gradient, dim * (math.log(std) + 0.5 * math.log(2 * math.pi) + math.log(inside))


def annealed(energy, gradient, dim, generator, *, chains=128, exact=None, **path):
    return ais_log_z(HMCPath(energy, gradient, dim, generator, **path), chains, exact)


@pytest.mark.parametrize(
    ("dim", "std", "mean", "half"), [(4, 0.3, 0.0, 1.0), (8, 0.3, 0.0, 1.0), (8, 0.5, 0.6, 1.0), (4, 0.8, 0.0, 2.0)]
)
def test_ais_of_a_truncated_gaussian(dim, std, mean, half):
    energy, gradient, exact = truncated(std, dim, mean, half)
    found = annealed(energy, gradient, dim, gen(), half=half)
    assert found.se < 0.1 and 0.3 < found.ess <= 1 and found.error is None and found.gap is None
    assert found.usable and found.reason == ""
    assert abs(found.value - exact) < min(4 * found.se + 1e-3, 0.15)


def test_ais_of_a_flat_energy_is_the_volume_without_error():
    found = annealed(lambda x: torch.full((len(x),), 3.0), torch.zeros_like, 5, gen(), half=2.0, temperatures=10)
    assert found.value == pytest.approx(5 * math.log(4) - 3, abs=1e-5)
    assert found.se == pytest.approx(0, abs=1e-6) and found.ess == pytest.approx(1)


def test_ais_of_its_own_first_distribution_has_no_error():
    """Every weight along the path is the same number."""
    mean, std = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.5, 1.0, 2.0])
    energy, gradient = (lambda x: 0.5 * ((x - mean) / std).square().sum(-1) + 7.0), (lambda x: (x - mean) / std**2)
    found = annealed(energy, gradient, 3, gen(), gaussian=(mean, std), temperatures=20)
    assert found.value == pytest.approx(1.5 * math.log(2 * math.pi) - 7.0, abs=1e-5)  # the stds multiply to 1
    assert found.se == pytest.approx(0, abs=1e-5)


def correlated(dim, seed=0):
    """Energy, gradient, exact sampler and log Z = d/2 log 2 pi - 1/2 log|A| of a Gaussian with precision A."""
    root = 0.4 * torch.randn(dim, dim, generator=gen(seed)) + torch.eye(dim)
    precision, mean = root @ root.T + 0.2 * torch.eye(dim), 0.3 * torch.randn(dim, generator=gen(seed + 1))
    log_z = 0.5 * dim * math.log(2 * math.pi) - 0.5 * float(torch.linalg.slogdet(precision.double())[1])

    def sample(n, seed=0):
        z = torch.randn(dim, n, generator=gen(100 + seed))
        return mean + torch.linalg.solve_triangular(torch.linalg.cholesky(precision).T, z, upper=True).T

    return (
        lambda x: 0.5 * ((x - mean) @ precision * (x - mean)).sum(-1),
        lambda x: (x - mean) @ precision,
        sample,
        log_z,
    )


def test_t12_a_correlated_gaussian_is_enclosed_from_both_sides():
    """In expectation below and above, the closer the more temperatures."""
    energy, gradient, sample, exact = correlated(10)
    gaps = {}
    for temperatures in (6, 120):
        runs = [
            annealed(
                energy, gradient, 10, gen(seed), gaussian=(0.0, 1.0), temperatures=temperatures, chains=32, exact=sample(32, seed)
            )
            for seed in range(8)
        ]
        lower, gap = torch.tensor([[run.value - exact, run.gap] for run in runs]).T
        below, above = (v.mean() / (v.std() / len(runs) ** 0.5) for v in (lower, lower + gap))
        assert below < 3 and above > -3
        gaps[temperatures] = float(gap.mean())
    assert gaps[6] > 3 * abs(gaps[120])
    found = annealed(energy, gradient, 10, gen(), gaussian=(0.0, 1.0), temperatures=200, chains=256, exact=sample(256, 1))
    assert found.usable and abs(found.value - exact) < 4 * found.se and abs(found.gap) < 0.2


def ring(constant=0.0):
    """Eight Gaussians on a circle of radius 2: energy, gradient and exact samples of weights that sum to exp(constant)."""
    angle = torch.arange(8) * (math.pi / 4)
    means, std = 2 * torch.stack([angle.cos(), angle.sin()], 1), 0.3

    def logs(x):
        return -0.5 * ((x.unsqueeze(1) - means) / std).square().sum(-1) - math.log(8 * 2 * math.pi * std**2)

    def gradient(x):
        share = logs(x).softmax(1).unsqueeze(-1)
        return (share * (x.unsqueeze(1) - means)).sum(1) / std**2

    g = gen(9)
    exact = means[torch.randint(8, (512,), generator=g)] + std * torch.randn(512, 2, generator=g)
    return lambda x: -logs(x).logsumexp(1) - constant, gradient, exact


def test_t12_a_mixture_is_enclosed_from_both_sides():
    energy, gradient, exact = ring(3.7)
    found = annealed(energy, gradient, 2, gen(), gaussian=(0.0, 2.0), temperatures=200, chains=512, exact=exact)
    assert found.usable and found.ess > 0.5
    assert abs(found.value - 3.7) < 4 * found.se and abs(found.value + found.gap - 3.7) < 4 * found.se + 0.02
    box = annealed(energy, gradient, 2, gen(), half=5.0, temperatures=150, chains=512)
    assert abs(box.value - 3.7) < 4 * box.se + 1e-3


@pytest.mark.parametrize("constant", [-50.0, 1.5, 200.0])
def test_t12_a_constant_added_to_the_energy_shifts_annealed_log_z_by_minus_it(constant):
    energy, gradient, sample, _ = correlated(4)
    for path in ({"gaussian": (0.0, 1.5)}, {"half": 3.0}):
        plain = annealed(energy, gradient, 4, gen(), temperatures=20, exact=sample(64), **path)
        shifted = annealed(lambda x: energy(x) + constant, gradient, 4, gen(), temperatures=20, exact=sample(64), **path)
        # up to proposals whose fate the last digit of a float32 decides
        assert shifted.value == pytest.approx(plain.value - constant, abs=0.02)
        assert shifted.gap == pytest.approx(plain.gap, abs=0.04)
        assert shifted.ess == pytest.approx(plain.ess, abs=0.05)


def test_t13_quadrature_of_a_ring_with_a_constant():
    found = quadrature_log_z(ring(3.7)[0])
    assert found.value == pytest.approx(3.7, abs=1e-5) and found.error < 1e-5


def test_ais_error_bar_and_effective_share_tell_of_too_few_temperatures():
    energy, gradient, exact = truncated(0.1, 8)
    few = annealed(energy, gradient, 8, gen(), temperatures=6)
    many = annealed(energy, gradient, 8, gen(), temperatures=600)
    assert few.ess < 0.5 * many.ess and few.se > many.se
    assert not few.usable and "effective share" in few.reason and "half the temperatures" in few.reason
    assert many.usable and abs(many.value - exact) < 4 * many.se + 1e-3


def test_ais_that_misses_a_mode_carries_a_false_certainty():
    """Chains that never met a distant mode agree with one another: only samples of the target itself can tell."""

    def energy(x):
        return -torch.stack([-0.5 * (x - m).square().sum(-1) for m in (0.0, 30.0)]).logsumexp(0)

    def gradient(x):
        near = torch.stack([-0.5 * (x - m).square().sum(-1) for m in (0.0, 30.0)]).softmax(0)
        return x - 30.0 * near[1].unsqueeze(-1)

    exact = torch.randn(256, 2, generator=gen(1)) + 30.0 * torch.arange(2).repeat(128).unsqueeze(1)
    found = annealed(energy, gradient, 2, gen(), gaussian=(0.0, 1.5), exact=exact)
    assert found.usable and found.value == pytest.approx(math.log(2 * math.pi), abs=0.05)  # half of the mass
    assert found.gap > 0.5


def test_ais_standard_error_is_that_of_repeated_runs():
    energy, gradient, exact = truncated(0.3, 4)
    runs = [annealed(energy, gradient, 4, gen(seed), chains=64, temperatures=40) for seed in range(12)]
    spread = torch.tensor([run.value - exact for run in runs])
    stated = sum(run.se for run in runs) / len(runs)
    assert 0.4 * stated < float(spread.square().mean().sqrt()) < 2.2 * stated


def test_ais_repeats_with_its_generator():
    energy, gradient, _ = truncated(0.3, 4)
    first, second = (annealed(energy, gradient, 4, gen(3), temperatures=20).value for _ in range(2))
    assert first == second


def test_a_coarser_path_has_every_second_distribution_and_its_step():
    energy, gradient, _ = truncated(0.3, 4)
    path = HMCPath(energy, gradient, 4, gen(), temperatures=12)
    coarse = path.coarser()
    assert (path.count, coarse.count) == (12, 6)
    assert coarse.grid == path.grid[::2] and coarse.grid[0] == 0 and coarse.grid[-1] == 1
    assert coarse.steps[1:] == path.steps[2::2]
    state = path.start(50)
    whole = path.ratio(state, 3) + path.ratio(state, 4)
    torch.testing.assert_close(coarse.ratio(state, 2), whole)
    with pytest.raises(ValueError, match="temperatures: 7 is odd"):
        HMCPath(energy, gradient, 4, gen(), temperatures=7)


def test_steps_are_frozen_after_the_pilot():
    energy, gradient, _ = truncated(0.3, 4)
    path = HMCPath(energy, gradient, 4, gen(), temperatures=20)
    steps = list(path.steps)
    walk(path, path.start(30))
    walk(path, path.start(30), back=True)
    assert path.steps[1:] == steps[1:]


def test_moves_keep_each_distribution_of_the_path():
    """Exact samples of f_b stay so: mean and variance of the Gaussian between two Gaussians."""
    path = HMCPath(lambda x: 0.5 * (x / 0.5).square().sum(-1), lambda x: x / 0.25, 2, gen(), gaussian=(1.0, 1.0), temperatures=20)
    n = 20000
    for i in (5, 15, 20):
        b = path.grid[i]
        precision = (1 - b) + b / 0.25
        mean, std = (1 - b) / precision, precision**-0.5
        state = path.at(mean + std * torch.randn(n, 2, generator=gen(1)))
        for _ in range(5):
            state = path.move(state, i)
        x, value = state
        torch.testing.assert_close(value, path.energy(x))
        torch.testing.assert_close(x.mean(0), torch.full((2,), mean), rtol=0, atol=4 * std / n**0.5)
        torch.testing.assert_close(x.var(0), torch.full((2,), std**2), rtol=4 * (2 / n) ** 0.5, atol=0)
