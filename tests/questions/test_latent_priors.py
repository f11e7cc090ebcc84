"""Priors and posteriors against each other: the experiment in small, and what its chapter says of planted numbers."""

import itertools
import types

import pytest

from genbench.models import MODELS
from genbench.models.vae import FreeBits
from genbench.questions.latent_priors import run as latent_priors
from genbench.questions.latent_priors.settings import Settings as LatentPriors
from genbench.training.replicas import build

SMALL = LatentPriors(
    datasets=["ring8"], priors=["normal", "vamp", "diffusion"], seeds=2, updates=40, batch=32, examples=50, importance=20,
    samples=100,
)  # fmt: skip


@pytest.fixture(scope="module")
def tables(bench):
    return latent_priors.run(SMALL, bench)


def test_every_prior_meets_every_posterior(tables):
    frame = tables["bounds"]
    pairs = list(itertools.product(SMALL.priors, SMALL.posteriors, range(2)))
    assert list(frame[["prior", "posterior", "seed"]].itertuples(index=False, name=None)) == pairs
    assert (frame["status"] == "ok").all() and (frame["unit"] == "nats").all()
    assert (frame["bound"] <= frame["elbo"]).all() and (frame["distance"] > 0).all() and (frame["milliseconds"] > 0).all()
    assert frame.groupby(["prior", "posterior"])["parameters"].nunique().eq(1).all()


def test_planes_hold_draws_of_both_laws(tables):
    frame = tables["planes"]
    counts = frame.groupby(["prior", "law"]).size()
    assert set(counts.index) == {(prior, law) for prior in SMALL.priors for law in ("prior", "posterior")}
    assert counts["vamp", "prior"] == latent_priors.SHOWN and counts["vamp", "posterior"] == 600
    own = frame.query("prior == 'normal' and law == 'prior'")[["x", "y"]]
    assert own.std().to_numpy() == pytest.approx(1, abs=0.1)


def test_a_joined_model_has_both_parts():
    """The flow of the one in the posterior, the density of the other in the prior, and a bound that holds."""
    assert latent_priors.joined("normal", "normal") is FreeBits and latent_priors.joined("normal", "iaf") is MODELS["iaf_vae"]
    assert latent_priors.joined("flow", "normal") is MODELS["flow_prior_vae"]
    cls = latent_priors.joined("flow", "iaf")
    assert cls.posterior is MODELS["iaf_vae"].posterior and cls.log_prior is MODELS["flow_prior_vae"].log_prior
    net = cls((2,), width=8, depth=1, prior_layers=3, steps=2).net
    assert len(net["prior"]) == 3 and len(net["flow"]) == 2


def test_all_have_the_same_loss(bench, monkeypatch):
    """Also the plain VAE: free nats of the learned priors alone would be compared, not the priors."""
    seen = []
    monkeypatch.setattr(latent_priors, "train", lambda cls, name, settings, bench, net, hp, switches: seen.append((cls, net, hp)))
    pairs = list(itertools.product(latent_priors.PRIORS, latent_priors.POSTERIORS))
    for prior, posterior in pairs:
        latent_priors._trained("ring8", prior, posterior, SMALL, bench)
    assert all(issubclass(cls, FreeBits) and net["estimator"] == "total" for cls, net, _ in seen)
    assert len(seen) == len(pairs) and all(hp == seen[0][2] and hp["free"] == 1 for *_, hp in seen)


def test_kl_is_that_of_the_bound(bench):
    """ELBO = E log p(x|z) - KL: of a decoder that says nothing of z, -ELBO less the KL is the same for every posterior."""
    data = bench.data["ring8"]
    model = build(lambda: MODELS["vae"](data.shape, latent=2, width=8, depth=1), 0).requires_grad_(False)
    for p in model.net["decoder"].parameters():
        p.zero_()
    result = types.SimpleNamespace(model=model, status="ok", costs={"seconds": 1.0, "updates": 1, "parameters": 1})
    found, many = [], SMALL.model_copy(update={"importance": 400})
    for shift in (0.0, 1.0):  # narrower posteriors, whose weights vary little
        model.net["encoder"].head.bias -= shift
        found.append(latent_priors._measured("ring8", result, 0, lambda samples: 0.0, many, bench))
    likelihood = [each["elbo"] - each["kl"] for each in found]
    assert found[1]["kl"] > found[0]["kl"] + 0.3
    assert likelihood[0] == pytest.approx(likelihood[1], abs=0.2)
