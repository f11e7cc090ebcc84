"""Which classes the generated images fall into, by the encoder's logits."""

import torch
from torch import Tensor

from genbench.metrics.cards import METRICS
from genbench.metrics.score import Score

__all__ = ["coverage"]


def coverage(logits: Tensor, reference_class_counts: Tensor) -> list[Score]:
    """Score logits (n, K) of generated images against the class counts (K,) of reference data.

    classes_covered counts the classes with at least n/(10K) images: one image is no evidence, since a classifier's
    errors reach every class. class_kl is KL(generated || reference) in nats; its expectation for a perfect sampler,
    (K-1)/2 (1/n + 1/n_reference), is in its settings as "floor".
    Raises ValueError for non-finite logits or a class without reference.
    """
    counts = torch.as_tensor(reference_class_counts).double().cpu()
    if logits.ndim != 2 or len(logits) == 0 or counts.shape != logits.shape[1:]:
        raise ValueError(f"coverage: logits of shape {tuple(logits.shape)} with {counts.numel()} reference counts")
    bad = int((~torch.isfinite(logits).all(dim=1)).sum())
    if bad:
        raise ValueError(f"coverage: {bad} of {len(logits)} logit vectors are not finite")
    if not bool((counts > 0).all()):
        raise ValueError(f"coverage: the reference has no image of class {int((counts <= 0).nonzero()[0])}")
    n, classes = logits.shape
    seen = torch.bincount(logits.argmax(dim=1).cpu(), minlength=classes).double()
    threshold = n / (10 * classes)
    generated, real = seen / n, counts / counts.sum()
    kl = float((torch.special.xlogy(generated, generated) - torch.special.xlogy(generated, real)).sum())
    settings = {"classes": classes, "n_reference": int(counts.sum())}
    return [
        Score(
            "classes_covered",
            int((seen >= threshold).sum()),
            n,
            METRICS["classes_covered"].unit,
            settings={**settings, "threshold": threshold},
        ),
        Score(
            "class_kl",
            max(kl, 0.0),
            n,
            METRICS["class_kl"].unit,
            settings={**settings, "floor": (classes - 1) / 2 * (1 / n + 1 / float(counts.sum()))},
        ),
    ]
