"""Small datasets and a bench to experiment on, and the synthetic run of a study."""

import pytest
import torch

from genbench.config.read import dataset_spec, model_spec, recipe
from genbench.config.schema import Split
from genbench.data import load, prepare
from genbench.questions.training import Bench
from genbench.results.study import read
from tests import synthetic


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    """ring8 and digits, prepared small."""
    data = {}
    for name, split in (
        ("ring8", Split(train=4000, validation=300, test=600)),
        ("digits", Split(train=500, validation=200, test=200)),
    ):
        folder = tmp_path_factory.mktemp(name)
        prepare(dataset_spec(name).model_copy(update={"split": split}), folder)
        data[name] = load(folder)
    return Bench(data, lambda m, d: recipe(model_spec(m), dataset_spec(d)), torch.device("cpu"), lambda line: None)


@pytest.fixture(scope="session")
def make_run():
    """The function that writes a run: make_run(root) -> the study's folder."""
    return synthetic.make_run


@pytest.fixture(scope="session")
def run(make_run, tmp_path_factory):
    """A run that no test changes: the study's folder and the store."""
    root = tmp_path_factory.mktemp("run") / "results"
    return make_run(root), root / "store"


@pytest.fixture(scope="session")
def results(run):
    """What the report reads of it; tests change copies only."""
    return read(*run)
