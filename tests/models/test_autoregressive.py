"""What autoregressive models share: an order that the gradients keep, exact probabilities, samples that follow them."""

import itertools
import math

import pytest
import torch
from kit import gen

from genbench.models import MODELS
from genbench.models.outputs import discretised_logistic
from genbench.training.replicas import build

ROWWISE = {"pixelcnn": {"width": 16, "depth": 2}, "pixelrnn": {"width": 16, "depth": 2}}


def wild(name, shape, levels=None, scale=1.0, **net):
    """A model far from its initial weights, in float64."""
    model = build(lambda: MODELS[name](shape, levels, **net), 0).double().requires_grad_(False).eval()
    for i, p in enumerate(model.parameters()):
        p += scale * torch.randn(p.shape, generator=gen(i), dtype=p.dtype) / p[0].numel() ** 0.5
    return model


def every_image(shape, levels=2):
    grey = [2 * k / (levels - 1) - 1 for k in range(levels)]
    return torch.tensor(list(itertools.product(grey, repeat=math.prod(shape))), dtype=torch.float64).reshape(-1, *shape)


# ---- several orders


def test_orders_are_permutations_and_the_same_for_every_seed():
    first, other = (build(lambda: MODELS["made"]((6,), None, width=8, orders=5), seed) for seed in (0, 1))
    assert torch.equal(first.orders, other.orders) and len(first.orders.unique(dim=0)) == 5
    assert torch.equal(first.orders.sort(-1).values, torch.arange(6).expand(5, 6))
    assert torch.equal(MODELS["made"]((6,), None).orders, torch.arange(6)[None])
    with pytest.raises(ValueError, match="orders must be 0"):
        MODELS["made"]((2,), None, orders=-1)


@pytest.mark.parametrize(("shape", "levels"), [((5,), None), ((1, 2, 3), 2), ((1, 2, 3), 17), ((1, 2, 3), 256)])
@pytest.mark.parametrize("depth", [1, 2])
def test_made_sees_the_earlier_coordinates_of_every_order_and_no_later_one(shape, levels, depth):
    model = wild("made", shape, levels, 2.0, width=60, depth=depth, mixture=2, orders=4)
    x = torch.randn(1, model.dim, generator=gen(), dtype=torch.float64)
    for order in model.orders:
        jacobian = torch.func.jacrev(lambda x, order=order: model.net(x, order=order)[0])(x)[:, :, 0]  # (d, outputs, d)
        assert torch.equal(jacobian.abs().amax(1) > 0, order[:, None] > order)


@pytest.mark.parametrize(("shape", "levels"), [((1, 2, 3), 2), ((1, 2, 2), 3), ((1, 1, 2), 40)])
def test_made_in_several_orders_is_their_mixture_and_sums_to_one(shape, levels):
    model = wild("made", shape, levels, width=16, depth=2, mixture=3, orders=3)
    images = every_image(shape, levels)
    each = torch.stack([model.in_order(images.flatten(1), order) for order in model.orders]).exp()
    torch.testing.assert_close(each.sum(1), torch.ones(3).double(), rtol=0, atol=1e-8)
    torch.testing.assert_close(model.log_prob(images), each.mean(0).log())
    assert float((each[0] - each[1]).abs().max()) > 1e-3  # the orders do not agree


def test_training_takes_one_of_the_orders_and_validation_all():
    model, x = wild("made", (4,), None, width=16, orders=3), torch.randn(7, 4, generator=gen(), dtype=torch.float64)
    drawn = model.noise((200, 7), gen())["order"]
    assert set(drawn[:, 0].tolist()) == {0, 1, 2}
    assert float(model.loss_net(x, {"order": drawn[0]}, {})) == pytest.approx(-float(model.log_prob(x).mean()))
    model.train()
    for k in range(3):
        order = torch.full((7,), k)
        expected = -float(model.in_order(x, model.orders[k]).mean())
        assert float(model.loss_net(x, {"order": order}, {})) == pytest.approx(expected)
    assert "order" not in MODELS["made"]((4,), None).noise((1, 1), gen())


def test_samples_in_several_orders_follow_the_mixture():
    shape, n = (1, 1, 3), 20000
    model = wild("made", shape, 2, 2.0, width=16, depth=1, orders=4).float()
    expected = model.log_prob(every_image(shape).float()).exp()
    index = ((model.sample(n, gen()).reshape(n, 3) > 0).long() * torch.tensor([4, 2, 1])).sum(1)
    seen = torch.bincount(index, minlength=8) / n
    assert float((seen - expected).abs().max()) < 4 * 0.5 / n**0.5


