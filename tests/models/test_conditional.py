"""Class-conditional models: what they are given, what they make of it, and likelihoods against closed forms."""

import functools
import math

import pytest
import torch
from kit import gen
from torch import nn

from genbench.config.budget import Budget
from genbench.data.space import SPACES, Standard
from genbench.likelihood.importance import importance_bounds
from genbench.models import MODELS
from genbench.nets import GENERATORS, Spectral, critic, generator, indicator
from genbench.training.replicas import build
from genbench.training.trainer import Switches, Trainer

torch.set_num_threads(1)
SHARES = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
CENTRES = torch.tensor([[-1.0, 0.5], [0.8, -0.3], [0.4, 1.2]], dtype=torch.float64)
STD = 0.5
WIDTHS = {"biggan": 8, "resnet": 8, "mlp": 16, "stylegan": 3}


def double(*shape, seed=0):
    return torch.randn(*shape, generator=gen(seed), dtype=torch.float64)


def mixture(n, seed=0):
    """Points (n, 2) of three Gaussians, their classes, and their exact log-density."""
    label = torch.multinomial(SHARES, n, replacement=True, generator=gen(seed))
    x = CENTRES[label] + STD * double(n, 2, seed=seed + 1)
    return x, label, distribution(STD).log_prob(x)


def distribution(std):
    parts = torch.distributions.Independent(torch.distributions.Normal(CENTRES, torch.full_like(CENTRES, std)), 1)
    return torch.distributions.MixtureSameFamily(torch.distributions.Categorical(SHARES), parts)


def scatter(net, seed=0):
    for p in net.requires_grad_(False).parameters():
        p.copy_(torch.randn(p.shape, generator=gen(seed)) / max(p[0].numel() if p.dim() > 1 else 1, 1) ** 0.5)
    return net


def standard(shape=(2,)):
    return Standard(shape, None, (0.0,) * shape[0], 1.0)


# ---- networks


def test_indicator_has_numbers_of_size_one():
    rows = indicator(torch.tensor([2, 0]), 4, torch.zeros(1))
    assert torch.equal(rows, torch.tensor([[0.0, 0, 2, 0], [2.0, 0, 0, 0]])) and rows.square().mean() == 1


@pytest.mark.parametrize("name", GENERATORS)
def test_every_network_takes_labels(name):
    shape, width, label = (1, 8, 8), WIDTHS.get(name, 4), torch.tensor([0, 1, 2, 1])
    norm = {} if name == "stylegan" else {"norm": "layer"}  # examples independent of each other
    net = scatter(generator(name, 6, shape, width, classes=3, **norm))
    z = torch.randn(1, net.latent, generator=gen()).expand(4, -1)
    made = net(z, label)
    assert made.shape == (4, *shape)
    torch.testing.assert_close(made[1], made[3])
    assert float((made[0] - made[1]).abs().max()) > 1e-3 and float((made[2] - made[1]).abs().max()) > 1e-3
    discriminator = scatter(critic(name, shape, width, classes=3))
    x = torch.randn(1, 1, 8, 8, generator=gen(1)).expand(4, -1, -1, -1)
    values = discriminator(x, label)
    assert values.shape == (4,) and len({round(float(v), 4) for v in values}) == 3
    torch.testing.assert_close(discriminator(x.flatten(1), label), values)
    assert generator(name, 6, shape, width).latent == net.latent  # z is as long as without labels


@pytest.mark.parametrize("name", GENERATORS)
def test_the_critic_is_a_projection(name):
    """f(x, y) = f(x) + <v_y, features(x)>, so that differences between classes are linear in the features."""
    shape = (1, 8, 8)
    discriminator = scatter(critic(name, shape, WIDTHS.get(name, 4), classes=3))
    net, vectors = getattr(discriminator, "net", discriminator), discriminator.embed.weight
    x = torch.randn(5, *shape, generator=gen())
    h = net.features(x)
    plain = net.head(h)[:, 0]
    for y in range(3):
        torch.testing.assert_close(discriminator(x, torch.full((5,), y)), plain + h @ vectors[y], rtol=1e-4, atol=1e-4)


def test_spectral_norm_reaches_the_vectors_of_the_classes():
    discriminator = Spectral(critic("mlp", (2,), 16, classes=5), start=200)
    weights = {name: weight.detach() for name, weight in discriminator.weights().items()}
    assert float(torch.linalg.matrix_norm(weights["embed.weight"], 2)) == pytest.approx(1, abs=1e-3)


