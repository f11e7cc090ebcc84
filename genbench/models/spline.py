"""Flows of monotonic splines."""

import zuko

from genbench.models.flow import Flow

__all__ = ["NSF"]


class NSF(Flow):
    """A neural spline flow: each coordinate by a monotonic rational-quadratic spline that depends on the coordinates before it.

    The splines act on [-5, 5] and leave alone what is beyond: standardised points and logits of images (below 3.9) lie inside.

    References:
        Neural Spline Flows (Durkan et al., 2019), arXiv 1906.04032; the layers are zuko's

    Arguments:
        layers: number of autoregressive layers, every other one in reversed order. width, depth: of each conditioner.
        bins: pieces of a spline.
    """

    name = "nsf"

    def __init__(self, shape, levels=None, layers: int = 3, width: int = 64, depth: int = 2, bins: int = 8):
        super().__init__(shape, levels)
        self.net = zuko.flows.NSF(self.dim, transforms=layers, bins=bins, hidden_features=[width] * depth)

    def forward(self, x):
        return self.net.transform().call_and_ladj(x)

    def inverse(self, z):
        return self.net.transform().inv(z)
