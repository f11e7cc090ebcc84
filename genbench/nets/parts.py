"""Pieces that convolutional generators and critics share."""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["NORMS", "BatchNorm", "Critic", "dense", "grow", "he", "image", "ladder", "normaliser", "settle", "shrink", "standing"]

NORMS = ("none", "batch", "layer")  # spectral normalisation is no layer: it replaces a critic's weights from outside
HIDDEN, LAST = 2**0.5, 3**-0.5  # gains: a rectified layer keeps the second moment; an output starts below 1, as nn.Linear's


class BatchNorm(nn.Module):
    """Normalisation (B, C, ...) -> same by the mean and variance of the batch at hand, until `settle` fixes them.

    Without running averages, which replicas could not keep: an example's output depends on its batch in training. The fixed
    moments `mean` and `variance` (C,) are buffers that are not there before; weights that have them load into any copy.

    References:
        Batch Normalization (Ioffe & Szegedy, 2015), arXiv 1502.03167
    """

    def __init__(self, channels: int, affine: bool = True):
        super().__init__()
        self.register_buffer("mean", None)
        self.register_buffer("variance", None)
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        if self.mean is None:
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True)
        return F.batch_norm(x, self.mean, self.variance, self.weight, self.bias, training=False)

    def _load_from_state_dict(self, state_dict, prefix, *args):
        for name in ("mean", "variance"):
            stored = state_dict.get(prefix + name)
            setattr(self, name, None if stored is None else torch.empty_like(stored))
        super()._load_from_state_dict(state_dict, prefix, *args)


@torch.no_grad()
def settle(net: nn.Module, run: Callable[[], Tensor]) -> None:
    """Fix the moments of a network's batch norms at those that they see while `run()` calls it, so that examples are independent.

    `run` calls the network once, on as many inputs as can be afforded: on these very inputs it gives the same as before.

    References:
        "Standing statistics", Large Scale GAN Training (Brock et al., 2018), arXiv 1809.11096, appendix B
    """

    def keep(layer: nn.Module, args: tuple[Tensor]) -> None:
        axes = [i for i in range(args[0].dim()) if i != 1]
        layer.mean, layer.variance = args[0].mean(axes), args[0].var(axes, correction=0)

    handles = [layer.register_forward_pre_hook(keep) for layer in net.modules() if isinstance(layer, BatchNorm)]
    run()
    for handle in handles:
        handle.remove()


def standing(net: nn.Module, *inputs: Tensor) -> nn.Module:
    """A copy of a network, settled on these inputs: for what looks at single examples before training has ended."""
    net = copy.deepcopy(net)
    settle(net, lambda: net(*inputs))
    return net


def normaliser(norm: str, channels: int, affine: bool = True) -> nn.Module:
    """A layer (B, C, ...) -> same of one of NORMS; "layer" takes an example's moments over all channels and pixels.

    `affine`: whether gains and shifts per channel are learned.

    References:
        Layer Normalization (Ba et al., 2016), arXiv 1607.06450
    """
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, not {norm!r}")
    if norm == "none":
        return nn.Identity()
    return BatchNorm(channels, affine) if norm == "batch" else nn.GroupNorm(1, channels, affine=affine)


def image(shape: tuple[int, ...]) -> tuple[int, int]:
    """Channels and side length of square images; ValueError for anything else."""
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] < 8:
        raise ValueError(f"a convolutional network needs square images (C, H, H) of at least 8 pixels, not shape {tuple(shape)}")
    return shape[0], shape[1]


def ladder(size: int) -> list[int]:
    """Side lengths up to `size`, each half the next, rounded up: at least two doublings, from at most 4 pixels.

    28 gives [4, 7, 14, 28], 32 gives [4, 8, 16, 32], 8 gives [2, 4, 8].
    """
    sizes = [size]
    while sizes[0] > 4 or len(sizes) < 3:
        sizes.insert(0, -(-sizes[0] // 2))
    return sizes


def grow(x: Tensor, size: int) -> Tensor:
    """Every pixel doubled, cut to (..., size, size)."""
    return F.interpolate(x, scale_factor=2, mode="nearest")[..., :size, :size]


def shrink(x: Tensor) -> Tensor:
    """Means of 2x2 pixels, an odd last row or column alone: (..., s, s) to half the size, rounded up."""
    return F.avg_pool2d(x, 2, ceil_mode=True)


def he(module: nn.Module, gain: float = HIDDEN) -> nn.Module:
    """Set all linear and convolutional weights inside to N(0, gain^2 / terms), `terms` those of a sum; biases to 0.

    The authors' N(0, 0.02^2) fits one width only; this gives every width the same signals.

    References:
        Delving Deep into Rectifiers (He et al., 2015), arXiv 1502.01852
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            inputs = layer.weight.shape[1] if not isinstance(layer, nn.ConvTranspose2d) else layer.weight.shape[0]
            taps = math.prod(layer.weight.shape[2:])
            if isinstance(layer, nn.ConvTranspose2d):
                taps /= math.prod(layer.stride)
            nn.init.normal_(layer.weight, std=gain / (inputs * taps) ** 0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module


def dense(inputs: int, outputs: int, norm: str) -> nn.Sequential:
    """Linear and normalising layer, without a bias that the norm would cancel."""
    return nn.Sequential(nn.Linear(inputs, outputs, bias=norm == "none"), normaliser(norm, outputs))


class Critic(nn.Module):
    """What critics, classifiers and encoders share: `features` of images and a linear `head` on them.

    Takes images (B, *shape) or flat ones (B, prod(shape)); gives (B,), or (B, outputs) where `outputs` is given.

    Arguments:
        shape: (C, H, W). size: number of features. outputs: None for one number per image, without an axis of its own.
    """

    def __init__(self, shape: tuple[int, ...], size: int, outputs: int | None = None):
        super().__init__()
        self.shape, self.outputs = tuple(shape), outputs
        self.head = he(nn.Linear(size, outputs or 1), LAST)

    def features(self, x: Tensor) -> Tensor:
        """Images (B, *shape) -> (B, size), what the head sees."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        out = self.head(self.features(x.reshape(-1, *self.shape)))
        return out.squeeze(-1) if self.outputs is None else out
