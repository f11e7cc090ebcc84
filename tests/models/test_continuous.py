"""Flows in continuous time: densities against Jacobians, quadrature and another solver, and gradients by every way to them."""

import functools
import math

import pytest
import torch
from kit import gen
from torchdiffeq import odeint

from genbench.models import MODELS
from genbench.models.outputs import standard_normal
from genbench.nets import rk4
from genbench.training.replicas import Replicas

HP = {"kinetic": torch.tensor(0.1, dtype=torch.float64), "jacobian": torch.tensor(0.1, dtype=torch.float64)}


def points(n, d, seed=0):
    return torch.randn(n, d, generator=gen(seed), dtype=torch.float64)


def wild(d, name="cnf", scale=1.5, **net):
    """Random weights in float64: a flow that starts as the identity proves nothing."""
    model = MODELS[name]((d,), None, **{"width": 16, "depth": 2, **net}).double()
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(scale * torch.randn(p.shape, generator=gen(i)) / max(p.shape[-1], 1) ** 0.5)
    return model


# ---- densities: instantaneous change of variables (E20: f runs from data to noise, log p = log N(x(1)) + integral of its trace)


@pytest.mark.parametrize("name", ["cnf", "ffjord"])
@pytest.mark.parametrize(("d", "depth"), [(2, 2), (2, 3), (6, 2), (6, 3)])
def test_log_prob_is_the_log_det_of_the_flow_map(name, d, depth):
    """The integral of the divergence against the log-determinant of the solver's own map, by autograd."""
    model, x = wild(d, name, depth=depth, test_steps=16).requires_grad_(False), points(10, d)

    def flow(x):
        return rk4(lambda t, x: (model.net(t, x),), (x.unsqueeze(0),), 0.0, 1.0, 16)[0][0]

    z, log_det = torch.func.vmap(flow)(x), torch.linalg.slogdet(torch.func.vmap(torch.func.jacrev(flow))(x))[1]
    assert float(log_det.abs().max()) > 0.1
    torch.testing.assert_close(model.log_prob(x), standard_normal(z) + log_det, rtol=0, atol=2e-4)


def test_samples_have_the_density_of_their_latents():
    model = wild(2, scale=1.0, test_steps=32).float().requires_grad_(False)
    x, z = model.sample(40, gen(1)), torch.randn(40, 2, generator=gen(1))

    def back(z):
        return rk4(lambda t, x: (model.net(t, x),), (z.unsqueeze(0),), 1.0, 0.0, 32)[0][0]

    log_det = torch.linalg.slogdet(torch.func.vmap(torch.func.jacrev(back))(z))[1]
    torch.testing.assert_close(torch.func.vmap(back)(z), x, rtol=0, atol=1e-5)
    torch.testing.assert_close(model.log_prob(x), standard_normal(z) - log_det, rtol=0, atol=1e-3)
    assert float((x - z).abs().max()) > 0.1


@pytest.mark.parametrize("d", [2, 5])
def test_log_prob_is_that_of_an_adaptive_solver(d):
    model, x = wild(d, test_steps=16).requires_grad_(False), points(4, d)

    def f(t, state):
        one = torch.func.jacrev(lambda v: model.net(float(t), v.unsqueeze(0))[0])
        trace = torch.func.vmap(one)(state[0]).diagonal(dim1=1, dim2=2).sum(-1)
        return model.net(float(t), state[0]), trace

    span = torch.tensor([0.0, 1.0], dtype=torch.float64)
    z, trace = odeint(f, (x, torch.zeros(4, dtype=torch.float64)), span, rtol=1e-9, atol=1e-9, method="dopri5")
    exact = standard_normal(z[-1]) + trace[-1]
    assert float(trace[-1].abs().max()) > 0.1
    torch.testing.assert_close(model.log_prob(x), exact, rtol=0, atol=1e-4)
    model.test_steps = 64
    torch.testing.assert_close(model.log_prob(x), exact, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "solver", [{"solver": "euler", "steps": 40}, {"solver": "midpoint", "steps": 8}, {}, {"solver": "dopri5"}], ids=str
)
def test_density_integrates_to_one_with_each_solver(solver):
    """What training maximises, by its own solver, is a density up to the solver's error; log_prob is one whatever the solver."""
    model = wild(2, scale=1.0, **solver).requires_grad_(False)
    axis = torch.linspace(-7, 7, 71, dtype=torch.float64)
    x, area = torch.cartesian_prod(axis, axis), float(axis[1] - axis[0]) ** 2
    log_p, _ = model.solve(x, None, model._integrate)
    assert float(log_p.exp().sum() * area) == pytest.approx(1, abs=1e-2)
    assert float(model.log_prob(x).exp().sum() * area) == pytest.approx(1, abs=1e-4)
    assert float((log_p - standard_normal(x)).abs().max()) > 0.1  # not the identity


