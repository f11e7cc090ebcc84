"""Glow's layers against autograd, their inverses, the data that set them, and normflows on the same weights."""

import math
import warnings

import pytest
import torch
from bijections import log_det, made, normal
from kit import gen
from torch import nn

from genbench.models.flow import Conditional, Coupling, Sigmoid
from genbench.models.glow import Glow, Mix
from genbench.nets import MLP
from genbench.nets.coupling import ConvNet
from genbench.training.replicas import build


def conv(inputs, outputs):
    return ConvNet(inputs, outputs, 6, 1)


def perceptron(inputs, outputs):
    return MLP(inputs, outputs, 6, 1)


LAYERS = {
    "mix-images": (lambda: Mix(4), (2, 2, 4)),
    "mix-points": (lambda: Mix(5), (5,)),
    "coupling-images": (lambda: Coupling(6, conv, Sigmoid()), (2, 2, 6)),
    "coupling-odd-points": (lambda: Coupling(5, perceptron, Sigmoid()), (5,)),
}
GLOWS = {
    "points": ((3,), {"steps": 2, "width": 6}),
    "one scale": ((1, 4, 4), {"scales": 1, "steps": 2, "width": 6}),
    "learned": ((1, 8, 8), {"scales": 3, "steps": 1, "width": 6}),
    "standard": ((3, 4, 4), {"scales": 2, "steps": 1, "width": 6, "prior": "standard"}),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_inverts_and_its_log_det_is_the_jacobians(name):
    make, shape = LAYERS[name]
    layer, x = made(make), normal(4, *shape, seed=9)
    y, found = layer(x)
    assert float((y - x).abs().max()) > 0.1 and float(found.abs().max()) > 0.1
    torch.testing.assert_close(layer.inverse(y), x, rtol=0, atol=1e-10)
    torch.testing.assert_close(found.expand(4), log_det(lambda x: layer(x)[0], x), rtol=0, atol=1e-10)


def test_prior_of_a_split_is_a_conditional_normal_distribution():
    prior, h, z = made(lambda: Conditional(3)), normal(4, 2, 2, 3), normal(4, 2, 2, 3, seed=1)
    y, found = prior(z, h)
    mean, log_std = prior.net(h).chunk(2, -1)
    expected = torch.distributions.Normal(mean, log_std.exp()).log_prob(z).sum((1, 2, 3))
    standard = torch.distributions.Normal(0, 1).log_prob(y).sum((1, 2, 3))
    assert float(log_std.abs().max()) > 0.1
    torch.testing.assert_close(standard + found, expected)
    torch.testing.assert_close(prior.inverse(y, h), z)


@pytest.mark.parametrize("name", GLOWS)
def test_glow_inverts_and_its_log_det_is_the_jacobians(name):
    shape, net = GLOWS[name]
    model = made(lambda: Glow(shape, None, **net))
    x = normal(3, math.prod(shape), seed=9)
    z, found = model(x)
    assert z.shape == x.shape and float(found.std()) > 1e-3
    torch.testing.assert_close(model.inverse(z), x, rtol=0, atol=1e-9)
    torch.testing.assert_close(found, log_det(lambda x: model(x)[0], x), rtol=0, atol=1e-9)


def test_actnorm_sees_centred_channels_of_unit_variance_after_begin():
    model = made(lambda: Glow((1, 8, 8), 17, scales=2, steps=3, width=6))
    x = 3 * normal(200, 1, 8, 8, seed=1) + torch.linspace(-4, 4, 8)
    model.begin(x, gen())
    seen = []

    def look(mix, args):
        seen.append(((args[0] - mix.mean) * (-mix.log_std).exp()).flatten(0, -2))

    for layer in model.modules():
        if isinstance(layer, Mix):
            layer.register_forward_pre_hook(look)
    model(model.flat(x))
    assert len(seen) == 6
    for y in seen:
        torch.testing.assert_close(y.mean(0), torch.zeros_like(y[0]), rtol=0, atol=1e-10)
        torch.testing.assert_close(y.std(0), torch.ones_like(y[0]), rtol=1e-5, atol=0)


def test_first_convolution_is_a_rotation_and_couplings_start_equal_for_all():
    model = build(lambda: Glow((1, 4, 4), 17, scales=1, steps=2, width=6), 0).double().requires_grad_(False)
    _, mix, coupling, *_ = model.net["scales"][0]
    weight = mix(torch.eye(4, dtype=torch.float64))[0].T
    torch.testing.assert_close(weight @ weight.T, torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-6)
    assert float((weight - weight.diagonal().diag()).abs().max()) > 0.1
    x = normal(2, 2, 2, 4)
    y, found = coupling(x)
    shrink = torch.tensor(2.0, dtype=torch.float64).sigmoid()
    torch.testing.assert_close(y, torch.cat([x[..., :2], x[..., 2:] * shrink], -1))
    torch.testing.assert_close(found, 8 * shrink.log().expand(2))


def test_glow_is_inverted_in_float32():
    model = made(lambda: Glow((1, 28, 28), 17, scales=2, steps=8, width=16), 0.05).float()
    model.begin(3 * torch.randn(64, 1, 28, 28, generator=gen()), gen())
    x = 3 * torch.randn(20, 784, generator=gen(1))
    z, log_det = model(x)
    assert float(log_det.std()) > 1
    torch.testing.assert_close(model.inverse(z), x, rtol=0, atol=1e-3)


def test_samples_from_far_latents_stay_finite():
    """Without its bounds, scales that grow with what stays carry a far latent beyond float32, and the sample with it."""
    torch.manual_seed(0)
    model = Glow((1, 8, 8), 17, scales=2, steps=8, width=16)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    assert bool(model.inverse(30 * torch.randn(200, 64, generator=gen())).isfinite().all())


def test_temperature_scales_the_latents():
    model = made(lambda: Glow((1, 4, 4), 17, scales=1, steps=2, width=6), 0.1).float()
    z = torch.randn(5, 16, generator=gen(1))
    for temperature in (0.0, 0.7, 1.0):
        found = model(model.flat(model.sample(5, gen(1), temperature)))[0]
        torch.testing.assert_close(found, temperature * z, rtol=0, atol=1e-4)
    assert torch.equal(model.sample(5, gen(1)), model.sample(5, gen(1), 1.0))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Glow((1, 28, 28), 17, scales=3), "scales: .* divisible by 8"),
        (lambda: Glow((1,), None), "at least 2 coordinates"),
        (lambda: Glow((2,), None, prior="uniform"), "prior: allowed: learned, standard; got 'uniform'"),
    ],
)
def test_what_cannot_be_built_is_said(make, said):
    with pytest.raises(ValueError, match=said):
        make()


