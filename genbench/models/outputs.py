"""Output distributions that several families share: parameters in, log-probabilities and samples out."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["discretised_gaussian", "discretised_logistic", "gaussian", "log_normal_cdf", "sample_logistic", "standard_normal"]


def gaussian(x: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Log-density of N(mean, exp(log_std)^2), element by element, in nats."""
    return -0.5 * ((x - mean) * (-log_std).exp()).square() - log_std - 0.5 * math.log(2 * math.pi)


def standard_normal(x: Tensor) -> Tensor:
    """Log-density of N(0, I) over the last axis, in nats."""
    return -0.5 * (x.square() + math.log(2 * math.pi)).sum(-1)


def discretised_logistic(x: Tensor, mean: Tensor, log_scale: Tensor, levels: int) -> Tensor:
    """Log-probability of grey values mapped to x = 2k/(levels-1) - 1 under a logistic, element by element, in nats.

    The first and last level take the tails, so the probabilities sum to one for any mean and scale.

    References:
        PixelCNN++ (Salimans et al., 2017), arXiv 1701.05517
    """
    half = 1 / (levels - 1)
    inverse = (-log_scale).exp()
    upper, lower = (x - mean + half) * inverse, (x - mean - half) * inverse
    # log(sigmoid(u) - sigmoid(l)) without cancellation, also hundreds of nats out
    inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))
    return torch.where(x < -1 + half, F.logsigmoid(upper), torch.where(x > 1 - half, F.logsigmoid(-lower), inside))


def log_normal_cdf(x: Tensor) -> Tensor:
    """log P(N(0, 1) < x), element by element; torch.special.log_ndtr is slow under vmap."""
    t = torch.where(x < 0, -x, x) / math.sqrt(2)  # not abs: its derivative at 0 is 0
    return torch.where(x < 0, torch.special.erfcx(t).log() - t.square() - math.log(2), torch.log1p(-torch.erfc(t) / 2))


def discretised_gaussian(x: Tensor, mean: Tensor, log_std: Tensor, levels: int) -> Tensor:
    """Log-probability of grey values under N(mean, exp(log_std)^2), element by element, in nats: see discretised_logistic."""
    half, inverse = 1 / (levels - 1), (-log_std).exp()
    near = -(x - mean).abs()  # cells above the mean are mirrored: only the lower tail keeps its digits
    upper, lower = log_normal_cdf((near + half) * inverse), log_normal_cdf((near - half) * inverse)
    inside = upper + torch.log(-torch.expm1(lower - upper))
    first, last = log_normal_cdf((x - mean + half) * inverse), log_normal_cdf((mean - x + half) * inverse)
    return torch.where(x < -1 + half, first, torch.where(x > 1 - half, last, inside))


def sample_logistic(mean: Tensor, log_scale: Tensor, u: Tensor) -> Tensor:
    """A logistic draw from u uniform on [0, 1), clipped to [-1, 1]."""
    u = u.clamp(1e-5, 1 - 1e-5)
    return (mean + log_scale.exp() * (u.log() - torch.log1p(-u))).clamp(-1, 1)
