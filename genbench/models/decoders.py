"""Encoders and decoders by name, and distributions p(x|z) of a decoder's output: entries of x are independent given z."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.models.base import chosen, normal, uniform
from genbench.models.outputs import discretised_gaussian, discretised_logistic, gaussian, sample_logistic
from genbench.nets import CRITICS, GENERATORS, generator

__all__ = ["DISTRIBUTIONS", "Distribution", "coders", "distribution_of"]

# a convolutional decoder's norm keeps examples independent; one that takes noise beside z goes without
DECODING = {"mlp": {}, "stylegan": {"noise": False}}


@dataclass(frozen=True)
class Distribution:
    """A distribution p(x|z), given locations and log scales (B, dim).

    Arguments:
        log_prob: (x, location, log_scale, levels) -> nats, element by element: of a value, or of the grey level at x.
        draw: (location, log_scale, generator) -> values; of images to be rounded to grey values, -1 to 1.
        mean: location -> mean of the distribution. learned: whether it has a scale that is learned, or a given one, or none.
    """

    log_prob: Callable[[Tensor, Tensor, Tensor, int | None], Tensor]
    draw: Callable[[Tensor, Tensor, torch.Generator], Tensor]
    mean: Callable[[Tensor], Tensor] = lambda location: location
    learned: bool = True


def _normal(location: Tensor, log_scale: Tensor, generator: torch.Generator) -> Tensor:
    return location + log_scale.exp() * normal(location.shape, generator)


def _density(x: Tensor, location: Tensor, log_scale: Tensor, levels: None) -> Tensor:
    return gaussian(x, location, log_scale)


def _logistic(location: Tensor, log_scale: Tensor, generator: torch.Generator) -> Tensor:
    return sample_logistic(location, log_scale, uniform(location.shape, generator))


# by kind of data, then a recipe's `decoder`; images have probabilities of grey levels, so that a bound is on the image itself
DISTRIBUTIONS: dict[str, dict[str, Distribution]] = {
    "points": {
        "gaussian": Distribution(_density, _normal),
        "gaussian_fixed": Distribution(_density, _normal, learned=False),
    },
    "images": {
        "logistic": Distribution(discretised_logistic, _logistic),
        "gaussian": Distribution(discretised_gaussian, _normal),
        "gaussian_fixed": Distribution(discretised_gaussian, _normal, learned=False),
        "bernoulli": Distribution(  # the location is a logit, x is -1 or 1
            lambda x, logit, log_scale, levels: F.logsigmoid(x * logit),
            lambda logit, log_scale, generator: (uniform(logit.shape, generator) < logit.sigmoid()).to(logit) * 2 - 1,
            lambda logit: (logit / 2).tanh(),
            learned=False,
        ),
    },
}
USUAL = {"points": "gaussian", "images": "logistic"}  # what a recipe that names no decoder gets


def distribution_of(name: str, levels: int | None) -> Distribution:
    """The distribution of that name for points, or for images of so many levels; the kind's default if empty."""
    kind = "images" if levels else "points"
    name, distributions = name or USUAL[kind], DISTRIBUTIONS[kind]
    if chosen("decoder", name, distributions) == "bernoulli" and levels != 2:
        raise ValueError(
            f"decoder: bernoulli is for images of 2 levels, these have {levels}; allowed: {', '.join(distributions)}"
        )
    return distributions[name]


def coders(
    shape: tuple[int, ...], codes: int, latent: int, outputs: tuple[int, ...], width: int, depth: int, network: str,
    encoder_width: int = 0, classes: int = 0,
) -> nn.ModuleDict:  # fmt: skip
    """`encoder`, examples (B, *shape), or flat ones, -> (B, codes), and `decoder`, (B, latent) -> (B, *outputs), given the class.

    Arguments:
        width: of the decoder and, unless encoder_width says otherwise, of the encoder. depth: of both, perceptrons only.
        network: a key of GENERATORS for the decoder and of CRITICS for the encoder, images only; a convolutional decoder has
            layer norms.
    """
    more = {"depth": depth, "activation": "silu"} if chosen("network", network, GENERATORS) == "mlp" else {}
    decoding = DECODING.get(network, {"norm": "layer"})
    encoder = CRITICS[network](shape, encoder_width or width, outputs=codes, **more)
    return nn.ModuleDict({"encoder": encoder, "decoder": generator(network, latent, outputs, width, classes, **decoding, **more)})
