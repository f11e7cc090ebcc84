"""Which classes the generated images fall into, by an encoder's logits, and how many kinds of images there are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import xlogy

from genbench.metrics.bins import LEAST_SHARE, resampled
from genbench.metrics.card import RESAMPLED, Card, metric
from genbench.metrics.cards import METRICS
from genbench.metrics.distances import checked
from genbench.metrics.score import Score
from genbench.metrics.sets import Images

__all__ = ["class_kl", "class_tv", "classes_covered", "conditional_accuracy", "inception_score", "modes_seen", "vendi"]

REFERENCE = "Both sides are predictions of the same classifier, so that a perfect sampler meets the same errors as the reference."
COUNTED = "No standard error: how a count varies is up to the classes too rare to be seen; the spread over seeds covers it."
MANY = 100  # classes from which on the literature counts every class with an image
RELIABLE = 0.99  # accuracy below which a classifier's errors fill classes
SPLITS = 10  # disjoint parts of the generated images, whose Inception scores are averaged


@metric(
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
        place=130,
    )
)
def inception_score(images: Images) -> Score | None:
    """Inception score of logits (n, K), the mean over 10 disjoint parts in a seeded order.

    exp of the mean KL from p(class | image) to the part's p(class); 1 to K, equal to torch-fidelity's for the same seed.

    References: Salimans et al. 2016, arXiv:1606.03498.
    """
    if images.logits is None:
        return None
    logits = checked("logits", images.logits)
    n = len(logits)
    order = torch.from_numpy(np.random.RandomState(images.seed).permutation(n)).to(logits.device)
    log_p = logits[order].log_softmax(1)
    values = []
    for i in range(SPLITS):
        part = log_p[i * n // SPLITS : (i + 1) * n // SPLITS]
        marginal = part.logsumexp(0) - np.log(len(part))
        values.append(float((part.exp() * (part - marginal)).sum(1).mean().exp()))
    se = float(np.std(values, ddof=1)) / SPLITS**0.5
    settings = {**images.about, "n_reference": len(images.reference.features), "splits": SPLITS, "seed": images.seed}
    return _score("inception_score", float(np.mean(values)), n, se, settings)


@dataclass(frozen=True, eq=False)
class _Histogram:
    """Predicted classes of the generated images, `seen` (K,), and the shares (K,) of the reference images' own.

    If a class has no reference image, half an image is added to each ("pseudocount").
    """

    seen: np.ndarray
    real: np.ndarray
    n: int
    m: int
    pseudocount: float
    settings: dict[str, Any]

    @property
    def classes(self) -> int:
        return len(self.real)

    def kl(self, counts: np.ndarray, against: np.ndarray) -> np.ndarray:
        """KL of histograms (..., K) to shares (K,), in nats."""
        shares = counts / self.n
        return (xlogy(shares, shares) - xlogy(shares, against)).sum(-1).clip(min=0)

    def tv(self, counts: np.ndarray) -> np.ndarray:
        """Total variation between histograms (..., K) and the reference's shares."""
        return np.abs(counts / self.n - self.real).sum(-1) / 2


def _histogram(images: Images) -> _Histogram | None:
    """None without logits or reference counts; ValueError for non-finite logits or unfit counts."""
    if images.logits is None or images.reference is None or images.reference.counts is None:
        return None
    logits, accuracy = images.logits, images.reference.accuracy
    counts = torch.as_tensor(images.reference.counts).double().cpu().numpy()
    if logits.ndim != 2 or len(logits) == 0 or counts.shape != logits.shape[1:]:
        raise ValueError(f"classes: logits of shape {tuple(logits.shape)} with {counts.size} reference counts")
    bad = int((~torch.isfinite(logits).all(dim=1)).sum())
    if bad:
        raise ValueError(f"classes: {bad} of {len(logits)} logit vectors are not finite")
    if counts.min() < 0 or counts.sum() == 0:
        raise ValueError("classes: reference counts must not be negative, nor all zero")
    n, classes = logits.shape
    m = counts.sum()
    pseudocount = 0.0 if counts.min() > 0 else 0.5
    real = (counts + pseudocount) / (m + classes * pseudocount)
    seen = torch.bincount(logits.argmax(dim=1).cpu(), minlength=classes).numpy()
    settings = {**images.about, "classes": classes, "n_reference": int(m)}
    if accuracy is not None:
        settings |= {"accuracy": accuracy, "reliable": accuracy >= RELIABLE}
    return _Histogram(seen, real, n, m, pseudocount, settings)


def _resampled(images: Images) -> np.ndarray:
    found = images.once(_histogram)
    return resampled(found.seen, found.real)


@metric(
    Card(
        key="classes_covered",
        title="Classes covered",
        unit="classes",
        direction="higher",
        applies="images",
        group="Classes and diversity",
        what="Number of classes that get at least a quarter of their share of the generated images: of the share that the same "
        "classifier gives them among the reference images.",
        range="1 to K, the number of classes.",
        floor="A perfect sampler gets K where each class should have some 20 images; with 10 it misses 3 classes of 1000.",
        uncertainty=COUNTED,
        traps="Wrong predictions count too: with 10 equal classes, every one passes by errors alone once 22 % of the predictions "
        "are wrong and spread evenly, and a class that its neighbours are mistaken for passes sooner; reliable from an accuracy "
        "of 99 % on (settings: accuracy, reliable). With fewer than four images expected of a class, a single one is enough. It "
        "says nothing of how good the images are, nor of variety within a class. Other thresholds, among them the literature's "
        "single image, give other counts.",
        source="Metz et al. 2017, arXiv:1611.02163; threshold after a classifier's errors",
        place=180,
    )
)
def classes_covered(images: Images) -> Score | None:
    """Number of classes with an image and at least a quarter of the images that their share in the reference predicts.

    `accuracy` of the classifier and whether it is enough are in the settings.

    References: Metz et al. 2017, arXiv:1611.02163.
    """
    if (found := images.once(_histogram)) is None:
        return None
    value = float((found.seen >= LEAST_SHARE * found.n * found.real).sum())
    return _score("classes_covered", value, found.n, None, {**found.settings, "least_share": LEAST_SHARE})


