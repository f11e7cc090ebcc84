"""Reading configuration: specs by name, and the recipe that a model gets on a dataset."""

import functools
import itertools
import re
from pathlib import Path
from typing import Any

from genbench.config.errors import UserError
from genbench.config.schema import DatasetSpec, ModelSpec, Recipe, Study, load_yaml, parse

__all__ = ["dataset_spec", "model_spec", "names", "read_study", "recipe"]

ROOT = Path("config")
KINDS = {"datasets": "dataset", "models": "model", "studies": "study"}


def names(folder: str, root: Path = ROOT) -> list[str]:
    """Names of the specs in config/<folder>/."""
    return sorted(p.stem for p in (root / folder).glob("*.yaml"))


def _spec(kind: type, folder: str, name: str, root: Path, asked_by: str) -> Any:
    if name not in names(folder, root):
        for each in names(folder, root) if kind is ModelSpec else ():
            if name in _file(kind, root / folder / f"{each}.yaml").was:
                raise UserError(f"{asked_by}: {name} is called {each} now")
        raise UserError(f"{asked_by}: unknown {KINDS[folder]} {name!r}; allowed: {', '.join(names(folder, root))}")
    path = root / folder / f"{name}.yaml"
    spec = _file(kind, path)
    if spec.name != name:
        raise UserError(f"{path}: name: must be {name!r}, the file's own name, got {spec.name!r}")
    return spec


def _file(kind: type, path: Path) -> Any:
    stat = path.stat()
    return _parsed(kind, path, stat.st_mtime_ns, stat.st_size)


@functools.cache
def _parsed(kind: type, path: Path, changed: int, size: int) -> Any:
    return parse(kind, load_yaml(path), path)


def dataset_spec(name: str, root: Path = ROOT, asked_by: str = "--dataset") -> DatasetSpec:
    """config/datasets/<name>.yaml; UserError names who asked and what exists."""
    return _spec(DatasetSpec, "datasets", name, root, asked_by)


def model_spec(name: str, root: Path = ROOT, asked_by: str = "--model") -> ModelSpec:
    """config/models/<name>.yaml; UserError names who asked and what exists."""
    spec: ModelSpec = _spec(ModelSpec, "models", name, root, asked_by)
    for key in spec.recipes:
        if key not in ("points", "images", *names("datasets", root)) and not re.fullmatch(r"\d+x\d+", key):
            file = root / "models" / f"{name}.yaml"
            raise UserError(f"{file}: recipes.{key}: allowed: points, images, a size like 28x28, or a dataset's name")
    return spec


def read_study(name: str, root: Path = ROOT, asked_by: str = "study") -> Study:
    """config/studies/<name>.yaml, with every dataset and model it names checked to exist."""
    study: Study = _spec(Study, "studies", name, root, asked_by)
    file = root / "studies" / f"{name}.yaml"
    seen = set()
    for i, cell in enumerate(study.cells):
        for dataset in cell.datasets:
            spec = dataset_spec(dataset, root, f"{file}: cells.{i}.datasets")
            if spec.kind == "images" and spec.classes is None:
                raise UserError(
                    f"{root}/datasets/{dataset}.yaml: classes: needed (>= 2): samples are scored by a classifier of labels"
                )
        for model in cell.models:
            model_spec(model, root, f"{file}: cells.{i}.models")
        for model in cell.recipes:
            if model not in cell.models:
                raise UserError(f"{file}: cells.{i}.recipes: {model!r} is not a model of this cell: {', '.join(cell.models)}")
        pairs = set(itertools.product(cell.datasets, cell.models, (variant for variant, *_ in cell.crossings())))
        if both := pairs & seen:
            dataset, name, variant = sorted(both)[0]
            raise UserError(f"{file}: cells.{i}: {dataset}/{name} stands in an earlier cell of variant {variant!r} already")
        seen |= pairs
    return study


def recipe(model: ModelSpec, dataset: DatasetSpec, *overrides: Recipe | None) -> Recipe:
    """The recipe of a model on a dataset: defaults, then kind, then image size, then the dataset's name, then the overrides."""
    size = "x".join(str(n) for n in dataset.shape[1:])
    parts = [model.defaults, *(model.recipes.get(key) for key in (dataset.kind, size, dataset.name)), *overrides]
    merged: dict[str, dict[str, Any]] = {"net": {}, "hp": {}, "train": {}}
    for part in parts:
        for section in merged if part else ():
            merged[section] |= getattr(part, section)
    return Recipe(**merged)
