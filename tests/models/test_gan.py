"""The grid of adversarial models: losses, penalties, norms and diagnostics against values by hand."""

import copy
import functools
import importlib.util
import itertools
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from genbench.config.errors import UserError
from genbench.config.expand import Trial
from genbench.config.read import dataset_spec, model_spec, recipe
from genbench.models import MODELS
from genbench.models.adversarial import mean_distance
from genbench.models.gan import GAN, NORMS
from genbench.models.gan_losses import LOSSES
from genbench.models.gan_penalties import PENALTIES
from genbench.nets import GENERATORS
from genbench.studies.check import check_trial, unfair
from genbench.training.replicas import Replicas, build

_spec = importlib.util.spec_from_file_location("tiny", Path(__file__).with_name("tiny.py"))
tiny = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny)

CONFIG = Path(__file__).resolve().parents[2] / "config"
ADVERSARIAL = [name for name, cls in MODELS.items() if hasattr(cls, "diagnose")]
double = functools.partial(torch.tensor, dtype=torch.float64)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def case_of(name):
    return next(c for c in tiny.CASES if str(c) == name)


def hyper(**values):
    return {name: double(value) for name, value in values.items()}


# ---- losses


def laws():
    """Two densities on a line, as weights of the same points."""
    x = torch.linspace(-12, 14, 4001, dtype=torch.float64)
    p, q = (torch.exp(-0.5 * (x - m).square()) for m in (0.0, 2.0))
    return p / p.sum(), q / q.sum()


def kl(p, q):
    return float((p * (p / q).log()).sum())


def expected(loss, d, p, q, hp):
    """The critic's loss where each point carries its weight under data (p) and fakes (q)."""
    nothing = torch.zeros_like(d)
    at_zero = loss.critic(nothing, nothing, hp)
    real = loss.critic(d, nothing, hp) - at_zero / 2
    fake = loss.critic(nothing, d, hp) - at_zero / 2
    return float((p * real + q * fake).sum())


@pytest.mark.parametrize("name", ["minimax", "non_saturating"])
def test_js_constant_is_log_4_minus_twice_js(name):
    """E13: the best critic is log p/q, and its loss log 4 - 2 JS with JS the mean of the divergences to the mixture."""
    (p, q), loss = laws(), LOSSES[name]
    best = (p / q).log()
    middle = (p + q) / 2
    js = 0.5 * kl(p, middle) + 0.5 * kl(q, middle)
    value = expected(loss, best, p, q, {})
    assert value == pytest.approx(math.log(4) - 2 * js, abs=1e-9) and 0.1 < js < math.log(2)
    assert math.log(2) - value / 2 == pytest.approx(js, abs=1e-9)  # the bound that is recorded
    for other in (best + 0.1, 0.9 * best, torch.zeros_like(best)):
        assert expected(loss, other, p, q, {}) > value


@pytest.mark.parametrize("targets", [(-1.0, 1.0, 0.0), (0.0, 2.0, 1.0)])
def test_least_squares_generator_minimises_chi_square(targets):
    """E14: with b - c = 1 and b - a = 2 the generator's loss, data term included, is chi^2(q | (p + q)/2)."""
    (p, q), loss = laws(), LOSSES["least_squares"]
    hp = hyper(**dict(zip("abc", targets, strict=True)))
    best = (hp["b"] * p + hp["a"] * q) / (p + q)
    value = expected(loss, best, p, q, hp)
    for other in (best + 0.1, 0.9 * best):
        assert expected(loss, other, p, q, hp) > value
    middle = (p + q) / 2
    chi2 = float(((q - middle).square() / middle).sum())
    assert float(((p + q) * loss.generator(best, hp)).sum()) == pytest.approx(chi2, abs=1e-9)
    assert 0.1 < chi2 < 1