# ---- normflows on the same weights; its `inverse` leads from data to latents, as our `forward`


def theirs(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they call torch.lu, which is deprecated
        return make().double()


def set_actnorm(norm, mix):
    norm.s.data, norm.t.data = mix.log_std.view(1, -1, 1, 1), mix.mean.view(1, -1, 1, 1)
    norm.data_dep_init_done = torch.tensor(1.0)


def set_convolution(convolution, mix):
    convolution.P, convolution.sign_S, convolution.log_S.data = mix.permutation, mix.sign, mix.lu.diagonal().clone()
    convolution.L.data, convolution.U.data = mix.lu.clone(), mix.lu.clone()


def set_network(net, mine):
    """Ours predicts s and t in halves, theirs t and s by turns."""
    convolutions = [layer for layer in net.net if isinstance(layer, nn.Conv2d)]
    for other, layer in zip(convolutions, mine.layers, strict=True):
        other.weight.data, other.bias.data = layer.weight.reshape(other.weight.shape).clone(), layer.bias.clone()
    last = convolutions[-1]
    turns = torch.arange(len(last.bias)).view(2, -1).flip(0).T.flatten()
    last.weight.data, last.bias.data = last.weight[turns], last.bias[turns]


def first(x):
    """Channels to the second axis."""
    return x.permute(0, 3, 1, 2)


def test_actnorm_is_that_of_normflows():
    nf = pytest.importorskip("normflows")
    mix, x = made(lambda: Mix(4)), normal(3, 2, 2, 4)
    mix.permutation, mix.sign = torch.eye(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    mix.lu.zero_()  # the convolution does nothing
    norm = theirs(lambda: nf.flows.ActNorm((4, 1, 1)))
    set_actnorm(norm, mix)
    y, log_det = norm.inverse(first(x))
    mine, own = mix(x)
    torch.testing.assert_close(first(mine), y)
    torch.testing.assert_close(own, log_det)


def test_invertible_convolution_is_that_of_normflows():
    nf = pytest.importorskip("normflows")
    mix, x = made(lambda: Mix(4)), normal(3, 2, 2, 4)
    mix.mean.zero_()
    mix.log_std.zero_()  # actnorm does nothing
    convolution = theirs(lambda: nf.flows.Invertible1x1Conv(4, use_lu=True))
    set_convolution(convolution, mix)
    y, log_det = convolution.inverse(first(x))
    mine, own = mix(x)
    torch.testing.assert_close(first(mine), y)
    torch.testing.assert_close(own, log_det)
    torch.testing.assert_close(first(mix.inverse(x)), convolution(first(x))[0])


def test_affine_coupling_is_that_of_normflows():
    nf = pytest.importorskip("normflows")
    coupling, x = made(lambda: Coupling(5, conv, Sigmoid())), normal(3, 2, 2, 5)
    net = theirs(lambda: nf.nets.ConvNet2d([3, 6, 6, 4], [3, 1, 3]))
    set_network(net, coupling.net)
    block = nf.flows.AffineCouplingBlock(net, scale_map="sigmoid")
    y, log_det = block.inverse(first(x))
    mine, own = coupling(x)
    assert float(own.std()) > 1e-3
    torch.testing.assert_close(first(mine), y)
    torch.testing.assert_close(own, log_det)


def test_step_is_the_block_of_normflows():
    nf = pytest.importorskip("normflows")
    mix, coupling, x = made(lambda: Mix(4)), made(lambda: Coupling(4, conv, Sigmoid())), normal(3, 2, 2, 4)
    block = theirs(lambda: nf.flows.GlowBlock(4, 6))
    affine, convolution, norm = block.flows
    set_network(affine.flows[1].param_map, coupling.net)
    set_convolution(convolution, mix)
    set_actnorm(norm, mix)
    y, log_det = block.inverse(first(x))
    mine, own = mix(x)
    mine, second = coupling(mine)
    torch.testing.assert_close(first(mine), y)
    torch.testing.assert_close(own + second, log_det)
    torch.testing.assert_close(first(mix.inverse(coupling.inverse(x))), block(first(x))[0])
