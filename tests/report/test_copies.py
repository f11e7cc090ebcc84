"""Verdicts on copies, from scores."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from genbench.report.copies import RULE, verdict, verdicts
from genbench.report.notes import cautions
from genbench.report.tables import tables

LEVEL = 0.002


def score(metric, value=0.0, p=1.0, **more):
    settings = {"level": LEVEL, "p": p, "least": 0.9 if metric == "exact_copies" else 3.0, **more}
    settings |= {"real": 0.0} if metric == "exact_copies" else {"expected": 1.0}
    return {"metric": metric, "value": value, "n": 1000, "settings": settings}


def sample_set(exact=0.0, pixels=1.0, features=1.0, found=(), **splits):
    """Rows of one set of samples; `found`: metrics whose test finds copies; `splits`: shares of examples of other splits."""
    seen = {f"{name}_share": share for name, share in splits.items()}
    seen |= {f"{name}_p": float(not share) for name, share in splits.items()}
    values = {"exact_copies": exact, "pixel_copies": pixels, "feature_copies": features}
    return [
        score(key, each, 1e-9 if key in found else 1.0, **(seen if key == "exact_copies" else {})) for key, each in values.items()
    ]


def test_near_copies_are_told_with_share_interval_and_what_real_data_get():
    told = verdict(sample_set(30.0, 31.0, 20.0, ("exact_copies", "pixel_copies", "feature_copies")))
    assert told.copies and not told.splits
    near, exact = told.lines
    assert all(part in near for part in ("31 %", "28 to 34 %", "pixels", "1.0 %")) and all(p in exact for p in ("30 %", "0 %"))


def test_one_test_suffices_and_names_its_own_view():
    assert verdict(sample_set(1.0, 2.0, found=("exact_copies",))).copies
    (near, _) = verdict(sample_set(0.0, 4.0, 6.0, found=("feature_copies",))).lines
    assert "features" in near and "6.0 %" in near


def test_without_copies_it_is_said_what_would_be_missed():
    told = verdict(sample_set(0.0, 1.4))
    assert not told.copies and (told.exact, told.near) == (0.9, 3.0) and "0.9 %" in told.lines[1] and "3.0 %" in told.lines[1]
    points = verdict(sample_set()[:1])
    assert not points.copies and points.near is None and verdict([]) is None


def test_a_flagged_seed_suffices_and_shares_are_of_all():
    told = verdict(sample_set() + sample_set(30.0, 30.0, found=("exact_copies",)) + sample_set())
    assert told.copies and "10 %" in told.lines[0]


@pytest.mark.parametrize(("share", "whole"), [(100.0, True), (8.0, False)])
def test_other_splits_are_named(share, whole):
    told = verdict(sample_set(validation=0.0, test=share))
    assert told.splits == ("test",) and not told.copies and ("are the test split" in told.seen[0]) == whole


@pytest.fixture
def with_copies(results):
    """The synthetic study, where each model's samples were looked at and vae's hold copies on digits."""

    def add(sets):
        rows = []
        for trial in results.trials[results.trials["status"] == "ok"].to_dict("records"):
            own = sets.get((trial["dataset"], trial["label"]), sample_set(validation=0.0, test=0.0))
            for row in own if trial["dataset"] == "digits" else own[:1]:
                known = {key: trial[key] for key in ("trial", "dataset", "model", "family", "seed", "label")}
                rows.append(
                    {**known, **row, "settings": json.dumps(row["settings"]), "unit": "%", "se": 1.0, "kind": "", "encoder": ""}
                )
        return replace(results, scores=pd.concat([results.scores, pd.DataFrame(rows)], ignore_index=True))

    return add


def said(results):
    return cautions(results, {dataset: tables(results, dataset) for dataset in results.datasets})


def test_a_report_names_who_copies_and_what_would_be_missed(with_copies):
    copying = with_copies({("digits", "vae"): sample_set(30.0, 31.0, found=("exact_copies",), validation=0.0, test=0.0)})
    (found,) = [each for each in said(copying) if each.more[-1] == RULE]
    assert "vae on digits" in found.short and "gmm" not in found.short
    assert any(line.startswith("digits, vae") and "30 %" in line for line in found.more)
    clean = [line for line in found.more if "no copies" in line]
    assert len(clean) == 2 and all("0.9 %" in line for line in clean) and "3.0 %" in next(c for c in clean if "digits" in c)
    assert not any("ring8" in each.short and "not measured" in each.short for each in said(copying))
    assert not verdicts(copying, "digits")["gmm"].copies


def test_a_report_names_samples_of_the_test_split(with_copies):
    handed = with_copies({("digits", "vae"): sample_set(validation=0.0, test=100.0)})
    found = [each for each in said(handed) if "vae on digits" in each.short and "test split" in each.short]
    assert len(found) == 1 and all("100 %" in line for line in found[0].more)


def test_without_copies_nobody_is_named(with_copies):
    (found,) = [each for each in said(with_copies({})) if each.more[-1] == RULE]
    assert not any(model in found.short for model in ("vae", "gmm", "realnvp"))