def test_losses_by_hand():
    real, fake = double([2.0, -0.5]), double([-3.0, 0.25])

    def terms(name, hp=None):
        loss = LOSSES[name]
        return loss.critic(real, fake, hp or {}).tolist(), loss.generator(fake, hp or {}).tolist()

    sigmoid = [[1 / (1 + math.exp(-v)) for v in values.tolist()] for values in (real, fake)]
    logistic = [-math.log(r) - math.log(1 - f) for r, f in zip(*sigmoid, strict=True)]
    critic, generator = terms("minimax")
    assert critic == pytest.approx(logistic) and generator == pytest.approx([math.log(1 - f) for f in sigmoid[1]])
    critic, generator = terms("non_saturating")
    assert critic == pytest.approx(logistic) and generator == pytest.approx([-math.log(f) for f in sigmoid[1]])
    critic, generator = terms("hinge")
    assert critic == pytest.approx([0 + 0, 1.5 + 1.25]) and generator == pytest.approx([3.0, -0.25])
    critic, generator = terms("wasserstein")
    assert critic == pytest.approx([-5.0, 0.75]) and generator == pytest.approx([3.0, -0.25])
    critic, generator = terms("least_squares", hyper(a=0.0, b=1.0, c=1.0))
    assert critic == pytest.approx([0.5 + 4.5, 1.125 + 0.03125]) and generator == pytest.approx([8.0, 0.28125])


def test_generators_gradients_saturate_or_not():
    """Where the critic is sure of a fake, minimax teaches nothing; every loss pushes the critic's value up."""
    hp = hyper(a=-1.0, b=1.0, c=0.0)
    slopes = {}
    for name, loss in LOSSES.items():
        d = double([-10.0, -1.0]).requires_grad_()
        (slopes[name],) = torch.autograd.grad(loss.generator(d, hp).sum(), d)
        assert bool((slopes[name] < 0).all()), name
    p = 1 / (1 + math.exp(10))
    assert slopes["minimax"][0].item() == pytest.approx(-p) and slopes["non_saturating"][0].item() == pytest.approx(p - 1)
    assert slopes["least_squares"].tolist() == [-10.0, -1.0]
    assert slopes["wasserstein"].tolist() == slopes["hinge"].tolist() == [-1.0, -1.0]


def test_critics_gradients_part_real_from_fake():
    hp = hyper(a=-1.0, b=1.0, c=0.0)
    for name, loss in LOSSES.items():
        real, fake = double([0.3]).requires_grad_(), double([-0.2]).requires_grad_()
        up, down = torch.autograd.grad(loss.critic(real, fake, hp).sum(), [real, fake])
        assert up.item() < 0 < down.item(), name


def test_boundaries():
    real, fake = double([1.0, 3.0]), double([-5.0, -1.0])
    assert float(LOSSES["hinge"].boundary(real, fake, {})) == float(LOSSES["minimax"].boundary(real, fake, {})) == 0
    assert float(LOSSES["wasserstein"].boundary(real, fake, {})) == -0.5
    assert float(LOSSES["least_squares"].boundary(real, fake, hyper(a=0.0, b=1.0, c=1.0))) == 0.5


# ---- penalties

SLOPES = [name for name, penalty in PENALTIES.items() if penalty.slopes]


def points(n=12, d=3):
    real, fake = (torch.randn(n, d, generator=gen(s), dtype=torch.float64) for s in (0, 1))
    return real, fake + 2


def drawn(name, real):
    noise = PENALTIES[name].noise((1, len(real)), real.shape[1], gen(2))
    return {key: value[0].double() for key, value in noise.items()}


@pytest.mark.parametrize("weight", [[3.0, 4.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.1, 0.0]])
@pytest.mark.parametrize("gp", [0.1, 10.0])
def test_penalties_of_a_linear_critic(weight, gp):
    """Its slope is the same everywhere."""
    (real, fake), norm = points(), math.hypot(*weight)
    by_hand = {
        "interpolates": gp * (norm - 1) ** 2,
        "one_sided": gp * max(0.0, norm - 1) ** 2,
        "dragan": gp * (norm - 1) ** 2,
        "r1": gp / 2 * norm**2,
    }
    assert set(by_hand) == set(SLOPES)
    for name, value in by_hand.items():
        terms = PENALTIES[name](lambda x: x @ double(weight), real, fake, drawn(name, real), hyper(gp=gp))
        torch.testing.assert_close(terms, torch.full((12,), value, dtype=torch.float64), rtol=1e-9, atol=1e-9)


