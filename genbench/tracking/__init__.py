"""Files -> MLflow: a view of the results that can be deleted and made again."""

from genbench.tracking.sync import Counts, sync

__all__ = ["Counts", "sync"]
