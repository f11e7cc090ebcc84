"""Reports of questions on planted numbers, and what can be asserted of them whatever their words are."""

import re
import types
from collections.abc import Sequence
from types import ModuleType

import pandas as pd

from genbench.report import style
from genbench.report.blocks import Block, Figure, Points, Table, leaves
from genbench.results.study import Answer

NO_TRIALS = pd.DataFrame({"family": [], "model": [], "dataset": [], "status": []})


def reported(module: ModuleType, kind: str = "points", trials: pd.DataFrame = NO_TRIALS, **answers: Answer):
    """What a report says of a study with these answers and trials, on datasets of one kind."""
    results = types.SimpleNamespace(answer=answers.get, kind=lambda name: kind, trials=trials)
    with style.theme():
        return module.report(results)


def sentences(found: Sequence[Block]) -> list[str]:
    """Items of lists outside folds."""
    return [item for block in found if isinstance(block, Points) for item in block.items]


def table(found: Sequence[Block], name: str) -> Table:
    """A table by its name, in a fold or not."""
    return next(block for block in leaves(found) if isinstance(block, Table) and block.name == name)


def figures(found: Sequence[Block]) -> dict[str, Figure]:
    """Figures by name, in folds or not."""
    return {block.name: block for block in leaves(found) if isinstance(block, Figure)}


def numbers(text: str) -> list[float]:
    """All numbers of a sentence, of a range both ends; those in names, such as W1, are none."""
    return [float(each.replace(",", "")) for each in re.findall(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])", text)]
