"""Cards of likelihoods and their surrogates."""

from genbench.metrics.card import Card

__all__ = ["CARDS"]

CARDS = (
    Card(
        key="nll",
        title="Negative log-likelihood",
        unit="nats",
        direction="lower",
        applies="points",
        group="Likelihood",
        what="Mean negative log-density of test points under the model, exact or bounded as its kind says.",
        range="",
        floor="",
        uncertainty="",
        traps="",
        source="Theis et al. 2016, arXiv:1511.01844",
    ),
    Card(
        key="bpd",
        title="Bits per dimension",
        unit="bits/dim",
        direction="lower",
        applies="images",
        group="Likelihood",
        what="Negative log2-probability of the discrete test images per dimension, exact or bounded as its kind says.",
        range="",
        floor="",
        uncertainty="",
        traps="",
        source="Theis et al. 2016, arXiv:1511.01844",
    ),
)
