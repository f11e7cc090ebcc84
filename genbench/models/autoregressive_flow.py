"""Autoregressive flows: layers whose Jacobians are triangular."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.models.base import chosen
from genbench.models.flow import Flow
from genbench.nets import MaskedMLP

__all__ = ["IAF", "MAF", "AutoregressiveLayer", "AutoregressiveLayers"]


class AutoregressiveLayer(nn.Module):
    """An affine map of each coordinate whose scale and shift depend on the coordinates before it.

    y_i = scale_i x_i + shift_i, both functions of x_<i and of the context, by (s, t) of a network, |s| bounded by tanh. Gate
    "sigmoid": scale = sigmoid(s), shift = (1 - scale) t, a layer that only contracts (Kingma et al.). Gate "exp": scale = exp(s),
    shift = t.

    References:
        Improving Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016), arXiv 1606.04934
        Masked Autoregressive Flow for Density Estimation (Papamakarios et al., 2017), arXiv 1705.07057

    Arguments:
        features: number of coordinates d. context: number of further inputs of the conditioner.
        width, depth: of the conditioner, a masked perceptron.
        gate: a key of GATES. reverse: whether the last coordinate comes first.
        bound: largest |s|.
    """

    GATES = ("exp", "sigmoid")

    def __init__(
        self,
        features: int,
        width: int = 64,
        depth: int = 2,
        context: int = 0,
        gate: str = "exp",
        reverse: bool = False,
        bound: float = 4.0,
    ):
        super().__init__()
        self.gate, self.bound = chosen("gate", gate, self.GATES), bound
        places = torch.arange(features).flip(0) if reverse else None
        self.conditioner = MaskedMLP(features, 2, width, depth, context, places)
        last = self.conditioner.layers[-1]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        if gate == "sigmoid":  # starts near the identity
            nn.init.constant_(last.bias.data.view(features, 2)[:, 0], 2.0)

    def affine(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logarithm of the scale and shift, (B, d) each, at x (B, d)."""
        return self.gated(self.conditioner(x, context=context))

    def gated(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Logarithm of the scale and shift (...) from the conditioner's outputs (..., 2)."""
        s, t = outputs.unbind(-1)
        s = self.bound * torch.tanh(s / self.bound)
        return (F.logsigmoid(s), torch.sigmoid(-s) * t) if self.gate == "sigmoid" else (s, t)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (B, d) -> y (B, d) and log |det dy/dx| (B,), in one pass."""
        log_scale, shift = self.affine(x, context)
        return x * log_scale.exp() + shift, log_scale.sum(-1)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """y (B, d) -> x (B, d), coordinate by coordinate: the scale of each needs the x, not the y, before it."""

        def undo(i: int, outputs: Tensor) -> Tensor:
            log_scale, shift = self.gated(outputs)
            return (y[:, i] - shift) * (-log_scale).exp()

        return self.conditioner.unroll(undo, y[:, :0] if context is None else context)


class AutoregressiveLayers(nn.ModuleList):
    """AutoregressiveLayers one after the other, every other one in reversed order.

    Arguments:
        count: number of layers. layer: arguments of each, see AutoregressiveLayer.
    """

    def __init__(self, count: int, *layer, **more):
        super().__init__(AutoregressiveLayer(*layer, reverse=i % 2 == 1, **more) for i in range(count))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (B, d) through all layers, and the logarithm (B,) of the determinant."""
        total = x.new_zeros(x.shape[:-1])
        for layer in self:
            x, log_det = layer(x, context)
            total = total + log_det
        return x, total

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """What forward maps to y (B, d), coordinate by coordinate."""
        for layer in reversed(self):
            y = layer.inverse(y, context)
        return y


class AutoregressiveFlow(Flow):
    """A flow of AutoregressiveLayers."""

    def __init__(
        self, shape, levels=None, layers: int = 5, width: int = 64, depth: int = 2, gate: str = "exp", bound: float = 4.0
    ):
        super().__init__(shape, levels)
        self.net = AutoregressiveLayers(layers, self.dim, width, depth, gate=gate, bound=bound)


class MAF(AutoregressiveFlow):
    """A masked autoregressive flow: data to noise in one pass a layer, noise to data coordinate by coordinate.

    The gate "sigmoid" would hold its densities below that of N(0, I): layers that only contract suit the way from noise to data.

    References:
        Masked Autoregressive Flow for Density Estimation (Papamakarios et al., 2017), arXiv 1705.07057

    Arguments:
        layers: number of autoregressive layers. width, depth, gate, bound: of each, see AutoregressiveLayer.
    """

    name = "maf"

    def forward(self, x):
        return self.net(x)

    def inverse(self, z):
        return self.net.inverse(z)


class IAF(AutoregressiveFlow):
    """An inverse autoregressive flow: noise to data in one pass a layer, data to noise coordinate by coordinate.

    Fit for sampling and for densities of own samples; maximum likelihood takes `dim` steps a layer, one after the other.

    References:
        Improving Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016), arXiv 1606.04934

    Arguments:
        layers: number of autoregressive layers. width, depth, gate, bound: of each, see AutoregressiveLayer.
    """

    name = "iaf"

    def forward(self, x):
        z = self.net.inverse(x)
        return z, -self.net(z)[1]

    def inverse(self, z):
        return self.net(z)[0]
