"""Scores of samples and of features; nothing here knows a model, only samples, features or callables."""

from genbench.metrics.card import Card, metric  # the rest needs torch: import its modules where it is used
from genbench.metrics.cards import METRICS, scores
from genbench.metrics.score import Score

__all__ = ["METRICS", "Card", "Score", "metric", "scores"]
