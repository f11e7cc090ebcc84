import json
import math

import numpy as np
import pytest

from genbench.metrics import Score


def test_score_is_json_safe():
    score = Score("fid", np.float32(1.5), np.int64(10), se=np.float64(0.1), settings={"n": np.int64(3), "x": [1, 2]})
    plain = json.loads(json.dumps(score.as_dict(), allow_nan=False))
    assert plain == {
        "name": "fid(n=10)",
        "metric": "fid",
        "value": 1.5,
        "n": 10,
        "unit": "",
        "se": 0.1,
        "kind": None,
        "settings": {"n": 3, "x": [1, 2]},
    }


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_score_refuses_non_finite_numbers(bad):
    for score in (
        Score("fid", bad, 1),
        Score("fid", 1.0, 1, se=bad),
        Score("fid", 1.0, 1, settings={"x": bad}),
    ):
        with pytest.raises(ValueError, match="fid"):
            score.as_dict()


def test_score_refuses_unknown_metric_and_kind():
    with pytest.raises(ValueError, match="unknown metric"):
        Score("fidd", 1.0, 1)
    with pytest.raises(ValueError, match="unknown kind"):
        Score("nll", 1.0, 1, kind="exactly")


def test_a_name_says_encoder_size_and_reference():
    settings = {"encoder": "genbench-cnn-1a2b3c4d", "reference": "test", "n_reference": 360}
    assert Score("fid", 1.0, 1000, settings=settings).name == "fid(genbench-cnn-1a2b3c4d, n=1000, test=360)"
