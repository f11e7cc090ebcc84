"""Priors and posteriors against each other: the experiment in small, and what its chapter says of planted numbers."""

import itertools
import types

import numpy as np
import pandas as pd
import pytest

from genbench.models import MODELS
from genbench.models.vae import FreeBits
from genbench.questions.latent_priors import run as latent_priors
from genbench.questions.latent_priors.settings import Settings as LatentPriors
from genbench.report import style
from genbench.report.chapters import priors
from genbench.results.study import Answer
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


# ---- the chapter


def planted(gains, seeds=4):
    """Bounds of 2 less a prior's gain, with small differences between seeds; a flow in the posterior brings nothing."""
    rows = []
    for (prior, gain), posterior, seed in itertools.product(gains.items(), ("normal", "iaf"), range(seeds)):
        row = {"dataset": "digits", "prior": prior, "posterior": posterior, "seed": seed, "status": "ok", "unit": "bits/dim"}
        bound = 2 - gain + 0.01 * seed
        row |= {"elbo": bound + 0.1, "bound": bound, "kl": 15.0, "distance": 3.0 + seed, "milliseconds": 5.0}
        rows.append(row | {"parameters": 1000})
    return pd.DataFrame(rows)


def made(bounds):
    z = np.random.default_rng(0).standard_normal((18, 2))
    planes = pd.DataFrame({"dataset": "digits", "prior": "normal", "law": ["prior", "posterior"] * 9, "x": z[:, 0], "y": z[:, 1]})
    experiment = Answer(LatentPriors().model_dump(), {"bounds": bounds, "planes": planes})
    with style.theme():
        return priors.chapter(types.SimpleNamespace(experiment={"latent_priors": experiment}.get, kind=lambda name: "images"))


def sentences(chapter):
    return [item for block in chapter.blocks if block.kind == "points" for item in block.items]


def test_no_experiment_no_chapter():
    assert priors.chapter(types.SimpleNamespace(experiment={}.get)) is None


def test_priors_that_help_are_told_from_those_that_do_not():
    chapter = made(planted({"normal": 0.0, "flow": 0.1, "mixture": 0.0, "vamp": -0.2}))
    first, second, third, fourth, last = sentences(chapter)
    assert first.startswith("digits, normal posterior: bound (bits/dim) against N(0, I): better flow (0.1")
    assert "worse VampPrior (-0." in first and "not clearly different mixture (" in first
    assert second.startswith("digits, IAF posterior: bound") and "Fréchet distance of samples" in third + fourth
    assert all(each in last.split("not clearly different")[1] for each in ("N(0, I) (", "flow (", "mixture (", "VampPrior ("))
    table = next(block for block in chapter.blocks if block.kind == "table")
    assert list(table.frame["prior"][::2]) == ["N(0, I)", "flow", "mixture", "VampPrior"] and set(table.frame["seeds"]) == {4}
    assert [block.name for block in chapter.blocks if block.kind == "figure"] == ["planes"]


def test_the_best_prior_comes_first_and_luck_of_one_among_four_is_no_gain():
    (first, *_) = sentences(made(planted({"normal": 0.0, "flow": 0.1, "mixture": 0.3})))
    assert first.index("mixture (0.3") < first.index("flow (0.1") and "competitive" not in first
    gain = 0.0235  # p = 0.042 by Welch's test, 0.17 after Holm's correction
    for others, word in (
        ({}, "better flow"),
        (dict.fromkeys(("mixture", "vamp", "diffusion"), 0.0), "not clearly different flow"),
    ):
        assert word in sentences(made(planted({"normal": 0.0, "flow": gain} | others)))[0]


def test_one_seed_has_no_verdict():
    said = " ".join(sentences(made(planted({"normal": 0.0, "flow": 0.1}, seeds=1))))
    assert "unjudged flow" in said and not any(word in said for word in ("better", "worse"))


def test_trainings_that_failed_are_left_out():
    bounds = planted({"normal": 0.0, "flow": 0.1})
    bounds.loc[bounds["seed"] == 0, ["elbo", "bound", "kl", "distance"]] = np.nan
    chapter = made(bounds)
    table = next(block for block in chapter.blocks if block.kind == "table")
    assert set(table.frame["seeds"]) == {3} and "better flow" in sentences(chapter)[0]
