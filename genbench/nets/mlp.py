"""Fully connected networks for vectors and flattened images."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.nets.parts import normaliser

__all__ = ["MLP", "MaskedMLP", "TimeMLP", "time_features"]

# name: (function, gain of hidden layers; but for tanh it keeps the second moment of a unit normal input)
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "silu": (F.silu, 1.68),
    "relu": (F.relu, 1.41),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), 1.39),
    "tanh": (torch.tanh, 1.0),
}


def scaled(layers: nn.ModuleList, activation: str) -> nn.ModuleList:
    """Initialise hidden layers so that signals neither die nor grow with depth (He et al. 2015, arXiv 1502.01852).

    PyTorch's default shrinks them about fourfold per silu layer: three deep, a diffusion's network does not leave its start.
    """
    for layer in layers[:-1]:
        nn.init.normal_(layer.weight, std=ACTIVATIONS[activation][1] / layer.in_features**0.5)
    return layers


class MLP(nn.Module):
    """A multilayer perceptron (..., inputs) -> (..., outputs).

    Arguments:
        inputs, outputs: numbers of features.
        width, depth: features of a hidden layer, and number of hidden layers.
        activation: a key of ACTIVATIONS.
        norm: one of parts.NORMS, between a hidden layer and its activation.
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, activation: str = "silu", norm: str = "none"):
        super().__init__()
        sizes = [inputs, *[width] * depth, outputs]
        pairs = enumerate(zip(sizes, sizes[1:], strict=False))
        layers = nn.ModuleList(nn.Linear(a, b, bias=i == depth or norm == "none") for i, (a, b) in pairs)
        self.layers = scaled(layers, activation)
        self.norms = nn.ModuleList(normaliser(norm, width) for _ in range(depth) if norm != "none")
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[-1](self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees (..., width)."""
        act, _ = ACTIVATIONS[self.activation]
        for i, layer in enumerate(self.layers[:-1]):
            x = layer(x)
            x = act(self.norms[i](x) if self.norms else x)
        return x

    def gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the outputs (B,) at x (B, inputs) and its gradient (B, inputs), silu networks only.

        Backpropagation by hand: what Langevin chains call thousands of times, also under vmap, where autograd is slower. Autograd
        differentiates it like any function: score matching trains by its derivatives.
        """
        if self.activation != "silu":
            raise ValueError("the gradient is written for silu networks")
        derivatives = []
        for layer in self.layers[:-1]:
            a = layer(x)
            gate = torch.sigmoid(a)
            x = a * gate
            derivatives.append(gate + x * (1 - gate))
        gradient = self.layers[-1].weight.sum(0).expand_as(x)
        for layer, derivative in zip(reversed(self.layers[:-1]), reversed(derivatives), strict=True):
            gradient = (gradient * derivative) @ layer.weight
        return self.layers[-1](x).sum(-1), gradient


def time_features(t: Tensor, size: int) -> Tensor:
    """Sines and cosines (..., size) of times t (...) in [0, 1], angular frequencies from 1 to 30.

    Not the 1 to 10,000 of transformers: a small network must be smooth in time.
    """
    frequencies = torch.exp(torch.linspace(0, math.log(30), size // 2, device=t.device, dtype=t.dtype))
    angles = frequencies * t.unsqueeze(-1)
    return torch.cat([angles.sin(), angles.cos()], -1)


class TimeMLP(nn.Module):
    """A residual perceptron of (x, t): (B, features), (B,) -> (B, features).

    The time scales and shifts every hidden unit (FiLM, Perez et al. 2017, arXiv 1709.07871). A condition (B, time_size), of a
    class, say, is added to the time's features.

    Arguments:
        features: size of x and of the output.
        width, depth: features of the stream and number of residual blocks.
    """

    def __init__(self, features: int, width: int, depth: int, time_size: int = 32):
        super().__init__()
        self.time_size = time_size
        self.inward = nn.Linear(features, width)
        self.blocks = nn.ModuleList(MLP(width, width, width, 1) for _ in range(depth))
        self.times = nn.ModuleList(nn.Linear(time_size, 2 * width) for _ in range(depth))
        self.outward = nn.Linear(width, features)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        features = time_features(t, self.time_size)
        features = features if condition is None else features + condition
        h = self.inward(x)
        for time, block in zip(self.times, self.blocks, strict=True):
            scale, shift = time(features).chunk(2, -1)
            # no normalisation: it would hide from a block how far out x lies
            h = h + block(F.silu(h * (1 + scale) + shift))
        return self.outward(F.silu(h))


class MaskedLinear(nn.Linear):
    """A linear layer some of whose weights are held at zero; mask (outputs, inputs)."""

    def __init__(self, inputs: int, outputs: int, mask: Tensor):
        super().__init__(inputs, outputs)
        self.register_buffer("mask", mask.float())

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return F.linear(x, self.weight * (self.mask if mask is None else mask), self.bias)


class MaskedMLP(nn.Module):
    """A perceptron whose output block i depends on the inputs before i only (MADE).

    References:
        MADE: Masked Autoencoder for Distribution Estimation (Germain et al., 2015), arXiv 1502.03509

    Arguments:
        features: number of ordered inputs d.
        outputs: numbers per input that the network predicts; the result is (B, d, outputs).
        width, depth: features of a hidden layer, and number of hidden layers.
        context: number of further inputs, which every output depends on.
        order: place (d,) of each input, a permutation of 0..d-1; None is theirs.
    """

    def __init__(self, features: int, outputs: int, width: int, depth: int, context: int = 0, order: torch.Tensor | None = None):
        super().__init__()
        self.features, self.outputs = features, outputs
        order = torch.arange(features) if order is None else order
        # degrees first..features-2, spread evenly where there are fewer units: a plain remainder would leave later inputs unheard
        first = -1 if context else 0  # the context comes before all inputs, and the first output needs units that hear it alone
        count = max(features - 1, 1) - first
        hidden = first + (torch.arange(width) * count // width if width < count else torch.arange(width) % count)
        degrees = [torch.cat([order, torch.full((context,), -1)]), *[hidden] * depth]
        self.degrees = [*degrees, order]  # places of the last input that a unit hears; of outputs, of their own
        sizes = [features + context, *[width] * depth, features * outputs]
        masks = [b[:, None] >= a[None, :] for a, b in zip(degrees, degrees[1:], strict=False)]
        masks.append((order[:, None] > degrees[-1][None, :]).repeat_interleave(outputs, 0))
        self.layers = nn.ModuleList(MaskedLinear(a, b, mask) for a, b, mask in zip(sizes, sizes[1:], masks, strict=False))

    def forward(
        self, x: Tensor, dropout: list[Tensor] | None = None, context: Tensor | None = None, order: Tensor | None = None
    ) -> Tensor:
        """x (B, d), context (B, c) -> (B, d, outputs); `dropout`: a mask (B, width) per hidden layer, scaled by 1/keep.

        `order`: another one, of a network that has neither a context nor an order of its own; the weights are the same.
        """
        x = x if context is None else torch.cat([x, context], -1)
        masks = [layer.mask for layer in self.layers]
        if order is not None:
            masks[0] = masks[0].index_select(1, order)
            masks[-1] = masks[-1].unflatten(0, (self.features, self.outputs)).index_select(0, order).flatten(0, 1)
        for i, (layer, mask) in enumerate(zip(self.layers, masks, strict=True)):
            x = layer(x, mask)
            if i < len(self.layers) - 1:
                x = F.relu(x)
                x = x * dropout[i] if dropout is not None else x
        return x.unflatten(-1, (self.features, self.outputs))

    def unroll(self, rule: Callable[[int, Tensor], Tensor], start: Tensor) -> Tensor:
        """x (B, d), input by input, in their order: x_i = rule(i, outputs (B, outputs) of i, which hear the x before it).

        Every weight is used once, so d inputs cost about as many multiplications as one pass. start: the context (B, c), c >= 0.
        """
        sorts = [degrees.argsort(stable=True).to(start.device) for degrees in self.degrees]
        blocks = []  # of layers: weights and biases by the input, in order, that waits for them
        for i, layer in enumerate(self.layers):
            if i < len(self.layers) - 1:
                counts = torch.bincount(self.degrees[i + 1] + 1, minlength=self.features)[: self.features].tolist()
                rows = sorts[i + 1][: sum(counts)]
            else:
                counts = [self.outputs] * self.features
                rows = (self.outputs * sorts[-1].unsqueeze(1) + torch.arange(self.outputs, device=start.device)).flatten()
            # among units sorted by degree, what a unit hears is a prefix: no masks
            weight, bias = layer.weight.index_select(0, rows).index_select(1, sorts[i]), layer.bias.index_select(0, rows)
            blocks.append(list(zip(weight.split(counts), bias.split(counts), strict=True)))
        known = [start] + [start[:, :0]] * (len(blocks) - 1)

        def heard(i: int, k: int) -> Tensor:
            weight, bias = blocks[i][k]
            return F.linear(known[i], weight[:, : known[i].shape[-1]], bias)

        for k, place in enumerate(sorts[-1].tolist()):
            for i in range(len(blocks) - 1):
                if len(blocks[i][k][1]):  # where units are few, some inputs have none of their own
                    known[i + 1] = torch.cat([known[i + 1], F.relu(heard(i, k))], -1)
            new = rule(place, heard(len(blocks) - 1, k))
            known[0] = torch.cat([known[0], new.unsqueeze(-1)], -1)
        return known[0][:, start.shape[-1] :].index_select(1, self.degrees[-1].to(start.device))
