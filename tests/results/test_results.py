"""What a results folder holds: names, tables, labels and pictures."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from genbench.config.errors import UserError
from genbench.results.files import write_json, write_parquet
from genbench.results.labels import flat, labels
from genbench.results.paths import SCORED, STUDY, Paths, table
from genbench.results.pictures import save_preview, tiled
from genbench.results.scores import average, parse, primary
from genbench.results.study import about
from genbench.results.tables import COSTS, TABLES, read_table


def test_scores_of_searches_and_others_are_found_by_their_names(tmp_path):
    paths = Paths(tmp_path)
    full, searched = paths.trial("a") / SCORED, paths.selection("b", "c0ffee")
    for path in (full, searched):
        write_json(path, {})
    assert list(paths.all_scored(False)) == [full] and list(paths.all_scored(True)) == [searched]
    assert paths.weights("a") != paths.weights("a", 100) and paths.weights("a").parent == paths.trial("a") == full.parent


def test_tables_of_older_studies_get_the_columns_that_they_lack(tmp_path):
    write_parquet(table(tmp_path, "trials"), pd.DataFrame({"more": [1], "seed": [3], "trial": ["a"]}))
    frame = read_table(tmp_path, "trials")
    assert tuple(frame.columns) == (*TABLES["trials"], "more") and len(frame) == 1
    assert (frame["variant"][0], frame["configuration"][0], frame["levels"][0]) == ("", 0, "{}")
    assert {f"cost_{name}" for name in COSTS} <= set(frame.columns)
    assert read_table(tmp_path, "scores").empty


def test_a_study_that_was_not_gathered_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match=STUDY):
        about(tmp_path)
    write_json(tmp_path / STUDY, {"study": "x"})
    with pytest.raises(UserError, match="trials"):
        about(tmp_path)


def test_labels_name_what_differs_and_nothing_else():
    columns = ("dataset", "model", "variant", "conditional")
    rows = [("a", "vae", "", False), ("a", "vae", "", False), ("a", "gan", "wide", False), ("b", "vae", "", True)]
    recipes = [{"budget": {"value": value, "unit": "updates"}, "hp": {"lr": 0.1}} for value in (10, 20, 10, 10)]
    made = labels(pd.DataFrame(rows, columns=columns), recipes)
    assert made == ["vae · 10 updates", "vae · 20 updates", "gan · wide", "vae · given class labels"]
    assert flat({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a.b": 1, "d": [2]}


def test_settings_are_parsed_and_averaged():
    assert parse('{"n": 2}') == {"n": 2} and parse(None) == parse("") == parse(float("nan")) == {}
    assert average([{"a": 1}, {"a": True}, {"a": 2.0}, {}], "a") == 1.5 and np.isnan(average([], "a"))
    assert primary({"encoders": [{"hash": "2b"}]}, ["x-1a", "x-1a", "x-2b"]) == "x-2b" and primary({}, ["", "y"]) == "y"


def test_images_lie_row_by_row_with_lines_between(tmp_path):
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((1, 1, 2, 3), np.uint8)
    sheet = tiled(images, 2, 99)
    assert sheet.shape == (3 * 3 - 1, 2 * 4 - 1, 1)
    assert sheet[0, 0, 0] == 0 and sheet[0, 4, 0] == 1 and sheet[3, 0, 0] == 2 and sheet[2, 0, 0] == 99 == sheet[6, 4, 0]
    assert tiled(images, 2, 99, edge=1)[0, 0, 0] == 99
    save_preview(tmp_path / "preview.png", 4 * images, 17, None)
    picture = np.asarray(Image.open(tmp_path / "preview.png"))
    assert picture[0, 0] == 128 and set(np.unique(picture)) == {0, 64, 128, 191, 255}
