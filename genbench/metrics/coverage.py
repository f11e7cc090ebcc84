"""Which classes the generated images fall into, by an encoder's logits, and how many kinds of images there are."""

from typing import Any

import numpy as np
import torch
from scipy.special import xlogy
from torch import Tensor

from genbench.metrics.bins import resampled
from genbench.metrics.cards import METRICS
from genbench.metrics.score import Score

__all__ = ["conditional_accuracy", "coverage", "vendi"]

MANY = 100  # classes from which on the literature counts every class with an image
RELIABLE = 0.99  # accuracy below which a classifier's errors fill classes


def coverage(
    logits: Tensor, reference_counts: Tensor, *, accuracy: float | None = None, settings: dict[str, Any] | None = None
) -> list[Score]:
    """Score logits (n, K) of generated images by classes_covered, class_kl and class_tv; with K >= 100 also modes_seen.

    `reference_counts` (K,) are the counts of the same classifier's own predictions on the reference images: a perfect
    sampler then meets the same errors. If one is 0, half an image is added to each ("pseudocount"). `accuracy` of the
    classifier goes into the settings. Floors there are leading-order expectations of a perfect sampler at these sizes;
    the divergences have standard errors, given the reference. Raises ValueError for non-finite logits or unfit counts.
    References: Metz et al. 2017, arXiv:1611.02163; Lin et al. 2018, arXiv:1712.04086.
    """
    counts = torch.as_tensor(reference_counts).double().cpu().numpy()
    if logits.ndim != 2 or len(logits) == 0 or counts.shape != logits.shape[1:]:
        raise ValueError(f"coverage: logits of shape {tuple(logits.shape)} with {counts.size} reference counts")
    bad = int((~torch.isfinite(logits).all(dim=1)).sum())
    if bad:
        raise ValueError(f"coverage: {bad} of {len(logits)} logit vectors are not finite")
    if counts.min() < 0 or counts.sum() == 0:
        raise ValueError("coverage: reference counts must not be negative, nor all zero")
    n, classes = logits.shape
    m = counts.sum()
    pseudocount = 0.0 if counts.min() > 0 else 0.5
    real = (counts + pseudocount) / (m + classes * pseudocount)
    seen = torch.bincount(logits.argmax(dim=1).cpu(), minlength=classes).numpy()
    threshold = n / (10 * classes)

    def kl(c: np.ndarray, against: np.ndarray) -> np.ndarray:
        return (xlogy(c / n, c / n) - xlogy(c / n, against)).sum(-1).clip(min=0)

    spread = np.sqrt(real * (1 - real) * (1 / n + 1 / m)).sum()
    measured = {
        "classes_covered": (lambda c: (c >= threshold).sum(-1), {"threshold": threshold}),
        "class_kl": (lambda c: kl(c, real), {"floor": (classes - 1) / 2 * (1 / n + 1 / m), "pseudocount": pseudocount}),
        "class_tv": (
            lambda c: np.abs(c / n - real).sum(-1) / 2,
            {"floor": spread / (2 * np.pi) ** 0.5, "pseudocount": pseudocount},
        ),
    }
    if classes >= MANY:
        measured["class_kl"][1]["kl_to_uniform"] = float(kl(seen, np.full(classes, 1 / classes)))  # what papers print
        measured["modes_seen"] = (lambda c: (c > 0).sum(-1), {"floor": classes * (1 - (1 - 1 / classes) ** n)})
    common = {**(settings or {}), "classes": classes, "n_reference": int(m)}
    if accuracy is not None:
        common |= {"accuracy": accuracy, "reliable": accuracy >= RELIABLE}
    again = resampled(seen, real)
    scores = []
    for key, (f, own) in measured.items():
        # counts have none: how they vary is up to the classes too rare to be seen
        se = float(f(again).std(ddof=1)) if key in ("class_kl", "class_tv") else None
        scores.append(Score(key, float(f(seen)), n, METRICS[key].unit, se, settings={**common, **own}))
    return scores


def conditional_accuracy(logits: Tensor, labels: Tensor, settings: dict[str, Any] | None = None) -> Score:
    """Return the share, 0 to 1, of generated images whose logits (n, K) are largest for the class (n,) that was asked for.

    The standard error is the binomial one. Raises ValueError for unequal numbers or logits that are not finite.
    """
    if len(logits) != len(labels) or not len(labels) or not bool(logits.isfinite().all()):
        raise ValueError(f"conditional_accuracy: {len(logits)} finite logit vectors are needed for {len(labels)} labels")
    value, n = float((logits.argmax(1) == labels.to(logits.device)).double().mean()), len(labels)
    return Score("conditional_accuracy", value, n, "share", (value * (1 - value) / n) ** 0.5, settings=settings or {})


def vendi(features: Tensor, settings: dict[str, Any] | None = None) -> Score:
    """Return the Vendi score of features (n, d) under the cosine kernel: exp of its eigenvalues' entropy, 1..min(n, d).

    By the d x d dual of the kernel matrix, which has the same non-zero eigenvalues. The standard error is the delta
    method's: with C the mean of x x', the entropy changes by -x' log C x for each example x. Raises ValueError for
    feature vectors that are zero or not finite.
    References: Friedman and Dieng 2023, arXiv:2210.02410.
    """
    rows = features.detach().double()
    length = rows.norm(dim=1, keepdim=True) if rows.ndim == 2 else rows.new_zeros(1)
    bad = int((~(torch.isfinite(length) & (length > 0))).sum())
    if bad or len(rows) < 2:
        raise ValueError(f"vendi: {bad} vectors that are zero or not finite in features of shape {tuple(features.shape)}")
    rows, n = rows / length, len(rows)
    values, vectors = torch.linalg.eigh(rows.T @ rows / n)
    logs = values.clamp_min(1e-15).log()
    own = -((rows @ vectors).square() @ logs)  # its mean is the entropy
    score = float(own.mean().exp())
    made = {key: value for key, value in (settings or {}).items() if key != "reference"}  # it has none
    return Score("vendi", score, n, METRICS["vendi"].unit, score * float(own.std()) / n**0.5, settings=made)
