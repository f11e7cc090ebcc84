"""Autoregressive flows: triangular Jacobians, sequential inverses, zuko's; and what preserves volume (E10, E16)."""

import pytest
import torch
import zuko
from kit import gen
from torch.func import hessian, jacrev, vmap

from genbench.models import MODELS
from genbench.models.autoregressive_flow import AutoregressiveLayer
from genbench.training.replicas import build


def scatter(module, scale=0.5, seed=0):
    """Random weights in place of an initialisation near the identity."""
    g = gen(seed)
    with torch.no_grad():
        for p in module.parameters():
            p += scale * torch.randn(p.shape, generator=g) / max(p.shape[-1], 1) ** 0.5
    return module.double().requires_grad_(False)


def layer(d=5, context=0, scale=1.5, **more):
    torch.manual_seed(0)
    return scatter(AutoregressiveLayer(d, 32, 2, context, **more), scale)


def numbers(n, d, seed=1):
    return torch.randn(n, d, generator=gen(seed), dtype=torch.float64)


# ---- a layer


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("gate", AutoregressiveLayer.GATES)
def test_jacobian_is_triangular_and_has_the_log_det(gate, reverse):
    one, x, h = layer(5, 3, gate=gate, reverse=reverse), numbers(20, 5), numbers(20, 3, 2)
    jacobian = vmap(jacrev(lambda x, h: one(x.unsqueeze(0), h.unsqueeze(0))[0][0]))(x, h)
    order = jacobian.flip(1, 2) if reverse else jacobian
    assert torch.equal((order.abs() > 0).any(0), torch.ones(5, 5).tril().bool())
    _, log_det = one(x, h)
    assert float(log_det.abs().max()) > 0.3
    torch.testing.assert_close(log_det, torch.linalg.slogdet(jacobian)[1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("d", [1, 2, 6])
def test_every_output_depends_on_the_context(d, reverse):
    one, x, h = layer(d, 3, reverse=reverse), numbers(10, d), numbers(10, 3, 2)
    jacobian = vmap(jacrev(lambda h, x: one(x.unsqueeze(0), h.unsqueeze(0))[0][0]))(h, x)
    assert bool((jacobian.abs() > 0).any(0).all())


def test_sigmoid_gate_is_the_formula():
    """y_i = s_i x_i + (1 - s_i) t_i, between x_i and t_i, with log-determinant sum log s_i (Kingma et al. 2016, eq. 13)."""
    one, x = layer(gate="sigmoid"), numbers(20, 5)
    s, t = one.conditioner(x).unbind(-1)
    s = torch.sigmoid(one.bound * torch.tanh(s / one.bound))
    y, log_det = one(x)
    torch.testing.assert_close(y, s * x + (1 - s) * t, rtol=0, atol=1e-12)
    torch.testing.assert_close(log_det, s.log().sum(-1), rtol=0, atol=1e-12)
    assert bool(((y - x) * (y - t) <= 0).all())


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("gate", AutoregressiveLayer.GATES)
def test_inverse_needs_the_recovered_input(gate, reverse):
    """E10: conditioning on the output instead, in one pass, does not invert."""
    one, x, h = layer(5, 3, 3.0, gate=gate, reverse=reverse), numbers(20, 5), numbers(20, 3, 2)
    y, _ = one(x, h)
    torch.testing.assert_close(one.inverse(y, h), x, rtol=0, atol=1e-10)
    log_scale, shift = one.affine(y, h)
    printed = (y - shift) * (-log_scale).exp()
    assert float((printed - x).abs().max()) > 0.1


def test_layers_are_lifted():
    layers = [AutoregressiveLayer(4, 16, 1, 2).requires_grad_(False) for _ in range(3)]
    for i, each in enumerate(layers):
        scatter(each, 1.0, i)
    parameters, buffers = torch.func.stack_module_state(layers)
    x, h = numbers(3 * 7, 4).reshape(3, 7, 4), numbers(3 * 7, 2, 2).reshape(3, 7, 2)

    y, log_det = vmap(lambda p, b, x, h: torch.func.functional_call(layers[0], (p, b), (x, h)))(parameters, buffers, x, h)
    for k, each in enumerate(layers):
        torch.testing.assert_close((y[k], log_det[k]), each(x[k], h[k]), rtol=0, atol=1e-12)
    back = vmap(lambda y: layers[0].inverse(y, h[0]))(y[:1])
    torch.testing.assert_close(back[0], x[0], rtol=0, atol=1e-10)


def test_unknown_gates_are_named():
    with pytest.raises(ValueError, match=r"gate: allowed: exp, sigmoid; got 'tanh'"):
        AutoregressiveLayer(2, gate="tanh")


# ---- flows


@pytest.mark.parametrize("d", [2, 6])
@pytest.mark.parametrize("name", ["maf", "iaf"])
def test_flow_inverts_and_its_log_det_is_the_jacobians(name, d):
    model = scatter(build(lambda: MODELS[name]((d,), None, layers=3, width=24), 0), 1.0)
    x = numbers(20, d)
    z, log_det = model.forward(x)
    assert float((z - x).abs().max()) > 0.1
    torch.testing.assert_close(model.inverse(z), x, rtol=0, atol=1e-8)
    jacobian = vmap(jacrev(lambda x: model.forward(x.unsqueeze(0))[0][0]))(x)
    torch.testing.assert_close(log_det, torch.linalg.slogdet(jacobian)[1], rtol=0, atol=1e-8)


def test_iaf_is_maf_turned_round():
    maf, iaf = (scatter(build(lambda name=name: MODELS[name]((4,), None, layers=3, width=24), 0), 1.0) for name in ("maf", "iaf"))
    iaf.load_state_dict(maf.state_dict())
    x = numbers(20, 4)
    z, log_det = maf.forward(x)
    back, other = iaf.forward(iaf.inverse(x))
    torch.testing.assert_close(iaf.inverse(x), z, rtol=0, atol=1e-12)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-8)
    torch.testing.assert_close(other, -log_det, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ["maf", "iaf", "nsf"])
def test_flow_is_inverted_in_float32(name):
    model = scatter(build(lambda: MODELS[name]((1, 8, 8), 17, layers=3, width=64), 0), 0.3).float()
    x = torch.randn(50, 64, generator=gen())
    z, _ = model.forward(x)
    assert float((z - x).abs().max()) > 0.1
    torch.testing.assert_close(model.inverse(z), x, rtol=0, atol=2e-3)
    assert float((model.inverse(z) - x).square().mean().sqrt()) < 1e-4


class Affine(zuko.transforms.MonotonicAffineTransform):
    """Without zuko's soft clip of the log-scale."""

    def __init__(self, shift, scale):
        super().__init__(shift, scale)
        self.log_scale, self.scale = scale, scale.exp()


def test_maf_of_one_hidden_layer_is_zukos():
    """The same weights in zuko's MAF: its masks order hidden units otherwise, so each takes one of ours that hears the same."""
    d, width = 3, 8
    ours = scatter(build(lambda: MODELS["maf"]((d,), None, layers=2, width=width, depth=1, bound=1e6), 0), 1.0)
    theirs = zuko.flows.MAF(d, transforms=2, hidden_features=[width], univariate=Affine).double().requires_grad_(False)
    for mine, other in zip(ours.net, theirs.transform.transforms, strict=True):
        inward, outward = other.hyper[0], other.hyper[2]
        heard = [tuple(row) for row in inward.mask.int().tolist()]
        found = [tuple(row) for row in mine.conditioner.layers[0].mask.int().tolist()]
        places = {row: [i for i, r in enumerate(found) if r == row] for row in set(found)}
        pick = torch.tensor([places[row].pop() for row in heard])
        first, last = mine.conditioner.layers
        inward.weight.copy_(first.weight[pick])
        inward.bias.copy_(first.bias[pick])
        # theirs: shift and log-scale of each coordinate; ours: log-scale and shift
        flip = torch.arange(2 * d).reshape(d, 2).flip(1).flatten()
        outward.weight.copy_(last.weight[flip][:, pick])
        outward.bias.copy_(last.bias[flip])
    x = numbers(20, d)
    torch.testing.assert_close(ours.log_prob(x), theirs().log_prob(x), rtol=1e-9, atol=1e-9)


# ---- E16: what preserves volume


def divergence(field, x):
    return vmap(jacrev(field))(x).diagonal(dim1=1, dim2=2).sum(-1)


def test_additive_couplings_preserve_volume():
    """y1 = x1, y2 = x2 + t(x1) has determinant 1, whatever t (NICE); an affine one has not."""
    t = scatter(torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2)))
    for scale, preserved in ((0.0, True), (0.5, False)):

        def couple(x, scale=scale):
            kept, moved = x.chunk(2)
            kept, moved = kept, moved * torch.exp(scale * t(kept)) + t(kept)
            return torch.cat([kept + t(moved), moved])

        log_det = torch.linalg.slogdet(vmap(jacrev(couple))(numbers(20, 4)))[1]
        assert (float(log_det.abs().max()) < 1e-12) == preserved


