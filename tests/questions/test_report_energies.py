"""Reports of the questions on energy-based models, from planted numbers."""

import itertools

import pandas as pd
import pytest

from genbench.questions.energy_costs import report as energy_costs
from genbench.questions.energy_gradient_signs import report as energy_gradient_signs
from genbench.questions.energy_gradient_signs.run import SIGNS
from genbench.questions.energy_products import report as energy_products
from genbench.results.study import Answer
from tests.questions.planted import figures, numbers, reported, sentences, table

SIZE = {"updates": 9, "batch": 8, "steps": 2, "depth": 2, "width": 8, "samples": 100}


@pytest.mark.parametrize("module", [energy_gradient_signs, energy_products, energy_costs])
def test_a_study_that_does_not_ask_has_no_report(module):
    assert reported(module) is None


def test_signs_that_do_not_fit_together_are_seen():
    planted = dict(zip(SIGNS, ((1, 0.3), (1, 0.5), (500, 500), (7, 7)), strict=True))
    ends = pd.DataFrame([
        {"dataset": "ring8", "signs": name, "seed": seed, "update": 9, "std": std, "w1": w1 + 0.01 * seed}
        for (name, (std, w1)), seed in itertools.product(planted.items(), range(3))
    ]).assign(status="ok", floor=0.2)  # fmt: skip
    answer = Answer(SIZE, {"ends": ends, "looks": ends.assign(update=5)})
    found = reported(energy_gradient_signs, energy_gradient_signs=answer)
    flipped, printed = sentences(found)
    assert numbers(flipped) == [3, 3, 500, 500, 0, 3, 7, 7]
    assert "differ clearly" in printed and -0.2 in numbers(printed) and 0.2 in numbers(printed)
    assert table(found, "signs").frame["W1 to test points"].tolist() == pytest.approx([0.31, 0.51, 500.01, 7.01])
    assert list(figures(found)) == ["signs"]


@pytest.mark.parametrize(("excess", "worse"), [(0.2, True), (0.0, False)])
def test_a_sampler_is_compared_with_exact_draws(excess, worse):
    experts = pd.DataFrame([
        {"product": "bands", "expert": name, "seed": seed, "status": "ok", "tv": 0.1, "kl": 0.2}
        for name in ("upright", "level") for seed in range(3)
    ])  # fmt: skip
    product = {"product": "bands", "tv": 0.3, "kl": 0.5, "floor": 0.1}
    rows = [{**product, "seed": seed, "sampler": 0.1 + excess + 0.01 * (seed - 1)} for seed in range(3)]
    cells = pd.DataFrame({"x": [0.0, 1.0, 0.0, 1.0], "y": [0.0, 0.0, 1.0, 1.0], "density": 0.25, "product": "bands"})
    maps = pd.concat([cells.assign(distribution=name) for name in ("upright", "level", "product", "true product")])
    tables = {"experts": experts, "products": pd.DataFrame(rows), "maps": maps, "samples": cells[["x", "y", "product"]]}
    found = reported(energy_products, energy_products=Answer(SIZE, tables))
    (said,) = sentences(found)
    assert ("not clearly farther" in said) != worse and 0.3 in numbers(said)
    frame = table(found, "products").frame
    assert (
        frame["distribution"].tolist() == ["upright", "level", "their product"]
        and frame["sampler"].isna().tolist()[:2] == [True] * 2
    )
    lost = reported(energy_products, energy_products=Answer(SIZE, tables | {"products": pd.DataFrame(), "maps": pd.DataFrame()}))
    assert len(sentences(lost)) == 1 and figures(lost) == {}


def test_costs_of_trials():
    rows = [("ebm", 22e3), ("cd_ebm", 12e3), ("dsm_ebm", 1e3), ("cd_ebm", 5e3)]
    trials = pd.DataFrame({"model": [m for m, _ in rows], "cost_evaluations": [e for _, e in rows]})
    trials = trials.assign(family="ebm", dataset="ring8", cost_samples=1e3, cost_updates=10, cost_seconds=2.0)
    trials["status"] = ["ok", "ok", "ok", "diverged"]
    found = reported(energy_costs, trials=trials)
    (said,) = sentences(found)
    assert numbers(said) == [1, 22] and said.index("dsm_ebm") < said.index("22.0 for ebm")
    assert table(found, "costs").frame["ms per update"].tolist() == [200.0] * 3
    assert reported(energy_costs, trials=trials[trials["model"] == "ebm"]) is None
