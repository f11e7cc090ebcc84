"""Cards of metrics of classes, bins and diversity."""

from genbench.metrics.card import Card

__all__ = ["CARDS"]

REFERENCE = "Both sides are predictions of the same classifier, so that a perfect sampler meets the same errors as the reference."
RESAMPLED = (
    "Standard error over the generated sample, given the reference: the spread over 200 multinomial draws from the "
    "observed frequencies, shrunk to the reference's by James and Stein's factor among what was seen, since drawing from the "
    "observed ones themselves would count their sampling error twice; right within a factor of 1.5 in simulations."
)
COUNTED = "No standard error: how a count varies is up to the classes too rare to be seen; the spread over seeds covers it."
CARDS = (
    Card(
        key="classes_covered",
        title="Classes covered",
        unit="classes",
        direction="higher",
        applies="images",
        group="Classes and diversity",
        what="Number of classes that get at least a tenth of an equal share of the generated images, n/(10 K) of n images "
        "for K classes.",
        range="1 to K, the number of classes.",
        floor="A perfect sampler gets K, unless a class has less than a tenth of an equal share in the data themselves.",
        uncertainty=COUNTED,
        traps="Wrong predictions count too: with 10 classes, every one passes by errors alone once 9 % of the predictions are "
        "wrong and spread evenly, and some pass sooner; reliable from an accuracy of 99 % on (settings: accuracy, reliable). "
        "It says nothing of how good the images are, nor of variety within a class. Other "
        "thresholds, among them the literature's single image, give other counts.",
        source="Metz et al. 2017, arXiv:1611.02163; threshold after a classifier's errors",
    ),
    Card(
        key="modes_seen",
        title="Modes seen",
        unit="classes",
        direction="higher",
        applies="images",
        group="Classes and diversity",
        what="Number of classes with at least one generated image, the literature's count on stacked digits; given from 100 "
        "classes on.",
        range="1 to the smaller of K and n.",
        floor="A perfect sampler of 1000 equal classes gets 1000 of 26,000 images, but 993 of 5000 and 918 of 2500: compare "
        "only at equal n (settings: floor).",
        uncertainty=COUNTED,
        traps="A classifier's errors make modes: with 26,000 images of one single class of stacked digits, a digit classifier "
        "of 99 % accuracy counts about 32 modes, one of 96.6 % about 79. One image is no evidence: see classes covered.",
        source="Metz et al. 2017, arXiv:1611.02163; Srivastava et al. 2017, arXiv:1705.07761; Lin et al. 2018, arXiv:1712.04086",
    ),
    Card(
        key="class_kl",
        title="KL of classes",
        unit="nats",
        direction="lower",
        applies="images",
        group="Classes and diversity",
        what="KL divergence from the predicted classes of the generated images to those of the reference images. " + REFERENCE,
        range="0 to the logarithm of 1 over the rarest class's share: 2.3 for 10 equal classes, 6.9 for 1000.",
        floor="A perfect sampler gets about (K-1)/2 (1/n + 1/n_reference), not 0, and more than that if classes have few images "
        "(settings: floor). Nothing is subtracted from the value.",
        uncertainty=RESAMPLED,
        traps="It sees shares of classes only, neither quality nor variety within a class. A classifier's errors blur a "
        "collapse: one class alone scores less than it should. With many classes the floor dominates, so that values at other "
        "n or n_reference do not compare; papers on stacked digits print the divergence to equal shares (settings: "
        "kl_to_uniform, from 100 classes on), whose floor lacks the reference's part. If the reference misses a class, half "
        "an image is added to each of its classes (settings: pseudocount).",
        source="Metz et al. 2017, arXiv:1611.02163; Lin et al. 2018, arXiv:1712.04086",
    ),
    Card(
        key="class_tv",
        title="Total variation of classes",
        unit="share",
        direction="lower",
        applies="images",
        group="Classes and diversity",
        what="Share of the generated images that would have to change class to match the reference: half the sum of absolute "
        "differences between the two histograms of predicted classes. " + REFERENCE,
        range="0 to 1; a generator of one class gets 1 less that class's share.",
        floor="A perfect sampler gets about the sum over classes of sqrt(q (1-q) (1/n + 1/n_reference) / (2 pi)), q being the "
        "class's share (settings: floor).",
        uncertainty=RESAMPLED,
        traps="It sees shares of classes only. It shrinks as 1/sqrt(n), so small differences between models at the floor mean "
        "nothing. A classifier's errors blur it as they do the KL divergence.",
        source="The distance: Levin, Peres and Wilmer 2017, Markov Chains and Mixing Times, section 4.1",
    ),
    Card(
        key="conditional_accuracy",
        title="Conditional accuracy",
        unit="share",
        direction="higher",
        applies="images",
        group="Classes and diversity",
        what="Share of the generated images that the classifier puts into the class that the model was asked for; only of models "
        "that are given a class. The classes asked for are drawn with their shares in the training split.",
        range="0 to 1; a model that ignores the class gets the chance that two draws agree, 0.1 for 10 equal classes.",
        floor="Real images of the test split get the classifier's accuracy there.",
        uncertainty="Binomial standard error over the generated sample, given the classes asked for.",
        traps="Typical images are easier to tell than real ones, so that values above real data's mean less variety, not better "
        "images; one image per class gets 1. Guidance raises it at the cost of recall. It says nothing of variety within a "
        "class: the Fréchet distance within each class would, but needs more images per class than the test splits here have.",
        source="Ravuri and Vinyals 2019, arXiv:1905.10887 and Miyato and Koyama 2018, arXiv:1802.05637, for kindred scores",
    ),
    Card(
        key="vendi",
        title="Vendi score",
        unit="",
        direction="none",
        applies="images",
        group="Classes and diversity",
        what="Effective number of different images: exponential of the entropy of the eigenvalues of the kernel matrix, "
        "divided by n, under the cosine kernel of the features.",
        range="1, all features parallel, to the smaller of n and the features' width.",
        floor="No floor: read it beside the value of real data of the same n. Less than that means fewer kinds of images or "
        "a concentrated generator; more means images unlike the data.",
        uncertainty="Standard error over the generated sample by the delta method: the standard deviation of -x' log C x over "
        "examples, with C the mean of x x', divided by sqrt(n) and multiplied by the score.",
        traps="It has no reference: noise can score higher than real data. Under a cosine kernel it is bounded by the width of "
        "the features and never counts classes or images. It grows with n, slightly; it depends on the encoder.",
        source="Friedman and Dieng 2023, arXiv:2210.02410",
        ranked=False,
    ),
    Card(
        key="ndb",
        title="Different bins",
        unit="share",
        direction="lower",
        applies="images",
        group="Classes and diversity",
        what="Share of bins whose proportion of generated images differs from that of the training images at level 0.05 by a "
        "two-proportion z-test; the bins are k-means clusters of the training images' pixels, 100 of them or one for every "
        "20 training images if that is less.",
        range="0 to 1.",
        floor="Real data get 0.05 in expectation, with a standard deviation of about sqrt(0.05 * 0.95 / bins) (settings: floor, "
        "null_sd), 0.05 +- 0.02 for 100 bins; 0.04 with 30 training images per bin, since the images that placed the bins fill "
        "them more evenly than new ones do.",
        uncertainty=RESAMPLED,
        traps="The power of the tests grows with n and with the training set's size, so that any imperfect model tends to 1: "
        "compare at equal n only. Pixels see strokes and backgrounds, not meaning; small blur changes bins. It sees shares "
        "of bins, not what lies within them, and no copying: training images themselves score best.",
        source="Richardson and Weiss 2018, arXiv:1805.12462",
    ),
    Card(
        key="ndb_js",
        title="Divergence of bins",
        unit="nats",
        direction="lower",
        applies="images",
        group="Classes and diversity",
        what="Jensen-Shannon divergence between the histograms of generated and of training images over the same bins as those "
        "of the share of different bins.",
        range="0 to log 2 = 0.693.",
        floor="Real data get about (bins-1)/8 (1/n + 1/n_reference) (settings: floor): 0.0099 for 100 bins and 2500 images of "
        "each side.",
        uncertainty=RESAMPLED,
        traps="As for the share of different bins, but without its threshold: it grows smoothly and is the steadier of the two.",
        source="Richardson and Weiss 2018, arXiv:1805.12462",
    ),
)
