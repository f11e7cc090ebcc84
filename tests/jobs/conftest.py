"""A folder to run jobs in: the project's configuration with a small ring."""

import shutil

import pytest
import yaml
from kit import CONFIG


@pytest.fixture(scope="session")
def configure():
    """What copies the configuration into a folder, with ring8 of so many training, validation and test points."""

    def copy(folder, train=400, validation=60, test=150):
        shutil.copytree(CONFIG, folder / "config")
        path = folder / "config" / "datasets" / "ring8.yaml"
        split = {"train": train, "validation": validation, "test": test}
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"split": split}))

    return copy