def test_penalties_of_a_quadratic_critic_are_taken_in_their_places():
    """f = x'Ax/2 has the slope Ax: each penalty's terms tell where it asked."""
    real, fake = points()
    a = torch.randn(3, 3, generator=gen(3), dtype=torch.float64)
    a = a + a.T
    places = {
        "interpolates": lambda noise: noise["mix"] * real + (1 - noise["mix"]) * fake,
        "one_sided": lambda noise: noise["mix"] * real + (1 - noise["mix"]) * fake,
        "dragan": lambda noise: real + real.std(correction=0) * noise["jitter"],
        "r1": lambda noise: real,
    }
    for name in SLOPES:
        noise = drawn(name, real)
        norms = (places[name](noise) @ a).norm(dim=1)
        by_hand = {"one_sided": (norms - 1).clamp(min=0).square(), "r1": 0.5 * norms.square()}.get(name, (norms - 1).square())
        terms = PENALTIES[name](lambda x: 0.5 * (x * (x @ a)).sum(-1), real, fake, noise, hyper(gp=2.0))
        torch.testing.assert_close(terms, 2 * by_hand, rtol=1e-9, atol=1e-9)


def test_one_sided_penalty_spares_flat_critics_alone():
    real, fake = points()
    noise = drawn("interpolates", real)
    for scale in (0.1, 0.9, 1.5):
        one, two = (
            PENALTIES[n](lambda x, s=scale: s * x[:, 0], real, fake, noise, hyper(gp=1.0)) for n in ("one_sided", "interpolates")
        )
        assert bool((two > 0).all()) and bool((one > 0).all()) == (scale > 1)
        if scale > 1:
            torch.testing.assert_close(one, two)


@pytest.mark.parametrize("name", ["dragan", "r1"])
def test_penalties_at_the_data_ignore_the_fakes(name):
    real, fake = points()
    score, noise = functools.partial(torch.logsumexp, dim=-1), drawn(name, real)
    args = noise, hyper(gp=1.0)
    assert torch.equal(PENALTIES[name](score, real, fake, *args), PENALTIES[name](score, real, 5 * fake, *args))
    assert not torch.equal(PENALTIES[name](score, real, fake, *args), PENALTIES[name](score, real + fake, fake, *args))


def test_dragans_noise_is_symmetric_and_as_wide_as_the_data():
    jitter = PENALTIES["dragan"].noise((1, 5000), 2, gen())["jitter"]
    assert jitter.shape == (1, 5000, 2) and float(jitter.min()) >= -0.5 and float(jitter.max()) < 0.5
    assert abs(float(jitter.mean())) < 4 * (1 / 12 / 10000) ** 0.5
    assert float(jitter.var()) == pytest.approx(1 / 12, rel=0.03)
    seen = []

    def score(x):
        seen.append(x)
        return x.sum(-1)

    real = 7 * torch.randn(5000, 2, generator=gen(1))
    PENALTIES["dragan"](score, real, real, {"jitter": jitter[0]}, {"gp": torch.tensor(1.0)})
    assert len(seen) == 1  # asked once; the points are checked by the quadratic critic


def test_a_penalty_teaches_the_critic():
    """The gradient with respect to the critic's weights goes through the slope: by finite differences."""
    for name in SLOPES:
        model = build(lambda n=name: GAN((3,), None, width=8, depth=2, penalty=n), 0).double()
        real, fake = points()
        noise = drawn(name, real) | {"fake": fake}
        hp, weight = hyper(gp=1.0), model.critic.layers[0].weight
        (grad,) = torch.autograd.grad(model.loss_critic(real, noise, hp), weight)
        direction = torch.randn(weight.shape, generator=gen(4), dtype=torch.float64)
        values = []
        with torch.no_grad():
            for step in (1e-6, -2e-6):
                weight += step * direction
                values.append(model.loss_critic(real, noise, hp).item())
        assert (values[0] - values[1]) / 2e-6 == pytest.approx((grad * direction).sum().item(), rel=1e-5), name


