"""Normalising constants against known ones."""

import math

import pytest
import torch

from genbench.likelihood.partition import ais_log_z, quadrature_log_z


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
    assert abs(found.check) < 1e-3 and found.se is None and found.ess is None


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
    assert abs(shifted.check) < 1e-3


def test_mass_outside_the_box_shows():
    wide, _ = gaussian((0.0, 0.0), (6.0, 6.0))
    assert quadrature_log_z(wide).check > 0.2
    flat = quadrature_log_z(lambda x: torch.zeros(len(x)))  # no normalising constant at all
    assert flat.check == pytest.approx(2 * math.log(2), abs=0.01)


def test_the_wider_domain_costs_no_resolution():
    """A needle: the check must not be an artefact of a coarser grid."""
    energy, exact = gaussian((0.003, 0.0), (0.02, 0.02))
    found = quadrature_log_z(energy)
    assert found.value == pytest.approx(exact, abs=0.05) and abs(found.check) < 1e-3


def truncated(std, dim, mean=0.0, half=1.0):
    """Energy, its gradient, and log Z of N(mean, std^2 I) cut to the box [-half, half]^dim."""

    def energy(x):
        return 0.5 * ((x - mean) / std).square().sum(-1)

    def slope(x):
        return (x - mean) / std**2

    inside = 0.5 * (math.erf((half - mean) / std / 2**0.5) + math.erf((half + mean) / std / 2**0.5))
    return energy, slope, dim * (math.log(std) + 0.5 * math.log(2 * math.pi) + math.log(inside))


@pytest.mark.parametrize(
    ("dim", "std", "mean", "half"), [(4, 0.3, 0.0, 1.0), (8, 0.3, 0.0, 1.0), (8, 0.5, 0.6, 1.0), (4, 0.8, 0.0, 2.0)]
)
def test_ais_of_a_truncated_gaussian(dim, std, mean, half):
    energy, slope, exact = truncated(std, dim, mean, half)
    found = ais_log_z(energy, slope, dim, gen(), half=half)
    assert found.se < 0.1 and 0.3 < found.ess <= 1 and found.check is None
    assert abs(found.value - exact) < min(4 * found.se + 1e-3, 0.15)


def test_ais_of_a_flat_energy_is_the_volume_without_error():
    found = ais_log_z(lambda x: torch.full((len(x),), 3.0), torch.zeros_like, 5, gen(), half=2.0, temperatures=10)
    assert found.value == pytest.approx(5 * math.log(4) - 3, abs=1e-5)
    assert found.se == pytest.approx(0, abs=1e-6) and found.ess == pytest.approx(1)


def test_ais_error_bar_and_effective_share_tell_of_too_few_temperatures():
    energy, slope, exact = truncated(0.1, 8)
    few = ais_log_z(energy, slope, 8, gen(), temperatures=5)
    many = ais_log_z(energy, slope, 8, gen(), temperatures=200)
    assert few.ess < 0.5 * many.ess and few.se > many.se
    assert abs(many.value - exact) < 4 * many.se + 1e-3


def test_ais_standard_error_is_that_of_repeated_runs():
    energy, slope, exact = truncated(0.3, 4)
    runs = [ais_log_z(energy, slope, 4, gen(seed), chains=64, temperatures=40) for seed in range(12)]
    spread = torch.tensor([run.value - exact for run in runs])
    stated = sum(run.se for run in runs) / len(runs)
    assert 0.4 * stated < float(spread.square().mean().sqrt()) < 2.2 * stated


def test_ais_repeats_with_its_generator():
    energy, slope, _ = truncated(0.3, 4)
    first, second = (ais_log_z(energy, slope, 4, gen(3), temperatures=20).value for _ in range(2))
    assert first == second
