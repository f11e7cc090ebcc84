"""Precision, recall and F1 on known manifolds: lines and circles in closed form, polygons by simulation."""

import math

import numpy as np
import pytest
import torch
from torch.func import vmap

from genbench.data import polygons
from genbench.metrics.cards import scores
from genbench.metrics.manifold import DELTA, invert
from genbench.metrics.sets import Images, Manifold


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


KEYS = ("manifold_precision", "manifold_recall", "inversion_control", "manifold_f1")


def polygon_scores(samples, test, project, **known):
    return scores(Images(samples, manifold=Manifold(project, samples, test, **known)), KEYS)


def by_key(found):
    return {score.metric: score for score in found}


def to_circle(x):
    return (x.norm(dim=1) - 1) ** 2


def arc(width):
    """A generator of the first `width` radians of the unit circle, uniformly."""

    def generate(z):
        angle = width * torch.special.ndtr(z[:, 0])
        return torch.stack([angle.cos(), angle.sin()], 1)

    return generate


def on_circle(n, seed=0):
    angle = 2 * math.pi * torch.rand(n, generator=seeded(seed))
    return torch.stack([angle.cos(), angle.sin()], 1)


def test_inversion_of_a_linear_generator_is_least_squares():
    matrix, shift = torch.randn(20, 3, generator=seeded()), torch.randn(20, generator=seeded(1))
    targets = 2 * torch.randn(300, 4, 5, generator=seeded(2))
    errors, z = invert(lambda z: z @ matrix.T + shift, 3, targets, seeded(3), steps=400)
    solved = torch.linalg.lstsq(matrix.double(), (targets.flatten(1) - shift).double().T)
    residual = (matrix.double() @ solved.solution - (targets.flatten(1) - shift).double().T).square().sum(0)
    assert torch.allclose(errors.double(), residual, rtol=1e-4)
    assert torch.allclose(z.double(), solved.solution.T, atol=0.02)
    assert errors.shape == (300,) and z.shape == (300, 3)


def test_inversion_finds_a_networks_own_samples():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 64), torch.nn.LeakyReLU(0.2), torch.nn.Linear(64, 64), torch.nn.Sigmoid())
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.5).requires_grad_(False)
    own = net(torch.randn(200, 6, generator=seeded()))
    errors, z = invert(net, 6, own, seeded(1))
    assert (errors < DELTA * 64).float().mean() >= 0.97
    assert torch.allclose(errors, (net(z) - own).square().sum(1), atol=1e-5)  # the latents belong to the errors
    one, again = (invert(net, 6, own[:20], seeded(2), steps=10)[0] for _ in range(2))
    assert torch.equal(one, again)


def test_perfect_generator_of_a_circle():
    found = by_key(
        polygon_scores(on_circle(300), on_circle(200, 1), to_circle, generate=arc(2 * math.pi), latent=1,
                       generator=seeded(), delta=1e-4)
    )  # fmt: skip
    assert list(found) == ["manifold_precision", "manifold_recall", "inversion_control", "manifold_f1"]
    assert found["manifold_precision"].value == 1 and found["manifold_precision"].settings["ceiling"] == 1
    assert found["manifold_recall"].value >= 0.99 and found["inversion_control"].value >= 0.99
    assert found["manifold_f1"].value >= 0.99 and found["manifold_recall"].settings["measurable"]
    assert 0.5 < found["manifold_recall"].settings["latent_radius"] < 1  # the median of |z| is 0.67
    assert found["manifold_recall"].n == 200 and found["inversion_control"].n == 200 and found["manifold_f1"].n == 300
    for score in found.values():
        score.as_dict()
        assert score.se > 0 and score.settings["reference"] == "test" and score.settings["delta"] == 1e-4
    assert found["manifold_precision"].se == pytest.approx(1 / 602)  # Wilson's at 300 of 300


def test_recall_is_the_share_that_a_collapsed_generator_reaches():
    test, delta = on_circle(400, 2), 1e-2
    found = by_key(polygon_scores(on_circle(300), test, to_circle, generate=arc(1.0), latent=1, generator=seeded(), delta=delta))
    angle = torch.atan2(test[:, 1], test[:, 0])
    margin = 2 * math.asin(math.sqrt(delta) / 2)  # a chord of the root of delta
    reached = ((angle > -margin) & (angle < 1 + margin)).double().mean()
    assert found["manifold_recall"].value == pytest.approx(float(reached), abs=0.011)
    assert found["manifold_precision"].value == 1 and found["inversion_control"].value == 1
    p, r = 1.0, found["manifold_recall"].value
    assert found["manifold_f1"].value == pytest.approx(2 * p * r / (p + r))


