"""Small datasets and a bench to experiment on."""

import pytest
import torch

from genbench.config.read import dataset_spec, model_spec, recipe
from genbench.config.schema import Split
from genbench.data import load, prepare
from genbench.questions.training import Bench


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
