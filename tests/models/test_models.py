"""What every model of the table MODELS must do, on points and on images, and the closed forms of single families."""

import copy
import functools
import math

import pytest
import tiny
import torch
from kit import CONFIG, gen

from genbench.checks.trials import check_trial
from genbench.config.expand import Trial
from genbench.config.read import dataset_spec, model_spec, names, recipe
from genbench.likelihood.partition import quadrature_log_z
from genbench.models import MODELS
from genbench.training.checkpoint import load_tensors, save_tensors
from genbench.training.replicas import build

SINGLE = [c for c in tiny.CASES if len(c.cls.players) == 1 and not hasattr(c.cls, "energy")]
SEVERAL = [c for c in tiny.CASES if len(c.cls.players) > 1]
PLAYED = [c for c in tiny.CASES if c.cls.players]
FITTED = [c for c in tiny.CASES if not c.cls.players]
ENERGY = [c for c in tiny.CASES if hasattr(c.cls, "energy")]
DENSITY = [c for c in tiny.CASES if c.kind == "points" and c.cls.likelihood == "exact"]
# parameters that a loss does not depend on: it sees only differences of scores
INVARIANT = {
    "wgan": {"critic.layers.2.bias"},
    "wgan_gp": {"critic.layers.2.bias", "critic.net.layers.2.bias"},
    "recovery_ebm": {"net.layers.2.bias"},
}

cases = functools.partial(pytest.mark.parametrize, "case", ids=str)


def hyper(case, **changes):
    return {name: torch.tensor(value) for name, value in (case.hp | changes).items()}


def draw(model, n, seed=0):
    label = {"label": torch.arange(n) % model.classes} if model.classes else {}
    return {name: value[0] for name, value in model.noise((1, n), gen(seed)).items()} | label


def prepared(model, player, x, noise, hp):
    """The noise with what the player's loss consumes."""
    if not hasattr(model, f"prepare_{player}"):
        return noise
    with torch.no_grad():
        return noise | getattr(model, f"prepare_{player}")(x, noise, hp)


def loss_of(model, player, x, noise, hp):
    return getattr(model, f"loss_{player}")(x, noise, hp)


def steps(case, model, count, hp, lr=0.01):
    """A few updates of every player by torch's Adam on fresh noise."""
    adam = {p: torch.optim.Adam(getattr(model, p).parameters(), lr) for p in model.players}
    x = case.batch(32)
    for i in range(count):
        for player, optimiser in adam.items():
            noise = prepared(model, player, x, draw(model, len(x), i), hp)
            optimiser.zero_grad()
            loss_of(model, player, x, noise, hp).backward()
            optimiser.step()


@functools.cache
def _trained(case):
    scored = case.kind == "points" and case.cls.likelihood != "none"
    updates = 60 if scored or case in ENERGY else 10
    return tiny.trainer(case, [0], [{"lr": 0.01}], updates, batch=64, switches={"ema": 0.9}).run()[0]


def trained(case):
    """A briefly trained model, a fresh copy each time."""
    result = _trained(case)
    assert result.status == "ok", result.cause
    return copy.deepcopy(result.model)


# ---- training


@cases(argvalues=SINGLE)
def test_training_lowers_the_loss_of_a_fixed_batch(case):
    model, hp = build(case.make, 0), hyper(case)
    x, noise = case.batch(32), draw(model, 32)
    adam = torch.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(30):
        adam.zero_grad()
        loss = loss_of(model, "net", x, noise, hp)
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert math.isfinite(losses[-1]) and losses[-1] < losses[0] - 0.02 * abs(losses[0]), losses[:: len(losses) - 1]


