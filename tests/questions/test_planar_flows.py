"""Planar and radial flows fitted to energies: the energies, their integrals, and what the chapter says."""

import math

import pytest
import torch

from genbench.likelihood.partition import quadrature_log_z
from genbench.models.planar import Planar
from genbench.questions.planar_flows import run as planar_flows
from genbench.questions.planar_flows.run import ENERGIES, EnergyFit, divergence
from genbench.questions.planar_flows.settings import Settings as PlanarFlows
from genbench.questions.training import Bench


def wave(x):
    return math.sin(math.pi * x / 2)


def bump(x, scale):
    return math.exp(-0.5 * (x / scale) ** 2)


# exp(-U) as printed in the paper's table 1
BY_HAND = {
    "U1": lambda x, y: bump(math.hypot(x, y) - 2, 0.4) * (bump(x - 2, 0.6) + bump(x + 2, 0.6)),
    "U2": lambda x, y: bump(y - wave(x), 0.4),
    "U3": lambda x, y: bump(y - wave(x), 0.35) + bump(y - wave(x) + 3 * bump(x - 1, 0.6), 0.35),
    "U4": lambda x, y: bump(y - wave(x), 0.4) + bump(y - wave(x) + 3 / (1 + math.exp(-(x - 1) / 0.3)), 0.35),
}


@pytest.mark.parametrize("name", ENERGIES)
def test_energies_are_the_papers(name):
    z = 2 * torch.randn(40, 2, generator=torch.Generator().manual_seed(0)).clamp(-1.9, 1.9).double()
    expected = torch.tensor([BY_HAND[name](x, y) for x, y in z.tolist()], dtype=torch.float64)
    torch.testing.assert_close(torch.exp(-ENERGIES[name](z)), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", ENERGIES)
def test_constants_are_well_determined(name):
    assert quadrature_log_z(ENERGIES[name]).error < 1e-4


def test_divergence_of_gaussians_is_the_closed_form():
    """Layers that bend nothing leave N(0, I); against N(m, s^2 I) the divergence is known."""
    flow = Planar(2, 1)
    with torch.no_grad():  # w.u = log(e - 1) is what the constraint maps to 0, and u along w then vanishes
        flow.w.copy_(torch.tensor([[1.0, 0.0]]))
        flow.u.copy_(torch.tensor([[math.log(math.e - 1), 0.0]]))
    mean, scale = torch.tensor([0.5, -1.0]), 1.5

    def energy(z):
        return 0.5 * ((z - mean) / scale).square().sum(-1)

    log_z = math.log(2 * math.pi * scale**2)
    expected = 2 * math.log(scale) + (2 + float(mean.square().sum())) / (2 * scale**2) - 1
    assert divergence(flow, energy, log_z) == pytest.approx(expected, abs=1e-5)


def test_loss_is_the_divergence_but_for_constants():
    torch.manual_seed(0)
    model = EnergyFit((2,), flow="radial", layers=3)
    noise = model.noise((1, 200_000), torch.Generator().manual_seed(0))
    noise = {"z": noise["z"][0]}
    entropy = 1 + math.log(2 * math.pi)
    for place, (name, energy) in enumerate(ENERGIES.items()):
        with torch.no_grad():
            loss = float(model.loss_net(None, noise, {"target": torch.tensor(float(place))}))
            y, _ = model.net(noise["z"])
        log_z = quadrature_log_z(energy).value
        se = float(energy(y).std()) / 200_000**0.5
        assert loss - entropy + log_z == pytest.approx(divergence(model.net, energy, log_z), abs=5 * se + 1e-3), name


@pytest.fixture(scope="module")
def tables():
    settings = PlanarFlows(seeds=2, updates=60, batch=64, layers=(1, 4), targets=("U1", "U2"), cells=20)
    return settings, planar_flows.run(settings, Bench({}, None, torch.device("cpu"), lambda line: None))


def test_fits_come_nearer_with_layers(tables):
    settings, found = tables
    fits = found["fits"]
    assert len(fits) == 2 * 2 * 2 * 2 and (fits["status"] == "ok").all() and (fits["kl"] > 0).all()
    assert fits.query("layers == 4")["kl"].mean() < fits.query("layers == 1")["kl"].mean()
    start = divergence(Planar(2, 1, 1e-3), ENERGIES["U1"], quadrature_log_z(ENERGIES["U1"]).value)
    assert fits.query("target == 'U1' and layers == 4")["kl"].max() < start


def test_maps_are_densities(tables):
    _, found = tables
    area = (2 * planar_flows.EDGE / 20) ** 2
    for _, part in found["maps"].groupby(["target", "flow", "layers"]):
        assert len(part) == 400 and 0.9 < part["density"].sum() * area < 1.01
    for _, part in found["pushed"].groupby(["flow", "layers"]):
        assert 0.95 < part["density"].sum() * area < 1.01
    exact = found["maps"].query("target == 'U1' and flow == 'exact'")
    place = exact.loc[exact["density"].idxmax()]
    assert abs(abs(place["x"]) - 2) < 0.3 and abs(math.hypot(place["x"], place["y"]) - 2) < 0.3  # left or right on the ring
