"""All models, each found by its class attribute `name`; config/models/<name>.yaml holds the recipe of each."""

import importlib
from collections.abc import Iterator, Mapping

from genbench.config.code import model_symbols
from genbench.models.base import Model

__all__ = ["MODELS", "Model"]


class Models(Mapping[str, type[Model]]):
    """Classes of models by name; a module is imported when one of its models is asked for."""

    def __getitem__(self, name: str) -> type[Model]:
        module, _, cls = model_symbols()[name].partition(":")
        return getattr(importlib.import_module(module), cls)

    def __iter__(self) -> Iterator[str]:
        return iter(model_symbols())

    def __len__(self) -> int:
        return len(model_symbols())


MODELS = Models()
