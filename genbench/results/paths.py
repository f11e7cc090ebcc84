"""Where files lie in the results folder."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Paths"]


@dataclass(frozen=True)
class Paths:
    """Layout of the results folder."""

    results: Path

    def data(self, dataset: str) -> Path:
        """Prepared data of a dataset."""
        return self.results / "data" / dataset

    def encoder(self, dataset: str, name: str) -> Path:
        """A classifier whose features score a dataset's images: "classifier", or "classifier-<seed>"."""
        return self.results / "encoders" / dataset / name

    def reference(self, dataset: str) -> Path:
        """Features and floors of real data."""
        return self.results / "reference" / dataset

    def selected(self, group: str) -> Path:
        """The configuration that a group confirms."""
        return self.results / "selected" / f"{group}.json"

    @property
    def store(self) -> Path:
        """Trials by the hash of what defines them; outside Snakemake's declared outputs, which it deletes before a rerun."""
        return self.results / "store"

    def trial(self, trial: str) -> Path:
        """One trial's folder."""
        return self.store / trial

    def weights(self, trial: str, update: int | None = None) -> Path:
        """Weights of a trial: those that training kept, or those of an earlier checkpoint."""
        return self.trial(trial) / ("weights.safetensors" if update is None else f"weights-{update}.safetensors")

    def question(self, folder: str) -> Path:
        """Tables of a question that was run, and about.json."""
        return self.results / "questions" / folder

    def study(self, study: str) -> Path:
        """Tables of a study."""
        return self.results / "studies" / study
