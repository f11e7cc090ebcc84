"""Spectral normalisation that torch.func.vmap can lift, around any network."""

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

__all__ = ["Spectral", "largest_singular_value"]


def _iterate(matrix: Tensor, u: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Left and right singular vectors after some steps of power iteration from the left vector u."""
    for _ in range(steps):
        v = F.normalize(matrix.T @ u, dim=0)
        u = F.normalize(matrix @ v, dim=0)
    return u, v


class Spectral(nn.Module):
    """A network whose weight matrices are divided by their largest singular values; a convolution's is (outputs, the rest).

    The singular value is u'Wv after one step of power iteration from the stored u, with u and v held constant in the gradient.
    `turned` returns the vectors after that step: the player's state, not a side effect of calling the network.

    References:
        Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), arXiv 1802.05957

    Arguments:
        net: any module; its parameters of two dimensions or more are normalised. lipschitz: factor on its output: a bound
            on the Lipschitz constant of a network whose other parts are 1-Lipschitz. start: steps of power iteration at first.
    """

    def __init__(self, net: nn.Module, lipschitz: float = 1.0, start: int = 30):
        super().__init__()
        self.net, self.lipschitz = net, lipschitz
        self.names = [name for name, p in net.named_parameters() if p.dim() > 1]
        for name in self.names:
            matrix = net.get_parameter(name).detach().flatten(1)
            u, _ = _iterate(matrix, F.normalize(torch.randn(len(matrix)).to(matrix), dim=0), start)
            self.register_buffer(self._key(name), u)

    @staticmethod
    def _key(name: str) -> str:
        return "u_" + name.replace(".", "_")

    def _vectors(self, name: str, weight: Tensor) -> tuple[Tensor, Tensor]:
        return _iterate(weight.detach().flatten(1), getattr(self, self._key(name)), 1)

    def _raw(self) -> dict[str, Tensor]:
        named = dict(self.net.named_parameters())
        return {name: named[name] for name in self.names}

    def weights(self) -> dict[str, Tensor]:
        """The normalised parameters by name."""
        out = {}
        for name, weight in self._raw().items():
            u, v = self._vectors(name, weight)
            out[name] = weight / (u @ (weight.flatten(1) @ v))
        return out

    def turned(self) -> dict[str, Tensor]:
        """New values of the buffers, by name."""
        return {self._key(name): self._vectors(name, weight)[0] for name, weight in self._raw().items()}

    def forward(self, *args: Tensor) -> Tensor:
        return self.lipschitz * functional_call(self.net, self.weights(), args)


def largest_singular_value(net: nn.Module) -> Tensor:
    """The largest singular value () of all weight matrices of a network, as it uses them; exact, no gradient, nan for nan."""
    weights = list(net.weights().values()) if isinstance(net, Spectral) else [p for p in net.parameters() if p.dim() > 1]
    squares = []
    for weight in weights:
        matrix = weight.detach().flatten(1)
        gram = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
        # of the smaller side: a full SVD of wide layers takes seconds; and LAPACK raises on nan, for other replicas as well
        square = torch.linalg.eigvalsh(gram.nan_to_num(0, 0, 0))[-1].clamp(min=0)
        squares.append(torch.where(gram.isfinite().all(), square, torch.nan))
    return torch.stack(squares).max().sqrt()
