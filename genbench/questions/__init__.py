"""Questions: what a study answers besides training its trials. Each is a folder, found where it lies.

A question's `settings.py` (what a study may say of it, without torch) holds a class Settings, a subclass of base.Question; its
`run.py` a function `run(settings, bench) -> {table: frame}`; both are absent where the study's own trials answer. Its `report.py`
(without torch, see chapters.py) says what the numbers mean, and the one line of its `README.md` what it asks and of whom.
"""

import functools
import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

from genbench.config.code import code_hash
from genbench.config.errors import UserError
from genbench.config.hashing import short_hash
from genbench.config.read import ROOT, dataset_spec, model_spec, recipe
from genbench.config.read import names as config_names
from genbench.config.schema import Study, parse
from genbench.questions.base import Question

__all__ = ["asked", "folders", "names", "part"]

HERE = Path(__file__).parent
RENAMED = {"langevin_signs": "energy_gradient_signs"}  # old names, for those who still use them


def names(part: str = "settings") -> list[str]:
    """Names of all questions that have this part: settings, run or report."""
    return sorted(path.parent.name for path in HERE.glob(f"*/{part}.py"))


def part(name: str, which: str) -> ModuleType:
    """A question's module settings, run or report."""
    return importlib.import_module(f"genbench.questions.{name}.{which}")


def asked(study: Study, root: Path = ROOT) -> dict[str, Question]:
    """Settings of the questions that a study asks, by name; UserError names the file, the key and what is allowed."""
    file = root / "studies" / f"{study.name}.yaml"
    known, found = names(), {}
    data, model = (functools.cache(functools.partial(spec, root=root)) for spec in (dataset_spec, model_spec))
    for name, given in study.questions.items():
        if name in RENAMED:
            raise UserError(f"{file}: questions.{name}: is now called {RENAMED[name]}")
        if name not in known:
            raise UserError(f"{file}: questions: unknown question {name!r}; allowed: {', '.join(known)}")
        settings = found[name] = parse(part(name, "settings").Settings, given, file, f"questions.{name}.")
        families = settings.families
        wanted = {
            "datasets": (settings.takes, lambda each, own=settings: own.fits(data(each))),
            "models": (
                f"models of the family {' or '.join(families)}",
                lambda each, families=families: not families or model(each).family in families,
            ),
        }
        for key, (words, fits) in wanted.items():
            _check(getattr(settings, key, ()), config_names(key, root), fits, f"{file}: questions.{name}.{key}: needs {words}")
    return found


def _check(given: Iterable[str], known: list[str], fits: Callable[[str], bool], complaint: str) -> None:
    for name in given:
        if name not in known or not fits(name):
            raise UserError(f"{complaint}, got {name!r}; allowed: {', '.join(filter(fits, known)) or 'none'}")


def roots(name: str) -> tuple[str, ...]:
    """Symbols from which all code of a question's run is reached: what it is handed counts as well."""
    own = f"genbench.questions.{name}"
    return f"{own}.run:run", f"{own}.settings:Settings", "genbench.data.dataset:Dataset"


def folders(study: Study, root: Path = ROOT) -> dict[str, str]:
    """Folders in results/questions by name; a hash of settings, code and recipes ends each, so studies share them."""
    found = {}
    for name, settings in asked(study, root).items():
        pairs = [(model_spec(m, root), dataset_spec(d, root)) for d in settings.datasets for m in settings.recipes]
        recipes = [recipe(model, data).model_dump(mode="json") for model, data in pairs]
        given = settings.model_dump(mode="json")
        data = [[spec.kind, spec.source] for spec in (dataset_spec(d, root) for d in settings.datasets)]
        code = code_hash(*roots(name), settings=[given, recipes, data])
        defining = [given, code, recipes]
        found[name] = f"{name}-{short_hash(defining, 8)}"
    return found
