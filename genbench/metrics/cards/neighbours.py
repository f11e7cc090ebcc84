"""Cards of metrics that count nearest neighbours of features."""

from genbench.metrics.card import Card
from genbench.metrics.cards.distance import FEATURES

__all__ = ["CARDS"]

LIMIT = "Of more than 10,000 images of a side, 10,000 are drawn. "
ROWS = "Standard error over the generated images, given the reference: their standard deviation over the square root of n."
CARDS = (
    Card(
        key="precision",
        title="Precision",
        unit="share",
        direction="higher",
        applies="images",
        group="Fidelity and coverage",
        what="Share of generated images within some reference image's ball to its third nearest reference image.",
        range="0 to 1.",
        floor="Real data get less than 1, about 0.9 on digits and less the more dimensions the data fill: see the floor shown.",
        uncertainty=ROWS + " Zero where all or none are inside.",
        traps="Rewards collapse: a generator of one good image gets 1. One outlier in the reference has a huge ball. Read "
        "together with recall. " + LIMIT + FEATURES,
        source="Kynkäänniemi et al. 2019, arXiv:1904.06991",
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
        what="Share of reference images within some generated image's ball to its third nearest generated image.",
        range="0 to 1.",
        floor="Real data get less than 1, about 0.9 on digits and less the more dimensions the data fill: see the floor shown.",
        uncertainty="Standard error over the generated images, given the reference: standard deviation over 12 halves of them, "
        "drawn without replacement. A bootstrap is wrong here, as duplicates shrink the balls.",
        traps="Rewards diffuse samples: a few far outliers have balls that hold much of the data, which can "
        "beat real data. Grows with n. " + LIMIT + FEATURES,
        source="Kynkäänniemi et al. 2019, arXiv:1904.06991",
        ranked=False,
        main=True,
    ),
    Card(
        key="density",
        title="Density",
        unit="",
        direction="higher",
        applies="images",
        group="Fidelity and coverage",
        what="Mean number of reference images in whose ball (fifth nearest neighbour) a generated image lies, divided by 5.",
        range="0 to m/5.",
        floor="1 in expectation for real data; more is not better.",
        uncertainty=ROWS,
        traps="Above 1 the samples crowd where data are dense, as with truncation or collapse. Read together with coverage. "
        + LIMIT
        + FEATURES,
        source="Naeem et al. 2020, arXiv:2002.09797",
        ranked=False,
    ),
    Card(
        key="coverage",
        title="Coverage",
        unit="share",
        direction="higher",
        applies="images",
        group="Fidelity and coverage",
        what="Share of reference images whose ball to the fifth nearest reference image holds a generated image.",
        range="0 to 1.",
        floor="Real data get 1 - [(n-1)...(n-5)] / [(2n-1)...(2n-5)] at n = m, about 0.969, in any feature space.",
        uncertainty="Standard error over the generated images, given the reference: delete-one jackknife. Conservative: close "
        "where much is uncovered, up to three times too large near the value of real data.",
        traps="Grows with n/m: at n = m/10 real data get only about 0.38. Blind to how many samples a ball holds. "
        + LIMIT
        + FEATURES,
        source="Naeem et al. 2020, arXiv:2002.09797",
        ranked=False,
    ),
)
