"""Cards of metrics of memorisation."""

from genbench.metrics.card import Card

__all__ = ["CARDS"]

CARDS: tuple[Card, ...] = ()