@pytest.mark.parametrize("gate", AutoregressiveLayer.GATES)
def test_affine_autoregressive_field_does_not_preserve_volume(gate):
    """b = y - x of a layer, the field whose Euler step it is, has divergence sum (scale_i - 1), not 0."""
    one, x = layer(4, gate=gate), numbers(20, 4)

    def field(x):
        return one(x.unsqueeze(0))[0][0] - x

    log_scale, _ = one.affine(x, None)
    found = divergence(field, x)
    torch.testing.assert_close(found, log_scale.expm1().sum(-1), rtol=0, atol=1e-10)
    assert float(found.abs().min()) > 1e-3


def hamiltonian(x):
    """H(q, p) = p^2 / 2 + V(q) in two plus two dimensions."""
    q, p = x.chunk(2)
    return 0.5 * p.square().sum() + torch.sin(q).prod() + 0.1 * q.pow(4).sum()


def test_hamiltonian_field_is_divergence_free_and_leapfrog_preserves_volume():
    def field(x):
        dq, dp = torch.func.grad(hamiltonian)(x).chunk(2)
        return torch.cat([dp, -dq])

    def force(q):
        return field(torch.cat([q, torch.zeros_like(q)]))[2:]

    def leapfrog(x, step=0.3, count=5):
        q, p = x.chunk(2)
        for _ in range(count):
            p = p + 0.5 * step * force(q)
            q = q + step * p
            p = p + 0.5 * step * force(q)
        return torch.cat([q, p])

    x = numbers(20, 4)
    assert float(divergence(field, x).abs().max()) < 1e-12 < float(vmap(field)(x).abs().min())
    assert float((vmap(leapfrog)(x) - x).norm(dim=-1).min()) > 0.3
    assert float(torch.linalg.slogdet(vmap(jacrev(leapfrog))(x))[1].abs().max()) < 1e-11
    # an Euler step along the same field is no such map
    assert float(torch.linalg.slogdet(vmap(jacrev(lambda x: x + 0.3 * field(x)))(x))[1].abs().max()) > 1e-2


