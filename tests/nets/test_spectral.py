"""Normalised perceptrons against torch's own layers, and the spectral norm against the singular value decomposition."""

import copy

import pytest
import torch
from kit import gen
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from genbench.nets import MLP, Spectral, largest_singular_value


def jolted(net, seed=0):
    """Parameters that no initialisation chose, in double precision."""
    net.double()
    with torch.no_grad():
        for p in net.parameters():
            p += 0.3 * torch.randn(p.shape, generator=gen(seed + p.numel()), dtype=p.dtype)
    return net


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_normalised_perceptron_is_torchs(norm):
    x = 2 * torch.randn(9, 4, generator=gen(), dtype=torch.float64) + 1
    net = jolted(MLP(4, 2, 6, 1, "leaky_relu", norm))
    reference = (nn.BatchNorm1d(6) if norm == "batch" else nn.LayerNorm(6)).double()
    reference.load_state_dict(net.norms[0].state_dict(), strict=False)
    hidden = nn.functional.leaky_relu(reference(net.layers[0](x)), 0.2)
    torch.testing.assert_close(net.features(x), hidden)
    torch.testing.assert_close(net(x), net.layers[1](hidden))


def test_only_batch_norm_mixes_examples():
    x = torch.randn(8, 4, generator=gen())
    for name in ("none", "batch", "layer"):
        net = MLP(4, 1, 16, 2, "leaky_relu", name)
        alone, among = (net(x[:4]), net(x)[:4])
        assert torch.allclose(alone, among, atol=1e-5) == (name != "batch"), name


def nets():
    conv = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(6 * 16, 1))
    return {"mlp": (MLP(5, 1, 24, 3, "leaky_relu"), (7, 5)), "conv": (conv, (7, 2, 4, 4))}


@pytest.mark.parametrize("name", ["mlp", "conv"])
def test_spectral_norm_is_that_of_the_svd(name):
    torch.manual_seed(0)
    net, shape = nets()[name]
    net.double()
    spectral = Spectral(net, start=500).double()
    names = [n for n, p in net.named_parameters() if p.dim() > 1]
    assert spectral.names == names and set(spectral.weights()) == set(names)
    by_hand = copy.deepcopy(net)
    for n, weight in spectral.weights().items():
        singular = torch.linalg.svdvals(net.get_parameter(n).flatten(1))
        torch.testing.assert_close(weight, net.get_parameter(n) / singular[0], rtol=1e-6, atol=0)
        assert torch.linalg.svdvals(weight.flatten(1))[0].item() == pytest.approx(1, abs=1e-6)
        by_hand.get_parameter(n).data.div_(singular[0])
    x = torch.randn(shape, dtype=torch.float64)
    torch.testing.assert_close(spectral(x), by_hand(x), rtol=1e-5, atol=1e-8)
    assert float(largest_singular_value(spectral)) == pytest.approx(1, abs=1e-6)
    largest = max(float(torch.linalg.svdvals(p.flatten(1))[0]) for p in net.parameters() if p.dim() > 1)
    assert float(largest_singular_value(net)) == pytest.approx(largest, rel=1e-9)


def test_power_iteration_follows_moving_weights():
    """One step per update is enough while weights move slowly, though it is never started afresh."""
    torch.manual_seed(1)
    net = Spectral(MLP(8, 1, 32, 2, "leaky_relu"), start=1)
    direction = {n: torch.randn_like(p) for n, p in net.net.named_parameters()}
    with torch.no_grad():
        for _ in range(200):
            for n, p in net.net.named_parameters():
                p += 1e-3 * direction[n]
            for key, value in net.turned().items():
                setattr(net, key, value)
        for weight in net.weights().values():
            assert float(torch.linalg.svdvals(weight)[0]) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("lipschitz", [1.0, 7.0])
def test_a_spectral_perceptron_has_a_bounded_lipschitz_constant(lipschitz):
    net = jolted(Spectral(MLP(3, 1, 32, 3, "leaky_relu"), lipschitz))
    for _ in range(100):
        for key, value in net.turned().items():
            setattr(net, key, value)
    x, y = (5 * torch.randn(500, 3, generator=gen(s), dtype=torch.float64) for s in (1, 2))
    ratios = (net(x) - net(y)).abs().squeeze(1) / (x - y).norm(dim=1)
    assert 0.01 * lipschitz < ratios.max().item() <= lipschitz * (1 + 1e-4)


def test_gradient_holds_the_singular_vectors_constant():
    """d(W/s)/dW of one matrix by Miyato et al.'s equation 12, where power iteration has converged."""
    net = Spectral(nn.Linear(4, 3, bias=False).double(), start=1000).double()
    weight, x = net.net.weight, torch.randn(6, 4, generator=gen(), dtype=torch.float64)
    out = torch.randn(6, 3, generator=gen(1), dtype=torch.float64)
    (grad,) = torch.autograd.grad((net(x) * out).sum(), weight)
    u, s, vh = torch.linalg.svd(weight.detach())
    plain = out.T @ x
    expected = (plain - (plain * weight.detach() / s[0]).sum() * torch.outer(u[:, 0], vh[0])) / s[0]
    torch.testing.assert_close(grad, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("norm", ["batch", "layer", "spectral"])
def test_lifted_equals_one_by_one(norm):
    def make():
        net = MLP(5, 1, 12, 2, "leaky_relu", "none" if norm == "spectral" else norm)
        return (Spectral(net) if norm == "spectral" else net).double()

    models = [make() for _ in range(3)]
    parameters, buffers = stack_module_state(models)
    x = torch.randn(3, 7, 5, generator=gen(), dtype=torch.float64)
    lifted = vmap(lambda p, b, x: functional_call(models[0], {**p, **b}, (x,)))(parameters, buffers, x)
    single = [model(part) for model, part in zip(models, x, strict=True)]
    torch.testing.assert_close(lifted, torch.stack(single))
    grads = torch.autograd.grad(lifted.square().sum(), list(parameters.values()))
    for k, value in enumerate(single):
        own = torch.autograd.grad(value.square().sum(), list(models[k].parameters()))
        for a, b in zip(grads, own, strict=True):
            torch.testing.assert_close(a[k], b, rtol=1e-8, atol=1e-10)