# ---- drawing a coordinate


@pytest.mark.parametrize("levels", [5, 40])
def test_draws_of_grey_values_have_their_probabilities(levels):
    """u runs over a fine grid: the share of it that gives a grey value is its probability."""
    model = MODELS["made"]((1, 1, 2), levels, mixture=1)
    parameters = torch.randn(model.outputs, generator=gen()).double()
    side = torch.linspace(0.0, 1.0, 20002, dtype=torch.float64)[1:-1]
    drawn = model.draw(parameters.expand(len(side), -1), torch.stack([side, side], 1))
    grey = 2 * torch.arange(levels).double() / (levels - 1) - 1
    shares = torch.bincount(((drawn + 1) / 2 * (levels - 1)).round().long(), minlength=levels) / len(side)
    logistic = discretised_logistic(grey, parameters[1], parameters[2], levels).exp()
    expected = parameters.softmax(-1) if model.softmax else logistic
    torch.testing.assert_close(shares.double(), expected, rtol=0, atol=2e-4)


def test_draws_of_points_have_their_density():
    model, n = MODELS["made"]((2,), None, mixture=3), 200
    parameters = torch.randn(model.outputs, generator=gen()).double()
    side = (torch.arange(n).double() + 0.5) / n
    drawn = model.draw(parameters.expand(n * n, -1), torch.cartesian_prod(side, side)).sort().values
    logits, mean, log_scale = model.parts(parameters)
    cdf = (logits.softmax(-1) * torch.special.ndtr((drawn[:, None] - mean) / log_scale.exp())).sum(-1)
    torch.testing.assert_close(cdf, (torch.arange(n * n).double() + 0.5) / n**2, rtol=0, atol=3e-3)


# ---- images row by row


@pytest.mark.parametrize("shape", [(1, 2, 3), (2, 2, 2)])
@pytest.mark.parametrize("name", ROWWISE)
def test_probabilities_of_all_images_sum_to_one(name, shape):
    model = wild(name, shape, 2, **ROWWISE[name])
    log_p = model.log_prob(every_image(shape))
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-10)
    assert float(log_p.std()) > 0.1


@pytest.mark.parametrize(("shape", "levels"), [((1, 5, 4), 2), ((3, 4, 3), 17), ((2, 3, 3), 256)])
@pytest.mark.parametrize("name", ROWWISE)
def test_sampling_by_rows_is_sampling_by_whole_images(name, shape, levels):
    model, n, g = wild(name, shape, levels, **ROWWISE[name]).float(), 6, gen(1)
    x = torch.zeros(n, *shape)
    for i, j, c in itertools.product(range(shape[1]), range(shape[2]), range(shape[0])):
        parameters = model.parameters_of(model.net(x)).unflatten(1, shape)[:, c, i, j]
        x[:, c, i, j] = model.draw(parameters, torch.rand(n, 2, generator=g))
    torch.testing.assert_close(model.sample(n, gen(1)), x, rtol=0, atol=0)
    assert len(x.unique()) > 1


@pytest.mark.parametrize("name", ROWWISE)
def test_an_image_model_refuses_points(name):
    with pytest.raises(ValueError, match="needs images"):
        MODELS[name]((2,), None)


def depends(model, seed=0):
    """Which numbers (H, W, C) each output sees: (H, W, C, H, W, C), by automatic differentiation at a random image."""
    x = torch.randn(1, *model.shape, generator=gen(seed), dtype=torch.float64)
    jacobian = torch.func.jacrev(lambda x: model.parameters_of(model.net(x))[0])(x)[:, :, 0].abs().amax(1) > 0
    c, h, w = model.shape
    return jacobian.reshape(c, h, w, c, h, w).permute(1, 2, 0, 4, 5, 3)


@pytest.mark.parametrize("name", ROWWISE)
def test_the_channels_of_a_pixel_come_in_turn(name):
    seen = depends(wild(name, (3, 4, 4), 2, width=48, depth=2))
    flat = seen.reshape(48, 48)
    assert not bool(flat.triu().any()), "an output depends on its own or a later number"
    for i, j in itertools.product(range(4), range(4)):
        assert torch.equal(seen[i, j, :, i, j], torch.ones(3, 3).tril(-1).bool())
        if j:  # of a neighbour, all channels see all
            assert bool(seen[i, j, :, i, j - 1].all())
        if i:
            assert bool(seen[i, j, :, i - 1, j].all())
