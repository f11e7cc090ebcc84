"""Planar and radial layers against normflows and autograd."""

import normflows
import pytest
import torch
from kit import gen

from genbench.models.planar import Planar, Radial


def made(cls, dim, layers, scale):
    torch.manual_seed(0)
    flow = cls(dim, layers, scale).double().requires_grad_(False)
    if cls is Planar:
        flow.b += torch.randn(layers, generator=gen(), dtype=torch.float64)
    else:
        flow.log_a += torch.randn(layers, generator=gen(), dtype=torch.float64)
    return flow


def theirs(flow):
    """The same layers by normflows."""
    if isinstance(flow, Planar):
        rows = zip(flow.u, flow.w, flow.b, strict=True)
        return [normflows.flows.Planar((len(u),), u=u[None], w=w[None], b=b[None]) for u, w, b in rows]
    layers = []
    for centre, log_a, strength in zip(flow.centre, flow.log_a, flow.strength, strict=True):
        layer = normflows.flows.Radial((len(centre),), z_0=centre[None]).double().requires_grad_(False)
        layer.alpha.copy_(log_a.exp())
        layer.beta.copy_(strength)
        layers.append(layer)
    return layers


@pytest.mark.parametrize("dim", [2, 5])
@pytest.mark.parametrize("cls", [Planar, Radial])
def test_layers_are_those_of_normflows(cls, dim):
    flow = made(cls, dim, 4, 1.5)
    z = 2 * torch.randn(50, dim, generator=gen(1), dtype=torch.float64)
    y, total = z, torch.zeros(50, dtype=torch.float64)
    for layer in theirs(flow):
        y, log_det = layer(y)
        total = total + log_det
    found, log_det = flow(z)
    assert float((found - z).norm(dim=-1).mean()) > 0.3
    torch.testing.assert_close(found, y, rtol=0, atol=1e-9)
    torch.testing.assert_close(log_det, total, rtol=0, atol=1e-9)


def test_a_quadratic_inverts_a_radial_layer():
    """r^2 + (a + b - s) r - a s = 0 of the distances r and s from the centre, before the layer and after it."""
    flow, z = made(Radial, 3, 1, 1.5), 2 * torch.randn(50, 3, generator=gen(1), dtype=torch.float64)
    a, away = flow.log_a.exp(), flow(z)[0] - flow.centre
    b, s = torch.nn.functional.softplus(flow.strength) - a, away.norm(dim=-1, keepdim=True)
    half = (a + b - s) / 2
    r = (half.square() + a * s).sqrt() - half
    torch.testing.assert_close(flow.centre + away * r / s, z, rtol=0, atol=1e-9)


@pytest.mark.parametrize("cls", [Planar, Radial])
def test_log_det_is_the_jacobians(cls):
    flow, z = made(cls, 3, 6, 1.0), torch.randn(30, 3, generator=gen(1), dtype=torch.float64)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda z: flow(z.unsqueeze(0))[0][0]))(z)
    sign, expected = torch.linalg.slogdet(jacobian)
    assert bool((sign > 0).all()) and float(expected.abs().max()) > 0.3
    torch.testing.assert_close(flow(z)[1], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("cls", [Planar, Radial])
def test_any_weights_give_an_invertible_layer(cls):
    """Weights far beyond the constraint: the determinant stays positive, and along the line that a layer bends order is kept."""
    for seed in range(20):
        torch.manual_seed(seed)
        flow = cls(2, 1, 4.0).double().requires_grad_(False)
        assert bool(flow(4 * torch.randn(1000, 2, generator=gen(), dtype=torch.float64))[1].isfinite().all())
        origin, direction = (0 * flow.w[0], flow.w[0]) if cls is Planar else (flow.centre[0], torch.tensor([0.6, 0.8]).double())
        place = torch.linspace(-5, 5, 2001, dtype=torch.float64)
        along = (flow(origin + place.unsqueeze(-1) * direction)[0] @ direction).diff()
        assert bool((along > 0).all())


@pytest.mark.parametrize("cls", [Planar, Radial])
def test_pushed_density_integrates_to_one(cls):
    """Masses of cells by histogram of many draws equal those by the density q(y) = q0(z) / |det|, averaged over each cell."""
    flow = made(cls, 2, 3, 1.0)
    z = torch.randn(100_000, 2, generator=gen(2), dtype=torch.float64)
    y, log_det = flow(z)
    log_q = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1) - log_det
    # over a box, the mean of 1/q over the distribution's draws is the area that they reach
    low, high = y.quantile(0.4, 0), y.quantile(0.6, 0)
    inside = ((y > low) & (y < high)).all(-1)
    weights = torch.where(inside, (-log_q).exp(), 0.0)
    area = float((high - low).prod())
    assert float(weights.mean()) == pytest.approx(area, abs=5 * float(weights.std()) / len(z) ** 0.5)
    assert float(weights.std()) / len(z) ** 0.5 < 0.04 * area
