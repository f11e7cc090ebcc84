"""Reading configuration: every fault is one line that names the file, the key and what is allowed."""

import copy
from pathlib import Path

import pytest
import yaml

from genbench import questions
from genbench.config.errors import UserError
from genbench.config.read import dataset_spec, model_spec, names, read_study, recipe
from genbench.config.run import run_config
from genbench.config.schema import Budget, Cell, DatasetSpec, Posthoc, Recipe, Study, Tune

CONFIG = Path(__file__).resolve().parents[2] / "config"

DATASET = {
    "name": "ring",
    "kind": "points",
    "source": "ring8",
    "shape": [2],
    "split": {"train": 200, "validation": 20, "test": 50},
}
MODEL = {
    "name": "vae",
    "family": "vae",
    "title": "VAE",
    "paper": "-",
    "defaults": {"hp": {"lr": 0.001}, "net": {"width": 8}},
}
STUDY = {
    "name": "small",
    "title": "Small",
    "seeds": 2,
    "cells": [{"datasets": ["ring"], "models": ["vae"], "budget": {"unit": "updates", "value": 5}, "batch": 8}],
}


@pytest.fixture
def root(tmp_path):
    """A configuration of one dataset, one model and one study."""
    for folder, spec in (("datasets", DATASET), ("models", MODEL), ("studies", STUDY)):
        write(tmp_path, folder, spec["name"], spec)
    return tmp_path


def write(root, folder, name, value):
    (root / folder).mkdir(exist_ok=True)
    (root / folder / f"{name}.yaml").write_text(value if isinstance(value, str) else yaml.safe_dump(value))


def changed(spec, path, value):
    """A copy of a spec with the entry at a dotted path replaced."""
    out = copy.deepcopy(spec)
    *parents, last = path.split(".")
    node = out
    for part in parents:
        node = node[int(part)] if part.isdigit() else node[part]
    node[int(last) if last.isdigit() else last] = value
    return out


def fault(call, *args):
    """The lines of the UserError that a call raises."""
    with pytest.raises(UserError) as caught:
        call(*args)
    return str(caught.value).splitlines()


def test_a_valid_tree_is_read(root):
    study = read_study("small", root)
    assert study.seeds == (0, 1) and study.cells[0].budget == Budget(unit="updates", value=5)
    assert names("models", root) == ["vae"]
    assert dataset_spec("ring", root).shape == (2,)


@pytest.mark.parametrize("folder", ["datasets", "models", "studies"])
def test_the_projects_own_files_are_valid(folder):
    read = {"datasets": dataset_spec, "models": model_spec, "studies": read_study}[folder]
    assert names(folder, CONFIG)
    for name in names(folder, CONFIG):
        assert read(name, CONFIG).name == name


