"""Sampling methods by themselves: where they lead, and who can use them."""

from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from kit import gen

from genbench.config.schema import Posthoc
from genbench.data.space import Standard
from genbench.models.gebm import GEBM
from genbench.sampling import methods
from genbench.sampling.methods import METHODS, PAIRS, Sampler, Samples

COUNT = 2000
PLANE = Standard((2,), None, (0.0, 0.0), 1.0)


class Tilt(torch.nn.Module):
    """score(x) = -3 |x - (1, -1/2)|^2 / 2."""

    def forward(self, x):
        return -1.5 * (x - torch.tensor([1.0, -0.5])).square().sum(-1)


def test_a_study_can_name_every_method():
    (names, _) = get_args(Posthoc.model_fields["methods"].annotation)
    assert {"raw", *get_args(names)} == set(METHODS)


def test_latent_langevin_keeps_the_distribution_of_a_generalised_ebm_that_is_right(monkeypatch):
    """Base N(0, 4 I), tilted: normal with precision 3 + 1/4 around 3 m / 3.25, as the data are."""
    monkeypatch.setattr(methods, "CALIBRATED", COUNT)
    monkeypatch.setattr(methods, "CHUNK", COUNT)
    model = GEBM((2,), latent=2, width=4, depth=1, step=0.02)
    model.generator = torch.nn.Linear(2, 2, bias=False)
    model.generator.weight.data = 2 * torch.eye(2)
    model.critic = Tilt()
    model.requires_grad_(False)
    generator, std, mean = gen(0), 3.25**-0.5, torch.tensor([3.0, -1.5]) / 3.25
    data = mean + std * torch.randn(COUNT, 2, generator=generator)
    made, _ = METHODS["ddls"].run(Sampler(model, PLANE, data, COUNT, 60, generator))
    torch.testing.assert_close(made.y.mean(0), mean, rtol=0, atol=0.06)
    torch.testing.assert_close(made.y.std(0), torch.full((2,), std), rtol=0.06, atol=0)


@pytest.mark.parametrize(("normal", "halfway"), [(True, 1.5), (False, 0.5)])
def test_interpolation_stays_between_the_norms_of_normal_latents_and_is_straight_elsewhere(normal, halfway):
    """Between (2, 0) and almost (-1, 0)."""
    ends = torch.tensor([[2.0, 0.0], [-1.0, 0.01]]).repeat_interleave(PAIRS, 0)
    model = SimpleNamespace(normal_prior=normal, draw_prior=lambda n, generator: ends, generate=lambda z: z, shape=(2,))
    (walks,) = METHODS["interpolation"].run(Sampler(model, PLANE, ends, 1, 2, gen(0)))
    norms = walks.y.norm(dim=-1)
    assert norms.shape == (65, PAIRS) and norms.max() <= 2 + 1e-3
    torch.testing.assert_close(norms[len(norms) // 2], torch.full((PAIRS,), halfway), rtol=0, atol=0.01)


def test_truncated_samples_stay_within_their_thresholds():
    model = SimpleNamespace(latent=3, levels=None, generate=lambda z: z)
    made = list(METHODS["truncation"].run(Sampler(model, PLANE, None, 700, 2, gen(0))))
    assert all(isinstance(each, Samples) and each.y.shape == (700, 3) for each in made)
    assert all(0.9 * each.threshold < each.y.abs().max() <= each.threshold for each in made)


@pytest.mark.parametrize(
    ("traits", "unfit"),
    [
        ({"classes": 3, "normal_prior": True}, {"raw", "truncation", "metropolis", "ddls", "interpolation"}),
        ({"classes": 0, "normal_prior": True}, {"metropolis", "ddls"}),
        ({"classes": 0, "normal_prior": False}, {"truncation", "metropolis", "ddls"}),
    ],
)
def test_who_can_use_a_method(traits, unfit):
    model = SimpleNamespace(**traits)
    assert {name for name, method in METHODS.items() if method.unfit(model)} == unfit
