"""Cards of metrics on data whose manifold is known."""

from genbench.metrics.card import Card

__all__ = ["CARDS"]

CARDS: tuple[Card, ...] = ()
