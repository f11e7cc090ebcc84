"""Convolutional networks of images whose output at a pixel sees only the pixels before it, in raster order.

Channels of a pixel come in turn: features belong to groups, one per channel, and at the pixel itself a feature sees those of
earlier groups only, or of its own too where these are causal already.

References:
    Pixel Recurrent Neural Networks (van den Oord et al., 2016), arXiv 1601.06759
    Conditional Image Generation with PixelCNN Decoders (van den Oord et al., 2016), arXiv 1606.05328
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["GatedPixelCNN", "MaskedConv", "RowLSTM", "groups"]


def groups(features: int, channels: int) -> Tensor:
    """The channel (features,) that each feature belongs to, in equal shares."""
    return torch.arange(features) * channels // features


class MaskedConv(nn.Conv2d):
    """A convolution (B, inputs, H, W) -> (B, outputs, H, W) that sees rows above, and pixels to the left in the pixel's own row.

    Arguments:
        inputs, outputs: groups of the features on both sides.
        left: columns to the left that are seen, and in rows above as many to the right. above: rows above that are seen.
        strict: of the pixel itself, mask A, only earlier groups are seen; else, mask B, the feature's own too.
    """

    def __init__(self, inputs: Tensor, outputs: Tensor, left: int = 0, above: int = 0, strict: bool = False):
        right = left if above else 0
        super().__init__(len(inputs), len(outputs), (above + 1, left + 1 + right))
        self.around = (left, right, above, 0)
        mask = torch.ones_like(self.weight)
        mask[..., -1, left + 1 :] = 0
        mask[..., -1, left] = (inputs < outputs[:, None]) | (not strict) * (inputs == outputs[:, None])
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, self.around), self.weight * self.mask, self.bias)


def bordered(x: Tensor) -> Tensor:
    """Images with a channel of ones, so that the zeros beyond the border differ from grey."""
    return torch.cat([x, torch.ones_like(x[:, :1])], 1)


def seen(channels: int) -> Tensor:
    """Groups of a bordered image's channels: the ones come before all."""
    return torch.cat([torch.arange(channels), torch.tensor([-1])])


class Head(nn.Sequential):
    """Two masked layers of single pixels: features -> (B, channels * outputs, H, W)."""

    def __init__(self, width: int, channels: int, outputs: int):
        own, out = groups(width, channels), torch.arange(channels).repeat_interleave(outputs)
        super().__init__(nn.ReLU(), MaskedConv(own, own), nn.ReLU(), MaskedConv(own, out))


