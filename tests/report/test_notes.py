from dataclasses import replace

import pytest

from genbench.report.notes import AVERAGES, cautions
from genbench.report.tables import tables

COPIES = ("authpct", "ct", "nn_distance")


def of(results):
    """All cautions, and by what they are about: their lines."""
    return cautions(results, {dataset: tables(results, dataset) for dataset in results.datasets})


def lines(results, *words):
    """Lines with all these words."""
    return [line for each in of(results) for line in each.more if all(word in line for word in words)]


def test_every_caution_has_a_sentence_and_its_numbers_behind(results):
    found = of(results)
    assert all(each.short.endswith(".") and each.more for each in found) and len(found) == 4
    assert str(len(results.study["unfair"])) in found[0].short and found[0].more == tuple(results.study["unfair"])
    budget = found[1]
    assert "vae on ring8 and digits" in budget.short and "realnvp on ring8 and digits" in budget.short
    assert len([line for line in budget.more if "FLOPs" in line]) == 2


def test_models_nearer_to_training_data_than_real_data_are_named(results):
    found = of(results)
    assert [each.short for each in found if each.more[-1] == AVERAGES] == [found[2].short] and "gmm on digits" in found[2].short
    assert len(lines(results, "copies", "gmm (")) == 3 and lines(results, "below 1.0", "gmm (0.29")
    assert "ring8" in found[3].short


@pytest.mark.parametrize(
    ("values", "named"),
    [([0.5, 1.0, 1.4], False), ([0.5, 0.51, 0.52], True)],
)
def test_an_interval_that_reaches_real_data_names_nobody(results, values, named):
    chosen = (results.scores["metric"] == "nn_distance") & (results.scores["model"] == "gmm")
    results.scores.loc[chosen, "value"] = values
    assert ("gmm" in lines(results, "Distance to training data")[0]) == named


def test_a_single_seed_counts_with_twice_its_error(results):
    chosen = (results.scores["metric"] == "nn_distance") & (results.scores["model"] == "gmm")
    results.scores.loc[chosen, "value"] = 0.5
    one = results.scores[results.scores["seed"] == 0]
    for se, named in ((0.1, True), (0.4, False)):
        assert ("gmm" in lines(replace(results, scores=one.assign(se=se)), "Distance to training data")[0]) == named


def test_what_real_data_reach_is_no_sign_of_copies(results):
    results.floors.loc[results.floors["metric"] == "nn_distance", "value"] = [0.25, 1.0, 1.0, 1.0]
    (line,) = lines(results, "Distance to training data")
    assert "0.25" in line and "gmm" not in line


def test_without_such_metrics_the_reminder_goes(results):
    made = replace(results, scores=results.scores[~results.scores["metric"].isin(COPIES)])
    assert not lines(made, AVERAGES) and any("ring8 and digits" in each.short for each in of(made))


def test_samples_far_from_the_training_data_are_named(results):
    scores, chosen = results.scores, results.scores["metric"] == "ct"
    scores.loc[chosen, "value"] = 2.0
    assert not lines(results, "above 3.0")
    scores.loc[chosen & (scores["model"] == "vae"), "value"] = [5.0, 5.1, 5.2]
    scores.loc[chosen & (scores["model"] == "ebm"), "value"] = [3.1, 4.0, 5.2]  # above 3 only in the mean
    (line,) = lines(results, "above 3.0")
    assert "vae (5.1" in line and "ebm" not in line


def test_gaps_beyond_twice_their_error_are_overfitting(results):
    chosen = results.scores["metric"] == "nll_gap"
    results.scores.loc[chosen, ["value", "se"]] = 0.02, 0.03
    assert not lines(results, "Train-test gap")
    results.scores.loc[chosen & (results.scores["model"] == "gmm") & (results.scores["dataset"] == "digits"), "value"] = 0.061
    (line,) = lines(results, "Train-test gap")
    assert "gmm (0.061" in line and "vae" not in line and "gmm on digits" in of(results)[-1].short
