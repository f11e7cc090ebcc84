"""Cards of metrics for points whose true density is known."""

from genbench.metrics.card import Card

__all__ = ["CARDS"]

MODES = "Srivastava et al. 2017, arXiv:1705.07761; Lin et al. 2018, arXiv:1712.04086"
GIVEN = "Over the generated sample, given the reference points"
POTENTIAL = (
    f"{GIVEN}: standard deviation of the optimal dual potential at the samples, over the root of n (central limit theorem of "
    "del Barrio et al. 2022, arXiv:2202.06380)"
)
CARDS = (
    Card(
        key="w1",
        title="Wasserstein-1",
        unit="data units",
        direction="lower",
        applies="points",
        group="Distance to the data",
        what="Exact optimal-transport cost between equally many generated and reference points (at most 2000), Euclidean "
        "distance.",
        range="0 to infinity",
        floor="Above 0 for a perfect sampler, since two finite samples differ: compare with real data against real data at "
        "the same n. It shrinks roughly as the root of 1/n.",
        uncertainty=f"{POTENTIAL}.",
        traps="Biased upwards by an amount that depends on n; dominated by how many samples each mode gets, so that a "
        "blurred sampler may get the floor; sensitive to far outliers.",
        source="Kantorovich 1942; Flamary et al. 2021 (POT), JMLR 22(78)",
        main=True,
    ),
    Card(
        key="sliced_w1",
        title="Sliced Wasserstein-1",
        unit="data units",
        direction="lower",
        applies="points",
        group="Distance to the data",
        what="Mean over 200 fixed random directions of the exact Wasserstein-1 distance between the projected generated and "
        "reference points, at most 10,000 of each.",
        range="0 to w1 of the same points; a shift in the plane gets 2/pi, about 0.64, of its length",
        floor="Above 0 for a perfect sampler, as for w1 but smaller: more points are used, and one-dimensional distances "
        "converge faster.",
        uncertainty=f"{POTENTIAL}; somewhat too large (up to a quarter was seen) near the floor.",
        traps="Projections overlay modes: it sees less of a missing mode or of a blur than w1; its size depends on the "
        "dimension, so that values of different datasets do not compare.",
        source="Rabin et al. 2011, doi:10.1007/978-3-642-24785-9_37; Bonneel et al. 2015, doi:10.1007/s10851-014-0506-3",
    ),
    Card(
        key="mmd2",
        title="Squared MMD",
        unit="",
        direction="lower",
        applies="points",
        group="Distance to the data",
        what="Unbiased squared maximum mean discrepancy between 2000 generated and 2000 reference points, mean of five Gaussian "
        "kernels whose standard deviations are 1, 1/2, 1/4, 1/8 and 1/16 of the data's root mean square distance from its mean.",
        range="-2/n to 2",
        floor="0 in expectation for a perfect sampler, with either sign in a single case: the estimate has no bias.",
        uncertainty=f"{GIVEN}: from the unbiased estimate of the variance of a second-order U-statistic (Sutherland 2019, "
        "arXiv:1906.02104).",
        traps="Depends on the kernels' widths; structure finer than the narrowest of them is not seen. A negative value is "
        "not better than 0.",
        source="Gretton et al. 2012, JMLR 13",
        best=0.0,
    ),
    Card(
        key="knn_kl",
        title="KL to the data",
        unit="nats",
        direction="lower",
        applies="points",
        group="Distance to the data",
        what="Estimate of KL(generated || data) from the distances of the samples to their fifth nearest neighbours among the "
        "reference points and among the other samples, at most 10,000 of each.",
        range="minus infinity to infinity; the divergence itself is never negative",
        floor="Within a few hundredths of a nat of 0 for a perfect sampler, with either sign: more reference points than samples "
        "raise it, edges of the density lower it.",
        uncertainty=f"{GIVEN}: standard deviation of the samples' terms over the root of n; terms share neighbours, which makes "
        "the true standard error about a tenth larger.",
        traps="Far too small where samples lie outside the data, for there the reference has no points to measure with: a ring "
        "1.7 times too wide gets about 60 % of its divergence. It asks whether samples lie where data are, so a sampler that "
        "leaves out modes pays little. Identical samples have an infinite divergence; they get a large finite value here.",
        source="Wang, Kulkarni & Verdú 2009, doi:10.1109/TIT.2009.2016060",
        best=0.0,
    ),
    Card(
        key="c2st",
        title="Two-sample classifier",
        unit="accuracy",
        direction="lower",
        applies="points",
        group="Distance to the data",
        what="Leave-one-out accuracy of a nearest-neighbour classifier (k about the root of all points) that tells 2000 "
        "generated from 2000 reference points.",
        range="0 to 1; 0.5 if they cannot be told apart, 1 if always",
        floor="0.5 for a perfect sampler, a little less in expectation because a point's own label is left out; values below "
        "it are chance. The settings hold mean and standard deviation (about 0.01) over shuffled labels.",
        uncertainty=f"{GIVEN}: standard deviation over random halves of the samples, each with weight 2. For whether samples "
        "differ from the data at all use the standard deviation over shuffled labels.",
        traps="Saturates at 1 for a sampler that is merely shifted by a little where the data are thin; a missing mode of eight "
        "raises it by 0.03 to 0.05 only. The binomial standard deviation is too small, since the answers depend on each other.",
        source="Lopez-Paz & Oquab 2017, arXiv:1610.06545",
        best=0.5,
    ),
    Card(
        key="data_nll",
        title="Samples under the true density",
        unit="nats",
        direction="target",
        applies="points",
        group="Distance to the data",
        what="Mean negative log-density of the samples under the true density; a perfect sampler gets its entropy.",
        range="the density's lowest value of -log p to 50, where log-densities are cut",
        floor="The entropy of the data, in the settings where it is known.",
        uncertainty="Over the generated sample: standard deviation over the root of n. No reference points are involved.",
        traps="The entropy alone proves nothing: a sampler that leaves out modes can get it. Below it samples sit too close to "
        "the peaks. Points of zero density count 50 nats each, so that on a density with edges their share decides.",
        source="cross-entropy of the model to the data",
        main=True,
    ),
    Card(
        key="modes",
        title="Modes covered",
        unit="modes",
        direction="higher",
        applies="points",
        group="Modes",
        what="Number of the mixture's modes with at least one sample within three standard deviations.",
        range="0 to the number of modes",
        floor="All modes for a perfect sampler: with 2500 samples, 8 or 25 modes are always met.",
        uncertainty="Over the generated sample: a mode seen c times is missed next time with probability exp(-c). A mode that "
        "was not seen counts as never visited, so the standard error is too small where modes are visited about once.",
        traps="One sample is enough for a mode: see the KL of modes for their shares. Depends on n.",
        source=MODES,
        main=True,
    ),
    Card(
        key="high_quality",
        title="High-quality samples",
        unit="share",
        direction="higher",
        applies="points",
        group="Modes",
        what="Share of samples within three standard deviations of a mode; a perfect sampler gets 0.989, not 1.",
        range="0 to 1",
        floor="1 - exp(-9/2) = 0.989 for a perfect sampler in the plane, a little more where modes overlap.",
        uncertainty="Over the generated sample: half the width of Wilson's 95 % interval of a share, over 1.96.",
        traps="A value above 0.989 means modes that are too narrow, not a better sampler; a sampler of one single point gets 1.",
        source=MODES,
        main=True,
        best=0.98889,
    ),
    Card(
        key="mode_kl",
        title="KL of modes",
        unit="nats",
        direction="lower",
        applies="points",
        group="Modes",
        what="KL divergence from the modes of the high-quality samples to the uniform distribution over all modes.",
        range="0 to the logarithm of the number of modes",
        floor="(K - 1)/2n in expectation for a perfect sampler with K modes and n high-quality samples: 0.0014 for 8 modes and "
        "2500 samples, 0.0048 for 25.",
        uncertainty="Over the generated sample: the delta method on the shares of the modes, and never less than "
        "the chi-squared distribution that is left where all shares are equal.",
        traps="Says nothing about samples off the modes, nor about their shape; without a high-quality sample there is no value.",
        source="Lin et al. 2018, arXiv:1712.04086",
    ),
)
