import numpy as np
import pandas as pd
import pytest
import torch

from genbench.models.gan_losses import LOSSES
from genbench.questions.generator_gradients import run as generator_gradients
from genbench.questions.generator_gradients.run import PAIRS, curves
from genbench.questions.generator_gradients.settings import Settings as GeneratorGradients


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


# d/dv of -softplus(v), softplus(-v), (v - c)^2 / 2 with c = 0, -v and -v
BY_HAND = {
    "minimax": lambda v: -sigmoid(v),
    "non_saturating": lambda v: sigmoid(v) - 1,
    "least_squares": lambda v: v,
    "wasserstein": lambda v: -np.ones_like(v),
    "hinge": lambda v: -np.ones_like(v),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_curves_are_the_derivatives_by_hand(loss):
    part = curves().query("loss == @loss")
    np.testing.assert_allclose(part["gradient"], BY_HAND[loss](part["value"].to_numpy()), rtol=1e-9, atol=1e-12)


def test_every_loss_meets_the_critic_of_its_own_loss():
    real, fake = torch.randn(9), torch.randn(9)
    met = [loss for losses in PAIRS.values() for loss in losses]
    assert sorted(met) == sorted(LOSSES)
    for critic, losses in PAIRS.items():
        for loss in losses:
            hp = {k: torch.tensor(v) for k, v in LOSSES[loss].hp.items()}
            torch.testing.assert_close(LOSSES[critic].critic(real, fake, hp), LOSSES[loss].critic(real, fake, hp))


def test_gradients_along_the_critics_training(bench):
    settings = GeneratorGradients(seeds=2, updates=40, batch=32, datasets=["ring8"])
    tables = generator_gradients.run(settings, bench)
    frame = tables["gradients"]
    assert list(frame.columns) == ["dataset", "loss", "seed", "update", "norm", "accuracy"]
    assert sorted(frame["update"].unique()) == [0, 32, 40] and len(frame) == 5 * 2 * 3
    assert (frame["norm"] > 0).all() and frame["accuracy"].between(0, 1).all()
    # the generator stays: critics that were never updated are the same, so minimax and non-saturating meet one critic
    pairs = frame[frame["loss"].isin(("minimax", "non_saturating"))]
    assert (pairs.groupby(["dataset", "seed", "update"])["accuracy"].nunique() == 1).all()
    pd.testing.assert_frame_equal(frame, generator_gradients.run(settings, bench)["gradients"])


def test_minimax_vanishes_where_the_critic_wins(bench):
    """On images the critic soon tells all fakes: D(G(z)) goes to 0 and minimax's gradient with it, non-saturating's does not."""
    settings = GeneratorGradients(seeds=1, updates=96, batch=32, datasets=["digits"])
    frame = generator_gradients.run(settings, bench)["gradients"].query("update == 96").groupby("loss").mean(numeric_only=True)
    assert frame.loc["minimax", "accuracy"] > 0.98
    assert frame.loc["minimax", "norm"] < 0.1 * frame.loc["non_saturating", "norm"]
