"""The grid of adversarial models: named points, diagnostics by hand, forbidden pairs, search spaces."""

import copy
import functools
import itertools
import math

import pytest
import tiny
import torch
from kit import CONFIG, gen
from torch.nn import functional as F

from genbench.checks.fairness import lint
from genbench.checks.trials import check_trial
from genbench.config.errors import UserError
from genbench.config.expand import Trial
from genbench.config.read import dataset_spec, model_spec, recipe
from genbench.models import MODELS
from genbench.models.adversarial import mean_distance
from genbench.models.gan import GAN, NORMS
from genbench.models.gan_losses import LOSSES
from genbench.models.gan_penalties import PENALTIES
from genbench.nets import GENERATORS
from genbench.training.replicas import Replicas, build

ADVERSARIAL = [name for name in MODELS if model_spec(name, CONFIG).family == "gan"]
double = functools.partial(torch.tensor, dtype=torch.float64)


def hyper(**values):
    return {name: double(value) for name, value in values.items()}


# ---- the grid

# every pair of a penalty and a norm once, with each loss in turn
PAIRS = [pair for pair in itertools.product(PENALTIES, NORMS) if not (pair[1] == "batch" and PENALTIES[pair[0]].gradients)]
GRID = [(loss, *pair) for loss, pair in zip(itertools.cycle(LOSSES), PAIRS, strict=False)]


@pytest.mark.parametrize("lifted", [True, False])
def test_clipping_holds_the_critic_within_each_replicas_limit(lifted):
    limits = [0.01, 0.05, 0.2]
    trainer = tiny.trainer(tiny.case_of("wgan-points"), [0, 1, 2], [{"limit": c, "lr": 0.01} for c in limits], 8, lifted=lifted)
    trainer.run()
    for row, limit in zip(trainer.replicas.rows, limits, strict=True):
        critic = torch.cat([p.flatten() for n, p in row.items() if n.startswith("model.critic.")])
        generator = torch.cat([p.flatten() for n, p in row.items() if n.startswith("model.generator.")])
        assert float(critic.abs().max()) == pytest.approx(limit) and float(generator.abs().max()) > 0.3


@pytest.mark.parametrize("penalty", PENALTIES)
def test_every_loss_penalty_and_norm_is_liftable(penalty):
    """Losses and gradients of two replicas together are those of each alone."""
    assert {point[0] for point in GRID} == set(LOSSES)
    for loss, _, norm in (point for point in GRID if point[1] == penalty):
        make = functools.partial(GAN, (2,), None, width=6, depth=1, loss=loss, penalty=penalty, norm=norm)
        hps = [make().hp | {name: value * (1 + k) for name, value in make().hp.items()} for k in range(2)]
        both = [Replicas(make, [0, 1], hps, "cpu", torch.float64, lifted) for lifted in (True, False)]
        x = torch.randn(2, 5, 2, generator=gen(), dtype=torch.float64)
        noise = {k: v.double() for k, v in both[0].model.noise((2, 5), gen(1)).items()}
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
    trainer = tiny.trainer(tiny.case_of("sngan-points"), [0, 1], [{"lr": 1e-3}, {"lr": 3e-3}], 40, lifted=True)
    start = {n: b.clone() for n, b in trainer.replicas.buffers.items()}
    results = trainer.run()
    assert len(start) == 3 and all(not torch.equal(b, trainer.replicas.buffers[n]) for n, b in start.items() if b.shape[1] > 1)
    for result in results:
        norms = [value for _, series, value, _ in result.history if series == "diagnostic/spectral_norm"]
        assert len(norms) == 20 and norms == pytest.approx([1.0] * len(norms), abs=0.03)


# ---- BEGAN


def test_began_by_hand():
    model = build(lambda: MODELS["began"]((3,), None, latent=2, width=8, depth=1), 0).double()
    model.k.fill_(0.4)
    x, hp = torch.randn(12, 3, generator=gen(), dtype=torch.float64), hyper(gamma=0.7, rate_k=0.01)
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
    (result,) = tiny.trainer(tiny.case_of(f"{name}-points"), [3], [{}], 20).run()
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
        assert list(updates) == list(range(1, 21)) and all(math.isfinite(v) for v in values)
        assert not key.startswith("accuracy") or all(0 <= v <= 1 for v in values)
        assert key != "js" or max(values) < math.log(2)


def test_recorded_gradient_norms_are_those_of_the_update():
    trainer = tiny.trainer(tiny.case_of("ns_gan-points"), [3], [{"clip": 1e-3}], 1)
    norms, inner = {}, trainer.losses.gradients

    def spy(player):
        loss, grads = inner(player)
        norms[f"diagnostic/gradient_{player}"] = math.sqrt(sum(float(g.square().sum()) for g in grads[0]))
        return loss, grads

    trainer.losses.gradients = spy
    (result,) = trainer.run()
    recorded = {key: value for _, key, value, _ in result.history if "gradient" in key}
    assert recorded == pytest.approx(norms) and min(norms.values()) > 1e-3  # before they are clipped


def test_diagnostics_disturb_no_training(monkeypatch):
    """The same weights and losses with and without them: they draw from no trial's stream."""
    case = tiny.case_of("wgan_gp-points")
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
    return Trial("", dataset, model, spec.family, 0, 8, {"unit": "updates", "value": 10}, **parts, dataset_spec="", code="")


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
    ("model", "net", "rule"),
    [
        ("lsgan", {"output": "sigmoid"}, "sigmoid"),
        ("ns_gan", {"norm": "batch"}, "batch_norm"),
        ("wgan", {"norm": "spectral"}, "clipping"),
        ("wgan", {"penalty": "none"}, "lipschitz"),
        ("ns_gan", {"critic_steps": 3}, "critic_steps"),
    ],
)
def test_doubtful_pairs_are_named(model, net, rule):
    changed, other = trial(model, net=net), trial("mm_gan")
    changed.hp.pop("limit", None)
    check_trial(changed, CONFIG)
    doubted, usual = (
        {finding.rule for finding in lint(trials, root=CONFIG)} for trials in ([changed, other], [trial(model), other])
    )
    assert rule in doubted - usual


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
