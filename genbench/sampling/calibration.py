"""From a critic's value to the probability that an example is real: fitted on data that the critic was not trained on."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["Reliability", "isotonic", "platt", "reliability", "reliability_out_of_fold"]

Logit = Callable[[Tensor], Tensor]
FOLDS, BINS = 5, 10
LEAST = 1e-6  # of a standard error, in examples: where no share differs from the others, rounding errors are no evidence


@dataclass(frozen=True)
class Platt:
    """The line slope * value + offset: differentiable."""

    slope: float
    offset: float

    def __call__(self, value: Tensor) -> Tensor:
        return self.slope * value + self.offset


@dataclass(frozen=True)
class Isotonic:
    """A rising function of the value, linear between `values` where it has the log odds of `shares`."""

    values: np.ndarray
    shares: np.ndarray

    def __call__(self, value: Tensor) -> Tensor:
        share = torch.from_numpy(np.interp(value.detach().double().cpu().numpy(), self.values, self.shares))
        return torch.logit(share).to(value)


def platt(real: Tensor, fake: Tensor) -> Platt:
    """Logistic regression of real against fake on a critic's values (n,) and (m,); returns the log odds as a line.

    Both sides weigh the same, whatever their numbers: the log odds are those of p_data / p_generator, as far as one value can
    tell. The targets are Platt's, (n + 1) / (n + 2) and 1 / (m + 2), which keeps the line finite where the values separate.

    References:
        Probabilistic outputs for support vector machines (Platt, 1999)
    """
    from sklearn.linear_model import LogisticRegression  # its import takes a second

    values, labels, weights = _joined(real, fake)
    centre, scale = values.mean(), values.std() or 1.0
    high, low = (len(real) + 1) / (len(real) + 2), 1 / (len(fake) + 2)
    share = np.where(labels, high, low)
    # an example counts as real with its target and as fake with the rest
    twice = np.tile((values - centre) / scale, 2)[:, None]
    fit = LogisticRegression(C=np.inf, tol=1e-8).fit(
        twice, np.repeat([1, 0], len(values)), sample_weight=np.concatenate([weights * share, weights * (1 - share)])
    )
    slope = float(fit.coef_[0, 0]) / scale
    return Platt(slope, float(fit.intercept_[0]) - slope * centre)


def isotonic(real: Tensor, fake: Tensor) -> Isotonic:
    """Isotonic regression of real against fake on a critic's values (n,) and (m,), both sides weighing the same.

    Shares stay 1 / (2 min(n, m) + 2) away from 0 and 1.

    References:
        Transforming classifier scores into accurate multiclass probability estimates (Zadrozny & Elkan, 2002)
    """
    from sklearn.isotonic import IsotonicRegression  # its import takes a second

    values, labels, weights = _joined(real, fake)
    least = 1 / (2 * min(len(real), len(fake)) + 2)  # certainty that so few examples can't give would hold chains for ever
    fit = IsotonicRegression(y_min=least, y_max=1 - least).fit(values, labels, sample_weight=weights)
    return Isotonic(fit.X_thresholds_, fit.y_thresholds_)


@dataclass(frozen=True)
class Reliability:
    """How probabilities compare with outcomes.

    `z`: Dawid's statistic, standard normal where the probabilities are right; above 0 too few examples were called real. A fit
    to the same distribution keeps it near 0.
    `ece`: expected calibration error over 10 bins of equally many examples; `ece_floor`: what right probabilities get, about.
    """

    z: float
    ece: float
    ece_floor: float


def reliability(shares: Tensor, labels: Tensor) -> Reliability:
    """Compare probabilities (n,) of being real with labels (n,), 1 for real.

    z is sum(label - share) over its standard error. The numbers of real and of other examples are given and not drawn, so
    that only the shares vary, within either side: with the variance of drawn labels, sum share (1 - share), z would be too
    small, by far where real and other examples are alike. The calibration error is the mean over bins of |mean label - mean
    share|; with right probabilities it is a mean of |N(0, v)|, about sqrt(2 v / pi), and not 0.

    References:
        Prequential analysis (Dawid, 1997), Encyclopedia of Statistical Sciences
        Obtaining well calibrated probabilities using Bayesian binning (Naeini et al., 2015)
        Metropolis-Hastings Generative Adversarial Networks (Turner et al., 2019), arXiv 1811.11357
    """
    order = torch.randperm(len(shares), generator=torch.Generator().manual_seed(0))  # of equal shares, too
    order = order[shares.cpu()[order].argsort(stable=True)]
    shares, labels = shares.cpu().double()[order], labels.cpu().double()[order]
    variance = shares * (1 - shares)
    sides = [shares[labels == label] for label in (0, 1)]
    spread = math.sqrt(sum(len(side) * float(side.var(correction=0)) for side in sides))
    z = float((labels - shares).sum()) / max(spread, LEAST)
    error = floor = 0.0
    bins = zip(shares.tensor_split(BINS), labels.tensor_split(BINS), variance.tensor_split(BINS), strict=True)
    for share, label, each in bins:
        error += float((label - share).sum().abs()) / len(shares)
        floor += math.sqrt(2 / math.pi * float(each.sum())) / len(shares)
    return Reliability(z, error, floor)


def reliability_out_of_fold(fit: Callable[[Tensor, Tensor], Logit], real: Tensor, fake: Tensor) -> Reliability:
    """The reliability of `fit` (platt or isotonic) on values that it was not fitted to, in 5 parts by turns.

    The probabilities are those of the n real among n + m examples, not of equally many.
    """
    shares, labels = [], []
    mix = math.log(len(real) / len(fake))
    for k in range(FOLDS):
        out = [torch.arange(len(x)) % FOLDS == k for x in (real, fake)]
        logit = fit(real[~out[0]], fake[~out[1]])
        for x, here, label in ((real, out[0], 1.0), (fake, out[1], 0.0)):
            shares.append((logit(x[here]) + mix).sigmoid())
            labels.append(torch.full((int(here.sum()),), label))
    return reliability(torch.cat(shares), torch.cat(labels))


def _joined(real: Tensor, fake: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values in float64, whether they are real, and weights that sum to the same for both."""
    values = torch.cat([real, fake]).double().cpu().numpy()
    labels = np.arange(len(values)) < len(real)
    return values, labels, 0.5 * len(values) / np.where(labels, len(real), len(fake))
