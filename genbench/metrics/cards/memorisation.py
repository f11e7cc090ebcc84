"""Cards of metrics of memorisation."""

from genbench.metrics.card import Card

__all__ = ["CARDS"]

SUBSET = (
    "Distances are Euclidean, in the encoder's features. Of a larger training set, "
    "10,000 images drawn at random serve (settings: n_reference of n_train): copies of the others "
    "show only as far as they resemble those."
)
TWO_WAYS = (
    "It is a balance of two faults: a model that copies some images and underfits the rest can look like held-out data, and "
    "no metric of this kind separates memorisation from underfitting or lost modes; look at the nearest training images too."
)
CARDS = (
    Card(
        key="authpct",
        title="Authenticity, less held-out",
        unit="percentage points",
        direction="none",
        applies="images",
        group="Memorisation",
        what="Share of authentic generated images less that of held-out real images; an image is authentic if it is farther from "
        "its nearest training image than that one is from its own nearest other training image.",
        range="-100 to 100 percentage points; copies of training images get minus the held-out share, -55 to -57 on MNIST.",
        floor="Held-out real data get 0 by construction; their share itself is above 50 %, 55 to 57 % on MNIST (settings: "
        "authentic, held_out). Read: far below 0 means copies, or images more concentrated than the data "
        "(blur, truncation, easy examples); far above 0 means images far from any data.",
        uncertainty="Binomial standard error of the generated share, given training and held-out data; the held-out share has an "
        "error of its own, sqrt(p (1-p) / n_held_out), which all models have in common.",
        traps=TWO_WAYS + " It hangs on one distance of one training image, which outliers make large. " + SUBSET,
        source="Alaa et al. 2022, arXiv:2102.08921; the difference to held-out data is our addition",
        ranked=False,
    ),
    Card(
        key="ct",
        title="Data-copying test",
        unit="z",
        direction="none",
        applies="images",
        group="Memorisation",
        what="C_T: z-scored Mann-Whitney statistic of whether generated images lie nearer to training images than held-out ones "
        "do, within each of three k-means cells, averaged by the held-out images' share of the cells.",
        range="Unbounded, in standard deviations under equality.",
        floor="Held-out real data get 0 with a standard deviation of about 0.7, not 1, since it averages "
        "three cells. Read: below -3 means copies, or images more concentrated than the data (blur, truncation, easy "
        "examples); above 3 means images farther from the training data than real ones.",
        uncertainty="Standard error over the generated sample, given training and held-out data, by the delta method over the "
        "ranks and the sizes of the cells. It is not the 1 of the test's null distribution.",
        traps="It is a test, not a size: it grows with the square root of n and of n_held_out, so compare at equal n only. "
        + TWO_WAYS
        + " Cells with fewer than 20 generated images are left out (settings: cells). "
        + SUBSET,
        source="Meehan et al. 2020, arXiv:2004.05675",
        ranked=False,
    ),
    Card(
        key="nn_distance",
        title="Distance to training data",
        unit="held-out = 1",
        direction="none",
        applies="images",
        group="Memorisation",
        what="Mean distance of generated images to their nearest training image in the features, divided by that of held-out "
        "real images.",
        range="0, all are copies, to infinity.",
        floor="Held-out real data get 1 by construction. Read: 1 is like held-out data, below are copies or a concentrated "
        "generator, above are images far from the data.",
        uncertainty="Standard error of the mean over the generated sample, given training and held-out data; the held-out mean "
        "has an error of its own, which all models have in common.",
        traps=TWO_WAYS + " A mean hides a few exact copies among many new images. " + SUBSET,
        source="Stein et al. 2023, arXiv:2306.04675, compare such metrics; the ratio of means is the simplest of them",
        ranked=False,
    ),
)
