"""Cards of metrics of classes, bins and diversity."""

from genbench.metrics.card import Card

__all__ = ["CARDS"]

CARDS = (
    Card(
        key="classes_covered",
        title="Classes covered",
        unit="classes",
        direction="higher",
        applies="images",
        group="Classes and diversity",
        what="Number of classes that get at least a tenth of an equal share of the generated images.",
        range="",
        floor="",
        uncertainty="",
        traps="",
        source="Metz et al. 2017, arXiv:1611.02163; threshold after a classifier's errors",
    ),
    Card(
        key="class_kl",
        title="KL of classes",
        unit="nats",
        direction="lower",
        applies="images",
        group="Classes and diversity",
        what="KL divergence from the classes of the generated images to those of the reference images.",
        range="",
        floor="",
        uncertainty="",
        traps="",
        source="Metz et al. 2017, arXiv:1611.02163",
    ),
)