@pytest.mark.parametrize("distribution", ["rademacher", "gaussian"])
def test_hutchinson_averages_to_the_exact_trace_and_the_squared_jacobian(distribution):
    d, probes = 6, 4000
    model, exact = wild(d, "ffjord", steps=3, probe=distribution).requires_grad_(False), wild(d, steps=3).requires_grad_(False)
    probe = model.noise((1, probes), gen(1))["probe"][0].double()
    assert (set(probe.unique().tolist()) == {-1.0, 1.0}) == (distribution == "rademacher")
    for point in points(3, d):
        many = point.expand(probes, d)
        log_p, (energy, squared) = model.solve(many, probe, model._integrate)
        expected, (kinetic,) = exact.solve(point.unsqueeze(0), None, exact._integrate)
        se = float(log_p.std()) / probes**0.5
        assert se > 1e-4
        assert abs(float(log_p.mean() - expected)) < 4 * se
        torch.testing.assert_close(energy, kinetic.expand(probes))
        jacobian = torch.func.jacrev(lambda x: model.net(0.5, x.unsqueeze(0))[0])(point)
        at_once = model(0.5, many, probe)[3]
        assert abs(float(at_once.mean() - jacobian.square().sum() / d)) < 4 * float(at_once.std()) / probes**0.5
        assert bool((squared > 0).all())


def test_one_probe_serves_a_whole_path():
    """Drawn anew at every evaluation it would make an adaptive solver chase noise: each update has one, by example."""
    model, x = wild(4, "ffjord", solver="dopri5", tolerance=1e-5), points(5, 4)
    noise = {name: value[0].double() for name, value in model.noise((1, 5), gen()).items()}
    assert noise["probe"].shape == (5, 4)
    first, again = (model.loss_net(x, noise, HP) for _ in range(2))
    assert torch.equal(first, again)


def test_kinetic_energy_of_a_constant_field_is_its_squared_speed():
    model = wild(2).requires_grad_(False)
    for p in model.parameters():
        p.zero_()
    model.net.layers[-1].bias.copy_(torch.tensor([3.0, 4.0]))
    log_p, (kinetic,) = model.solve(points(4, 2), None, model._integrate)
    torch.testing.assert_close(kinetic, torch.full((4,), 12.5, dtype=torch.float64))
    torch.testing.assert_close(log_p, standard_normal(points(4, 2) + torch.tensor([3.0, 4.0])))


# ---- gradients


def gradient(model, x, noise=None):
    return torch.autograd.grad(model.loss_net(x, noise or {}, HP), list(model.parameters()))


def gap(a, b):
    return max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("name", ["cnf", "ffjord"])
