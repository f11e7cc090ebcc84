"""NICE's and RealNVP's layers against autograd, closed forms and zuko."""

import math

import pytest
import torch
from bijections import log_det, made, normal
from torch import nn

from genbench.models.flow import NICE, Bounded, Checkerboard, Coupling, RealNVP, Shift
from genbench.nets import MLP
from genbench.nets.coupling import ConvNet, ResidualConvNet, squeeze, unsqueeze


def perceptron(inputs, outputs):
    return MLP(inputs, outputs, 8, 1)


def conv(inputs, outputs):
    return ResidualConvNet(inputs, outputs, 6, 1)


LAYERS = {
    "halves": (lambda: Coupling(4, perceptron, Bounded(2.0)), (4,)),
    "halves, odd": (lambda: Coupling(5, perceptron, Bounded(2.0)), (5,)),
    "halves, odd, flipped": (lambda: Coupling(5, perceptron, Bounded(2.0), flip=True), (5,)),
    "channels, flipped": (lambda: Coupling(4, conv, Bounded(2.0), flip=True), (2, 2, 4)),
    "checkerboard": (lambda: Checkerboard((3, 4, 2), conv, Bounded(2.0)), (3, 4, 2)),
    "checkerboard, flipped": (lambda: Checkerboard((3, 3, 1), conv, Bounded(2.0), flip=True), (3, 3, 1)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_inverts_and_its_log_det_is_the_jacobians(name):
    make, shape = LAYERS[name]
    layer, x = made(make), normal(4, *shape, seed=9)
    y, found = layer(x)
    assert float((y - x).abs().max()) > 0.1 and float(found.std()) > 0.01
    torch.testing.assert_close(layer.inverse(y), x, rtol=0, atol=1e-10)
    torch.testing.assert_close(found, log_det(lambda x: layer(x)[0], x), rtol=0, atol=1e-10)


@pytest.mark.parametrize("flip", [False, True])
def test_couplings_keep_what_they_look_at(flip):
    """The half, or the pixels, that predict are unchanged, and all others change."""
    x = normal(1, 5, 5, 1)
    y = made(lambda: Checkerboard((5, 5, 1), conv, Shift(), flip))(x)[0]
    board = torch.tensor([[(i + j) % 2 for j in range(5)] for i in range(5)]).bool()
    assert torch.equal((y == x)[0, ..., 0], ~board if flip else board)
    x = normal(1, 5)
    y = made(lambda: Coupling(5, perceptron, Shift(), flip))(x)[0]
    first = torch.arange(5) < 3
    assert torch.equal((y == x)[0], ~first if flip else first)


NETS = {
    "vectors": (RealNVP, (5,), {"layers": 4, "width": 8, "depth": 1}),
    "flat images": (RealNVP, (1, 4, 4), {"layers": 4, "width": 8, "depth": 1}),
    "images": (RealNVP, (1, 8, 8), {"network": "conv", "scales": 3, "layers": 1, "width": 6, "depth": 1}),
    "colours": (RealNVP, (3, 4, 4), {"network": "conv", "scales": 2, "layers": 2, "width": 6, "depth": 1}),
    "one resolution": (RealNVP, (1, 3, 3), {"network": "conv", "scales": 1, "layers": 2, "width": 6, "depth": 1}),
    "nice": (NICE, (5,), {"layers": 4, "width": 8, "depth": 1}),
    "nice, images": (NICE, (1, 3, 3), {"layers": 4, "width": 8, "depth": 1}),
}


@pytest.mark.parametrize("name", NETS)
def test_flow_inverts_and_its_log_det_is_the_jacobians(name):
    cls, shape, net = NETS[name]
    model, x = made(lambda: cls(shape, None, **net)), normal(3, math.prod(shape), seed=9)
    z, found = model(x)
    assert z.shape == x.shape and float(found.abs().max()) > 0.1
    torch.testing.assert_close(model.inverse(z), x, rtol=0, atol=1e-8)
    torch.testing.assert_close(found, log_det(lambda x: model(x)[0], x), rtol=0, atol=1e-8)


@pytest.mark.parametrize(("shape", "scales"), [((1, 28, 28), 3), ((3, 32, 32), 4)])
def test_images_of_usual_sizes_invert_in_float32(shape, scales):
    model = made(lambda: RealNVP(shape, 256, network="conv", scales=scales, layers=1, width=4, depth=1), 0.1).float()
    x = normal(2, math.prod(shape)).float()
    z, found = model(x)
    assert [side for side, _, _ in model.latents] == [shape[1] // 2**i for i in (*range(1, scales), scales - 1)]
    assert float(found.abs().max()) > 1
    torch.testing.assert_close(model.inverse(z), x, rtol=0, atol=1e-4)


def test_additive_couplings_keep_volumes():
    """Only NICE's last scaling changes them, by the same factor everywhere."""
    model, x = made(lambda: NICE((6,), None, layers=4, width=8, depth=2)), normal(20, 6, seed=9)
    *couplings, diagonal = model.net["scales"][0]
    y = x
    for layer in couplings:
        y, found = layer(y)
        assert float(found.abs().max()) == 0
    assert float((y - x).abs().max()) > 0.1
    volume = log_det(lambda x: run(couplings, x), x)
    torch.testing.assert_close(volume, torch.zeros_like(volume), rtol=0, atol=1e-10)
    torch.testing.assert_close(model(x)[1], diagonal.log_scale.sum().expand(20))


def run(layers, x):
    for layer in layers:
        x, _ = layer(x)
    return x


def test_squeeze_takes_blocks_of_pixels_to_channels():
    x = normal(2, 4, 6, 3)
    y = squeeze(x)
    torch.testing.assert_close(y, torch.pixel_unshuffle(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1), rtol=0, atol=0)
    assert torch.equal(unsqueeze(y), x)


@pytest.mark.parametrize("net", [ConvNet, ResidualConvNet])
def test_convolutional_networks_are_pytorchs_convolutions_with_channels_last(net):
    mine, x = made(lambda: net(2, 3, 4, 1)), normal(2, 5, 5, 2)

    def run(layer, x):
        if isinstance(layer, nn.Conv2d):
            return nn.functional.conv2d(x, layer.weight, layer.bias, padding=1)
        return nn.functional.conv2d(x, layer.weight[..., None, None], layer.bias)

    h = x.permute(0, 3, 1, 2)
    if net is ConvNet:
        a, b, c = mine.layers
        expected = run(c, run(b, run(a, h).relu()).relu())
    else:
        a, b, c, d = mine.layers
        h = run(a, h)
        expected = run(d, (h + run(c, run(b, h.relu()).relu())).relu())
    torch.testing.assert_close(mine(x), expected.permute(0, 2, 3, 1))


def test_coupling_is_that_of_zuko():
    """Its coupling with the same network and log-scales, which it bounds by s / (1 + |s / log slope|)."""
    zuko = pytest.importorskip("zuko")
    coupling, x, limit = made(lambda: Coupling(5, perceptron, Bounded(2.0))), normal(10, 5, seed=9), -math.log(1e-3)

    def meta(kept):
        scale, shift = coupling.net(kept).chunk(2, -1)
        scale = 2 * torch.tanh(scale / 2)
        affine = zuko.transforms.MonotonicAffineTransform(shift, scale / (1 - scale.abs() / limit), slope=1e-3)
        return zuko.transforms.DependentTransform(affine, 1)

    theirs = zuko.transforms.CouplingTransform(meta, torch.tensor([True, True, True, False, False]))
    y, found = theirs.call_and_ladj(x)
    mine, own = coupling(x)
    torch.testing.assert_close(mine, y)
    torch.testing.assert_close(own, found)
    torch.testing.assert_close(coupling.inverse(x), theirs.inv(x))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RealNVP((2,), None, network="conv"), r"needs images \(C, H, W\)"),
        (lambda: RealNVP((1, 28, 28), 17, network="conv", scales=4), "scales: .* divisible by 8"),
        (lambda: RealNVP((2,), None, network="unet"), "network: allowed: mlp, conv; got 'unet'"),
        (lambda: NICE((1,), None), "at least 2 coordinates"),
    ],
)
def test_what_cannot_be_built_is_said(make, said):
    with pytest.raises(ValueError, match=said):
        make()
