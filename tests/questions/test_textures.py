"""Maximum-entropy models against closed forms, textures and baselines, EM's experiment, and the sentences on both."""

import types

import numpy as np
import pytest
import torch

from genbench.models.maximum_entropy import Field, Moduli, soul
from genbench.questions.em_bound import report as em_bound_report
from genbench.questions.em_bound import run as em_bound
from genbench.questions.em_bound.settings import Settings as EMBound
from genbench.questions.textures import report as textures_report
from genbench.questions.textures import run as textures
from genbench.questions.textures.run import TEXTURES, random_phase
from genbench.questions.textures.settings import Settings as Textures
from genbench.results.study import Answer
from tests.questions.planted import figures, numbers, reported, sentences, table


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def bands(side):
    """Indicators (3, side, side) of rings of frequencies, whose mean squares are quadratic statistics of an image."""
    f = torch.fft.fftfreq(side)
    radius = (f.square() + f[:, None].square()).sqrt()
    edges = [0.0, 0.2, 0.4, 1.0]
    return torch.stack([(radius >= a) & (radius < b) for a, b in zip(edges, edges[1:], strict=False)]).float()


def test_the_likelihood_has_its_maximum_where_the_updates_end():
    """E3: d/dtheta log p(x0) = E f(x) - f(x0); by autograd and quadrature over one pixel, as a white base leaves them apart."""
    side, n = 8, 16
    x0, grid = torch.randn(side, side, generator=gen(1)) - 0.6, torch.linspace(-8, 8, 4001)

    def f(x):
        return torch.stack([x.abs(), torch.tanh(x - 1)], -1)

    def gradient(theta):
        theta = theta.detach().requires_grad_()
        log_p = -f(x0) @ theta - (-f(grid) @ theta - 0.5 * grid.square()).logsumexp(0)
        return torch.autograd.grad(log_p.mean(), theta)[0].abs()

    field = Field(torch.ones(n, side, side), stiffness=0.0)
    target = f(x0).mean((0, 1)).expand(n, -1)
    fit = soul(lambda x: f(x).mean((1, 2)), target, field, gen(), updates=1000, step=0.02, rate=0.1)
    assert float(gradient(torch.zeros(2)).min()) > 0.1
    assert float(gradient(fit.theta.mean(0)).max()) < 0.02


def test_quadratic_statistics_give_the_gaussian_that_is_known():
    """White base, statistics mean |band_j|^2: a stationary Gaussian with power 1 / (1 + 2 theta_j) in band j."""
    side, n = 12, 16
    masks = bands(side)
    share = masks.mean((1, 2))  # of the frequencies

    def statistics(x):
        return torch.einsum("bhw,jhw->bj", torch.fft.fft2(x, norm="ortho").abs().square(), masks) / side**2

    power = torch.tensor([0.7, 0.4, 0.55])
    field = Field(torch.ones(n, side, side), stiffness=0.0)
    step = 0.05
    fit = soul(statistics, (power * share).expand(n, -1), field, gen(), updates=1500, step=step, rate=0.05)
    # the chain's own variance is 1 / (a (1 - step a / 2)) at precision a = 1 + 2 theta
    a = (1 - (1 - 2 * step / power).sqrt()) / step
    torch.testing.assert_close(fit.theta.mean(0), (a - 1) / 2, rtol=0.1, atol=0)
    torch.testing.assert_close(fit.statistics[750:].mean((0, 1)), power * share, rtol=0.06, atol=0)


def test_the_base_measure_has_the_power_it_is_given():
    power = torch.fft.fft2(torch.randn(1, 8, 8, generator=gen()), norm="ortho").abs().square()
    for stiffness in (0.0, 1.0):
        field, g = Field(power.expand(4000, -1, -1), stiffness), gen(1)
        v = field.draw(g)
        found = torch.fft.fft2(field.image(v), norm="ortho").abs().square().mean(0)
        torch.testing.assert_close(found, power[0], rtol=0.15, atol=1e-3)
        # -log density in v: its mean is half the number of coordinates
        assert float(field.energy(v).mean()) == pytest.approx(32, rel=0.02)


def test_statistics_ignore_where_on_the_torus_and_grow_linearly():
    x = TEXTURES["blobs"](2, 16, gen())
    x = x - x.mean((-1, -2), keepdim=True)
    f = Moduli(x)
    torch.testing.assert_close(f(torch.roll(x, (3, 5), (1, 2))), f(x), rtol=1e-4, atol=1e-5)
    ratio = f(1e4 * x) / f(1e3 * x)
    torch.testing.assert_close(ratio, torch.full_like(ratio, 10.0), rtol=0.01, atol=0)


@pytest.mark.parametrize("name", TEXTURES)
def test_textures_differ_and_are_not_gaussian(name):
    x = TEXTURES[name](3, 32, gen())
    assert x.shape == (3, 32, 32) and bool(x.isfinite().all()) and float(x.std()) > 0.05
    assert float((x[0] - x[1]).abs().mean()) > 0.05
    z = (x - x.mean((-1, -2), keepdim=True)) / x.std((-1, -2), keepdim=True)
    assert bool((z.pow(4).mean((-1, -2)) < 2.7).all())  # a Gaussian's is 3


