"""The inverse autoregressive flow in a posterior: its distribution by autograd, and the bounds it gives."""

import torch
from kit import gen

from genbench.likelihood.importance import importance_bounds
from genbench.models import MODELS
from genbench.models.outputs import gaussian
from genbench.models.vae import VAE

NET = {"latent": 3, "width": 16, "depth": 1, "steps": 3, "flow_width": 12, "context": 4}


def moved(**net):
    """A model in double precision whose flow is far from the identity it starts at."""
    torch.manual_seed(0)
    model = MODELS["iaf_vae"]((2,), **(NET | net)).double()
    for layer in model.net["flow"]:
        torch.nn.init.normal_(layer.conditioner.layers[-1].weight, std=0.7)
    return model.requires_grad_(False)


def test_log_q_is_that_of_the_change_of_variables():
    model = moved()
    x, eps = torch.randn(5, 2, generator=gen()).double(), torch.randn(5, 3, generator=gen(1)).double()
    z, log_q = model.posterior(x, {"z": eps})
    jacobian = torch.stack(
        [
            torch.autograd.functional.jacobian(lambda e, i=i: model.posterior(x[i : i + 1], {"z": e.unsqueeze(0)})[0][0], eps[i])
            for i in range(5)
        ]
    )
    expected = gaussian(eps, torch.zeros(()).double(), torch.zeros(()).double()).sum(-1) - jacobian.slogdet()[1]
    torch.testing.assert_close(log_q, expected, rtol=1e-9, atol=1e-9)
    mean, log_std = VAE.encode(model, x)
    assert float((z - mean - log_std.exp() * eps).abs().max()) > 0.1  # the flow does something


def test_the_order_is_reversed_at_every_other_step():
    """With two steps every coordinate of z depends on every coordinate of the noise; with one only on the earlier ones."""
    for steps, full in ((1, False), (2, True)):
        model = moved(steps=steps)
        x, eps = torch.randn(1, 2, generator=gen()).double(), torch.randn(3, generator=gen(1)).double()
        jacobian = torch.autograd.functional.jacobian(lambda e, m=model, x=x: m.posterior(x, {"z": e.unsqueeze(0)})[0][0], eps)
        assert bool((jacobian.triu(1) != 0).any()) == full


def test_the_context_tells_the_flow_of_x():
    model = moved()
    x = torch.randn(1, 2, generator=gen()).double()
    before = model.posterior(x, {"z": torch.zeros(1, 3).double()})[0]
    model.net["context"].bias.add_(1.0)
    assert float((model.posterior(x, {"z": torch.zeros(1, 3).double()})[0] - before).abs().max()) > 1e-3


def test_gates_start_open():
    """The encoder's distribution passes almost as it is: a positive bias of the gates, near 0.9 each, and small shifts."""
    model = MODELS["iaf_vae"]((2,), **NET)
    x, eps = torch.randn(50, 2, generator=gen()), torch.randn(50, 3, generator=gen(1))
    mean, log_std = VAE.encode(model, x)
    z = model.posterior(x, {"z": eps})[0].detach()
    start = (mean + log_std.exp() * eps).detach()
    slope = (z * start).sum(0) / start.square().sum(0)
    torch.testing.assert_close(slope, torch.full((3,), 0.88**3), rtol=0, atol=0.08)
    assert float((z - slope * start).square().mean() / start.square().mean()) < 0.02


def test_encode_gives_the_moments_of_the_posterior():
    model = moved()
    x = torch.randn(3, 2, generator=gen()).double()
    mean, log_std = model.encode(x)
    many = model.posterior(x.repeat(20000, 1), {"z": torch.randn(60000, 3, generator=gen(1)).double()})[0].unflatten(0, (-1, 3))
    assert bool(((mean - many.mean(0)).abs() < 5 * many.std(0) / 64**0.5).all())
    torch.testing.assert_close(log_std, many.std(0).log(), rtol=0, atol=0.5)


def test_weights_average_to_the_likelihood():
    """E_q[w] = p(x), by quadrature over a latent of two dimensions."""
    model = moved(latent=2)
    model.net["encoder"].head.bias[2:] += 1.0  # wide enough for its weights to have a variance
    x = torch.randn(4, 2, generator=gen()).double()
    axis = torch.linspace(-7, 7, 141).double()
    z = torch.cartesian_prod(axis, axis)
    area = float(axis[1] - axis[0]) ** 2
    exact = torch.stack([(model.log_likelihood(one.expand(len(z), 2), z) + model.log_prior(z)).exp().sum() * area for one in x])
    generator = gen(3)
    bounds = importance_bounds(lambda: model.log_weights(x, generator), 2000)
    torch.testing.assert_close(bounds.iwae, exact.log(), rtol=0, atol=0.1)
    assert bool((bounds.elbo < bounds.iwae).all()) and float(bounds.ess.min()) > 100


def test_free_bits_cost_nothing():
    """Below `free` nats the loss has no gradient by the KL; above, it is that of the bound."""
    model = MODELS["iaf_vae"]((2,), **NET)
    x = torch.randn(30, 2, generator=gen())
    noise = {"z": torch.randn(30, 3, generator=gen(1))}
    log_p, kl = model.terms(x, noise)
    losses = [model.loss_net(x, noise, {"beta": torch.tensor(1.0), "free": torch.tensor(free)}) for free in (0.0, 1e3)]
    torch.testing.assert_close(losses[0], (kl - log_p).mean())
    encoder = model.net["encoder"].head.weight
    expected, found = (torch.autograd.grad(loss, encoder, retain_graph=True)[0] for loss in (-log_p.mean(), losses[1]))
    torch.testing.assert_close(found, expected)
