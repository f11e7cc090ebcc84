from dataclasses import replace

import numpy as np
import pytest

from genbench.report.tables import tables
from genbench.report.variation import frame, sentence, sentences, variations
from genbench.statistics.uncertainty import spread


def of(results, dataset, metric):
    return [each for each in variations(results, dataset, tables(results, dataset)) if each.column.metric == metric]


def test_every_sample_metric_is_split_and_no_likelihood(results, every):
    metrics = {each.column.metric for each in variations(results, "ring8", every["ring8"])}
    assert {"w1", "data_nll", "high_quality"} <= metrics and not {"nll", "kl", "nll_gap", "surrogate_nll"} & metrics
    one = next(each for each in of(results, "ring8", "w1") if each.label == "vae")
    own = results.scores.query("dataset == 'ring8' and metric == 'w1' and label == 'vae'")
    assert one.spread == spread(own["value"], own["se"])
    assert one.spread.total**2 == pytest.approx(one.spread.training**2 + one.spread.sampling**2)


def test_sentence_follows_from_the_numbers(results, every):
    scores = results.scores.copy()
    chosen = (scores["dataset"] == "ring8") & (scores["metric"] == "w1")
    scores.loc[chosen, "se"] = 0.01
    scores.loc[chosen, "value"] = 1 + 0.005 * scores.loc[chosen, "seed"]
    scores.loc[chosen & (scores["model"] == "vae"), "value"] += 0.2 * scores["seed"]
    text = sentence(of(replace(results, scores=scores), "ring8", "w1"))
    assert text.startswith("Wasserstein-1") and "1 of 6 models (vae)" in text
    split = [each.spread for each in of(replace(results, scores=scores), "ring8", "w1")]
    pooled = 1 - sum(each.sampling**2 for each in split) / sum(each.total**2 for each in split)
    assert 0.9 < pooled < 1 and f" {100 * pooled:.0f} % of the variance over 2 to 3 seeds" in text  # a GAN lost a seed
    scores.loc[chosen, "se"] = 1e-6
    assert "6 of 6 models" in sentence(of(replace(results, scores=scores), "ring8", "w1"))
    scores.loc[chosen, "se"] = 10.0
    text = sentence(of(replace(results, scores=scores), "ring8", "w1"))
    assert "none of 6 models" in text and " 0 % of the variance" in text
    assert sentence([]) == "" and len(sentences(variations(results, "ring8", every["ring8"]))) >= 5


def test_without_errors_or_seeds_nothing_is_said(results, every):
    assert variations(replace(results, scores=results.scores.assign(se=None)), "ring8", every["ring8"]) == []
    one = replace(results, scores=results.scores[results.scores["seed"] == 0])
    assert variations(one, "ring8", tables(one, "ring8")) == []


def test_frame_keeps_every_number(results, every):
    found = variations(results, "ring8", every["ring8"])
    made = frame({"ring8": found})
    assert len(made) == len(found) and np.isfinite(made["sd_of_training"]).all()
    left = made["sd_over_seeds"] ** 2 - made["se_of_sampling"] ** 2
    assert made["sd_of_training"].to_numpy() == pytest.approx(left.clip(lower=0).to_numpy() ** 0.5)
    assert frame({}).empty
