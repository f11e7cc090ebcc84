"""Cards of metrics that count nearest neighbours of features."""

from genbench.metrics.card import Card
from genbench.metrics.cards.distance import FEATURES

__all__ = ["CARDS"]

CARDS = (
    Card(
        key="precision",
        title="Precision",
        unit="share",
        direction="higher",
        applies="images",
        group="Fidelity and coverage",
        what="Share of generated images inside the reference images' manifold (third nearest neighbour balls). " + FEATURES,
        range="",
        floor="",
        uncertainty="",
        traps="",
        source="Kynkäänniemi et al. 2019, arXiv:1904.06991; torch-fidelity",
        ranked=False,
        main=True,
    ),
    Card(
        key="recall",
        title="Recall",
        unit="share",
        direction="higher",
        applies="images",
        group="Fidelity and coverage",
        what="Share of reference images inside the generated images' manifold (third nearest neighbour balls). " + FEATURES,
        range="",
        floor="",
        uncertainty="",
        traps="",
        source="Kynkäänniemi et al. 2019, arXiv:1904.06991; torch-fidelity",
        ranked=False,
        main=True,
    ),
)
