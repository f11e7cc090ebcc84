import math

import numpy as np
import pandas as pd
import pytest
import torch

from genbench.metrics.sets import Points
from genbench.metrics.transport import w1
from genbench.nets import MLP
from genbench.questions.critic_gradients import run as critic_gradients
from genbench.questions.critic_gradients.run import layer_gradients
from genbench.questions.critic_gradients.settings import Settings as CriticGradients
from genbench.questions.critic_quality import run as critic_quality
from genbench.questions.critic_quality.run import correlations
from genbench.questions.critic_quality.settings import Settings as CriticQuality
from genbench.questions.critic_surfaces import run as critic_surfaces
from genbench.questions.critic_surfaces.settings import Settings as CriticSurfaces
from genbench.questions.training import CriticOfNoise, noised, train
from genbench.training.trainer import Switches

SMALL = {"seeds": 2, "updates": 40, "batch": 32, "datasets": ["ring8"]}


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        pd.testing.assert_frame_equal(a[name], b[name])


def test_quality_is_looked_at_along_the_way(bench):
    settings = CriticQuality(
        **SMALL | {"datasets": ["ring8", "digits"]}, models=["ns_gan", "lsgan"], looks=5, samples=100, encoder_epochs=1
    )
    tables = critic_quality.run(settings, bench)
    looks = tables["looks"]
    assert list(looks.columns) == ["dataset", "model", "seed", "update", "distance", "loss"]
    assert set(looks.groupby(["dataset", "model", "seed"]).size()) == {3}  # of the five looks, three moments at which it can look
    assert sorted(set(looks["update"])) == [16, 32, 40] and np.isfinite(looks[["distance", "loss"]]).all(axis=None)
    assert list(tables["correlations"].columns) == ["dataset", "model", "seed", "loss", "update", "late_loss", "late_update"]
    assert len(tables["correlations"]) == 8
    alone = settings.model_copy(update={"datasets": ("ring8",), "models": ("lsgan",)})
    again = critic_quality.run(alone, bench)["looks"]
    part = looks[(looks["dataset"] == "ring8") & (looks["model"] == "lsgan")]
    pd.testing.assert_frame_equal(part.reset_index(drop=True), again)