@pytest.mark.parametrize("lifted", [True, False])
def test_clipping_holds_the_critic_within_each_replicas_limit(lifted):
    limits = [0.01, 0.05, 0.2]
    trainer = tiny.trainer(case_of("wgan-points"), [0, 1, 2], [{"limit": c, "lr": 0.01} for c in limits], 8, lifted=lifted)
    trainer.run()
    for row, limit in zip(trainer.replicas.rows, limits, strict=True):
        critic = torch.cat([p.flatten() for n, p in row.items() if n.startswith("model.critic.")])
        generator = torch.cat([p.flatten() for n, p in row.items() if n.startswith("model.generator.")])
        assert float(critic.abs().max()) == pytest.approx(limit) and float(generator.abs().max()) > 0.3


# ---- the grid

GRID = [
    (loss, penalty, norm)
    for loss, penalty, norm in itertools.product(LOSSES, PENALTIES, NORMS)
    if not (norm == "batch" and PENALTIES[penalty].slopes)
]


@pytest.mark.parametrize("penalty", PENALTIES)
def test_every_point_of_the_grid_is_liftable(penalty):
    """Losses and gradients of three replicas together are those of each alone."""
    for loss, _, norm in (point for point in GRID if point[1] == penalty):
        make = functools.partial(GAN, (2,), None, width=6, depth=1, loss=loss, penalty=penalty, norm=norm)
        hps = [make().hp | {name: value * (1 + k) for name, value in make().hp.items()} for k in range(3)]
        both = [Replicas(make, [0, 1, 2], hps, "cpu", torch.float64, lifted) for lifted in (True, False)]
        x = torch.randn(3, 5, 2, generator=gen(), dtype=torch.float64)
        noise = {k: v.double() for k, v in both[0].model.noise((3, 5), gen(1)).items()}
        for player in ("critic", "generator"):
            out = []
            for replicas in both:
                full = noise | (replicas.call("prepare_critic", x, noise, replicas.hp) if player == "critic" else {})
                value, grads = replicas.gradients(f"loss_{player}", player, x, full, replicas.hp)
                assert bool(value.isfinite().all()) and all(bool(g.isfinite().all()) for row in grads for g in row)
                out.append([value, *(g for row in grads for g in row)])
            for a, b in zip(*out, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10, msg=f"{loss} {penalty} {norm} {player}")


@pytest.mark.parametrize("network", sorted(set(GENERATORS) - {"mlp"}))
def test_every_network_goes_with_penalty_and_norm(network):
    """Two replicas together and apart, with a penalty that differentiates twice through the spectral norm."""
    net = {"network": network, "width": 2, "critic_width": 4, "latent": 3, "penalty": "interpolates", "norm": "spectral"}
    make = functools.partial(GAN, (1, 8, 8), 17, **net)
    both = [Replicas(make, [0, 1], [{"gp": 1.0}, {"gp": 2.0}], "cpu", torch.float64, lifted) for lifted in (True, False)]
    x = torch.rand(2, 3, 1, 8, 8, generator=gen(), dtype=torch.float64)
    noise = {k: v.double() for k, v in both[0].model.noise((2, 3), gen(1)).items()}
    out = []
    for replicas in both:
        full = noise | replicas.call("prepare_critic", x, noise, replicas.hp)
        value, grads = replicas.gradients("loss_critic", "critic", x, full, replicas.hp)
        other, more = replicas.gradients("loss_generator", "generator", x, noise, replicas.hp)
        measured = replicas.call("diagnose", x, noise, replicas.hp)
        out.append([value, other, *measured.values(), *(g for row in grads + more for g in row)])
    for a, b in zip(*out, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)
        assert bool(a.isfinite().all())


def test_named_models_are_points_of_the_grid():
    points = {name: (cls.loss, cls.penalty, cls.norm) for name, cls in MODELS.items() if issubclass(cls, GAN)}
    assert points == {
        "mm_gan": ("minimax", "none", "none"),
        "ns_gan": ("non_saturating", "none", "none"),
        "lsgan": ("least_squares", "none", "none"),
        "wgan": ("wasserstein", "clipping", "none"),
        "wgan_gp": ("wasserstein", "interpolates", "none"),
        "dragan": ("non_saturating", "dragan", "none"),
        "sngan": ("non_saturating", "none", "spectral"),
        "r1_gan": ("non_saturating", "r1", "none"),
        "hinge_gan": ("hinge", "none", "none"),
    }
    for name in points:
        model = MODELS[name]((2,), None, width=4, depth=1)
        assert model.hp == MODELS[name].hp and model.players == MODELS[name].players
    other = MODELS["ns_gan"]((2,), None, width=4, depth=1, loss="wasserstein", penalty="one_sided", norm="layer", critic_steps=3)
    assert other.hp == {"gp": 10.0} and other.players == {"critic": 3, "generator": 1} and MODELS["ns_gan"].hp == {}