class GatedLayer(nn.Module):
    """A gated layer of two stacks: one sees all rows above, the other the row's own pixels to the left and the first stack.

    The stack of rows is causal from the first layer on, which leaves out the row itself: no layer needs a shift, and with two
    stacks no pixel above is hidden (a single masked stack has a blind spot to the upper right).

    Arguments:
        width: features of each stack. reach: rows and columns seen on each side. own: groups of the row stack's features.
        first: groups of the image's channels in the first layer, else None.
    """

    def __init__(self, width: int, reach: int, own: Tensor, first: Tensor | None):
        super().__init__()
        inputs = own if first is None else first
        self.reach, self.first = reach, first is not None
        self.rows = nn.Conv2d(len(inputs), 2 * width, (reach + (not self.first), 2 * reach + 1))
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.row = MaskedConv(inputs, own.repeat(2), left=reach, strict=self.first)
        self.out = MaskedConv(own, own)

    def above(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """The first stack (B, width, H, W), and what it tells the second (B, 2 width, H, W)."""
        padded = F.pad(v, (self.reach, self.reach, self.reach, 0))
        full = self.rows(padded[..., :-1, :] if self.first else padded)
        return gate(full), self.link(full)

    def along(self, h: Tensor, link: Tensor) -> Tensor:
        """The second stack (B, width, H, W)."""
        new = self.out(gate(self.row(h) + link))
        return new if self.first else h + new


def gate(x: Tensor) -> Tensor:
    a, b = x.chunk(2, 1)
    return torch.tanh(a) * torch.sigmoid(b)


class GatedPixelCNN(nn.Module):
    """Images (B, C, H, W) -> (B, C * outputs, H, W).

    Arguments:
        channels, outputs: of the image, and numbers predicted for each of its entries.
        width, depth: features of each stack, and gated layers. reach: rows and columns that a layer sees on each side.
    """

    def __init__(self, channels: int, outputs: int, width: int, depth: int, reach: int):
        super().__init__()
        own = groups(width, channels)
        self.layers = nn.ModuleList(GatedLayer(width, reach, own, None if i else seen(channels)) for i in range(depth))
        self.head = Head(width, channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.along(x, self._links(bordered(x)))

    def _links(self, v: Tensor) -> list[Tensor]:
        links = []
        for layer in self.layers:
            v, link = layer.above(v)
            links.append(link)
        return links

    def above(self, rows: Tensor, context: list[Tensor] | None = None) -> list[Tensor]:
        """What the row below the given ones (B, C, i, W) sees of them, layer by layer."""
        ahead = F.pad(rows, (0, 0, 0, 1))  # the new row, which does not count
        return [link[:, :, -1:] for link in self._links(bordered(ahead))]

    def along(self, x: Tensor, links: list[Tensor]) -> Tensor:
        h = bordered(x)
        for layer, link in zip(self.layers, links, strict=True):
            h = layer.along(h, link)
        return self.head(h)


class RowLayer(nn.Module):
    """A long short-term memory that runs down an image, a row at a time: what enters is masked, what it remembers is not."""

    def __init__(self, width: int, reach: int, own: Tensor):
        super().__init__()
        self.enter = MaskedConv(own, own.repeat(4), left=reach)
        self.remember = nn.Conv2d(width, 4 * width, (1, 2 * reach + 1), padding=(0, reach))
        self.out = MaskedConv(own, own)
        with torch.no_grad():
            self.enter.bias[width : 2 * width] = 1.0  # remembers at first

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Features (B, width, H, W), and the last row's output and cell (B, width, 1, W), given those of the row above."""
        entering = self.enter(x).split(1, 2)  # all rows at once
        h, cell = (torch.zeros_like(x[:, :, :1]),) * 2 if state is None else state
        rows = []
        for row in entering:
            i, f, o, g = (row + self.remember(h)).chunk(4, 1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(cell)
            rows.append(h)
        return x + self.out(torch.cat(rows, 2)), (h, cell)


class RowLSTM(nn.Module):
    """Images (B, C, H, W) -> (B, C * outputs, H, W): a masked convolution, then memories that run down the rows.

    A memory sees a triangle of what is above, one that `reach` columns per row open: pixels of the upper right beyond it, and
    beyond the first convolution, are hidden, unlike from the gated PixelCNN.

    Arguments:
        channels, outputs, width, depth: as GatedPixelCNN's, the depth without the first convolution.
        reach: columns on each side that a memory sees. first: rows and columns that the first convolution sees on each side.
    """

    def __init__(self, channels: int, outputs: int, width: int, depth: int, reach: int = 1, first: int = 3):
        super().__init__()
        own = groups(width, channels)
        self.reach = first
        self.first = MaskedConv(seen(channels), own, left=first, above=first, strict=True)
        self.layers = nn.ModuleList(RowLayer(width, reach, own) for _ in range(depth))
        self.head = Head(width, channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self._run(self.first(bordered(x)), [None] * len(self.layers))[0])

    def _run(self, h: Tensor, states: list) -> tuple[Tensor, list]:
        new = []
        for layer, state in zip(self.layers, states, strict=True):
            h, state = layer(h, state)
            new.append(state)
        return h, new

    def above(self, rows: Tensor, context: tuple[Tensor, list] | None = None) -> tuple[Tensor, list]:
        """The last of the given rows (B, C, i, W), and the memories after them, from those before the last one."""
        if context is None:
            return rows, [None] * len(self.layers)
        last, states = context
        return rows[:, :, -self.reach :], self._run(self._first(rows[:, :, -1:], last), states)[1]

    def _first(self, row: Tensor, last: Tensor) -> Tensor:
        return self.first(bordered(torch.cat([last, row], 2)))[:, :, -1:]

    def along(self, row: Tensor, context: tuple[Tensor, list]) -> Tensor:
        last, states = context
        return self.head(self._run(self._first(row, last), states)[0])