@cases(argvalues=SEVERAL)
def test_a_step_of_each_player_lowers_its_own_loss(case):
    model, hp = build(case.make, 0), hyper(case)
    steps(case, model, 2, hp)
    model.double()
    x = case.batch(32).double()
    for player in model.players:
        noise = {name: value.double() if value.is_floating_point() else value for name, value in draw(model, 32).items()}
        noise = prepared(model, player, x, noise, hp)
        parameters = list(getattr(model, player).parameters())
        before = loss_of(model, player, x, noise, hp)
        grads = torch.autograd.grad(before, parameters)
        size = torch.sqrt(sum(g.square().sum() for g in grads))
        with torch.no_grad():
            for p, g in zip(parameters, grads, strict=True):
                p -= 1e-4 * g / size
        after = loss_of(model, player, x, noise, hp)
        drop = ((before - after) / (1e-4 * size)).item()  # to first order exactly 1
        assert drop == pytest.approx(1, abs=0.1), player


@cases(argvalues=ENERGY)
def test_training_opens_an_energy_gap(case):
    data, free = case.batch(200, 3), torch.rand(200, *case.shape, generator=gen()) * 2 - 1
    free = free if case.levels else 3 * free

    def gap(model):
        return float(model.energy(free).mean() - model.energy(data).mean())

    start = build(case.make, 0).eval().requires_grad_(False)
    assert gap(trained(case)) > gap(start) + 0.1


@cases(argvalues=FITTED)
def test_fitting_raises_the_likelihood(case):
    model, x = case.make(), case.batch(300)
    before = float(model.log_prob(x).mean())
    used = model.fit(x, 20, gen())
    assert 1 <= used <= 20
    assert float(model.log_prob(x).mean()) > before + 0.1
    assert model.size() > 0 and model.fit_flops(300) > 0


@cases(argvalues=PLAYED)
def test_every_parameter_gets_a_gradient(case):
    model = build(case.make, 0)
    hp = hyper(case, **({"reg": 0.1} if "reg" in case.hp else {}))
    steps(case, model, 3, hp)  # layers that start at zero pass no gradient on at first
    x = case.batch(64, 1)
    seen = set()
    for player in model.players:
        noise = prepared(model, player, x, draw(model, 64, 9), hp)
        named = dict(getattr(model, player).named_parameters(prefix=player))
        seen |= set(named)
        grads = torch.autograd.grad(loss_of(model, player, x, noise, hp), list(named.values()), allow_unused=True)
        for name, grad in zip(named, grads, strict=True):
            if name in INVARIANT.get(case.model, ()):
                assert float(grad.abs().max()) < 1e-6, f"{name} should not matter"
                continue
            assert grad is not None, f"{player}'s loss does not use {name}"
            assert bool(grad.isfinite().all()), f"the gradient of {name} is not finite"
            assert bool(grad.any()), f"the gradient of {name} is zero"
    assert seen == set(dict(model.named_parameters())), "a parameter belongs to no player"


# ---- samples


