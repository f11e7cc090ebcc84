"""Output distributions that several families share: parameters in, log-probabilities and samples out."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["discretised_gaussian", "discretised_logistic", "gaussian", "sample_logistic", "standard_normal"]


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


def discretised_gaussian(x: Tensor, mean: Tensor, log_std: Tensor, levels: int) -> Tensor:
    """Log-probability of grey values under N(mean, exp(log_std)^2), element by element, in nats: see discretised_logistic."""
    half, inverse = 1 / (levels - 1), (-log_std).exp()
    side = torch.where(x > mean, -1.0, 1.0)  # cells beyond the mean are mirrored: the law's lower tail has its digits
    low, high = side * (x - mean) * inverse - half * inverse, side * (x - mean) * inverse + half * inverse
    log_low, log_high = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    inside = log_high + torch.log(-torch.expm1(log_low - log_high))
    first, last = x < -1 + half, x > 1 - half
    return torch.where(
        first,
        torch.special.log_ndtr((x + half - mean) * inverse),
        torch.where(last, torch.special.log_ndtr((mean - x + half) * inverse), inside),
    )


def sample_logistic(mean: Tensor, log_scale: Tensor, u: Tensor) -> Tensor:
    """A logistic draw from u uniform on [0, 1), clipped to [-1, 1]."""
    u = u.clamp(1e-5, 1 - 1e-5)
    return (mean + log_scale.exp() * (u.log() - torch.log1p(-u))).clamp(-1, 1)