@metric(
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
        place=190,
    )
)
def class_kl(images: Images) -> Score | None:
    """KL in nats from predicted classes to the reference's own, so that a perfect sampler meets the same errors.

    The floor in the settings is the leading-order expectation of a perfect sampler at these sizes; the standard error is
    given the reference. With 100 classes or more, "kl_to_uniform" is what papers on stacked digits print.

    References: Metz et al. 2017, arXiv:1611.02163; Lin et al. 2018, arXiv:1712.04086.
    """
    if (found := images.once(_histogram)) is None:
        return None
    classes = found.classes
    own = {"floor": (classes - 1) / 2 * (1 / found.n + 1 / found.m), "pseudocount": found.pseudocount}
    if classes >= MANY:
        own["kl_to_uniform"] = float(found.kl(found.seen, np.full(classes, 1 / classes)))
    se = float(found.kl(images.once(_resampled), found.real).std(ddof=1))
    return _score("class_kl", float(found.kl(found.seen, found.real)), found.n, se, {**found.settings, **own})


@metric(
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
        place=200,
    )
)
def class_tv(images: Images) -> Score | None:
    """Total variation, 0 to 1, between the shares of predicted classes and the reference's own; floor and error as `class_kl`."""
    if (found := images.once(_histogram)) is None:
        return None
    spread = np.sqrt(found.real * (1 - found.real) * (1 / found.n + 1 / found.m)).sum()
    own = {"floor": spread / (2 * np.pi) ** 0.5, "pseudocount": found.pseudocount}
    se = float(found.tv(images.once(_resampled)).std(ddof=1))
    return _score("class_tv", float(found.tv(found.seen)), found.n, se, {**found.settings, **own})


@metric(
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
        "of 99 % accuracy counts about 32 modes, one of 96.6 % about 79. One image is no evidence: it is counted here only so "
        "that published values compare, and not ranked; classes covered needs a quarter of a class's share.",
        source="Metz et al. 2017, arXiv:1611.02163; Srivastava et al. 2017, arXiv:1705.07761; Lin et al. 2018, arXiv:1712.04086",
        ranked=False,
        place=210,
    )
)
def modes_seen(images: Images) -> Score | None:
    """Number of classes with an image, where there are 100 classes or more; its floor is what equal shares give."""
    found = images.once(_histogram)
    if found is None or found.classes < MANY:
        return None
    floor = found.classes * (1 - (1 - 1 / found.classes) ** found.n)
    return _score("modes_seen", float((found.seen > 0).sum(-1)), found.n, None, {**found.settings, "floor": floor})


@metric(
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
        place=220,
    )
)
def vendi(images: Images) -> Score:
    """Vendi score of features (n, d) under the cosine kernel: exp of its eigenvalues' entropy, 1..min(n, d).

    By the d x d dual of the kernel matrix, which has the same non-zero eigenvalues. The standard error is the delta
    method's: with C the mean of x x', the entropy changes by -x' log C x for each example x. Raises ValueError for
    feature vectors that are zero or not finite.
    References: Friedman and Dieng 2023, arXiv:2210.02410.
    """
    rows = images.features.detach().double()
    length = rows.norm(dim=1, keepdim=True) if rows.ndim == 2 else rows.new_zeros(1)
    bad = int((~(torch.isfinite(length) & (length > 0))).sum())
    if bad or len(rows) < 2:
        raise ValueError(f"vendi: {bad} vectors that are zero or not finite in features of shape {tuple(images.features.shape)}")
    rows, n = rows / length, len(rows)
    values, vectors = torch.linalg.eigh(rows.T @ rows / n)
    logs = values.clamp_min(1e-15).log()
    own = -((rows @ vectors).square() @ logs)  # its mean is the entropy
    score = float(own.mean().exp())
    settings = {key: value for key, value in images.about.items() if key != "reference"}  # it has none
    return _score("vendi", score, n, score * float(own.std()) / n**0.5, settings)


@metric(
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
        place=280,
        needs="labels",
    )
)
def conditional_accuracy(images: Images) -> Score | None:
    """Share, 0 to 1, of generated images whose logits (n, K) are largest for the class that was asked for; None without one.

    The standard error is the binomial one. Raises ValueError for unequal numbers or logits that are not finite.
    """
    logits, labels = images.logits, images.labels
    if labels is None:
        return None
    if len(logits) != len(labels) or not len(labels) or not bool(logits.isfinite().all()):
        raise ValueError(f"conditional_accuracy: {len(logits)} finite logit vectors are needed for {len(labels)} labels")
    value, n = float((logits.argmax(1) == labels.to(logits.device)).double().mean()), len(labels)
    settings = {"encoder": images.reference.encoder}
    if images.reference.accuracy is not None:
        settings["accuracy"] = images.reference.accuracy
    return _score("conditional_accuracy", value, n, (value * (1 - value) / n) ** 0.5, settings)


def _score(key: str, value: float, n: int, se: float | None, settings: dict[str, Any]) -> Score:
    return Score(key, value, n, METRICS[key].unit, se, settings=settings)
