"""The cards of all metrics, a file per topic; METRICS is in the order in which they are shown."""

from genbench.metrics.card import Card
from genbench.metrics.cards import coverage, distance, likelihood, manifold, memorisation, neighbours, points

__all__ = ["METRICS"]

_TOPICS = (points, distance, neighbours, coverage, manifold, memorisation, likelihood)
METRICS: dict[str, Card] = {card.key: card for topic in _TOPICS for card in topic.CARDS}
