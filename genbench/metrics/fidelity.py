"""Distances between generated and reference features, all by torch-fidelity's own functions."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from genbench.metrics.cards import METRICS
from genbench.metrics.score import Score

__all__ = ["fid_bias", "fidelity"]

NEIGHBOURS = 3
SUBSETS = 100


def fidelity(features: Tensor, reference: Tensor, *, seed: int = 2020, settings: dict[str, Any] | None = None) -> list[Score]:
    """Score generated features (n, d) against reference features (m, d): fid, kid, precision, recall.

    `settings` says what they are, such as {"encoder": name, "reference": "test"}, and goes into every score beside
    n_reference; fid also holds the value that real data is expected to get at these n and m ("bias"), kid the spread
    over its overlapping subsets ("subset_std"), which is no standard error. Raises ValueError for non-finite features,
    unequal widths or fewer than 10 examples.
    """
    generated, real = (_checked(name, x) for name, x in (("generated", features), ("reference", reference)))
    if generated.shape[1] != real.shape[1]:
        raise ValueError(f"fidelity: generated features have width {generated.shape[1]}, reference {real.shape[1]}")
    n, m = len(generated), len(real)
    common = {**(settings or {}), "n_reference": m}
    statistics = [fid_features_to_statistics(x) for x in (generated, real)]
    fid = fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    scale = float(np.trace(statistics[0]["sigma"]) + np.trace(statistics[1]["sigma"]))
    if fid < -1e-3 * (1 + scale):
        raise ValueError(f"fidelity: a Fréchet distance of {fid}; the features are too ill-conditioned for it")
    size = min(1000, min(n, m) // 2)
    kid = kid_features_to_metric(generated, real, kid_subsets=SUBSETS, kid_subset_size=size, rng_seed=seed, verbose=False)
    prc = prc_features_to_metric(
        generated, real, prc_neighborhood=NEIGHBOURS, prc_batch_size=10000, save_cpu_ram=True, verbose=False
    )
    kid_settings = {"subsets": SUBSETS, "subset_size": size, "seed": seed}
    kid_settings["subset_std"] = kid["kernel_inception_distance_std"]
    values = {
        "fid": (max(fid, 0.0), {"bias": fid_bias(real, n, m)}),  # equal sets give a rounding error below zero
        "kid": (kid["kernel_inception_distance_mean"], kid_settings),
        "precision": (prc["precision"], {"neighbours": NEIGHBOURS}),
        "recall": (prc["recall"], {"neighbours": NEIGHBOURS}),
    }
    return [Score(key, value, n, METRICS[key].unit, settings={**common, **own}) for key, (value, own) in values.items()]


def fid_bias(features: Tensor, n: int, m: int) -> float:
    """Expected FID of two samples of sizes n and m from one Gaussian with the covariance of `features`, leading order.

    (1/n + 1/m) [tr C + 1/2 sum_ij l_i l_j (1 + d_ij) / (l_i + l_j)] with l the eigenvalues of C.
    """
    values = np.linalg.eigvalsh(np.atleast_2d(np.cov(features.double().cpu().numpy(), rowvar=False))).clip(min=0)
    sums = values[:, None] + values[None, :]
    terms = np.divide(values[:, None] * values[None, :], sums, out=np.zeros_like(sums), where=sums > 0)
    return float((1 / n + 1 / m) * (values.sum() + 0.5 * (terms.sum() + np.trace(terms))))


def _checked(name: str, features: Tensor) -> Tensor:
    """Return float32 features on the CPU, as torch-fidelity itself would hold them."""
    if features.ndim != 2 or len(features) < 10:
        raise ValueError(f"fidelity: {name} features of shape {tuple(features.shape)}; (n >= 10, d) is needed")
    bad = int((~torch.isfinite(features).all(dim=1)).sum())
    if bad:
        raise ValueError(f"fidelity: {bad} of {len(features)} {name} feature vectors are not finite")
    return features.detach().float().cpu().contiguous()
