"""The gated PixelCNN sees all that its layers can reach above and to the left, and nothing else."""

import itertools

import pytest
import torch

from genbench.models.pixelcnn import PixelCNN


@pytest.mark.parametrize(("depth", "reach"), [(1, 2), (2, 1), (3, 1), (2, 2)])
def test_no_blind_spot(depth, reach):
    """A box that grows by `reach` with every layer, cut at the pixel itself: a single masked stack lacks its upper right."""
    side, far = 9, depth * reach
    torch.manual_seed(0)
    model = PixelCNN((1, side, side), 2, width=32, depth=depth, reach=reach).double().requires_grad_(False)
    x = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    jacobian = torch.func.jacrev(lambda x: model.parameters_of(model.net(x))[0])(x).reshape(side**2, -1, side, side).abs().amax(1)
    for i, j in itertools.product(range(side), range(side)):
        expected = torch.zeros(side, side, dtype=torch.bool)
        expected[max(i - far, 0) : i, max(j - far, 0) : j + far + 1] = True
        expected[i, max(j - far, 0) : j] = True
        assert torch.equal(jacobian[i * side + j] > 0, expected), (i, j)
