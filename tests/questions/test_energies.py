"""Signs of algorithm 1, products of trained energies, and the chapter on both."""

import math

import numpy as np
import pytest
import torch

from genbench.questions.energy_gradient_signs import run as energy_gradient_signs
from genbench.questions.energy_gradient_signs.run import SIGNS, SignedEBM
from genbench.questions.energy_gradient_signs.settings import Settings as EnergyGradientSigns
from genbench.questions.energy_products import run as energy_products
from genbench.questions.energy_products.run import CELLS, HALF, Bands, HalfPlane, _sampled, errors
from genbench.questions.energy_products.settings import Settings as EnergyProducts

SIZE = {"width": 16, "depth": 1, "batch": 32}


@pytest.fixture(scope="module")
def signs(bench):
    settings = EnergyGradientSigns(seeds=2, updates=160, looks=3, steps=5, step=0.05, lr=0.01, **SIZE)
    return settings, energy_gradient_signs.run(settings, bench)


@pytest.fixture(scope="module")
def products(bench):
    settings = EnergyProducts(seeds=2, updates=60, steps=5, samples=200, sample_steps=40, **SIZE)
    return settings, energy_products.run(settings, bench)


# ---- signs


def test_the_printed_algorithm_is_that_for_energies_with_f_negated():
    """Same chains and same gradients of weights, but for the last layer's sign."""
    torch.manual_seed(0)
    net = {"width": 8, "depth": 2, "buffer": 20, "steps": 5}
    printed, flipped = (SignedEBM((2,), None, *SIGNS[name], **net) for name in ("as printed", "both flipped"))
    flipped.load_state_dict(printed.state_dict())
    with torch.no_grad():
        for p in flipped.net.layers[-1].parameters():
            p.neg_()
    x, losses = torch.randn(20, 2), []
    for model in (printed, flipped):
        noise = {name: v[0] for name, v in model.noise((1, 20), torch.Generator().manual_seed(1)).items()}
        with torch.no_grad():
            noise |= model.prepare_net(x, noise, {})
        loss = model.loss_net(x, noise, {"reg": torch.tensor(0.0)})
        losses.append((noise["chains"], loss.detach(), *torch.autograd.grad(loss, model.net.layers[0].weight)))
    for a, b in zip(*losses, strict=True):
        torch.testing.assert_close(a, b)
    with torch.no_grad():  # as printed the chains go up f, the network
        assert float(printed.net(printed.langevin(x, torch.zeros(20, 1, 2))).mean()) > float(printed.net(x).mean())


def test_one_flipped_sign_explodes(signs):
    settings, tables = signs
    ends = tables["ends"]
    assert set(ends["signs"]) == set(SIGNS) and len(ends) == 4 * settings.seeds
    assert ends["floor"].nunique() == 1 and (ends["floor"] > 0).all()
    spread = ends.groupby("signs")["std"]
    for name in ("as printed", "both flipped"):
        assert spread.max()[name] < 2
    for name in ("only the chains' flipped", "only the weights' flipped"):
        assert spread.min()[name] > 5
    looks = tables["looks"]
    assert sorted(looks["update"].unique()) == [0, 64, 128, 160]
    first = looks[looks["update"] == 0].pivot(index="seed", columns="signs", values="std")
    assert (first.nunique(axis=1) == 1).all()  # all signs start at the same chains


# ---- products


GRID = torch.cartesian_prod(*[(torch.arange(CELLS, dtype=torch.float64) + 0.5) * (2 * HALF / CELLS) - HALF] * 2)


@pytest.mark.parametrize("law", [Bands(0), Bands(1), HalfPlane()])
def test_laws_integrate_to_one_and_their_points_have_their_density(law):
    axis = (torch.arange(400, dtype=torch.float64) + 0.5) * 0.05 - 10
    grid = torch.cartesian_prod(axis, axis)
    p = law.log_prob(grid).exp() * 0.05**2
    assert float(p.sum()) == pytest.approx(1, abs=1e-6)
    x = torch.from_numpy(law.sample(np.random.default_rng(0), 20000)).double()
    for moment in (lambda x: x, torch.square):
        torch.testing.assert_close(moment(x).mean(0), (p[:, None] * moment(grid)).sum(0), rtol=0.05, atol=0.05)


def test_bands_meet_in_nine_spots():
    """The product in closed form: each coordinate apart, a mixture times a normal law."""
    log_p = (Bands(0).log_prob(GRID) + Bands(1).log_prob(GRID)).softmax(0).unflatten(0, (CELLS, CELLS))
    axis, step = GRID[::CELLS, 0], 2 * HALF / CELLS
    narrow = 1 / (1 / 0.25**2 + 1)
    weights = [math.exp(-0.5 * c**2 / (1 + 0.25**2)) for c in (-1.4, 0.0, 1.4)]
    each = sum(
        w * torch.distributions.Normal(c / (1 + 0.25**2), narrow**0.5).log_prob(axis).exp()
        for w, c in zip(weights, (-1.4, 0.0, 1.4), strict=True)
    ) / sum(weights)
    torch.testing.assert_close(log_p, torch.outer(each, each) * step**2, rtol=1e-6, atol=1e-9)


def test_errors_of_normal_laws():
    """KL and total variation of N(0, 0.25 I) against N((0.4, 0), 0.25 I)."""

    def law(mean):
        return -0.5 * (GRID - torch.tensor([mean, 0.0])).square().sum(1) / 0.25

    found = errors(law(0.0), law(0.4) + 5)  # constants do not count
    assert found["kl"] == pytest.approx(0.4**2 / (2 * 0.25), rel=1e-3)
    assert found["tv"] == pytest.approx(math.erf(0.4 / (2 * 0.5) / 2**0.5), rel=1e-2)
    assert errors(law(0.0), law(0.0)) == pytest.approx({"kl": 0, "tv": 0})


def test_samplers_error_is_the_floor_for_exact_draws_only():
    log_p = -0.5 * GRID.square().sum(1)
    x = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    right, wrong = _sampled(x, log_p, 0), _sampled(x + 1, log_p, 0)
    assert right["sampler"] == pytest.approx(right["floor"], abs=0.02) and right["floor"] == wrong["floor"]
    assert wrong["sampler"] == pytest.approx(math.erf(0.5), abs=0.06)  # of normal laws 2^0.5 apart
    assert _sampled(x + 100, log_p, 0)["sampler"] == pytest.approx(1)


def test_products_of_trained_energies(products):
    settings, tables = products
    assert set(tables["products"]["product"]) == {"bands", "ring8, upper half"}
    assert len(tables["experts"]) == 2 * len(tables["products"]) == 4 * settings.seeds
    assert tables["products"][["tv", "sampler", "floor"]].stack().between(0, 1).all()
    maps = tables["maps"]
    mass = maps.groupby(["product", "distribution"])["density"].sum() * (2 * 2 * HALF / CELLS) ** 2
    assert len(mass) == 8 and mass.between(0.8, 1.2).all()
    assert (tables["samples"].groupby("product").size() == settings.samples).all()
    # the product of the maps is the map of the sum, but for its constant
    own = maps[maps["product"] == "bands"].pivot(index=["x", "y"], columns="distribution", values="density")
    both = own["upright bands"] * own["level bands"]
    np.testing.assert_allclose(both / both.sum(), own["product"] / own["product"].sum(), rtol=1e-6)
