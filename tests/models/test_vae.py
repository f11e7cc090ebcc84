"""Estimators of a VAE's gradient and the importance-weighted bound, on a linear Gaussian model whose answers are known."""

import math

import pytest
import torch
from kit import gen

from genbench.models import MODELS
from genbench.models.outputs import gaussian
from genbench.questions.vae_gradients.run import ESTIMATORS, gradients, moments
from genbench.training.replicas import build

DIM, LATENT, STD = 3, 2, 0.5
W = torch.tensor([[1.0, 0.5], [0.5, -1.0], [0.0, 0.3]], dtype=torch.float64)  # columns are not orthogonal before the next line
W[:, 1] -= W[:, 0] * (W[:, 0] @ W[:, 1]) / (W[:, 0] @ W[:, 0])
B = torch.tensor([0.2, -0.1, 0.4], dtype=torch.float64)
X = torch.randn(4, DIM, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
COVARIANCE = W @ W.T + STD**2 * torch.eye(DIM, dtype=torch.float64)
EVIDENCE = torch.distributions.MultivariateNormal(B, COVARIANCE).log_prob(X)


def linear(name="vae", off=0.0, **net):
    """p(x|z) = N(Wz + B, STD^2), and an encoder that is the exact posterior; `off`: size of errors of its weights."""
    model = build(lambda: MODELS[name]((DIM,), None, LATENT, depth=0, decoder="gaussian_fixed", std=STD, **net), 0).double()
    variance = 1 / (1 + W.square().sum(0) / STD**2)  # columns of W are orthogonal, so the posterior is a product
    slope = variance[:, None] * W.T / STD**2
    with torch.no_grad():
        decoder, encoder = model.net["decoder"].layers[0], model.net["encoder"].layers[0]
        decoder.weight.copy_(W), decoder.bias.copy_(B)
        encoder.weight.copy_(torch.cat([slope, torch.zeros_like(slope)]))
        encoder.bias.copy_(torch.cat([-slope @ B, variance.log() / 2]))
        for i, p in enumerate(encoder.parameters()):
            p += off * torch.randn(p.shape, generator=gen(i + 1), dtype=p.dtype)
    return model


def noise(draws, *samples, seed=3):
    return torch.randn(draws, len(X), *samples, LATENT, generator=gen(seed), dtype=torch.float64)


def exact(model):
    """The negative bound, its expectation over z by hand, and its gradient."""
    mean, log_std = model.encode(X)
    (weight, bias), variance = model.net["decoder"].layers[0].parameters(), (2 * log_std).exp()
    square = (X - mean @ weight.T - bias).square().sum(-1) + (variance @ weight.square().T).sum(-1)
    log_p = -square / (2 * STD**2) - DIM * math.log(STD * math.sqrt(2 * math.pi))
    loss = (0.5 * (mean.square() + variance - 1 - 2 * log_std).sum(-1) - log_p).mean()
    return loss.item(), torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.net.parameters()))])


def deviation(draws, expected):
    """Largest distance of the mean over draws (N, n) from what is expected (n,), in standard errors."""
    return float(((draws.mean(0) - expected).abs() / (draws.std(0) / len(draws) ** 0.5 + 1e-12)).max())


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_is_unbiased(name):
    """Over 20,000 draws the mean gradient is that of the bound in closed form, for encoder and decoder."""
    model = linear(off=0.3)
    found = gradients(model, name, X, noise(20_000))
    assert found.std(0).max() > 0.1  # there is noise to average
    assert deviation(found, exact(model)[1]) < 4.5


