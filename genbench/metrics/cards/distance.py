"""Cards of distances between generated and reference features, and the Inception score."""

from genbench.metrics.card import Card

__all__ = ["CARDS", "FEATURES"]

FEATURES = (
    "Holds for the encoder in the score's name: the dataset's own small classifier unless another is named, and its values "
    "compare models on one dataset in this report, never with published values, which use Inception."
)
BIAS = "(1/n + 1/m) (tr C + 1/2 sum_ij l_i l_j (1 + d_ij) / (l_i + l_j))"
CARDS = (
    Card(
        key="fid",
        title="Fréchet distance",
        unit="",
        direction="lower",
        applies="images",
        group="Distance to the data",
        what="Squared Fréchet distance between Gaussians fitted to features of generated and of reference images.",
        range="0 to infinity, in squared units of the features.",
        floor="Positive at finite n and m: about " + BIAS + " for Gaussian features with covariance C and eigenvalues l, "
        "given as `bias` in the settings; heavy tails raise it. The report shows what real data get at the same n and m.",
        uncertainty="Standard error over the generated images, given the reference: standard deviation of their influence on the "
        "distance (infinitesimal jackknife) over the square root of n. Not a percentile interval of a bootstrap, which adds the "
        "bias a second time. Near the floor and with heavy tails "
        "it errs on the large side, by up to a half.",
        traps="Biased upwards by about 1/n with a slope that depends on the model, so values at different n do not compare. "
        "Sees only means and covariances: copies of the training images score best. " + FEATURES,
        source="Heusel et al. 2017, arXiv:1706.08500; bias: Chong and Forsyth 2020, arXiv:1911.07023",
        main=True,
    ),
    Card(
        key="fid_infinity",
        title="Fréchet distance, n to infinity",
        unit="",
        direction="lower",
        applies="images",
        group="Distance to the data",
        what="Fréchet distance extrapolated to infinitely many generated images, by a line in 1/N through 15 subset sizes.",
        range="0 to infinity but for noise, which can make it slightly negative.",
        floor="The reference's part of the bias stays, about the FID's floor with 1/m in place of 1/n + 1/m: only the generated "
        "side is extrapolated. Keep the reference fixed.",
        uncertainty="Standard error over the generated images, given the reference: each image's influence on the distance times "
        "its share in the line's intercept. The seed's choice of subsets is held fixed.",
        traps="Noisier than the FID: it pays where models differ in bias. Left out below n = 8 d (d features), since "
        "the FID is linear in 1/N only for N well above d; there it is a few hundredths of the bias too small. Features with "
        "heavy tails make the standard error too small at n of a few d: 600 real polygons got -0.40, with 0.10. " + FEATURES,
        source="Chong and Forsyth 2020, arXiv:1911.07023",
    ),
    Card(
        key="kid",
        title="Kernel distance",
        unit="",
        direction="lower",
        applies="images",
        group="Distance to the data",
        what="Unbiased squared MMD with the kernel (x.y/d + 1)^3 between features of generated and of reference images.",
        range="About 0 to infinity; unbiased, so slightly negative values occur and mean zero.",
        floor="0 in expectation, at every n and m.",
        uncertainty="Standard error over the generated images, given the reference: unbiased variance of the U-statistic. "
        "`se_both` in the settings also covers the draw of the reference and tells whether a value differs from 0.",
        traps="Depends on the scale of the features. The usual spread over 100 overlapping subsets is no standard error; here "
        "all pairs are used once. A cubic kernel sees moments up to the third. " + FEATURES,
        source="Bińkowski et al. 2018, arXiv:1801.01401",
        main=True,
        best=0.0,
    ),
    Card(
        key="inception_score",
        title="Inception score",
        unit="",
        direction="higher",
        applies="images",
        group="Classes and diversity",
        what="exp of the mean KL divergence from the classes of one image to the classes of all, mean over 10 parts.",
        range="1 to the number of classes.",
        floor="Real data get less than the number of classes where images are ambiguous; the report shows their value.",
        uncertainty="Standard error over the generated images: standard deviation over the 10 disjoint parts over the square "
        "root of 10.",
        traps="Never looks at the data: one perfect image per class gets the maximum, and so can noise that the classifier is "
        "sure of. Biased by the size of a part, n/10. Shown for history. Comes from the classifier in the score's name; only "
        "Inception's logits give published values.",
        source="Salimans et al. 2016, arXiv:1606.03498; Barratt and Sharma 2018, arXiv:1801.01973",
        ranked=False,
    ),
)