def test_the_penalty_of_a_critic_is_that_of_its_classes():
    """The gradient penalty of examples of several classes is the mean of the penalties of each class by itself."""
    model = build(functools.partial(MODELS["wgan_gp"], (2,), None, width=16, classes=3), 0)
    x, label = torch.randn(30, 2, generator=gen()), torch.arange(30) % 3
    noise = {"label": label, "fake": torch.randn(30, 2, generator=gen(1)), "mix": torch.rand(30, 1, generator=gen(2))}
    hp = {"gp": torch.tensor(10.0)}
    whole = model.loss_critic(x, noise, hp)
    parts = [model.loss_critic(x[label == y], {n: v[label == y] for n, v in noise.items()}, hp) for y in range(3)]
    torch.testing.assert_close(whole, torch.stack(parts).mean())
    wrong = model.loss_critic(x, noise | {"label": label.roll(1)}, hp)
    assert abs(float(wrong - whole)) > 1e-3


# ---- what a model is given


class Recorder(MODELS["vae"]):
    """Keeps the batches that its loss sees."""

    seen = []

    def loss_net(self, x, noise, hp):
        self.seen.append((x.detach().clone(), noise["label"].clone()))
        return super().loss_net(x, noise, hp)


def train(cls, x, label, updates, lifted=None, seeds=(0,), dtype=torch.float32, hp=None, batch=64, **net):
    cut = len(x) * 3 // 4
    space = standard() if x.dim() == 2 else SPACES["symmetric"](tuple(x.shape[1:]), 17)
    make = functools.partial(cls, tuple(x.shape[1:]), None if x.dim() == 2 else 17, classes=int(label.max()) + 1, **net)
    labels = {"train": label[:cut], "validation": label[cut:], "test": label[:0]}
    budget = Budget(unit="updates", value=updates)
    trainer = Trainer(
        make, list(seeds), [hp or {}] * len(seeds), x[:cut], x[cut:], space, batch, budget, Switches(ema=0.99),
        lifted=lifted, dtype=dtype, labels=labels,
    )  # fmt: skip
    return trainer.run()


def test_labels_are_those_of_the_examples():
    label = torch.arange(400) % 4
    x = torch.stack([label.float(), torch.zeros(400)], 1)
    Recorder.seen.clear()
    (result,) = train(Recorder, x, label, 30, width=4, depth=1)
    batches = {len(seen) for seen, _ in Recorder.seen}
    assert batches == {64, 100}  # in training and on the validation split
    assert all(torch.equal(seen[:, 0].round().long(), given) for seen, given in Recorder.seen)
    torch.testing.assert_close(result.model.prior, torch.full((4,), 0.25))


def test_labels_are_drawn_with_the_frequencies_of_the_training_split():
    x, label, _ = mixture(2000)
    (result,) = train(MODELS["vae"], x.float(), label, 2, width=4, depth=1)
    shares = torch.bincount(label[:1500]) / 1500
    torch.testing.assert_close(result.model.prior, shares)
    drawn = torch.bincount(result.model.draw_labels(20000, gen()), minlength=3) / 20000
    torch.testing.assert_close(drawn, shares, rtol=0, atol=0.015)


@pytest.mark.parametrize("name", ["biggan", "infogan"])
def test_replicas_of_networks_that_take_labels_equal_the_loop(name):
    x = torch.randint(0, 17, (60, 1, 8, 8), generator=gen()).to(torch.uint8)
    label = torch.arange(60) % 2
    net = {"network": name, "width": 2, "latent": 6, "penalty": "r1"}
    results = [
        train(MODELS["sngan"], x, label, 2, lifted, seeds=(1, 2), dtype=torch.float64, batch=4, **net) for lifted in (True, False)
    ]
    for a, b in zip(*results, strict=True):
        assert a.status == b.status == "ok"
        for (key, left), right in zip(a.model.state_dict().items(), b.model.state_dict().values(), strict=True):
            torch.testing.assert_close(left, right, rtol=1e-8, atol=1e-9, msg=key)


