"""Experiments on Wasserstein critics, small."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch

from genbench.questions import transport
from genbench.questions import wasserstein_critics as critics
from genbench.questions.batch_wasserstein import run as batch_wasserstein
from genbench.questions.batch_wasserstein.run import geometric_median
from genbench.questions.batch_wasserstein.settings import Settings as BatchWasserstein
from genbench.questions.wasserstein_estimates import run as wasserstein_estimates
from genbench.questions.wasserstein_estimates.settings import Settings as WassersteinEstimates
from genbench.questions.wasserstein_training import run as wasserstein_training
from genbench.questions.wasserstein_training.settings import Settings as WassersteinTraining


def draw(n, dim, seed=0):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_c_transforms_bound_the_distance_and_reach_it_for_the_best_values():
    import ot

    x, y = draw(30, 3, 1), draw(40, 3, 2) + 1
    exact = transport.distance(x, y)
    by_hand = torch.stack([min((x[i] - point).norm() - float(i) / 10 for i in range(30)) for point in y])
    assert torch.allclose(critics.c_transform(x, torch.arange(30).double() / 10, y), by_hand, atol=1e-6)
    values = draw(30, 1, 3)[:, 0]
    assert float(values.mean() + critics.c_transform(x, values, y).mean()) < exact
    best = torch.from_numpy(ot.emd2([], [], transport.costs(x, y).numpy(), log=True)[1]["u"])
    assert float(best.mean() + critics.c_transform(x, best, y).mean()) == pytest.approx(exact, abs=1e-5)


def of_pair(name, dim=3, **more):
    net, _ = critics.regularised(name, 0.01, 10.0)
    cls = critics.PAIRED.get(name, critics.CriticOfPair)
    return cls((dim,), others=draw(20, dim).float(), width=8, depth=1, **net, **more).double()


def test_values_are_gaps_of_the_whole_sets_and_duals_of_batches():
    x, y = draw(20, 3, 1), draw(16, 3, 2)
    model = of_pair("gradient penalty")
    assert critics.value(model, x, y, 8, 2) == pytest.approx((model.score(x).mean() - model.score(y).mean()).item(), abs=1e-12)
    model = of_pair("c-transform")
    whole = model.score(x).mean() + critics.c_transform(x, model.score(x), y).mean()
    assert critics.value(model, x, y, 100, 1) == pytest.approx(whole.item(), abs=1e-9)
    assert critics.value(model, x, y, 8, 20) <= transport.batches(x, y, 8, 50).raw + 0.5


def test_bounds_stay_below_the_exact_distance_and_above_that_of_a_flat_critic():
    x, y = draw(50, 3, 1), draw(50, 3, 2) + 2
    for name in ("gradient penalty", "no restraint"):
        found = critics.bound(of_pair(name), x, y)
        assert float(transport.costs(x, y).min(0).values.mean()) <= found <= transport.distance(x, y)


def test_fakes_feel_the_gradient_of_what_their_generator_wants():
    x, y = draw(20, 3, 1), draw(12, 3, 2)
    model = of_pair("gradient penalty")
    step = 1e-6 * critics.felt(model, x, y, 4)
    assert bool((model.score(y + step) > model.score(y)).all())
    model = of_pair("c-transform")
    pull = critics.felt(model, x, y, 20)
    assert torch.allclose(pull.norm(dim=1), torch.ones(12).double(), atol=1e-5)  # towards one of the batch, at unit slope
    values = model.score(x)
    closer = critics.c_transform(x, values, y + 1e-6 * pull)
    assert bool((closer < critics.c_transform(x, values, y)).all())


SMALL = {"seeds": 2, "batch": 32, "updates": 60, "draws": 4, "datasets": ["ring8", "digits"]}


def test_estimates_of_every_pair_and_critic(bench):
    settings = WassersteinEstimates(**SMALL | {"updates": 10}, dims=[2], points=60, width=16, critics=["clipping", "c-transform"])
    tables = wasserstein_estimates.run(settings, bench)
    pairs, found = tables["pairs"], tables["critics"]
    assert list(pairs["kind"]) == ["law", "law", "plane", "images", "images", "images", "images"]
    assert list(pairs["known"].notna()) == [True, True] + [False] * 5 and pairs["known"][1] == 3
    assert len(found) == 7 * len(settings.critics) * 2 and set(found["status"]) == {"ok"}
    assert np.isfinite(found[["value", "bound"]]).all(axis=None)
    exact = found["pair"].map(pairs.set_index("pair")["exact"])
    assert (found["bound"] <= exact + 1e-9).all() and (pairs["nearest"] <= pairs["exact"] + 1e-9).all()
    centroids = pairs["pair"].str.contains("centroids")
    assert found.loc[found["pair"].isin(pairs["pair"][centroids]), "cosine"].isna().all()
    assert found.loc[~found["pair"].isin(pairs["pair"][centroids]), "cosine"].abs().le(1).all()
    assert abs(pairs["debiased"][pairs["pair"] == "digits, held out"].item()) < 0.3
    alone = settings.model_copy(update={"datasets": ("ring8",), "dims": (), "critics": ("c-transform",)})
    again = wasserstein_estimates.run(alone, bench)["critics"]
    part = found[(found["pair"] == "ring8, half of its modes") & (found["critic"] == "c-transform")]
    pd.testing.assert_frame_equal(part.reset_index(drop=True), again)


def test_good_critics_find_a_known_distance_in_the_plane(bench, monkeypatch):
    first = itertools.islice(wasserstein_estimates.pairs(WassersteinEstimates(dims=[2], points=400), bench), 1, 2)
    monkeypatch.setattr(wasserstein_estimates, "pairs", lambda *_: first)
    settings = WassersteinEstimates(
        seeds=1, updates=150, batch=64, width=64,
        critics=["clipping", "one-sided penalty", "c-transform"],
    )  # fmt: skip
    found = wasserstein_estimates.run(settings, bench)["critics"]
    part = found[found["pair"] == "shifted Gaussian, d = 2"].groupby("critic")[["value", "cosine"]].mean()
    assert part["value"]["clipping"] < 1 and part["value"]["one-sided penalty"] == pytest.approx(3, rel=0.2)
    assert part["value"]["c-transform"] == pytest.approx(3, rel=0.2) and (part["cosine"] > 0.95).all()


def test_generators_are_trained_and_looked_at(bench):
    settings = WassersteinTraining(
        **SMALL | {"updates": 32}, looks=2, samples=100, encoder_epochs=1, shown=3, width=16, depth=1,
        critics=["one-sided penalty", "c-transform"],
    )  # fmt: skip
    tables = wasserstein_training.run(settings, bench)
    looks, ends, pictures = tables["looks"], tables["ends"], tables["pictures"]
    assert len(looks) == 2 * 2 * 2 * 2 and len(ends) == 2 * 2 * 2 and set(ends["status"]) == {"ok"}
    assert np.isfinite(looks[["value", "exact", "batch", "debiased"]]).all(axis=None)
    assert (looks["batch"] > looks["exact"]).mean() > 0.8  # batches are smaller than the sets that they come from
    own = looks[looks["critic"] == "c-transform"]
    assert (own["value"] < 1.3 * own["batch"]).all()  # a bound of each batch's distance
    assert np.isfinite(ends[["quality", "centred"]]).all(axis=None)
    assert set(pictures["dataset"]) == {"digits"} and dict(pictures.groupby("kind").size()) == {
        **dict.fromkeys([*settings.critics, "test images"], 3),
        "centroids": 50,
    }
    assert all(len(p) == 64 and min(p) >= 0 and max(p) <= 16 for p in pictures["pixels"])


def test_a_generator_learns_from_its_critic(bench):
    settings = WassersteinTraining(
        seeds=1, updates=96, batch=64, datasets=["ring8"], critics=["c-transform"], looks=10, samples=300, width=32
    )
    looks = wasserstein_training.run(settings, bench)["looks"].sort_values("update")
    assert looks["exact"].iloc[-1] < 0.8 * looks["exact"].iloc[0]


def test_batches_of_centres_are_compared_with_data(bench):
    settings = BatchWasserstein(datasets=["digits", "ring8"], dims=[2, 64], sizes=[30, 100000], centres=[5], draws=3, points=300)
    found = batch_wasserstein.run(settings, bench)["batches"]
    assert set(found["data"]) == {"digits", "ring8", "N(0, I), d = 2", "N(0, I), d = 64"} and set(found["size"]) == {30, 150}
    assert set(found["candidate"]) == {"data", "median", "k = 5"} and len(found) == 4 * 2 * 3 * 3
    assert found.loc[found["candidate"] == "data", "debiased"].isna().all()
    mean = found[found["size"] == 30].groupby(["data", "candidate"])[["raw", "debiased"]].mean()
    assert mean["raw"]["N(0, I), d = 64", "median"] < mean["raw"]["N(0, I), d = 64", "data"]  # sqrt(d) against sqrt(2d), nearly
    assert mean["raw"]["N(0, I), d = 2", "median"] > mean["raw"]["N(0, I), d = 2", "data"]
    assert mean["debiased"]["N(0, I), d = 64", "median"] > 0
    assert mean["raw"]["N(0, I), d = 64", "median"] == pytest.approx(8, rel=0.03)


def test_the_median_minimises_the_mean_distance():
    x = torch.cat([draw(60, 3), draw(20, 3, 1) + 10])
    point = geometric_median(x)
    best = (x - point).norm(dim=1).mean()
    for step in torch.cat([torch.eye(3), -torch.eye(3)]).double():
        assert (x - point - 0.01 * step).norm(dim=1).mean() > best
    assert math.isclose(float(geometric_median(torch.tensor([[0.0], [1.0], [9.0]]).double())), 1, abs_tol=0.02)


def test_the_value_that_is_watched_has_no_penalty_in_it():
    torch.manual_seed(0)
    net = {"width": 8, "depth": 2, "penalty": "interpolates"}
    critic = critics.CriticOfPair((2,), None, others=torch.randn(40, 2) + 3, **net)
    x, noise = torch.randn(30, 2), critic.noise((30,), torch.Generator().manual_seed(0))
    hp = {"gp": torch.tensor(10.0)}
    expected = critic.score(x).mean() - critic.score(critic.others[noise["pick"]]).mean()
    assert torch.equal(critic.diagnose(x, noise, hp)["estimate"], expected)
    assert critic.loss_critic(x, {**noise, **critic.prepare_critic(x, noise, hp)}, hp) > 1 - expected  # the penalty is large
