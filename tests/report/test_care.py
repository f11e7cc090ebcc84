from dataclasses import replace

from genbench.report.care import TWO_WAYS, care
from genbench.report.tables import tables


def said(results):
    lines = care(results, {dataset: tables(results, dataset) for dataset in results.datasets})
    return next(line for line in lines if line.startswith("digits, copies")), lines


def test_models_nearer_to_training_data_than_real_data_are_named(results):
    line, lines = said(results)
    assert line.count("for gmm") == 3 and "Distance to training data below 1.0 for gmm (0.29" in line
    assert lines[-1] == TWO_WAYS and any(each.startswith("ring8: no metric of memorisation") for each in lines)


def test_an_interval_that_reaches_real_data_names_nobody(results):
    scores = results.scores.copy()
    chosen = (scores["metric"] == "nn_distance") & (scores["model"] == "gmm")
    scores.loc[chosen, "value"] = [0.5, 1.0, 1.4]
    line, _ = said(replace(results, scores=scores))
    assert "Distance to training data below 1.0 for no model" in line
    one = scores[scores["seed"] == 0]
    line, _ = said(replace(results, scores=one.assign(se=0.1)))
    assert "Distance to training data below 1.0 for gmm (0.500)" in line
    line, _ = said(replace(results, scores=one.assign(se=0.4)))
    assert "Distance to training data below 1.0 for no model" in line


def test_what_real_data_reach_is_no_sign_of_copies(results):
    floors = results.floors.copy()
    floors.loc[floors["metric"] == "nn_distance", "value"] = [0.25, 1.0, 1.0, 1.0]
    line, _ = said(replace(results, floors=floors))
    assert "Distance to training data below 0.25 for no model" in line


def test_without_such_metrics_the_reminder_goes(results):
    scores = results.scores[~results.scores["metric"].isin(["authpct", "ct", "nn_distance"])]
    lines = care(made := replace(results, scores=scores), {d: tables(made, d) for d in made.datasets})
    assert TWO_WAYS not in lines and any(each.startswith("digits: no metric of memorisation") for each in lines)
