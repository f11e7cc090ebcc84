"""Where the experiments of a study lie: known from the configuration and the code alone, as trials are."""

from pathlib import Path

from genbench.config.expand import code_hash
from genbench.config.hashing import short_hash
from genbench.config.read import ROOT, dataset_spec, model_spec, recipe
from genbench.config.schema import Study

__all__ = ["experiment_folders"]


def experiment_folders(study: Study, root: Path = ROOT) -> dict[str, str]:
    """Folders in results/experiments by name; a hash of settings, code and recipes ends each, so studies share them."""
    folders = {}
    for name, settings in study.experiments.asked().items():
        pairs = [(model_spec(m, root), dataset_spec(d, root)) for d in settings.datasets for m in settings.recipes]
        recipes = [recipe(model, data).model_dump(mode="json") for model, data in pairs]
        defining = [settings.model_dump(mode="json"), code_hash(f"genbench.experiments.{name}"), recipes]
        folders[name] = f"{name}-{short_hash(defining, 8)}"
    return folders