def test_the_squared_mean_of_few_gradients_is_unbiased():
    """Near the optimum, where most of the square of a mean over five draws is noise."""
    model = linear(off=0.02)
    found = gradients(model, "closed", X, noise(10_000), "net.encoder")
    expected = float(exact(model)[1][: found.shape[1]].square().sum())
    variance, signal = torch.tensor([moments(each) for each in found.split(5)]).unbind(1)
    error = float(signal.std()) / 2000**0.5
    assert float(signal.mean()) == pytest.approx(expected, abs=4 * error)
    assert float(variance.mean()) / 5 > 20 * error  # what would be there beside it


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_has_the_bound_for_its_value(name):
    model = linear(off=0.3)
    model.estimator, model.baseline = ESTIMATORS[name]
    losses = torch.stack([model.loss_net(X, {"z": z}, {"beta": torch.tensor(1.0)}) for z in noise(2000)]).detach()
    assert float(losses.mean()) == pytest.approx(exact(model)[0], abs=4 * float(losses.std()) / 2000**0.5)


def test_the_path_estimator_has_no_variance_at_the_exact_posterior():
    """The others have: sticking the landing is its alone."""
    model, z = linear(), noise(500)
    spread = {name: float(gradients(model, name, X, z, "net.encoder").std(0).max()) for name in ESTIMATORS}
    assert spread.pop("path") < 1e-12
    assert min(spread.values()) > 0.1, spread


def test_order_of_the_estimators_near_the_optimum():
    model = linear(off=0.01)
    z = noise(2000)
    size = {name: float(gradients(model, name, X, z, "net.encoder").var(0).sum()) for name in ESTIMATORS}
    assert 10 * size["path"] < min(size["closed"], size["total"])
    assert size["total"] < size["score, baseline"] < size["score"], size


def test_the_baseline_leaves_out_the_example_itself():
    """A score weight that held its own cost would be correlated with log q: of a single example nothing is subtracted."""
    model, z = linear(off=0.3), noise(50)[:, :1]
    alone = [gradients(model, name, X[:1], z) for name in ("score", "score, baseline")]
    torch.testing.assert_close(*alone)


def test_beta_weighs_the_kl_of_every_estimator():
    model, z = linear(off=0.3), noise(4000)
    model.hp = {"beta": 0.0}
    mean = {name: gradients(model, name, X, z) for name in ESTIMATORS}
    torch.testing.assert_close(mean["closed"], mean["total"])
    torch.testing.assert_close(mean["closed"], mean["path"])
    assert deviation(mean["score, baseline"], mean["closed"].mean(0)) < 5


@pytest.mark.parametrize("estimator", ["total", "dreg"])
@pytest.mark.parametrize("samples", [1, 4])
def test_iwae_is_log_p_at_the_exact_posterior(samples, estimator):
    model = linear("iwae", samples=samples, estimator=estimator)
    for z in noise(3, samples):
        assert float(model.loss_net(X, {"z": z}, {})) == pytest.approx(-float(EVIDENCE.mean()), abs=1e-9)


def test_iwae_of_one_sample_is_the_elbo():
    vae, iwae, z = linear(off=0.3, estimator="total"), linear("iwae", off=0.3, samples=1), noise(1)[0]
    found = []
    for model, each, hp in ((vae, z, {"beta": torch.tensor(1.0)}), (iwae, z.unsqueeze(1), {})):
        loss = model.loss_net(X, {"z": each}, hp)
        found.append([loss, *torch.autograd.grad(loss, list(model.parameters()))])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


def test_iwae_bound_grows_with_its_samples_to_log_p():
    draws, bounds = noise(1000, 64), []
    for samples in (1, 4, 16, 64):
        model = linear("iwae", off=0.3, samples=samples).requires_grad_(False)
        bounds.append(-torch.stack([model.loss_net(X, {"z": z[:, :samples]}, {}) for z in draws]))
    for few, many in zip(bounds, bounds[1:], strict=False):
        gain = many - few
        assert float(gain.mean()) > 3 * float(gain.std()) / 1000**0.5
    slack = float(EVIDENCE.mean() - bounds[-1].mean())
    assert 0 < slack < 0.2 * float(EVIDENCE.mean() - bounds[0].mean())


