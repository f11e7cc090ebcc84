"""Cards of distances between generated and reference features, and the Inception score."""

from genbench.metrics.card import Card

__all__ = ["CARDS", "FEATURES"]

FEATURES = (
    "Features of a small classifier trained on this dataset's training split (not Inception): comparable between models on "
    "the same dataset in this report, not with published values."
)
CARDS = (
    Card(
        key="fid",
        title="Fréchet distance",
        unit="",
        direction="lower",
        applies="images",
        group="Distance to the data",
        what="Fréchet distance between Gaussians fitted to features of generated and of reference images. " + FEATURES,
        range="",
        floor="",
        uncertainty="",
        traps="",
        source="Heusel et al. 2017, arXiv:1706.08500; torch-fidelity",
        main=True,
    ),
    Card(
        key="kid",
        title="Kernel distance",
        unit="",
        direction="lower",
        applies="images",
        group="Distance to the data",
        what="Unbiased squared MMD with a cubic kernel between features of generated and of reference images. " + FEATURES,
        range="",
        floor="",
        uncertainty="",
        traps="",
        source="Bińkowski et al. 2018, arXiv:1801.01401; torch-fidelity",
        main=True,
    ),
)
