"""What the trials of a job share."""

from dataclasses import dataclass
from functools import cached_property

import torch

from genbench.config.schema import Study
from genbench.data import Dataset
from genbench.jobs.selection import Selection
from genbench.results.paths import Paths

__all__ = ["Context"]


@dataclass(frozen=True)
class Context:
    """The study that asks for trials, their dataset, the results folder, and the device that they run on."""

    study: Study
    data: Dataset
    paths: Paths
    device: torch.device

    @cached_property
    def select(self) -> Selection:
        """Chooses among their checkpoints; reads an encoder, so it is made when first asked for."""
        return Selection(self.data, self.study, self.paths, self.device)
