from dataclasses import replace

from genbench.report.notes import TWO_WAYS, cautions
from genbench.report.tables import tables


def said(results):
    lines = cautions(results, {dataset: tables(results, dataset) for dataset in results.datasets})
    return next(line for line in lines if line.startswith("digits, copies")), lines


def test_models_nearer_to_training_data_than_real_data_are_named(results):
    line, lines = said(results)
    assert line.count("for gmm") == 3 and "Distance to training data below 1.0 for gmm (0.29" in line
    assert lines[-1] == TWO_WAYS and any("ring8: whether samples copy" in each for each in lines)


def test_an_interval_that_reaches_real_data_names_nobody(results):
    scores = results.scores.copy()
    chosen = (scores["metric"] == "nn_distance") & (scores["model"] == "gmm")
    scores.loc[chosen, "value"] = [0.5, 1.0, 1.4]
    line, _ = said(replace(results, scores=scores))
    assert "Distance to training data below 1.0 for no model" in line
    one = scores[scores["seed"] == 0]
    line, _ = said(replace(results, scores=one.assign(se=0.1)))
    assert "Distance to training data below 1.0 for gmm (0.50)" in line
    line, _ = said(replace(results, scores=one.assign(se=0.4)))
    assert "Distance to training data below 1.0 for no model" in line


def test_what_real_data_reach_is_no_sign_of_copies(results):
    floors = results.floors.copy()
    floors.loc[floors["metric"] == "nn_distance", "value"] = [0.25, 1.0, 1.0, 1.0]
    line, _ = said(replace(results, floors=floors))
    assert "Distance to training data below 0.25 for no model" in line


def test_without_such_metrics_the_reminder_goes(results):
    scores = results.scores[~results.scores["metric"].isin(["authpct", "ct", "nn_distance"])]
    lines = cautions(made := replace(results, scores=scores), {d: tables(made, d) for d in made.datasets})
    assert TWO_WAYS not in lines and any("digits: whether samples copy" in each for each in lines)
    assert not any("farther from the training data" in each for each in lines)


def line_of(results, words):
    return next((each for each in said(results)[1] if words in each), "")


def test_samples_far_from_the_training_data_are_named(results):
    scores = results.scores.copy()
    chosen = scores["metric"] == "ct"
    scores.loc[chosen, "value"] = 2.0
    assert not line_of(replace(results, scores=scores), "(underfitting)")
    scores.loc[chosen & (scores["model"] == "vae"), "value"] = [5.0, 5.1, 5.2]
    scores.loc[chosen & (scores["model"] == "ebm"), "value"] = [3.1, 4.0, 5.2]  # above 3 only in the mean
    line = line_of(replace(results, scores=scores), "(underfitting)")
    assert line.startswith("digits, samples farther") and "Data-copying test above 3.0 for vae (5.1" in line and "ebm" not in line


def test_gaps_beyond_twice_their_error_are_overfitting(results):
    scores = results.scores.copy()
    chosen = scores["metric"] == "nll_gap"
    scores.loc[chosen, ["value", "se"]] = 0.02, 0.03
    assert line_of(replace(results, scores=scores), "digits, overfitting").endswith("examples for none of 4.")
    scores.loc[chosen & (scores["model"] == "gmm"), "value"] = 0.061
    line = line_of(replace(results, scores=scores), "digits, overfitting")
    assert "Train-test gap above twice its standard error over examples for gmm (0.061" in line and "vae" not in line
    scores = scores[~chosen]
    assert not line_of(replace(results, scores=scores), "overfitting")
