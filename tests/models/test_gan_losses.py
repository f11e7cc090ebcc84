"""Losses and penalties of adversarial models against values by hand."""

import functools
import math

import pytest
import torch
from kit import gen

from genbench.models.gan import GAN
from genbench.models.gan_losses import LOSSES
from genbench.models.gan_penalties import PENALTIES
from genbench.training.replicas import build

double = functools.partial(torch.tensor, dtype=torch.float64)


def hyper(**values):
    return {name: double(value) for name, value in values.items()}


# ---- losses


def distributions():
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
    (p, q), loss = distributions(), LOSSES[name]
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
    (p, q), loss = distributions(), LOSSES["least_squares"]
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
    gradients = {}
    for name, loss in LOSSES.items():
        d = double([-10.0, -1.0]).requires_grad_()
        (gradients[name],) = torch.autograd.grad(loss.generator(d, hp).sum(), d)
        assert bool((gradients[name] < 0).all()), name
    p = 1 / (1 + math.exp(10))
    assert gradients["minimax"][0].item() == pytest.approx(-p) and gradients["non_saturating"][0].item() == pytest.approx(p - 1)
    assert gradients["least_squares"].tolist() == [-10.0, -1.0]
    assert gradients["wasserstein"].tolist() == gradients["hinge"].tolist() == [-1.0, -1.0]


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

WITH_GRADIENTS = [name for name, penalty in PENALTIES.items() if penalty.gradients]


def points(n=12, d=3):
    real, fake = (torch.randn(n, d, generator=gen(s), dtype=torch.float64) for s in (0, 1))
    return real, fake + 2


def drawn(name, real):
    noise = PENALTIES[name].noise((1, len(real)), real.shape[1], gen(2))
    return {key: value[0].double() for key, value in noise.items()}


@pytest.mark.parametrize("weight", [[3.0, 4.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.1, 0.0]])
@pytest.mark.parametrize("gp", [0.1, 10.0])
def test_penalties_of_a_linear_critic(weight, gp):
    """Its gradient is the same everywhere."""
    (real, fake), norm = points(), math.hypot(*weight)
    by_hand = {
        "interpolates": gp * (norm - 1) ** 2,
        "one_sided": gp * max(0.0, norm - 1) ** 2,
        "dragan": gp * (norm - 1) ** 2,
        "r1": gp / 2 * norm**2,
    }
    assert set(by_hand) == set(WITH_GRADIENTS)
    for name, value in by_hand.items():
        terms = PENALTIES[name](lambda x: x @ double(weight), real, fake, drawn(name, real), hyper(gp=gp))
        torch.testing.assert_close(terms, torch.full((12,), value, dtype=torch.float64), rtol=1e-9, atol=1e-9)


def test_penalties_of_a_quadratic_critic_are_taken_in_their_places():
    """f = x'Ax/2 has the gradient Ax: each penalty's terms tell where it asked."""
    real, fake = points()
    a = torch.randn(3, 3, generator=gen(3), dtype=torch.float64)
    a = a + a.T
    places = {
        "interpolates": lambda noise: noise["mix"] * real + (1 - noise["mix"]) * fake,
        "one_sided": lambda noise: noise["mix"] * real + (1 - noise["mix"]) * fake,
        "dragan": lambda noise: real + real.std(correction=0) * noise["jitter"],
        "r1": lambda noise: real,
    }
    for name in WITH_GRADIENTS:
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
    """The gradient by the critic's weights goes through that by x: by finite differences."""
    for name in WITH_GRADIENTS:
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