def test_divergence_free_fields_need_not_be_hamiltonian():
    """The ABC flow, in three dimensions, an odd number; and b = (x2, x1, 0, 0), where J b has no symmetric Jacobian."""

    def abc(x):
        a, b, c = x
        return torch.stack([c.sin() + b.cos(), a.sin() + c.cos(), b.sin() + a.cos()])

    x = numbers(20, 3)
    assert float(divergence(abc, x).abs().max()) < 1e-12 < float(vmap(abc)(x).norm(dim=-1).min())

    j = torch.zeros(4, 4, dtype=torch.float64)
    j[:2, 2:], j[2:, :2] = torch.eye(2), -torch.eye(2)

    def asymmetry(field):
        """Of the Jacobian of J^T b, which is the Hessian of H where b = J grad H."""
        jacobian = vmap(jacrev(lambda x: j.T @ field(x)))(numbers(20, 4))
        return float((jacobian - jacobian.mT).abs().max())

    def shear(x):
        return torch.stack([x[1], x[0], 0 * x[2], 0 * x[3]])

    assert float(divergence(shear, numbers(20, 4)).abs().max()) == 0
    assert asymmetry(shear) > 0.5
    assert asymmetry(lambda x: j @ torch.func.grad(hamiltonian)(x)) < 1e-12
    assert float((vmap(hessian(hamiltonian))(numbers(20, 4))).abs().max()) > 0.5
