"""Questions: what a study answers besides training its trials. Each is a folder, found where it lies.

A question's `settings.py` (what a study may say of it, without torch) holds a class Settings, a subclass of base.Question; its
`run.py`, if it needs trainings of its own, a function `run(settings, bench) -> {table: frame}`; its `report.py` (without torch)
says what the numbers mean.
"""

import importlib
from pathlib import Path
from types import ModuleType

from genbench.config.code import code_hash
from genbench.config.errors import UserError
from genbench.config.hashing import short_hash
from genbench.config.read import ROOT, dataset_spec, model_spec, recipe
from genbench.config.schema import Study, parse
from genbench.questions.base import Question

__all__ = ["asked", "folders", "names", "part"]

HERE = Path(__file__).parent


def names(part: str = "settings") -> list[str]:
    """Names of all questions that have this part: settings, run or report."""
    return sorted(path.parent.name for path in HERE.glob(f"*/{part}.py"))


def part(name: str, which: str) -> ModuleType:
    """A question's module settings, run or report."""
    return importlib.import_module(f"genbench.questions.{name}.{which}")


def asked(study: Study, root: Path = ROOT) -> dict[str, Question]:
    """Settings of the questions that a study asks, by name; UserError names the file, the key and what is allowed."""
    file = root / "studies" / f"{study.name}.yaml"
    found = {}
    for name, given in study.questions.items():
        if name not in names():
            raise UserError(f"{file}: questions: unknown question {name!r}; allowed: {', '.join(names())}")
        found[name] = parse(part(name, "settings").Settings, given, file, f"questions.{name}.")
    return found


def folders(study: Study, root: Path = ROOT) -> dict[str, str]:
    """Folders in results/questions by name; a hash of settings, code and recipes ends each, so studies share them."""
    found = {}
    for name, settings in asked(study, root).items():
        pairs = [(model_spec(m, root), dataset_spec(d, root)) for d in settings.datasets for m in settings.recipes]
        recipes = [recipe(model, data).model_dump(mode="json") for model, data in pairs]
        given = settings.model_dump(mode="json")
        code = code_hash(f"genbench.questions.{name}.run:run", settings=[given, recipes, [pair[1].source for pair in pairs]])
        defining = [given, code, recipes]
        found[name] = f"{name}-{short_hash(defining, 8)}"
    return found