def test_random_phases_keep_amplitudes_and_lose_the_rest():
    x = TEXTURES["blobs"](4, 32, gen())
    y = random_phase(x, gen(1))
    torch.testing.assert_close(torch.fft.fft2(y).abs(), torch.fft.fft2(x).abs(), rtol=1e-3, atol=1e-2)
    assert float((x - y).abs().mean()) > 0.1


@pytest.fixture(scope="module")
def small():
    bench = types.SimpleNamespace(data={}, device=torch.device("cpu"), log=lambda line: None)
    return textures.run(Textures(textures=("stripes", "blobs"), seeds=2, updates=3000, others=8), bench)


def test_a_model_fits_its_example_and_beats_random_phases(small):
    mismatch, distances = small["mismatch"], small["distances"]
    last = mismatch[mismatch["update"] == 3000]
    assert len(last) == 4 and bool(np.isfinite(mismatch["mismatch"]).all())
    reached = last.groupby("texture")[["mismatch", "random_phase"]].mean()
    assert (reached["mismatch"] < reached["random_phase"]).all(), reached
    assert (last["mismatch"] < 0.6).all(), last  # no chain runs away
    mean = distances.groupby("kind")["distance"].mean()
    assert mean["maximum entropy"] < mean["random phase"]
    assert len(small["pictures"]) == 2 * 3 * 1024


def test_other_examples_are_left_out_of_what_they_are_compared_with():
    x = torch.randn(6, 4000, generator=gen(), dtype=torch.float64)
    pairs = [(x[i], torch.stack([x[j] for j in range(6) if j != i])) for i in range(6)]
    expected = np.mean([float(((a - b.mean(0)) / b.std(0)).square().mean().sqrt()) for a, b in pairs])
    assert textures._left_out(x) == pytest.approx(expected)
    assert textures._distance(x, x) == pytest.approx((5 / 6) ** 0.5, rel=1e-2)  # in-sample, whatever the distribution


def test_who_is_nearer_is_said(small):
    far = {"maximum entropy": 1.5, "random phase": 2.5, "the example": 1.0, "other examples": 1.0}
    close = small["distances"].assign(distance=lambda f: f["kind"].map(far) * (1 + 0.01 * f["seed"]))
    fitted = small["mismatch"].assign(mismatch=lambda f: 0.2 * (1 + 0.01 * f["seed"]), random_phase=0.4)

    def made(distances, mismatch):
        answer = Answer(Textures().model_dump(), small | {"distances": distances, "mismatch": mismatch})
        return reported(textures_report, textures=answer)

    found = made(close, fitted)
    words = sentences(found)
    assert len(words) == 4 and all("nearer than" in item and "not clearly" not in item for item in words)
    assert numbers(words[0])[:2] == [1.5, 2.5] and numbers(words[1])[:2] == [0.2, 0.4]
    swap = {"maximum entropy": "random phase", "random phase": "maximum entropy"}
    worse = {"mismatch": "random_phase", "random_phase": "mismatch"}
    assert all("farther than" in item for item in sentences(made(close.replace(swap), fitted.rename(columns=worse))))
    assert all("±" not in each for each in table(found, "distances").shown["other examples"])  # the same for all seeds
    assert list(figures(found)) == ["images", "mismatch"]
    assert all(ax.get_ylim()[1] > 0.4 for ax in figures(found)["mismatch"].drawing.axes)  # the dashed lines are seen
    assert reported(textures_report) is None


def test_em_touches_the_likelihood_and_agrees_with_scikit_learn(bench):
    settings = EMBound(seeds=2, iterations=12, points=500)
    tables = em_bound.run(settings, bench)
    curves = tables["curves"]
    assert len(curves) == 2 * 12 * 2 and list(curves["step"][:3]) == ["E", "M", "E"] and curves["iteration"].max() == 12
    first = curves[curves["step"] == "E"]
    np.testing.assert_allclose(first["elbo"], first["log_likelihood"], rtol=0, atol=1e-12)
    then = curves[curves["step"] == "M"]
    np.testing.assert_allclose(then["reference"], then["log_likelihood"], rtol=0, atol=1e-8)
    assert (then["kl"] > 0).all() and first["reference"].isna().all()
    assert (curves.groupby("seed")["elbo"].diff().dropna() > -1e-12).all()
    fallen = curves.assign(elbo=curves["elbo"] - 0.25 * (curves.index == curves.index[-1]))
    for frame, fall in ((curves, 0.0), (fallen, 0.25)):
        answer = Answer(settings.model_dump(), tables | {"curves": frame})
        found = reported(em_bound_report, em_bound=answer)
        assert numbers(sentences(found)[0])[1] == pytest.approx(fall, abs=0.05)
        assert len(table(found, "starts").frame) == 2
    assert reported(em_bound_report) is None
