"""The row LSTM."""

from genbench.models.autoregressive import RowWise
from genbench.nets import RowLSTM

__all__ = ["PixelRNN"]


class PixelRNN(RowWise):
    """Convolutional memories that run down the rows of an image.

    The channels of a colour image come in turn, as the PixelCNN's.

    References:
        Pixel Recurrent Neural Networks (van den Oord et al., 2016), arXiv 1601.06759

    Arguments:
        width, depth: features, and layers of memories.
        mixture: see Autoregressive.
    """

    name = "pixelrnn"
    space = {"images": "symmetric"}

    def __init__(self, shape, levels=None, width: int = 32, depth: int = 2, mixture: int = 5):
        super().__init__(shape, levels, mixture)
        self.net = RowLSTM(self.shape[0], self.outputs, width, depth)
        self.spread(self.net.head[-1].bias)
