"""The gated PixelCNN."""

from genbench.models.autoregressive import RowWise
from genbench.nets import GatedPixelCNN

__all__ = ["PixelCNN"]


class PixelCNN(RowWise):
    """Gated masked convolutions over images: every conditional at once, and no pixel above hidden.

    The channels of a colour image come in turn: each sees the earlier ones of its own pixel.

    References:
        Conditional Image Generation with PixelCNN Decoders (van den Oord et al., 2016), arXiv 1606.05328

    Arguments:
        width, depth: features of each of the two stacks, and gated layers.
        reach: rows and columns that a layer sees on each side; all of them see depth times as many.
        mixture: see Autoregressive.
    """

    name = "pixelcnn"
    space = {"images": "symmetric"}

    def __init__(self, shape, levels=None, width: int = 32, depth: int = 6, reach: int = 1, mixture: int = 5):
        super().__init__(shape, levels, mixture)
        self.net = GatedPixelCNN(self.shape[0], self.outputs, width, depth, reach)
        self.spread(self.net.head[-1].bias)
