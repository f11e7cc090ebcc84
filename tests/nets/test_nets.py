"""Networks: shapes, masks, and derivatives written by hand against automatic ones."""

import pytest
import torch
from kit import gen

from genbench.nets import MLP, MaskedMLP, PatchUNet, TimeMLP, time_features
from genbench.nets.mlp import ACTIVATIONS


@pytest.mark.parametrize(("depth", "outputs"), [(0, 1), (1, 1), (3, 1), (2, 4)])
def test_the_gradient_by_hand_is_autograds(depth, outputs):
    net = MLP(5, outputs, 16, depth).double()
    x = 3 * torch.randn(12, 5, generator=gen(), dtype=torch.float64)
    x.requires_grad_()
    value, gradient = net.gradient(x)
    expected = net(x).sum(-1)
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected.sum(), x)[0], rtol=0, atol=1e-10)


def test_the_gradient_by_hand_is_autograds_under_vmap():
    nets = [MLP(3, 1, 8, 2).double() for _ in range(3)]
    parameters, buffers = torch.func.stack_module_state(nets)
    x = torch.randn(3, 7, 3, generator=gen(), dtype=torch.float64)

    class Gradient(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nets[0]

        def forward(self, x):
            return self.net.gradient(x)[1]

    named = {f"net.{name}": p.detach() for name, p in parameters.items()}
    lifted = torch.func.vmap(lambda p, x: torch.func.functional_call(Gradient(), p, (x,)))(named, x)
    torch.testing.assert_close(lifted, torch.stack([n.gradient(y)[1] for n, y in zip(nets, x, strict=True)]))


def test_the_gradient_by_hand_refuses_other_activations():
    with pytest.raises(ValueError, match="silu"):
        MLP(2, 1, 4, 1, "tanh").gradient(torch.zeros(1, 2))


@pytest.mark.parametrize("activation", ["silu", "relu", "leaky_relu", "tanh"])
def test_initial_signals_neither_die_nor_grow(activation):
    torch.manual_seed(0)
    net = MLP(64, 64, 256, 4, activation)
    x = torch.randn(500, 64, generator=gen())
    for layer in net.layers[:-1]:
        signal = layer(x).detach()
        assert 0.1 < float(signal.square().mean()) < 8  # PyTorch's default: 1e-3 at this depth
        x = ACTIVATIONS[activation][0](signal)


@pytest.mark.parametrize(("features", "width", "depth"), [(1, 4, 1), (2, 8, 2), (6, 40, 3), (9, 4, 2)])
def test_masked_outputs_see_only_earlier_inputs(features, width, depth):
    torch.manual_seed(0)
    net = MaskedMLP(features, 3, width, depth).double()
    jacobian = torch.zeros(features, features, dtype=torch.bool)
    for seed in range(8):  # several points: a dead unit at one of them hides a path
        x = torch.randn(features, generator=gen(seed), dtype=torch.float64)
        each = torch.func.jacrev(lambda x: net(x.unsqueeze(0))[0])(x)
        jacobian |= (each != 0).any(1)
    earlier = torch.ones(features, features).tril(-1).bool()
    assert not bool((jacobian & ~earlier).any())
    if width >= features:
        assert torch.equal(jacobian, earlier)


def test_masked_dropout_scales_hidden_units():
    net = MaskedMLP(4, 2, 8, 2)
    x, ones = torch.randn(5, 4, generator=gen()), [torch.ones(5, 8)] * 2
    assert torch.equal(net(x, ones), net(x))
    dropped = net(x, [torch.zeros(5, 8)] * 2)
    assert torch.equal(dropped, net.layers[-1].bias.view(4, 2).expand(5, 4, 2))


def test_time_features():
    t = torch.tensor([0.0, 0.5, 1.0])
    features = time_features(t, 8)
    assert features.shape == (3, 8) and float(features.abs().max()) <= 1
    torch.testing.assert_close(features[0], torch.tensor([0.0] * 4 + [1.0] * 4))
    torch.testing.assert_close(features[:, 0], t.sin())
    torch.testing.assert_close(features[:, 3], (30 * t).sin())


@pytest.mark.parametrize("size", [4, 8, 28])
def test_patch_unet_keeps_the_shape_and_uses_the_time(size):
    net = PatchUNet(3, width=8, depth=2)
    x = torch.randn(2, 3, size, size, generator=gen())
    early, late = net(x, torch.zeros(2)), net(x, torch.ones(2))
    assert early.shape == x.shape and not torch.allclose(early, late)


def test_time_mlp_uses_the_time():
    net = TimeMLP(5, 16, 2)
    x = torch.randn(4, 5, generator=gen())
    early, late = net(x, torch.zeros(4)), net(x, torch.ones(4))
    assert early.shape == x.shape and not torch.allclose(early, late)
