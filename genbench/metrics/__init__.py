"""Scores of samples and of features; nothing here knows a model, only samples, features or callables."""

from genbench.metrics.score import (
    METRICS,
    Card,
    Score,
)  # the rest needs torch: import its modules where it is used

__all__ = ["METRICS", "Card", "Score"]