def test_control_unmasks_an_inversion_that_fails():
    matrix = 300 * torch.randn(2, 8, generator=seeded())

    def wild(z):  # gradients that lead nowhere
        return torch.sin(z @ matrix)

    found = by_key(
        polygon_scores(torch.rand(100, 8), wild(torch.randn(100, 2, generator=seeded(5))), lambda x: x.new_zeros(len(x)),
                       generate=wild, latent=2, generator=seeded(), delta=1e-3)
    )  # fmt: skip
    assert found["inversion_control"].value < 0.9
    assert found["manifold_recall"].settings["measurable"] is False and found["manifold_f1"].settings["measurable"] is False


def test_models_without_latents_get_precision_only():
    samples = torch.cat([on_circle(60), 2 * on_circle(40)])
    (score,) = polygon_scores(samples, on_circle(50, 1), to_circle, delta=1e-3)
    assert score.metric == "manifold_precision" and score.value == pytest.approx(0.6) and score.n == 100
    assert score.se == pytest.approx(math.sqrt(0.24 / 100), rel=0.02)
    assert score.settings["median_distance"] < 1e-6 and score.settings["n_reference"] == 50
    (none,) = polygon_scores(torch.zeros(10, 2), on_circle(50, 1), to_circle)
    assert none.value == 0 and none.settings["delta"] == pytest.approx(2 * 0.75 / 784)
    with pytest.raises(ValueError, match="1 of their values not finite"):
        polygon_scores(torch.tensor([[0.0, math.nan]]), samples, to_circle)


def test_standard_errors_match_a_simulation():
    """Fresh samples against one test set: the spread of the values is what the standard errors say."""
    test, values, errors = on_circle(100, 1), [], []
    for seed in range(80):
        noise = 0.03 * torch.randn(200, 2, generator=seeded(seed))
        (score,) = polygon_scores(on_circle(200, seed + 1000) + noise, test, to_circle, delta=1e-3)
        values.append(score.value)
        errors.append(score.se)
    assert 0.5 < np.mean(values) < 0.9 and 0.7 < np.std(values, ddof=1) / np.mean(errors) < 1.4
    # F1 by the delta method: recall varies with the test set, precision with the samples
    values, errors = [], []
    for seed in range(40):
        noise = 0.03 * torch.randn(200, 2, generator=seeded(seed))
        found = by_key(
            polygon_scores(on_circle(200, seed + 1000) + noise, on_circle(100, seed), to_circle, generate=arc(3.0), latent=1,
                           generator=seeded(seed), delta=1e-3)
        )  # fmt: skip
        values.append(found["manifold_f1"].value)
        errors.append(found["manifold_f1"].se)
    assert 0.7 < np.std(values, ddof=1) / np.mean(errors) < 1.4


def smooth_triangles(size):
    """A differentiable generator of all triangles: turn and vertices from z (B, 4), edges as ramps."""
    place = torch.arange(size) + 0.5
    y, x = torch.meshgrid(place, place, indexing="ij")
    basis = torch.stack([x.reshape(-1), y.reshape(-1), torch.ones(size**2)])

    def generate(z):
        uniform = torch.special.ndtr(z)
        state = torch.cat([2 * math.pi * uniform[:, :1], uniform[:, 1:]], 1)
        return 1 - (vmap(polygons._edges, in_dims=(0, None))(state, size) @ basis).amin(1).clamp(0, 1)

    return generate


def test_perfect_generator_of_triangles():
    size, n = 28, 40
    generate, project = smooth_triangles(size), polygons.Projection((3,), size, bank=1500)
    test = polygons.render(polygons.corners(*polygons.draw(np.random.default_rng(0), n, 3), size), size)[:, None].float()
    with torch.no_grad():
        samples = generate(torch.randn(n, 4, generator=seeded())).reshape(n, 1, size, size)
    found = by_key(polygon_scores(samples, test, project, generate=generate, latent=4, generator=seeded(1)))
    assert found["manifold_precision"].settings["delta"] == pytest.approx(0.75)
    assert found["manifold_precision"].settings["ceiling"] >= 0.97
    for key, least in (("manifold_precision", 0.9), ("manifold_recall", 0.9), ("inversion_control", 0.95)):
        assert found[key].value >= least, key
