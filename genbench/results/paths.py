"""Where files lie in the results folder, and what they are called."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "ABOUT",
    "DATA",
    "DENSITY",
    "ENCODER",
    "ENCODER_WEIGHTS",
    "FLOOR",
    "FLOOR_PARTS",
    "HISTORY",
    "LIKELIHOODS",
    "META",
    "PARTS",
    "PREVIEW",
    "REFERENCE",
    "SAMPLES",
    "SCORED",
    "STUDY",
    "TRAINED",
    "TRIAL",
    "Paths",
    "table",
]

# of a trial, in its folder of the store
TRIAL = "trial.json"  # what defines it
TRAINED = "train.json"  # how its training went; written last, so a trial that has it is trained
HISTORY = "history.parquet"  # losses and validation by update
SCORED = "metrics.json"  # its scores
PARTS = "scores.json"  # the same by the function that gave them, each with a hash of all that it depends on
SAMPLES = "samples.npz"
LIKELIHOODS = "examples.npz"  # of single test examples
DENSITY = "density.npz"  # on a grid, of points in the plane; also of a dataset's truth
PREVIEW = "preview.png"  # a picture of samples; also of real data
# of a dataset
DATA = "data.npz"
META = "meta.json"
REFERENCE = "reference.json"  # what made the features of real data, written after them
FLOOR = "floor.json"  # what real data score against real data
FLOOR_PARTS = "floors.json"  # the same by the function that gave them, each with a hash of all that it depends on
ENCODER = "encoder.json"
ENCODER_WEIGHTS = "encoder.safetensors"
# of a study and of a question
STUDY = "study.json"
ABOUT = "about.json"


def table(folder: Path, name: str) -> Path:
    """The file of a table of a study or of a question."""
    return folder / f"{name}.parquet"


@dataclass(frozen=True)
class Paths:
    """Layout of the results folder."""

    results: Path

    def data(self, dataset: str) -> Path:
        """Prepared data of a dataset: DATA and META."""
        return self.results / "data" / dataset

    def encoder(self, dataset: str, name: str) -> Path:
        """A classifier whose features score a dataset's images, "classifier" or "classifier-<seed>": ENCODER and its weights."""
        return self.results / "encoders" / dataset / name

    def reference(self, dataset: str) -> Path:
        """Features of real data, REFERENCE, FLOOR, FLOOR_PARTS, DENSITY and PREVIEW."""
        return self.results / "reference" / dataset

    def selected(self, group: str) -> Path:
        """The configuration that a group confirms."""
        return self.results / "selected" / f"{group}.json"

    @property
    def store(self) -> Path:
        """Trials by the hash of what defines them; outside Snakemake's declared outputs, which it deletes before a rerun."""
        return self.results / "store"

    def trial(self, trial: str) -> Path:
        """One trial's folder: TRIAL, TRAINED, HISTORY, SCORED, SAMPLES, LIKELIHOODS, DENSITY, PREVIEW."""
        return self.store / trial

    def weights(self, trial: str, update: int | None = None) -> Path:
        """Weights of a trial: those that training kept, or those of an earlier checkpoint."""
        return self.trial(trial) / ("weights.safetensors" if update is None else f"weights-{update}.safetensors")

    def selection(self, trial: str, key: str) -> Path:
        """What a searched trial scored by the metric that chooses, under the hash of how it was scored."""
        return self.trial(trial) / f"selection-{key}.json"

    def selections(self, trial: str) -> Iterator[Path]:
        """All that a trial scored by the metric that chooses, however it was scored."""
        return self.trial(trial).glob("selection-*.json")

    def all_scored(self, searched: bool) -> Iterator[Path]:
        """Files of scores of all trials of the store: of searches, or of what was scored in full."""
        return self.store.glob("*/selection-*.json" if searched else f"*/{SCORED}")

    def checkpoint(self, key: str) -> Path:
        """State of a group's training that was interrupted."""
        return self.store / "checkpoints" / f"{key}.safetensors"

    @property
    def speeds(self) -> Path:
        """How many trials of a network train together fastest, by machine."""
        return self.results / "cache" / "together.json"

    def question(self, folder: str) -> Path:
        """Tables of a question that was run, and ABOUT, which is written last."""
        return self.results / "questions" / folder

    def asked(self, name: str) -> Iterator[Path]:
        """ABOUT of all runs of a question, under whatever settings."""
        return self.results.glob(f"questions/{name}-*/{ABOUT}")

    def study(self, study: str) -> Path:
        """Tables of a study, and STUDY."""
        return self.results / "studies" / study

    @property
    def tracking(self) -> Path:
        """MLflow's database and artifacts."""
        return self.results / "mlflow"