@pytest.mark.parametrize(
    ("folder", "read", "path", "value", "words"),
    [
        ("datasets", dataset_spec, "colour", "red", ["colour: unknown key", "allowed:", "kind", "split"]),
        ("datasets", dataset_spec, "split.extra", 3, ["split.extra: unknown key", "allowed: test, train, validation"]),
        ("datasets", dataset_spec, "split.train", 0, ["split.train", "greater than 0", "got 0"]),
        ("datasets", dataset_spec, "split.train", "many", ["split.train", "integer", "'many'"]),
        ("datasets", dataset_spec, "kind", "sounds", ["kind", "'points' or 'images'", "'sounds'"]),
        ("datasets", dataset_spec, "shape", [1, 2, 3], ["points have a shape [d]"]),
        ("datasets", dataset_spec, "levels", 300, ["levels", "256", "300"]),
        ("datasets", dataset_spec, "needs", "luck", ["needs", "'download'", "'luck'"]),
        ("datasets", dataset_spec, "name", "Ring!", ["name", "'Ring!'"]),
        ("models", model_spec, "defaults.hp.lr", "fast", ["defaults.hp.lr", "number", "'fast'"]),
        ("models", model_spec, "defaults.hpp", {}, ["defaults.hpp: unknown key", "allowed: hp, net, train"]),
        ("models", model_spec, "recipes", {"points": {"nett": {}}}, ["recipes.points.nett: unknown key", "hp, net"]),
        ("models", model_spec, "title", 3, ["title", "string", "got 3"]),
        ("models", model_spec, "space", {"widest": {}}, ["space.widest: unknown key", "authors, narrow, wide"]),
        ("models", model_spec, "space", {"wide": {"hp": {"lr": 0.1}}}, ["space.wide.hp.lr"]),
        ("models", model_spec, "space", {"wide": {"hp": {"lr": {}}}}, ["space.wide.hp.lr", "one of log, uniform, choice"]),
        ("models", model_spec, "space", {"wide": {"hp": {"lr": {"log": [0, 1]}}}}, ["space.wide.hp.lr", "low < high, above 0"]),
        ("models", model_spec, "space", {"wide": {"hp": {"lr": {"uniform": [1, 1]}}}}, ["space.wide.hp.lr", "low < high"]),
        ("models", model_spec, "space", {"wide": {"net": {"width": {"log": [8, 9]}}}}, ["space.wide", "net.width: needs"]),
        ("models", model_spec, "space", {"narrow": {"hp": {"lr": {"choice": []}}}}, ["space.narrow.hp.lr.choice", "at least 1"]),
        ("studies", read_study, "seed", 3, ["seed: unknown key", "seeds"]),
        ("studies", read_study, "cells", [], ["cells", "at least 1"]),
        ("studies", read_study, "cells.0.batch", 0, ["cells.0.batch", "greater than 0"]),
        ("studies", read_study, "cells.0.bach", 8, ["cells.0.bach: unknown key", "batch"]),
        ("studies", read_study, "cells.0.budget.unit", "hours", ["cells.0.budget.unit", "'flops'", "'hours'"]),
        ("studies", read_study, "cells.0.budget.value", -1, ["cells.0.budget.value", "greater than 0", "-1"]),
        ("studies", read_study, "cells.0.budget.unitt", 1, ["cells.0.budget.unitt: unknown key", "unit, value"]),
        ("studies", read_study, "samples", 10, ["samples", "100", "got 10"]),
        ("studies", read_study, "seeds", [1, 1], ["seeds", "distinct", "[1, 1]"]),
        ("studies", read_study, "seeds", [-1, 2], ["seeds", ">= 0"]),
        ("studies", read_study, "seeds", [], ["seeds", "at least 1"]),
        ("studies", read_study, "seeds", 0, ["seeds", "at least 1"]),
        ("studies", read_study, "seeds", -3, ["seeds"]),
        ("studies", read_study, "seeds", "three", ["seeds", "'three'"]),
        ("studies", read_study, "seeds", True, ["seeds", "True"]),
        ("studies", read_study, "seeds", [0, 1.5], ["seeds.1", "integer", "1.5"]),
    ],
)  # fmt: skip
def test_a_fault_is_one_line(root, folder, read, path, value, words):
    base = {"datasets": DATASET, "models": MODEL, "studies": STUDY}[folder]
    write(root, folder, base["name"], changed(base, path, value))
    lines = fault(read, base["name"], root)
    assert len(lines) == 1, lines
    assert lines[0].startswith(str(root / folder / f"{base['name']}.yaml"))
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    ("folder", "read", "path", "value"),
    [
        ("studies", read_study, "cells.0.budget.value", float("inf")),
        ("models", model_spec, "defaults.hp.lr", float("nan")),
        ("models", model_spec, "defaults.hp.lr", float("inf")),
    ],
)
def test_numbers_must_be_finite(root, folder, read, path, value):
    """Nothing downstream can count to infinity or write NaN as JSON."""
    base = {"models": MODEL, "studies": STUDY}[folder]
    write(root, folder, base["name"], changed(base, path, value))
    (line,) = fault(read, base["name"], root)
    assert path in line and "finite" in line


def test_every_fault_gets_its_line(root):
    bad = changed(changed(changed(STUDY, "cells.0.batch", 0), "samples", 1), "colour", "red")
    del bad["title"]
    write(root, "studies", "small", bad)
    lines = fault(read_study, "small", root)
    assert len(lines) == 4 and all(line.startswith(str(root)) for line in lines)
    for key in ("cells.0.batch:", "samples:", "colour:", "title: missing"):
        assert sum(f": {key}" in line for line in lines) == 1


@pytest.mark.parametrize(
    ("folder", "read", "word"),
    [("datasets", dataset_spec, "dataset"), ("models", model_spec, "model"), ("studies", read_study, "study")],
)
def test_an_unknown_name(root, folder, read, word):
    (line,) = fault(read, "nosuch", root)
    existing = {"datasets": "ring", "models": "vae", "studies": "small"}[folder]
    assert f"unknown {word} 'nosuch'" in line and f"allowed: {existing}" in line
    (line,) = fault(read, "../models/vae", root)
    assert "unknown" in line


@pytest.mark.parametrize(("path", "value"), [("datasets", ["ring", "nosuch"]), ("models", ["nosuch"])])
def test_a_study_that_names_what_does_not_exist(root, path, value):
    write(root, "studies", "small", changed(STUDY, f"cells.0.{path}", value))
    (line,) = fault(read_study, "small", root)
    assert f"small.yaml: cells.0.{path}: unknown {path[:-1]} 'nosuch'; allowed: " in line