def test_every_way_to_the_gradient_meets_the_finite_difference(name):
    """Backpropagation through RK4 and through dopri5, and the adjoint with either, with costs, in float64."""
    x, ways = points(6, 2), []
    for gradient_by in ("backprop", "adjoint"):
        ways += [{"gradient": gradient_by, "steps": 40}, {"gradient": gradient_by, "solver": "dopri5", "tolerance": 1e-8}]
    models = [wild(2, name, **way) for way in ways]
    noise = {n: v[0].double() for n, v in models[0].noise((1, 6), gen()).items()}
    found = [gradient(model, x, noise) for model in models]
    assert max(gap(found[0], other) for other in found[1:]) < 1e-6
    weight = models[0].net.layers[1].weight
    for i, j in ((0, 0), (15, 2)):
        ends = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                weight[i, j] += step
                ends.append(float(models[0].loss_net(x, noise, HP)))
                weight[i, j] -= step
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(float(found[0][2][i, j]), abs=1e-7)


def test_adjoint_uses_the_weights_of_its_own_forward_pass():
    """The trainer's weights are in place while the loss is computed only; the backward solve comes later."""
    x = points(8, 2).float()
    grads = []
    for way in ("backprop", "adjoint"):
        make = functools.partial(MODELS["cnf"], (2,), None, width=8, depth=2, steps=20, gradient=way)
        replicas = Replicas(make, [0, 1], [{"kinetic": 0.1}] * 2, "cpu", torch.float32, lifted=False)
        for k, row in enumerate(replicas.rows):
            for i, p in enumerate(row.values()):
                p.copy_(torch.randn(p.shape, generator=gen(10 * k + i)) / max(p.shape[-1], 1) ** 0.5)
        replicas.model.train()
        _, found = replicas.gradients("loss_net", "net", torch.stack([x, x]), {}, replicas.hp)
        grads.append(found)
    assert gap(grads[0][0], grads[0][1]) > 1e-2
    for k in range(2):
        assert gap(grads[0][k], grads[1][k]) < 1e-5


def test_adjoint_keeps_no_activations():
    def kept(steps, way):
        model, total = wild(2, steps=steps, gradient=way), []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: (total.append(t.nbytes), t)[1], lambda t: t):
            model.loss_net(points(50, 2), {}, HP)
        return sum(total)

    assert kept(8, "adjoint") == kept(2, "adjoint") < kept(2, "backprop")
    assert kept(8, "backprop") > 3 * kept(2, "backprop")


# ---- what a model says of itself


def test_evaluations_are_those_of_the_solver():
    def counted(**net):
        model = wild(2, **net).requires_grad_(False)
        return float(model.diagnose(points(20, 2), {}, HP)["evaluations"])

    assert [counted(solver=name, steps=5) for name in ("euler", "midpoint", "rk4")] == [5, 10, 20]
    loose, tight = (counted(solver="dopri5", tolerance=tolerance) for tolerance in (1e-2, 1e-6))
    assert 2 < loose < tight


def test_only_fixed_steps_with_backprop_can_be_lifted():
    assert MODELS["cnf"]((2,)).liftable
    assert not MODELS["cnf"]((2,), solver="dopri5").liftable and not MODELS["ffjord"]((2,), gradient="adjoint").liftable


@pytest.mark.parametrize(
    ("net", "words"),
    [
        ({"solver": "heun"}, "euler, midpoint, rk4, dopri5; got 'heun'"),
        ({"gradient": "forward"}, "backprop, adjoint; got"),
        ({"probe": "uniform"}, "rademacher, gaussian; got"),
        ({"steps": 0}, "steps >= 1"),
        ({"tolerance": 0.0}, "tolerance > 0"),
    ],
)
def test_bad_arguments_say_what_is_allowed(net, words):
    with pytest.raises(ValueError, match=words):
        MODELS["ffjord"]((2,), **net)


def test_untrained_flow_is_the_identity():
    model, x = MODELS["cnf"]((3,)), torch.randn(5, 3, generator=gen())
    torch.testing.assert_close(model.log_prob(x), standard_normal(x))
    assert float(model.log_prob(torch.zeros(1, 3)).detach()) == pytest.approx(-1.5 * math.log(2 * math.pi), abs=1e-5)