@pytest.mark.parametrize(
    ("name", "net", "hp"),
    [
        ("ns_gan", {"width": 32, "depth": 2}, {"lr": 5e-3, "beta1": 0.5}),
        ("vae", {"width": 32, "depth": 2}, {"lr": 1e-2, "clip": 5.0}),
        ("ddpm", {"width": 32, "depth": 1, "steps": 30}, {"lr": 5e-3}),
    ],
)
def test_samples_are_of_the_class_asked_for(name, net, hp):
    """Three Gaussians that overlap in one coordinate and not in the other; a model without labels would reach 1/3."""
    n, label = 1000, torch.arange(2000) % 3
    x = torch.stack([3.0 * (label.float() - 1), torch.zeros(2000)], 1) + 0.5 * torch.randn(2000, 2, generator=gen())
    (result,) = train(MODELS[name], x, label, 200, batch=64, hp=hp, **net)
    asked = torch.arange(n) % 3
    made = result.model.sample(n, gen(1), asked)
    share = float(((made[:, 0] / 3).round().long() + 1 == asked).double().mean())
    assert share > 0.9
    assert float(made[:, 1].std()) == pytest.approx(0.5, rel=0.5)
    free = result.model.sample(n, gen(2))
    counts = torch.bincount(((free[:, 0] / 3).round().long() + 1).clamp(0, 2), minlength=3) / n
    torch.testing.assert_close(counts, torch.full((3,), 1 / 3), rtol=0, atol=0.12)


# ---- likelihoods


def test_weights_of_a_linear_vae_are_exact(monkeypatch):
    """x = A z + c_y + noise with the true posterior: every weight is p(x) = sum_y p(y) N(x; c_y, A A' + noise)."""
    monkeypatch.setattr("genbench.models.vae.normal", lambda shape, g: torch.randn(*shape, generator=g, dtype=torch.float64))
    model = MODELS["vae"]((2,), None, latent=2, depth=0, classes=3).double().requires_grad_(False)
    scale, noise = torch.tensor([0.7, 0.4], dtype=torch.float64), torch.tensor([0.3, 0.5], dtype=torch.float64)
    posterior = 1 / (1 + scale.square() / noise.square())  # variance of each coordinate of z
    gain = posterior * scale / noise.square()
    decoder, encoder = model.net["decoder"].net.layers[0], model.net["encoder"].layers[0]
    decoder.weight.zero_(), encoder.weight.zero_()
    decoder.weight[:2, :3] = CENTRES.T / 3**0.5  # the indicator's ones are sqrt(3)
    decoder.weight[:2, 3:] = torch.diag(scale)
    decoder.bias.copy_(torch.cat([torch.zeros(2).double(), noise.log()]))
    encoder.weight[:2] = torch.diag(gain)
    encoder.bias.copy_(torch.cat([torch.zeros(2).double(), 0.5 * posterior.log()]))
    model.net["label"].weight[:, :2] = -gain * CENTRES
    model.prior.copy_(SHARES)
    x, _, _ = mixture(200)
    std = (scale.square() + noise.square()).sqrt()
    parts = torch.distributions.Independent(torch.distributions.Normal(CENTRES, std.expand(3, 2)), 1)
    exact = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(SHARES), parts).log_prob(x)
    g = gen(1)
    bounds = importance_bounds(lambda: model.log_weights(x, g), 3)
    torch.testing.assert_close(bounds.elbo, exact, rtol=0, atol=1e-9)
    torch.testing.assert_close(bounds.iwae, exact, rtol=0, atol=1e-9)
    model.net["label"].weight += 0.4  # a wrong posterior makes them bounds
    found = [importance_bounds(lambda: model.log_weights(x, g), k).iwae - exact for k in (1, 100)]
    assert float(found[0].mean()) < -0.05 and float(found[1].mean()) > float(found[0].mean())
    assert float(found[1].mean()) < 3 * float(found[1].std()) / 200**0.5


def exact_diffusion(steps=100, guidance=0.0):
    """A diffusion of the three Gaussians with the exact velocity of each; "no class" is the last label."""
    model = MODELS["ddpm"]((2,), None, width=4, depth=1, steps=steps, classes=3, guidance=guidance)
    model.prior = SHARES.clone()
    model.requires_grad_(False)

    def output(x, t, label):
        phi = model.angle(t).double()
        cos, sin = phi.cos(), phi.sin()
        variance = cos.square() * STD**2 + sin.square()
        away = x.unsqueeze(-2) - cos.unsqueeze(-1) * CENTRES  # (B, 3, 2)
        share = (SHARES.log() - 0.5 * (away.square() / variance.unsqueeze(-1)).sum(-1)).softmax(-1)
        share = torch.where((label < 3).unsqueeze(-1), nn.functional.one_hot(label.clamp(max=2), 3).double(), share)
        clean = (share.unsqueeze(-1) * (CENTRES + (cos / variance).unsqueeze(-1) * STD**2 * away)).sum(-2)
        return cos * (x - cos * clean) / sin - sin * clean

    model._output = output
    return model


