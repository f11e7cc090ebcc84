"""Calibration: log odds that are known are found again, and the diagnostics tell right from wrong probabilities."""

import math

import pytest
import torch
from sklearn.isotonic import IsotonicRegression

from genbench.sampling.calibration import isotonic, platt, reliability, reliability_out_of_fold


def gaussians(n, shift=2.0, seed=0):
    """Values of real N(shift, 1) and fake N(0, 1) examples: their log odds are shift * value - shift^2 / 2."""
    generator = torch.Generator().manual_seed(seed)
    return shift + torch.randn(n, generator=generator), torch.randn(n, generator=generator)


def test_platt_finds_the_log_odds_of_gaussians():
    fit = platt(*gaussians(20_000))
    # standard errors of a logistic regression of 40,000 examples here: 0.023 and 0.031
    assert fit.slope == pytest.approx(2.0, abs=0.09)
    assert fit.offset == pytest.approx(-2.0, abs=0.12)


@pytest.mark.parametrize("fit", [platt, isotonic])
def test_unequal_numbers_of_real_and_fake_do_not_move_the_odds(fit):
    real, fake = gaussians(20_000, seed=3)
    few = fit(real[:2000], fake)
    x = torch.linspace(0.2, 1.8, 9).double()
    assert (few(x).sigmoid() - (2 * x - 2).sigmoid()).abs().max() < 0.08
    found = reliability_out_of_fold(fit, real[:2000], fake)
    assert abs(found.z) < 3 and found.ece < 2.5 * found.ece_floor


def test_platt_undoes_scale_and_shift_of_a_critic():
    real, fake = gaussians(500)
    own, scaled = platt(real, fake), platt(1e-3 * real + 40, 1e-3 * fake + 40)
    x = torch.linspace(-2, 4, 7)
    assert torch.allclose(own(x.double()), scaled(1e-3 * x.double() + 40), atol=1e-3)


def test_platt_is_finite_where_real_and_fake_separate():
    fit = platt(torch.tensor([3.0, 4.0, 5.0]), torch.tensor([-1.0, 0.0, 1.0]))
    assert 0 < fit.slope < 20
    # the smoothed shares are those of Platt: no example is more certain than one success beyond those seen
    assert float(fit(torch.tensor(5.0)).sigmoid()) < 1


def test_a_critic_that_prefers_fakes_is_turned_around():
    real, fake = gaussians(5000)
    assert platt(-real, -fake).slope == pytest.approx(-platt(real, fake).slope, rel=1e-3)


def test_isotonic_is_sklearns_within_its_limits_and_near_the_truth():
    real, fake = gaussians(20_000)
    fit = isotonic(real, fake)
    values = torch.cat([real, fake]).double().numpy()
    model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(values, [1.0] * len(real) + [0.0] * len(fake))
    x = torch.linspace(-5, 7, 200).double()
    expected = torch.from_numpy(model.predict(x.numpy())).clamp(1 / 40_002, 1 - 1 / 40_002)
    assert torch.allclose(fit(x).sigmoid(), expected, atol=1e-9)
    assert (fit(x).diff() >= -1e-9).all() and fit(x).isfinite().all()
    middle = torch.linspace(0, 2, 50).double()
    assert (fit(middle).sigmoid() - (2 * middle - 2).sigmoid()).abs().max() < 0.07


def test_dawids_statistic_and_the_calibration_error_by_hand():
    shares, labels = torch.tensor([0.4, 0.6] * 5), torch.tensor([1.0] * 8 + [0.0] * 2)
    found = reliability(shares, labels)
    assert found.z == pytest.approx((8 - 5) / math.sqrt(10 * 0.01))
    # ten bins of one example each: four of either share are real
    assert found.ece == pytest.approx((4 * 0.6 + 0.4 + 4 * 0.4 + 0.6) / 10)


def test_dawids_statistic_is_standard_normal_though_the_numbers_of_real_and_fake_are_given():
    """Right odds of Gaussians that hardly differ: labels drawn from the odds would vary far more in number."""
    for n, m, shift in ((500, 500, 0.3), (180, 2000, 1.0)):
        found = []
        for seed in range(200):
            generator = torch.Generator().manual_seed(seed)
            values = torch.cat([shift + torch.randn(n, generator=generator), torch.randn(m, generator=generator)])
            shares = (shift * values - shift**2 / 2 + math.log(n / m)).sigmoid()
            found.append(reliability(shares, (torch.arange(n + m) < n).float()).z)
        z = torch.tensor(found)
        assert abs(float(z.mean())) < 0.25 and 0.85 < float(z.std()) < 1.15


def test_certain_and_constant_probabilities_have_a_finite_statistic():
    labels = torch.tensor([1.0] * 6 + [0.0] * 6)
    assert reliability(labels, labels).z == 0 and abs(reliability(torch.full((12,), 0.5), labels).z) < 1e-6
    assert 0 < reliability(torch.full((12,), 0.1), labels).z < math.inf


def test_right_probabilities_pass_and_wrong_ones_do_not():
    generator = torch.Generator().manual_seed(1)
    shares = torch.rand(20_000, generator=generator)
    labels = (torch.rand(20_000, generator=generator) < shares).float()
    right = reliability(shares, labels)
    assert abs(right.z) < 5 and right.ece < 2 * right.ece_floor  # labels are drawn here, the number of real ones too
    low = reliability(0.8 * shares, labels)
    assert low.z > 10 and low.ece > 10 * low.ece_floor
    sharp = reliability((3 * shares.logit()).sigmoid(), labels)  # too sure, but right on average: only the bins see it
    assert abs(sharp.z) < 10 and sharp.ece > 10 * sharp.ece_floor


def test_the_floor_of_the_calibration_error_is_its_mean_under_right_probabilities():
    generator = torch.Generator().manual_seed(2)
    found = []
    for _ in range(200):
        shares = torch.rand(400, generator=generator)
        found.append(reliability(shares, (torch.rand(400, generator=generator) < shares).float()))
    mean = sum(each.ece for each in found) / 200
    assert mean == pytest.approx(found[0].ece_floor, rel=0.1)


def test_the_calibration_error_of_equal_shares_does_not_depend_on_the_order_of_labels():
    shares = torch.full((2000,), 0.5)
    labels = (torch.arange(2000) < 1000).float()  # all of one label first
    assert reliability(shares, labels).ece < 2 * reliability(shares, labels).ece_floor


@pytest.mark.parametrize("fit", [platt, isotonic])
def test_out_of_fold_reliability_of_a_right_calibration(fit):
    found = reliability_out_of_fold(fit, *gaussians(3000))
    assert abs(found.z) < 3 and found.ece < 2.5 * found.ece_floor
    # a step function of a few examples is not right for others: the folds show what the fit itself can't
    few = reliability_out_of_fold(isotonic, *gaussians(40, seed=4))
    assert few.ece > found.ece