def test_doubly_reparameterised_gradient_has_the_mean_of_the_total_one():
    z = noise(20_000, 8)
    found = {}
    for estimator in ("total", "dreg"):
        model = linear("iwae", off=0.1, samples=8, estimator=estimator)

        def loss(encoder, z, model=model):
            return torch.func.functional_call(Loss(model), {f"model.net.encoder.{k}": v for k, v in encoder.items()}, (z,))

        encoder = {k: v.detach() for k, v in model.net["encoder"].named_parameters()}
        parts = [torch.func.vmap(torch.func.grad(loss), (None, 0))(encoder, each) for each in z.split(2000)]
        found[estimator] = torch.cat([torch.cat([v.flatten(1) for v in part.values()], 1) for part in parts])
    assert deviation(found["dreg"] - found["total"], torch.zeros(found["total"].shape[1]).double()) < 4.5
    assert float(found["dreg"].var(0).sum()) < 0.5 * float(found["total"].var(0).sum())


class Loss(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, z):
        return self.model.loss_net(X, {"z": z}, {})


def test_log_weights_at_the_exact_posterior_are_log_p():
    for model in (linear(), linear("iwae", samples=3)):
        torch.testing.assert_close(model.requires_grad_(False).log_weights(X, gen()), EVIDENCE)


def test_draws_are_of_the_decoders_distribution():
    model = linear().requires_grad_(False)
    z = model.draw_prior(20_000, gen()).double()
    x = model.draw(z, gen(1))
    torch.testing.assert_close(x.T.cov(), COVARIANCE, rtol=0, atol=0.06)
    torch.testing.assert_close(model.generate(z), z @ W.T + B)
    expected = gaussian(x, z @ W.T + B, torch.tensor(math.log(STD))).sum(-1)
    torch.testing.assert_close(model.log_likelihood(x, z), expected)


def test_what_has_no_meaning_is_refused():
    with pytest.raises(ValueError, match="estimator: allowed: closed, total, path, score; got 'dreg'"):
        MODELS["vae"]((2,), estimator="dreg")
    with pytest.raises(ValueError, match="estimator: allowed: total, dreg; got 'closed'"):
        MODELS["iwae"]((2,), estimator="closed")
    with pytest.raises(ValueError, match="std: must be > 0"):
        MODELS["vae"]((2,), decoder="gaussian_fixed", std=0.0)
    with pytest.raises(ValueError, match="samples: must be >= 1"):
        MODELS["iwae"]((2,), samples=0)


# ---- autoencoder


def test_codes_get_their_distribution_after_training():
    """Of two far clusters the mixture of two knows both, one Gaussian only their moments; samples decode draws of it."""
    x = torch.randn(400, 2, generator=gen()) * 0.1 + torch.tensor([2.0, 0.0]) * torch.arange(400)[:, None].remainder(2)
    models = {k: build(lambda k=k: MODELS["ae"]((2,), width=8, depth=1, components=k), 0).requires_grad_(False) for k in (1, 2)}
    for model in models.values():
        model.finish(x, gen(1))
        codes = model.code(x)
        z = model.draw_prior(20_000, gen(2))
        torch.testing.assert_close(z.mean(0), codes.mean(0), rtol=0, atol=0.05)
        torch.testing.assert_close(z.T.cov(), codes.T.cov(), rtol=0, atol=0.05)
        torch.testing.assert_close(model.sample(5, gen(3)), model.generate(model.draw_prior(5, gen(3))))
    codes = models[1].code(x)
    single = torch.distributions.MultivariateNormal(codes.mean(0), codes.T.cov(correction=0) + 1e-4 * torch.eye(2))
    torch.testing.assert_close(models[1].log_prior(codes), single.log_prob(codes), rtol=1e-3, atol=1e-3)
    assert float((models[2].log_prior(codes) - models[1].log_prior(codes)).mean()) > 0.3