@pytest.mark.parametrize("wrong", [{"loss": "log"}, {"penalty": "r2"}, {"norm": "group"}, {"output": "tanh"}])
def test_an_unknown_choice_is_named(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: allowed: .*got '{next(iter(wrong.values()))}'"):
        GAN((2,), None, **wrong)


def test_a_copy_turns_and_clips_its_own_critic():
    """What a model calls is bound to it: a copy must not read the weights of the original."""
    model = GAN((2,), None, width=4, depth=1, norm="spectral", penalty="clipping")
    other = copy.deepcopy(model).requires_grad_(False)
    for p in other.parameters():
        p.fill_(0.5)
    clipped = other.project_critic({"limit": torch.tensor(0.2)})
    assert set(clipped) == {n for n, _ in other.named_parameters() if n.startswith("critic.")}
    assert all(bool((p == 0.2).all()) for p in clipped.values())
    turned, before = other.state_critic({}, {}), model.state_critic({}, {})
    assert turned.keys() == before.keys() and all(n in dict(model.named_buffers()) for n in turned)
    assert any(not torch.equal(turned[n], before[n]) for n in turned)


def test_spectral_norm_is_kept_in_training():
    trainer = tiny.trainer(case_of("sngan-points"), [0, 1], [{"lr": 1e-3}, {"lr": 3e-3}], 60, lifted=True)
    start = {n: b.clone() for n, b in trainer.replicas.buffers.items()}
    results = trainer.run()
    assert len(start) == 3 and all(not torch.equal(b, trainer.replicas.buffers[n]) for n, b in start.items() if b.shape[1] > 1)
    for result in results:
        norms = [value for _, series, value, _ in result.history if series == "diagnostic/spectral_norm"]
        assert len(norms) >= 30 and norms == pytest.approx([1.0] * len(norms), abs=0.03)


# ---- BEGAN


def test_began_by_hand():
    model = build(lambda: MODELS["began"]((3,), None, latent=2, width=8, depth=1), 0).double()
    model.k.fill_(0.4)
    x, hp = points()[0], hyper(gamma=0.7, rate_k=0.01)
    noise = {"z": torch.randn(12, 2, generator=gen(5), dtype=torch.float64)}
    noise |= model.prepare_critic(x, noise, hp)
    fake = model.generator(noise["z"])
    real_error, fake_error = ((v - model.critic(v)).abs().mean() for v in (x, fake))
    torch.testing.assert_close(model.loss_critic(x, noise, hp), real_error - 0.4 * fake_error)
    torch.testing.assert_close(model.loss_generator(x, noise, hp), fake_error)
    torch.testing.assert_close(model.state_critic(noise, hp)["k"], 0.4 + 0.01 * (0.7 * real_error - fake_error))
    measured = model.diagnose(x, noise, hp)["convergence"]
    torch.testing.assert_close(measured, real_error + (0.7 * real_error - fake_error).abs())
    for rate, bound in ((1e6, 1.0), (-1e6, 0.0)):
        sign = 1 if (0.7 * real_error - fake_error).item() > 0 else -1
        out = model.prepare_critic(x, noise, hyper(gamma=0.7, rate_k=sign * rate))
        assert out["k"].item() == bound


# ---- diagnostics


class HandMade(MODELS["ns_gan"]):
    """A critic that gives x, and fakes that are a multiple of z."""

    def score(self, x):
        return x[:, 0]

    def generate(self, z):
        return 3 * z


def test_diagnostics_of_a_hand_made_critic():
    model = HandMade((1,), None, latent=1, width=4, depth=1)
    x, z = torch.tensor([[1.0], [2.0], [-1.0], [4.0]]), torch.tensor([[-1.0], [-2.0], [1.0], [0.5]])
    out = model.diagnose(x, {"z": z}, {})
    assert float(out["accuracy_real"]) == 0.75 and float(out["accuracy_fake"]) == 0.5
    loss = sum(math.log1p(math.exp(-v)) for v in x[:, 0].tolist()) / 4
    loss += sum(math.log1p(math.exp(3 * v)) for v in z[:, 0].tolist()) / 4
    assert float(out["js"]) == pytest.approx(math.log(2) - loss / 2, rel=1e-5)
    # distances of pairs: 1, 2, 3, 3, 2, 5 among real; 3 (1, 2, 1.5, 3, 2.5, .5) among fakes
    assert float(out["diversity"]) == pytest.approx((3 * 10.5 / 6) / (16 / 6), rel=1e-5)
    collapsed = model.diagnose(x, {"z": torch.ones(4, 1)}, {})
    assert float(collapsed["diversity"]) == pytest.approx(0, abs=1e-6)
    weights = [torch.linalg.svdvals(layer.weight)[0] for layer in model.critic.layers]
    assert float(out["spectral_norm"]) == pytest.approx(max(weights).item(), rel=1e-5)


def test_mean_distance_leaves_out_an_example_with_itself():
    x = torch.randn(30, 4, generator=gen(), dtype=torch.float64)
    torch.testing.assert_close(mean_distance(x), F.pdist(x).mean())


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_diagnostics_are_recorded(name):
    (result,) = tiny.trainer(case_of(f"{name}-points"), [3], [{}], 100).run()
    series = {}
    for update, key, value, _ in result.history:
        series.setdefault(key, []).append((update, value))
    expected = {"accuracy_real", "accuracy_fake", "spectral_norm", "diversity", "gradient_critic", "gradient_generator"}
    if issubclass(MODELS[name], GAN):
        expected |= {"js"} if LOSSES[MODELS[name].loss].logistic else set()
    else:
        expected |= {"k", "convergence"}
    assert {key.removeprefix("diagnostic/") for key in series if key.startswith("diagnostic/")} == expected
    for key in expected:
        updates, values = zip(*series[f"diagnostic/{key}"], strict=True)
        assert list(updates) == list(range(2, 101, 2)) and all(math.isfinite(v) for v in values)
        assert not key.startswith("accuracy") or all(0 <= v <= 1 for v in values)
        assert key != "js" or max(values) < math.log(2)


def test_recorded_gradient_norms_are_those_of_the_update():
    trainer = tiny.trainer(case_of("ns_gan-points"), [3], [{"clip": 1e-3}], 1)
    norms, inner = {}, trainer._gradients

    def spy(player):
        loss, grads = inner(player)
        norms[f"diagnostic/gradient_{player}"] = math.sqrt(sum(float(g.square().sum()) for g in grads[0]))
        return loss, grads

    trainer._gradients = spy
    (result,) = trainer.run()
    recorded = {key: value for _, key, value, _ in result.history if "gradient" in key}
    assert recorded == pytest.approx(norms) and min(norms.values()) > 1e-3  # before they are clipped


def test_diagnostics_disturb_no_training(monkeypatch):
    """The same weights and losses with and without them: they draw from no trial's stream."""
    case = case_of("wgan_gp-points")
    (with_them,) = tiny.trainer(case, [3], [{}], 20).run()
    monkeypatch.delattr("genbench.models.adversarial.Adversarial.diagnose")
    monkeypatch.delattr("genbench.models.gan.GAN.diagnose")
    (without,) = tiny.trainer(case, [3], [{}], 20).run()
    for a, b in zip(with_them.model.parameters(), without.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not any("diagnostic" in key for _, key, _, _ in without.history)


# ---- what is not comparable, and search spaces


def trial(model, dataset="ring8", **changes):
    spec = model_spec(model, CONFIG)
    parts = recipe(spec, dataset_spec(dataset, CONFIG)).model_dump()
    for section, values in changes.items():
        parts[section] |= values
    return Trial("", dataset, model, spec.family, 0, 8, {"unit": "updates"}, **parts, dataset_spec="", code="")


@pytest.mark.parametrize(
    ("model", "net", "words"),
    [
        ("wgan_gp", {"norm": "batch"}, "penalty interpolates with norm batch"),
        ("dragan", {"norm": "batch"}, "penalty dragan with norm batch"),
        ("ns_gan", {"norm": "batch", "penalty": "r1"}, "penalty r1 with norm batch"),
        ("ns_gan", {"output": "sigmoid"}, "output sigmoid with loss non_saturating"),
        ("wgan", {"output": "sigmoid"}, "output sigmoid with loss wasserstein"),
        ("hinge_gan", {"penalty": "l2"}, "penalty: allowed: none, clipping"),
    ],
)
def test_forbidden_pairs_stop_a_study(model, net, words):
    with pytest.raises(UserError, match=f"{model}.yaml: net: .*{words}"):
        check_trial(trial(model, net=net), CONFIG)


def test_a_hyperparameter_that_nothing_reads_stops_a_study():
    with pytest.raises(UserError, match="hp.gp: unknown"):
        check_trial(trial("ns_gan", hp={"gp": 1.0}), CONFIG)
    check_trial(trial("ns_gan", net={"penalty": "r1"}, hp={"gp": 1.0}), CONFIG)


@pytest.mark.parametrize(
    ("model", "net", "words"),
    [
        ("lsgan", {"output": "sigmoid"}, "lsgan: its critic's output is a probability"),
        ("ns_gan", {"norm": "batch"}, "ns_gan: batch norm"),
        ("wgan", {"norm": "spectral"}, "wgan: clipped weights are rescaled"),
        ("wgan", {"penalty": "none"}, "wgan: nothing bounds the slope"),
        ("wgan", {"critic_steps": 3}, "wgan: an update of the budget includes 3 critic updates"),
    ],
)
def test_doubtful_pairs_are_named(model, net, words):
    changed = trial(model, net=net)
    changed.hp.pop("limit", None)
    check_trial(changed, CONFIG)
    assert words in "\n".join(unfair([changed])) and words not in "\n".join(unfair([trial(model)]))


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_search_spaces_name_what_the_model_has(name):
    """The ends of every range pass the checks, in every combination of choices; so do the authors' defaults."""
    space = model_spec(name, CONFIG).space
    for search in (space.wide, space.narrow):
        assert search.hp["lr"].log and "beta1" in search.hp
        choices = [[(key, value) for value in r.choice] for key, r in search.net.items()]
        for net in itertools.product(*choices):
            for end in (0, -1):
                hp = {key: (r.log or r.uniform or r.choice)[end] for key, r in search.hp.items()}
                check_trial(trial(name, net=dict(net), hp=hp), CONFIG)
    assert space.authors.hp["lr"] and "critic_steps" in space.authors.net
    check_trial(trial(name, "digits", **space.authors.model_dump(include={"net", "hp"})), CONFIG)


def test_search_spaces_are_those_of_lucic_et_al():
    spaces = {name: model_spec(name, CONFIG).space for name in ADVERSARIAL}
    for space in spaces.values():
        assert space.wide.hp["lr"].log == (1e-5, 1e-2) and space.narrow.hp["lr"].log == (1e-4, 1e-3)
        assert space.wide.hp["beta1"].uniform == (0, 1) and space.narrow.hp["beta1"].choice == (0.5,)
        assert space.wide.net["critic_steps"].choice == (1, 5) and space.narrow.net["critic_steps"].choice == (1,)
    for name in ("wgan_gp", "dragan"):
        assert spaces[name].wide.hp["gp"].log == (0.1, 100) and spaces[name].narrow.hp["gp"].log == (0.1, 10)
        assert "norm" not in spaces[name].wide.net
    assert spaces["wgan"].wide.hp["limit"].log == (1e-3, 1) and spaces["wgan"].narrow.hp["limit"].log == (1e-2, 1)
    assert spaces["began"].wide.hp["rate_k"].log == (1e-4, 1e-2) and spaces["began"].narrow.hp["rate_k"].choice == (1e-3,)
    assert spaces["began"].wide.hp["gamma"].uniform == (0, 1) and spaces["began"].narrow.hp["gamma"].uniform == (0.6, 0.9)
    for name in ("mm_gan", "ns_gan", "lsgan", "wgan"):
        assert spaces[name].wide.net["norm"].choice == spaces[name].narrow.net["norm"].choice == ("none", "batch")
