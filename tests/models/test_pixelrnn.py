"""The row LSTM: its memory against PyTorch's, and what it sees."""

import itertools

import pytest
import torch

from genbench.models.pixelrnn import PixelRNN
from genbench.nets.masked_conv import RowLayer


def test_a_column_is_an_lstm():
    """On images one pixel wide only the centre taps count, and the layer is torch's LSTM down the column."""
    torch.manual_seed(0)
    width, height = 5, 7
    layer = RowLayer(width, 1, torch.zeros(width)).double()
    x = torch.randn(3, width, height, 1, dtype=torch.float64)
    lstm = torch.nn.LSTM(width, width, batch_first=True).double()
    places = torch.cat([torch.arange(width) + k * width for k in (0, 1, 3, 2)])  # ours are input, forget, output, new value
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(layer.enter.weight[places, :, 0, -1])
        lstm.weight_hh_l0.copy_(layer.remember.weight[places, :, 0, 1])
        lstm.bias_ih_l0.copy_(layer.enter.bias[places])
        lstm.bias_hh_l0.copy_(layer.remember.bias[places])
    hidden, (last, cell) = lstm(x[..., 0].mT)
    out, (own_last, own_cell) = layer(x)
    torch.testing.assert_close(out, x + layer.out(hidden.mT.unsqueeze(-1)))
    torch.testing.assert_close(own_last[..., 0, 0], last[0])
    torch.testing.assert_close(own_cell[..., 0, 0], cell[0])


@pytest.mark.parametrize("depth", [1, 2])
def test_sees_a_triangle_and_the_first_convolution_around_it(depth):
    side, first = 9, 3
    torch.manual_seed(1)
    model = PixelRNN((1, side, side), 2, width=32, depth=depth).double().requires_grad_(False)
    x = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    jacobian = torch.func.jacrev(lambda x: model.parameters_of(model.net(x))[0])(x).reshape(side**2, -1, side, side).abs().amax(1)
    for i, j in itertools.product(range(side), range(side)):
        expected = torch.zeros(side, side, dtype=torch.bool)
        for up in range(i + 1):  # memories carry features of rows above, from a column more on both sides per row
            for column in range(max(j - up - depth, 0), min(j + up, side - 1) + 1):
                row, left = i - up, max(column - first, 0)
                expected[max(row - first, 0) : row, left : column + first + 1] = True
                expected[row, left:column] = True
        assert torch.equal(jacobian[i * side + j] > 0, expected), (i, j)
    hidden = [(i, j) for i, j in itertools.product(range(side), range(side)) if not bool(jacobian[-1 - side // 2, i, j] > 0)]
    assert any(i < side - 1 and j > side // 2 for i, j in hidden)  # the blind spot that the paper's row LSTM has, too