def test_a_models_earlier_name_gives_its_new_one(root):
    write(root, "models", "vae", {**MODEL, "was": ["autoencoder", "vae0"]})
    (line,) = fault(model_spec, "vae0", root)
    assert line == "--model: vae0 is called vae now"
    write(root, "studies", "small", changed(STUDY, "cells.0.models", ["autoencoder"]))
    (line,) = fault(read_study, "small", root)
    assert line.endswith("small.yaml: cells.0.models: autoencoder is called vae now")
    (line,) = fault(model_spec, "vae1", root)
    assert "unknown model 'vae1'" in line


def test_recipes_of_a_study_must_be_for_its_models(root):
    write(root, "studies", "small", changed(STUDY, "cells.0.recipes", {"gan": {"hp": {"lr": 1}}}))
    (line,) = fault(read_study, "small", root)
    assert "cells.0.recipes" in line and "'gan'" in line and "vae" in line


def test_a_pair_stands_in_one_cell_only(root):
    write(root, "studies", "small", {**STUDY, "cells": STUDY["cells"] * 2})
    (line,) = fault(read_study, "small", root)
    assert "cells.1" in line and "ring/vae" in line


def test_a_file_is_named_as_its_spec(root):
    write(root, "models", "other", MODEL)
    (line,) = fault(model_spec, "other", root)
    assert "other.yaml: name" in line and "'other'" in line and "'vae'" in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1\nb: 2\n", ["line 2", "not valid YAML"]),
        ("- 1\n- 2\n", ["mapping"]),
        ("", ["mapping"]),
        ("name: small\n\ttitle: x\n", ["not valid YAML"]),
        ("1: 2\n", ["1"]),
    ],
)
def test_what_is_no_yaml_mapping(root, text, words):
    write(root, "studies", "small", text)
    lines = fault(read_study, "small", root)
    assert all(line.startswith(str(root / "studies" / "small.yaml")) for line in lines)
    assert all(word in lines[0] or word in " ".join(lines) for word in words)


def test_specs_are_frozen(root):
    study = read_study("small", root)
    with pytest.raises(ValueError, match="frozen"):
        study.title = "x"


def test_recipes_override_from_the_general_to_the_special(root):
    def part(value, **more):
        return {"hp": {"lr": value, **more}}

    model = {
        **MODEL,
        "defaults": {"hp": {"lr": 1, "clip": 9}, "net": {"width": 8, "depth": 2}, "train": {"ema": 0.5}},
        "recipes": {"images": part(2, beta1=0.1), "8x8": part(3), "digits": {"net": {"width": 99}}, "points": part(7)},
    }
    write(root, "models", "vae", model)
    (line,) = fault(model_spec, "vae", root)
    assert "vae.yaml: recipes.digits" in line and "a dataset's name" in line
    write(root, "datasets", "digits", {**DATASET, "name": "digits"})
    spec = model_spec("vae", root)
    base = {**DATASET, "kind": "images", "levels": 17}

    def found(name, shape, override=None):
        return recipe(spec, DatasetSpec(**{**base, "name": name, "shape": shape}), override)

    other = found("other", [1, 4, 4])
    assert other.hp == {"lr": 2, "clip": 9, "beta1": 0.1} and other.net == {"width": 8, "depth": 2}
    digits = found("digits", [1, 8, 8])
    assert digits.hp["lr"] == 3 and digits.net == {"width": 99, "depth": 2} and digits.train == {"ema": 0.5}
    assert found("digits", [1, 8, 8], Recipe(hp={"lr": 4})).hp["lr"] == 4
    assert recipe(spec, DatasetSpec(**DATASET)).hp == {"lr": 7, "clip": 9}
    assert spec.defaults.hp == {"lr": 1, "clip": 9}  # merging changes nothing


def test_the_documentation_names_every_key_of_a_study():
    settings = [questions.part(name, "settings").Settings for name in questions.names()]
    specs = (Study, Cell, Tune, Posthoc, *settings)
    keys = {key for spec in specs for key in spec.model_fields} - {"name", "title", "description"}
    words = "".join((CONFIG.parent / "docs" / f"{page}.md").read_text() for page in ("configuration", "questions"))
    assert len(keys) > 30 and not [key for key in keys if f"`{key}`" not in words]


def test_run_configuration():
    assert run_config({"study": "small"}).results == "results"
    (line,) = fault(run_config, {"study": "small", "devise": "cpu"})
    assert "config.yaml" in line and "devise: unknown key" in line and "device" in line
    (line,) = fault(run_config, {})
    assert "study: missing" in line
    (line,) = fault(run_config, {"study": "small", "checkpoint_seconds": "often"})
    assert "checkpoint_seconds" in line and "'often'" in line