def test_diffusion_bound_approaches_the_exact_density():
    x, _, exact = mixture(500)
    gaps = {}
    for steps in (50, 400):
        gap = exact - exact_diffusion().elbo(x, gen(1), steps)
        gaps[steps] = float(gap.mean())
        assert gaps[steps] > -3 * float(gap.std()) / 500**0.5
    assert gaps[50] > gaps[400] and gaps[400] < 0.2


def test_diffusion_ode_has_the_exact_density():
    x, _, exact = mixture(40)
    error = exact_diffusion().log_prob(x) - exact
    assert abs(float(error.mean())) < 5e-3 and float(error.abs().max()) < 0.05  # the ODE starts at a little noise


def test_guidance_adds_bits_that_the_bound_pays_for():
    """Guided, the chain has another distribution than the data: its bound is lower, its samples lean away from other classes."""
    x, _, _ = mixture(1000)
    plain, guided = exact_diffusion(40), exact_diffusion(40, guidance=2.0)
    assert float((plain.elbo(x, gen(1)) - guided.elbo(x, gen(1))).mean()) > 0.2
    asked = torch.ones(1500, dtype=torch.long)
    others = CENTRES[1] - CENTRES[[0, 2]].mean(0)
    lean = [float(((m.sample(1500, gen(2), asked) - CENTRES[1]) @ others).mean()) for m in (plain, guided)]
    assert abs(lean[0]) < 0.05 and lean[1] > 0.2
    spread = plain.sample(1500, gen(3), asked)
    torch.testing.assert_close(spread.mean(0), CENTRES[1], rtol=0, atol=0.06)
    torch.testing.assert_close(spread.std(0), torch.full((2,), STD).double(), rtol=0, atol=0.05)


def test_guided_velocity():
    model = exact_diffusion()
    x, t, label = double(20, 2), torch.full((20,), 0.4), torch.arange(20) % 3
    own, none = model.velocity(x, t, label), model.velocity(x, t, torch.full((20,), 3))
    torch.testing.assert_close(model.velocity(x, t, label, 1.5), 2.5 * own - 1.5 * none)


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_noise_does_not_lift_the_bound_above_the_density(noise):
    """Estimates with independent errors: the logarithm of their plain sum would be too high by almost the noise."""
    model = exact_diffusion()
    n = 20000
    each = torch.tensor([-3.0, -3.5, -2.0], dtype=torch.float64)
    truth = float((SHARES.log() + each).logsumexp(0))

    def estimate(x, generator, steps, label, guidance, copies=1):
        return each[label] + noise * torch.randn(n, generator=generator, dtype=torch.float64).repeat(copies)

    model._bound = estimate
    bound = model.elbo(torch.zeros(n, 2), gen(5))
    error = 4 * float(bound.std()) / n**0.5 + 1e-9
    assert float(bound.mean()) == pytest.approx(truth, abs=error)  # equal errors of all classes: the posterior stays right
    calls = iter(range(10))
    model._bound = lambda x, g, steps, label, w, copies=1: each[label] + noise * double(len(label), seed=next(calls))
    bound = model.elbo(torch.zeros(n, 2), gen(5))
    assert float(bound.mean()) < truth + 4 * float(bound.std()) / n**0.5 + 1e-9
    if noise:
        naive = torch.stack([SHARES[y].log() + each[y] + noise * double(n, seed=y) for y in range(3)]).logsumexp(0)
        assert float(naive.mean()) > truth + 0.5


def test_the_label_is_withheld_in_a_tenth_of_training():
    model = MODELS["ddpm"]((2,), None, width=8, depth=1, classes=3)
    noise = {k: v[0] for k, v in model.noise((1, 50000), gen()).items()} | {"label": torch.zeros(50000, dtype=torch.long)}
    assert float(noise["drop"].double().mean()) == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / 50000))
    seen = []
    model.net.label.register_forward_pre_hook(lambda layer, args: seen.append(args[0]))
    model.loss_net(torch.randn(50000, 2, generator=gen(1)), noise, {})
    assert torch.equal(seen[0], torch.where(noise["drop"], 3, 0))


def test_guidance_needs_classes():
    with pytest.raises(ValueError, match="guidance must be at least 0, and 0 without classes"):
        MODELS["ddpm"]((2,), None, guidance=1.0)