@cases(argvalues=tiny.CASES)
def test_samples(case):
    model, n = trained(case), 7
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    y = model.sample(n, gen(1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert y.shape == (n, *case.shape) and y.dtype == torch.float32 and bool(y.isfinite().all())
    raw = case.space.decode(y)
    assert raw.shape == y.shape
    if case.levels:
        assert raw.dtype == torch.uint8 and int(raw.max()) <= case.levels - 1 and len(raw.unique()) > 1
    else:
        assert raw.dtype == torch.float32
    assert not torch.equal(model.sample(n, gen(2)), y)


@cases(argvalues=tiny.CASES)
def test_a_saved_model_gives_the_same_samples(case, tmp_path):
    model = trained(case)
    save_tensors(tmp_path / "weights.safetensors", model.state_dict(), {"a": 1})
    tensors, meta = load_tensors(tmp_path / "weights.safetensors")
    other = build(case.make, 99).eval().requires_grad_(False)
    other.load_state_dict(tensors)
    assert meta == {"a": 1}
    assert torch.equal(other.sample(5, gen(3)), model.sample(5, gen(3)))


@cases(argvalues=[c for c in tiny.CASES if c.kind == "points" and c.cls.likelihood != "none"])
def test_samples_are_likelier_than_noise(case):
    model = trained(case)
    near, far = model.sample(200, gen(4)), 6 * torch.rand(200, 2, generator=gen(5)) - 3

    def score(x):
        if hasattr(model, "energy"):
            return -model.energy(x)
        return model.log_weights(x, gen()) if hasattr(model, "log_weights") else model.log_prob(x)

    assert float(score(near).mean()) > float(score(far).mean()) + 0.1


# ---- densities


def plane(half, count):
    axis = torch.linspace(-half, half, count)
    return torch.cartesian_prod(axis, axis), (2 * half / (count - 1)) ** 2


@cases(argvalues=DENSITY)
def test_density_integrates_to_one_and_is_that_of_the_samples(case):
    """The mean log-density of own samples is the integral of p log p."""
    model = trained(case)
    x, area = plane(6, 161)
    log_p = model.log_prob(x).double()
    assert float(log_p.exp().sum() * area) == pytest.approx(1, abs=1e-2)
    expected, own = float((log_p.exp() * log_p).sum() * area), model.log_prob(model.sample(4000, gen(6))).double()
    assert float(own.mean()) == pytest.approx(expected, abs=4 * float(own.std()) / 4000**0.5 + 0.01)


@cases(argvalues=[c for c in ENERGY if c.kind == "points"])
def test_energy_with_quadrature_integrates_to_one(case):
    model = trained(case)
    log_z = quadrature_log_z(model.energy)
    x, area = plane(9, 207)  # another grid than the estimator's
    mass = ((-model.energy(x)).double().logsumexp(0) + math.log(area) - log_z.value).exp()
    assert float(mass) == pytest.approx(1, abs=1e-2)
    assert abs(log_z.error) < 0.05


def test_realnvp_is_inverted_in_float32():
    model = trained(next(c for c in tiny.CASES if str(c) == "realnvp-images"))
    x = torch.randn(50, 64, generator=gen())
    torch.testing.assert_close(model.inverse(model.forward(x)[0]), x, rtol=0, atol=1e-4)


def test_gmm_density_is_that_of_its_samples():
    case = next(c for c in FITTED if c.kind == "points")
    model = trained(case)
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(model.weights),
        torch.distributions.MultivariateNormal(model.means, scale_tril=model.factors),
    )
    x = model.sample(20000, gen())
    torch.testing.assert_close(model.log_prob(x), mixture.log_prob(x), rtol=0, atol=1e-3)
    torch.testing.assert_close(x.mean(0), mixture.mean, rtol=0, atol=0.05)


# ---- recipes


@pytest.mark.parametrize("model", names("models", CONFIG))
def test_recipes_can_be_built(model):
    spec, datasets = model_spec(model, CONFIG), [dataset_spec(name, CONFIG) for name in names("datasets", CONFIG)]
    for data in [data for data in datasets if data.kind in MODELS[model].space]:
        parts = recipe(spec, data).model_dump()
        check_trial(Trial("", data.name, model, spec.family, 0, 8, {}, **parts, dataset_spec="", code=""), CONFIG)


def test_table_and_recipes_name_the_same_models():
    assert set(names("models", CONFIG)) == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_declarations(name):
    cls = MODELS[name]
    assert cls.likelihood in {"exact", "lower_bound", "upper_bound", "estimate", "none"}
    assert set(cls.blind) <= set(cls.players) and all(n >= 1 for n in cls.players.values())
    assert all(hasattr(cls, f"loss_{player}") for player in cls.players) and (cls.players or hasattr(cls, "fit"))
    densities = [n for n in ("log_prob", "log_weights", "elbo", "energy") if hasattr(cls, n)]
    assert bool(densities) == (cls.likelihood != "none")
    assert not cls.selects or set(cls.players) == {"net"}  # a sum of adversaries' losses selects nothing
