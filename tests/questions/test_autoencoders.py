"""Questions on VAEs in small: tables and what must hold in them."""

import pandas as pd
import pytest
import torch

from genbench.models.vae import VAE
from genbench.questions.latent_sizes import run as latent_sizes
from genbench.questions.latent_sizes.settings import Settings as LatentSizes
from genbench.questions.vae_gradients import run as vae_gradients
from genbench.questions.vae_gradients.run import ESTIMATORS, gradients
from genbench.questions.vae_gradients.settings import Settings as VAEGradients
from genbench.questions.vae_terms import run as vae_terms
from genbench.questions.vae_terms.settings import Settings as VAETerms
from genbench.training.replicas import build


def test_gradients_are_those_of_autograd():
    model = build(lambda: VAE((2,), width=8, depth=1), 0)
    x, z = (torch.randn(*shape, generator=torch.Generator().manual_seed(i)) for i, shape in enumerate([(5, 2), (3, 5, 2)]))
    found = gradients(model, "path", x, z, "net.encoder")
    assert model.estimator == "closed"
    model.estimator = "path"
    for each, row in zip(z, found, strict=True):
        loss = model.loss_net(x, {"z": each}, {"beta": torch.tensor(1.0)})
        expected = torch.autograd.grad(loss, list(model.net["encoder"].parameters()))
        torch.testing.assert_close(row, torch.cat([g.flatten() for g in expected]))


def test_variances_of_estimators(bench):
    settings = VAEGradients(seeds=2, updates=300, batch=64, datasets=["ring8"], draws=60, examples=16)
    frame = vae_gradients.run(settings, bench)["variances"]
    assert list(frame.columns) == ["dataset", "seed", "stage", "update", "estimator", "variance", "signal"]
    assert len(frame) == 3 * 2 * len(ESTIMATORS) and (frame["variance"] > 0).all()
    assert set(frame["stage"]) == {"start", "early", "end"}
    end = frame[frame["stage"] == "end"].pivot(index="seed", columns="estimator", values="variance")
    assert (end["path"] < end["total"]).all() and (end["total"] < end["score"]).all()


@pytest.fixture(scope="module")
def terms(bench):
    settings = VAETerms(seeds=1, updates=150, batch=64, examples=200, side=3, pairs=2, steps=5)
    return vae_terms.run(settings, bench)


def test_each_term_does_what_it_says(terms):
    scores = terms["scores"].set_index("terms")
    assert scores.loc["KL only", "kl"] < 0.01 < scores.loc["both", "kl"] < scores.loc["reconstruction only", "kl"]
    assert scores.loc["KL only", "reconstruction"] > scores.loc["both", "reconstruction"]
    assert scores.loc["KL only", "accuracy"] < 0.3 < scores.loc["both", "accuracy"]
    assert scores.loc["KL only", "spread"] == pytest.approx(1, abs=0.1)
    assert list(terms["codes"].groupby("terms").size()) == [200, 200, 200]


def test_pictures_of_latents(terms):
    pictures = terms["pictures"]
    assert dict(pictures.groupby("kind").size()) == {"grid": 9, "spherical": 10, "linear": 10}
    assert all(
        len(row.pixels) == row.height * row.width and 0 <= min(row.pixels) <= max(row.pixels) < row.levels
        for row in pictures.itertuples()
    )
    ends = {kind: part[part["column"].isin((0, 4))]["pixels"].tolist() for kind, part in pictures.groupby("kind")}
    assert ends["spherical"] == ends["linear"]  # both paths join the same codes


def test_sizes_of_latents(bench):
    settings = LatentSizes(seeds=1, updates=150, batch=64, sizes=[1, 4], weights=20, examples=100, samples=100, encoder_epochs=1)
    frame = latent_sizes.run(settings, bench)["sizes"].set_index("latent")
    assert (frame["iwae"] < frame["elbo"]).all() and (frame["active"] <= frame.index).all() and frame.loc[4, "active"] >= 1
    assert frame.loc[4, "elbo"] < frame.loc[1, "elbo"]
    assert (frame["distance"] > frame["floor"]).all()
    pd.testing.assert_frame_equal(frame, latent_sizes.run(settings, bench)["sizes"].set_index("latent"))


def test_active_units_are_those_whose_mean_moves():
    model = build(lambda: VAE((2,), latent=2, depth=0), 0).requires_grad_(False)
    encoder = model.net["encoder"].layers[0]
    encoder.weight.zero_()
    encoder.weight[0, 0] = 0.2  # variance 0.04 over unit normal examples
    encoder.weight[1, 0] = 0.05  # 0.0025
    assert latent_sizes.active_units(model, torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))) == 1
