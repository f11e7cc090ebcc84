"""Likelihoods of whole models on a dataset: spaces, units, kinds and what is compared."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from genbench.config.schema import DatasetSpec
from genbench.data import load, prepare, space
from genbench.likelihood import score
from genbench.likelihood.score import Likelihood, nll_scores
from genbench.models import MODELS

SPECS = {
    "ring8": {"kind": "points", "source": "ring8", "shape": (2,)},
    "digits": {"kind": "images", "source": "digits", "shape": (1, 8, 8), "levels": 17, "classes": 10},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    split = {"train": 300, "validation": 50, "test": 120}
    for name, spec in SPECS.items():
        prepare(DatasetSpec(name=name, split=split, **spec), folder / name)
    return {name: load(folder / name) for name in SPECS}


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    """Energies of images are annealed with a fifth of the temperatures."""
    monkeypatch.setattr(score, "TEMPERATURES", 60)


class Known:
    """A model with a given log-density in its space."""

    likelihood = "exact"

    def __init__(self, log_prob):
        self.log_prob = lambda x, generator: log_prob(x)


def scores(model, data, name, points=100):
    likelihood = Likelihood(model, data, space(data, name), torch.Generator().manual_seed(0))
    found, examples = nll_scores(likelihood, points)
    return {(each.metric, each.kind): each for each in found}, examples


def test_a_uniform_distribution_gets_log2_of_its_grey_levels_in_every_space(data):
    images = data["digits"]
    dim = images.splits["test"][0].numel()
    densities = {  # of the uniform distribution over grey values, in each space
        "symmetric": ("exact", lambda x: torch.full((len(x),), -dim * math.log(17.0))),
        "uniform": ("lower_bound", lambda x: torch.full((len(x),), -dim * math.log(2.0))),
    }
    for name, (kind, density) in densities.items():
        found, examples = scores(Known(density), images, name)
        assert found["bpd", kind].value == pytest.approx(math.log2(17), abs=1e-6)
        assert found["bpd", kind].unit == "bits/dim" and len(examples[f"bpd/{kind}"]) == 100
        assert found["nll_gap", None].value == pytest.approx(0, abs=1e-9)


def test_grey_values_are_not_dequantised_for_a_model_of_them(data):
    seen = []
    model = Known(lambda x: seen.append(x) or torch.zeros(len(x)))
    scores(model, data["digits"], "symmetric")
    grid = torch.linspace(-1, 1, 17)
    assert all((x.unsqueeze(-1) - grid).abs().min(-1).values.max() < 1e-6 for x in seen)


def test_the_true_density_has_no_divergence(data):
    points = data["ring8"]
    standard = space(points, "standard")

    def log_prob(y):
        return points.density().log_prob(standard.decode(y)) - standard.log_jacobian(y)

    found, _ = scores(Known(log_prob), points, "standard")
    assert found["kl", "exact"].value == pytest.approx(0, abs=1e-5) and found["kl", "exact"].se < 1e-5
    exact = -points.density().log_prob(points.splits["test"][:100])
    assert found["nll", "exact"].value == pytest.approx(float(exact.mean()), abs=1e-5)
    assert found["nll", "exact"].se == pytest.approx(float(exact.std()) / 10, rel=1e-4)


def test_the_gap_is_test_less_training(data):
    points = data["ring8"]
    train = space(points, "standard").encode(points.splits["train"])[:100]

    def log_prob(y):  # a density that has learnt its training points by heart
        return torch.where((y[:, None] == train).all(-1).any(1), 0.0, -3.0)

    found, _ = scores(Known(log_prob), points, "standard")
    assert found["nll_gap", None].value == pytest.approx(3, abs=1e-6)


KINDS = {
    ("gmm", "ring8"): {"exact"},
    ("made", "ring8"): {"exact"},
    ("ebm", "ring8"): {"exact"},
    ("vae", "ring8"): {"lower_bound"},
    ("ddpm", "ring8"): {"lower_bound", "estimate"},
    ("ns_gan", "ring8"): set(),
    ("made", "digits"): {"exact"},
    ("realnvp", "digits"): {"lower_bound"},
    ("ebm", "digits"): {"estimate"},
    ("vae", "digits"): {"lower_bound"},
    ("ddpm", "digits"): {"lower_bound", "estimate"},
    ("wgan_gp", "digits"): set(),
}
NETS = {"ebm": {"sample_steps": 10, "buffer": 200}, "gmm": {"components": 3}, "ddpm": {"steps": 8}}


@pytest.mark.parametrize(("name", "dataset"), KINDS)
def test_every_family_claims_its_kind(data, name, dataset):
    images = dataset == "digits"
    metric = "bpd" if images else "nll"
    torch.manual_seed(0)
    net = NETS.get(name, {}) | ({} if name == "gmm" else {"width": 16, "depth": 1})
    model = MODELS[name](data[dataset].shape, data[dataset].levels, **net)
    if hasattr(model, "fit"):
        seen = space(data[dataset], model.space[data[dataset].kind])
        model.fit(seen.seen(data[dataset].splits["train"], torch.Generator().manual_seed(0))[0], 20, torch.Generator())
    model.eval().requires_grad_(False)
    found, examples = scores(model, data[dataset], model.space[data[dataset].kind], 60)
    kinds = KINDS[name, dataset]
    assert {kind for key, kind in found if key == metric} == kinds
    assert set(examples) == {f"{metric}/{kind}" for kind in kinds}
    assert {kind for key, kind in found if key == "kl"} == (set() if images else kinds)
    assert (("nll_gap", None) in found) == bool(kinds)
    assert (("raise_nll", "estimate") in found) == (name == "ebm" and images)
    for (key, kind), each in found.items():
        assert np.isfinite(each.value) and each.se > 0
        if key == metric:
            assert each.value == pytest.approx(float(examples[f"{metric}/{kind}"].mean()))
    if name == "ddpm":
        assert found[metric, "lower_bound"].settings["estimator"] == "variational bound, 8 steps"
        assert found["long_bound", "lower_bound"].value < found[metric, "lower_bound"].value
        assert found[metric, "estimate"].settings["trace"] == ("Hutchinson, one probe" if images else "exact")


def test_an_energys_constant_is_computed_once(data, monkeypatch):
    calls = []
    original = score.quadrature_log_z
    monkeypatch.setattr(score, "quadrature_log_z", partial(lambda *a, **k: calls.append(1) or original(*a, **k)))
    torch.manual_seed(0)
    model = MODELS["ebm"]((2,), None, width=8, depth=1, buffer=100).requires_grad_(False)
    likelihood = Likelihood(model, data["ring8"], space(data["ring8"], "standard"), torch.Generator().manual_seed(0))
    nll_scores(likelihood, 50)
    assert likelihood.density(data["ring8"].splits["test"]).shape == (120,)
    assert len(calls) == 1


class Gaussian:
    """A Gaussian in a scaled space, given in one of the ways a model may give its density; log p is known."""

    likelihood = "exact"
    dim, steps, classes = 2, 10, 0

    def __init__(self, way):
        def log_p(y):
            return -y.square().sum(-1) / 2 - math.log(2 * math.pi)

        self.gradient = lambda x: x
        if way == "energy":  # not normalised: log Z = log 2 pi + 3
            self.energy = lambda x: x.square().sum(-1) / 2 - 3
        elif way == "log_weights":
            self.likelihood = "lower_bound"
            self.log_weights = lambda x, generator: log_p(x)
        elif way == "elbo":
            self.likelihood = "estimate"
            self.elbo = lambda x, generator, steps=None: log_p(x) - (1 if steps is None else 0.1)
            self.log_prob = lambda x, generator: log_p(x)
            self.exact_trace = 20
        else:
            self.log_prob = lambda x, generator: log_p(x)


@pytest.mark.parametrize("way", ["energy", "log_weights", "elbo", "log_prob"])
def test_every_way_to_tell_a_density_has_the_units_of_raw_points(data, way):
    points = data["ring8"]
    standard = space(points, "standard")
    assert abs(math.log(standard.scale)) > 0.5  # or a forgotten Jacobian would not show
    distribution = torch.distributions.MultivariateNormal(torch.tensor(standard.mean), standard.scale**2 * torch.eye(2))
    test, train = (-distribution.log_prob(points.splits[split][:100]) for split in ("test", "train"))
    found, examples = scores(Gaussian(way), points, "standard")
    kind = {"energy": "exact", "log_weights": "lower_bound", "elbo": "estimate", "log_prob": "exact"}[way]
    assert found["nll", kind].value == pytest.approx(float(test.mean()), abs=1e-3)
    assert torch.allclose(examples[f"nll/{kind}"], test.double(), atol=2e-3)
    true = -points.density().log_prob(points.splits["test"][:100])
    assert found["kl", kind].value == pytest.approx(float(test.mean() - true.mean()), abs=1e-3)
    assert found["nll_gap", None].value == pytest.approx(float(test.mean() - train.mean()), abs=1e-3)
    if way == "elbo":
        assert found["nll", "lower_bound"].value == pytest.approx(float(test.mean()) + 1, abs=1e-3)
        assert found["long_bound", "lower_bound"].value == pytest.approx(float(test.mean()) + 0.1, abs=1e-3)


def test_an_energy_of_images_has_the_units_of_grey_values(data):
    """The uniform distribution on the box, as an energy off by a constant: log2(17) bits per pixel, by AIS and by RAISE."""
    images = data["digits"]

    class Flat:
        likelihood, dim = "estimate", 64
        energy = staticmethod(lambda x: torch.full((len(x),), 5.0))
        gradient = staticmethod(torch.zeros_like)
        flat = staticmethod(lambda x: x.flatten(1))

    found, _ = scores(Flat(), images, "uniform", 40)
    assert found["bpd", "estimate"].value == pytest.approx(math.log2(17), abs=1e-5)
    assert found["raise_nll", "estimate"].value == pytest.approx(64 * math.log(17), rel=1e-5)


def test_a_diffusions_flow_sees_dequantised_grey_values(data):
    """The uniform distribution on the cells of the grey values has log2(17) bits per pixel, and every cell is filled."""
    images, seen = data["digits"], []

    class Flat:
        likelihood, dim, steps, exact_trace, classes = "estimate", 64, 5, 20, 0
        elbo = staticmethod(lambda x, generator, steps=None: torch.zeros(len(x)))

        def log_prob(self, x, generator):
            seen.append(x)
            return torch.full((len(x),), -64 * math.log(2 * 17 / 16))

    found, _ = scores(Flat(), images, "symmetric", 40)
    assert found["bpd", "estimate"].value == pytest.approx(math.log2(17), abs=1e-5)
    offset = (torch.cat(seen) + 1) * 8 % 1  # in cells, whose middle is 0
    assert torch.histc(offset, 4, 0, 1).min() > 0.2 * offset.numel()
