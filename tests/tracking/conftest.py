"""The synthetic run as a fixture."""

import pytest
import synthetic


@pytest.fixture(scope="session")
def make_run():
    """The function that writes a run: make_run(root) -> the study's folder."""
    return synthetic.make_run