def test_looks_see_the_weights_of_that_moment(bench):
    """The same training, cut off at the look, ends with the look's weights; and the losses are those of its history."""
    net, hp = {"latent": 2, "width": 8, "depth": 1}, {"lr": 1e-3}
    seen, losses = {}, CriticQuality(**SMALL)

    def look(replicas, update):
        seen[update] = [p.clone() for p in replicas.extract(1).parameters()]

    plain = Switches(ema=0.0, schedule="constant")
    train(CriticOfNoise, "ring8", losses, bench, net, hp, plain, [0, 10, 20, 40], look)
    assert list(seen) == [0, 32, 40]
    cut = train(CriticOfNoise, "ring8", losses.model_copy(update={"updates": 32}), bench, net, hp, plain)
    assert all(torch.equal(a, b) for a, b in zip(seen[32], cut[1].model.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(seen[0], seen[32], strict=True))


def test_losses_are_means_since_the_look_before():
    class Result:
        history = [(u, "loss/critic", float(u), 0.0) for u in range(1, 11)] + [(1, "loss/generator", 99.0, 0.0)]

    assert critic_quality._losses(Result, [4, 10, 12]) == pytest.approx({4: 2.5, 10: 7.5, 12: math.nan}, nan_ok=True)


def test_correlations_of_planted_curves():
    """A loss that falls in step with the distance, one against it, one that says nothing, and a training that diverged."""
    update = np.arange(1, 13)
    distance = np.exp(-update / 4.0)
    planted = {"with": -distance, "against": distance, "nothing": np.zeros(12), "diverged": np.where(update > 6, np.nan, update)}
    looks = pd.concat(
        pd.DataFrame({"dataset": "d", "model": name, "seed": 0, "update": update, "distance": distance, "loss": loss})
        for name, loss in planted.items()
    )
    table = correlations(looks.sample(frac=1, random_state=0)).set_index("model")
    assert table.loc["with", "loss"] == pytest.approx(1) and table.loc["against", "loss"] == pytest.approx(-1)
    assert math.isnan(table.loc["nothing", "loss"]) and math.isnan(table.loc["diverged", "loss"])
    assert (table["update"] == 1).all() and (table["late_update"] == 1).all()
    # only early moments are told apart: nothing is left of it later
    early = looks[looks["model"] == "with"].assign(loss=np.where(update <= 4, -distance, np.random.default_rng(0).random(12)))
    assert correlations(early)["loss"].item() > correlations(early)["late_loss"].item()


def test_surfaces_keep_what_they_promise(bench):
    settings = CriticSurfaces(**SMALL, width=16, points=200, cells=12)
    tables = critic_surfaces.run(settings, bench)
    critics, maps = tables["critics"], tables["maps"]
    assert critics.groupby("regularisation").size().to_dict() == {"clipping": 2, "gradient penalty": 2, "spectral norm": 2}
    assert set(maps.groupby("regularisation").size()) == {144} and set(tables["points"].columns) == {"x", "y", "dataset"}
    # a difference of means is at most the largest gradient norm times the distance between the very points
    assert (critics["estimate"] <= critics["gradient_max"] * critics["exact"] * 1.001).all()
    assert (critics["gradient_low"] <= critics["gradient_mean"]).all() and (
        critics["gradient_mean"] <= critics["gradient_max"]
    ).all()
    spectral = critics[critics["regularisation"] == "spectral norm"]
    assert (spectral["gradient_max"] < 1.05).all() and (spectral["estimate"] < spectral["exact"]).all()
    same(tables, critic_surfaces.run(settings, bench))


def test_the_halfway_estimate_is_that_of_half_of_the_updates():
    history = [(u, "diagnostic/estimate", float(u), 0.0) for u in range(30, 601, 30)] + [(300, "loss/critic", 9.0, 0.0)]
    assert critic_surfaces._halfway(history) == 0.5
    assert critic_surfaces._halfway([(10, "diagnostic/estimate", 2.0, 0.0)]) == 1


def test_a_regularisation_under_which_all_critics_diverge_ends_nothing(bench):
    settings = CriticGradients(**SMALL | {"updates": 100}, width=12, depth=3, limits=[1e9, 0.01], lr=1e6, gp=1e-9)
    tables = critic_gradients.run(settings, bench)
    status = tables["weights"].groupby("regularisation", sort=False)["status"].agg(set).to_dict()
    assert status["clipping at 1e+09"] == {"diverged"} and status["clipping at 0.01"] == {"ok"}
    for table in ("gradients", "histograms"):
        names = set(tables[table]["regularisation"])
        assert "clipping at 1e+09" not in names and "clipping at 0.01" in names


@pytest.mark.slow
def test_a_trained_critic_finds_most_of_the_distance(bench):
    """With a gradient penalty gradient norms are near 1, and the estimate near the exact distance between the same points."""
    settings = CriticSurfaces(**SMALL | {"updates": 600, "batch": 128, "seeds": 1}, points=300)
    critics = critic_surfaces.run(settings, bench)["critics"].set_index("regularisation")
    assert 0.75 < critics.loc["gradient penalty", "gradient_mean"] < 1.1
    assert 0.5 < critics.loc["gradient penalty", "estimate"] / critics.loc["gradient penalty", "exact"] < 1.1
    assert critics.loc["clipping", "gradient_max"] < 0.1 * critics.loc["gradient penalty", "gradient_max"]


def test_fakes_are_other_data_plus_noise(bench):
    real, fake = noised("ring8", 250, bench)
    again, _ = noised("ring8", 250, bench)
    assert torch.equal(real, again) and real.shape == fake.shape == (250, 2)
    assert float(fake.var(0).sum() - real.var(0).sum()) == pytest.approx(2, abs=0.6)  # unit noise in two dimensions
    model = CriticOfNoise((2,), latent=2, width=8)
    x, z = torch.arange(8.0).reshape(4, 2), torch.zeros(4, 2)
    made = model.prepare_critic(x, {"z": z}, {})["fake"]
    assert torch.equal(made.sort(0).values, x) and not (made == x).all(1).any()  # none is compared with itself


def test_an_affine_critic_measures_a_shift_exactly(bench):
    """f(x) = a x has gradient norm |a|, and a W1 between a set and its shift by s of |s|, which f finds for a = s / |s|."""
    x = bench.data["ring8"].splits["test"][:200]
    shift = torch.tensor([0.6, -0.8])
    exact = w1(Points(x + shift, x), n=200).value
    assert exact == pytest.approx(1, abs=1e-5)
    norms = critic_surfaces._gradients(lambda u: u @ shift, x, x)
    assert norms["gradient_mean"] == pytest.approx(1, abs=1e-5) == norms["gradient_max"]
    assert float((x + shift).mean(0) @ shift - x.mean(0) @ shift) == pytest.approx(exact, abs=1e-5)


def test_layer_gradients_of_a_linear_chain():
    """Without activations the gradient at a layer is the product of the weights above it."""
    net = MLP(2, 1, 3, 3, activation="leaky_relu").double()
    x = torch.randn(20, 2, dtype=torch.float64)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(p.abs())  # positive inputs stay where leaky_relu is the identity
    norms = layer_gradients(net, x.abs())
    above, expected = net.layers[3].weight, []
    for layer in (net.layers[2], net.layers[1], None):
        expected.insert(0, above.norm())
        above = above if layer is None else above @ layer.weight
    torch.testing.assert_close(norms, torch.stack(expected).detach())


def test_layer_gradients_agree_with_finite_differences():
    torch.manual_seed(0)
    net = MLP(2, 1, 4, 2, activation="leaky_relu").double()
    x = torch.randn(1, 2, dtype=torch.float64)
    hidden = net.layers[1](torch.nn.functional.leaky_relu(net.layers[0](x), 0.2)).detach()

    def top(h):
        return net.layers[2](torch.nn.functional.leaky_relu(h, 0.2)).sum()

    steps = torch.eye(4, dtype=torch.float64) * 1e-6
    slopes = torch.stack([(top(hidden + s) - top(hidden - s)) / 2e-6 for s in steps])
    torch.testing.assert_close(layer_gradients(net, x)[1], slopes.norm().detach(), rtol=1e-6, atol=0)


def test_gradients_and_weights_under_clipping(bench):
    settings = CriticGradients(**SMALL, width=12, depth=4, limits=[0.01, 0.2])
    tables = critic_gradients.run(settings, bench)
    gradients, weights = tables["gradients"], tables["weights"]
    names = ["clipping at 0.01", "clipping at 0.2", "gradient penalty"]
    assert list(gradients["regularisation"].unique()) == names and set(gradients.groupby(["regularisation", "seed"]).size()) == {
        4
    }
    clipped = weights[weights["regularisation"] != "gradient penalty"]
    assert (clipped["largest"] <= clipped["limit"] * (1 + 1e-6)).all() and clipped["at_limit"].between(0.01, 1).all()
    free = weights[weights["regularisation"] == "gradient penalty"]
    assert (free["at_limit"] == 0).all() and (free["at_start"] == 0).all() and np.isinf(free["limit"]).all()
    # normal initial weights of standard deviation 1.39 / root of the inputs, beyond 0.2: some, and fewer than beyond 0.01
    start = weights.groupby("regularisation")["at_start"].mean()
    assert 0.3 < start["clipping at 0.2"] < start["clipping at 0.01"] < 1
    shares = tables["histograms"].groupby("regularisation")["share"].sum()
    assert shares.to_numpy() == pytest.approx(1)
    first = gradients[gradients["layer"] == 1].groupby("regularisation")["norm"].mean()
    assert first["clipping at 0.01"] < 1e-4 * first["gradient penalty"]
    same(tables, critic_gradients.run(settings, bench))
