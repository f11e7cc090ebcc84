"""Small datasets and a bench to experiment on, the synthetic run of a study, and claims with what they say."""

import re
from dataclasses import dataclass

import pandas as pd
import pytest
import torch

from genbench.config.read import dataset_spec, model_spec, recipe
from genbench.config.schema import Split
from genbench.data import load, prepare
from genbench.questions.training import Bench
from genbench.report import style
from genbench.report.blocks import Claim, leaves
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


@dataclass(frozen=True)
class Told:
    """What a claim says: itself, its tables by name, names of its figures, and all its sentences as one text."""

    claim: Claim
    tables: dict[str, pd.DataFrame]
    figures: list[str]
    text: str

    @property
    def verdict(self) -> str:
        return self.claim.verdict

    @property
    def cases(self) -> dict[str, str]:
        """Verdicts by case."""
        words = (part.split(": ", 1) for part in self.claim.short.split("; ") if part)
        return {case: word for word, names in words for case in names.split(", ")}


@pytest.fixture(scope="session")
def told():
    """The function that makes a claim, told(report, results), and checks its form; None where there is none."""

    def make(report, results, draw=False):
        with style.theme():
            claim = report.report(results)
            if claim is None:
                return None
            blocks = list(leaves(claim.blocks))
            tables = [block for block in blocks if block.kind == "table"]
            figures = [block for block in blocks if block.kind == "figure"]
            for block in figures if draw else ():
                assert "<svg" in block.svg("tale")
        for block in tables:
            block.rows()
        for named in ([block.name for block in each] for each in (tables, figures)):
            assert len(set(named)) == len(named) and all(name.startswith(f"{claim.key.lower()}_") for name in named)
        sentences = [*claim.because, *(item for block in blocks if block.kind == "points" for item in block.items)]
        assert sentences and all(re.fullmatch(r"[^{}]*[.:]", each) and "nan" not in each.split() for each in sentences), sentences
        return Told(claim, {b.name: b.frame for b in tables}, [b.name for b in figures], " ".join(sentences))

    return make
