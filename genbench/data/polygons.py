"""Images of random convex polygons: data whose manifold is known, so that samples can be projected onto it."""

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.func import jacfwd, vmap

from genbench.data.dataset import SPLITS
from genbench.data.images import Pool, fault, known, traits

if TYPE_CHECKING:
    from genbench.config.schema import DatasetSpec

__all__ = ["Projection", "corners", "draw", "polygons", "projection", "render", "vertex_counts"]

GAP = math.radians(20)  # the generator's minimum segment angle; as released, neighbours keep half of it at least
SCALE = 0.75  # diameter of the circle in units of the image's side
SUB = 8  # sub-pixels per pixel and axis


def projection(parameters: dict[str, Any], shape: tuple[int, ...]) -> "Projection":
    """The projection onto the manifold of a dataset; its bank of polygons to start from is the same each time."""
    return _projection(vertex_counts(parameters), shape[-1])


@functools.cache
def _projection(counts: tuple[int, ...], size: int) -> "Projection":
    return Projection(counts, size)


@traits(augmentable=False, projection=projection)  # a warped polygon can be one of another kind
def polygons(spec: "DatasetSpec") -> dict[str, Pool]:
    """Dark convex polygons on white (Lucic et al. 2018), drawn from the spec's seed; (1, S, S), 256 grey values.

    Parameters of the spec: `vertices`, a number or a list of numbers from 3 to 8 (default: all of them), equally often.
    The label is the place in that list; for triangles alone it is 0 for acute and 1 for obtuse ones.
    """
    known(spec, {"vertices"})
    counts = vertex_counts(spec.parameters)
    if not counts:
        raise fault(spec, "parameters.vertices", f"distinct numbers from 3 to 8, got {spec.parameters['vertices']!r}")
    if spec.shape[0] != 1 or spec.shape[1] != spec.shape[2] or spec.levels != 256:
        raise fault(spec, "shape", f"polygons are [1, S, S] with 256 levels, got {list(spec.shape)}, {spec.levels}")
    pools = {}
    for stream, split in enumerate(SPLITS):
        rng, n = np.random.default_rng([spec.seed, stream]), getattr(spec.split, split)
        labels = rng.permutation(n) % len(counts)
        images = np.empty((n, *spec.shape), np.uint8)
        obtuse = np.zeros(n, np.int64)
        for label, count in enumerate(counts):
            chosen = labels == label
            turn, share = draw(rng, int(chosen.sum()), count)
            images[chosen, 0] = (render(corners(turn, share, spec.shape[1]), spec.shape[1]) * 255).round().numpy()
            obtuse[chosen] = (_gaps(share).amax(1) > math.pi).numpy()
        pools[split] = Pool(images, labels if len(counts) > 1 else obtuse if counts == (3,) else None)
    return pools


def vertex_counts(parameters: dict) -> tuple[int, ...]:
    """The numbers of vertices that a dataset's parameters ask for, in order; empty if they make no sense."""
    value = parameters.get("vertices", list(range(3, 9)))
    counts = [value] if isinstance(value, int) else value
    if not isinstance(counts, list) or any(type(n) is not int or not 3 <= n <= 8 for n in counts):
        return ()
    return tuple(sorted(counts)) if len(set(counts)) == len(counts) else ()


def draw(rng: np.random.Generator, n: int, count: int) -> tuple[Tensor, Tensor]:
    """Draw n polygons of `count` vertices: a turn (n,) in 0..2 pi and the vertices' places (n, count) in their segments, 0..1."""
    return torch.from_numpy(rng.random(n) * 2 * math.pi), torch.from_numpy(rng.random((n, count)))


def corners(turn: Tensor, share: Tensor, size: int) -> Tensor:
    """Corners (B, n, 2) in pixels of polygons with turn (B,) and share (B, n), centred on the mean of their vertices.

    As in the authors' notebook every vertex has a segment of 360/n degrees of the circle for itself and lies anywhere in it
    but in its first 10 degrees. Unlike there, the turn is a full one: the notebook's reaches 6.28 degrees only.

    References:
        Are GANs Created Equal? (Lucic et al., 2018), arXiv 1711.10337; compare_gan, Convex_Polygons_Dataset.ipynb
    """
    count = share.shape[-1]
    segment = 2 * math.pi / count
    first = torch.arange(count, dtype=share.dtype, device=share.device) * segment + GAP / 2
    angle = turn[..., None] + first + share * (segment - GAP / 2)
    points = SCALE * size / 2 * torch.stack([angle.cos(), angle.sin()], -1)
    return points - points.mean(-2, keepdim=True) + size / 2


def _gaps(share: Tensor) -> Tensor:
    """Angles (B, n) between neighbouring vertices as seen from the circle's centre."""
    segment = 2 * math.pi / share.shape[1]
    return segment + (share.roll(-1, 1) - share) * (segment - GAP / 2)


def render(points: Tensor, size: int, batch: int = 500) -> Tensor:
    """Images (B, size, size) in 0..1 of convex polygons with corners (B, n, 2), counter-clockwise, (x, y) in pixels.

    White is 1; a pixel loses 1/64 for each of its 8 x 8 sub-pixel centres inside. Exact: each row of sub-pixels is cut by
    the edges to one interval.
    """
    return torch.cat([_render(part, size) for part in points.split(batch)]) if len(points) else points.new_ones(0, size, size)


def _render(points: Tensor, size: int) -> Tensor:
    x, y = points[..., None].unbind(2)
    dx, dy = x.roll(-1, 1) - x, y.roll(-1, 1) - y
    rows = (torch.arange(size * SUB, dtype=points.dtype, device=points.device) + 0.5) / SUB
    crossing = x + dx / dy * (rows - y)  # (B, edges, rows); falling edges bound the inside on the left
    left = torch.where(dy < 0, crossing, -math.inf).amax(1)
    right = torch.where(dy > 0, crossing, math.inf).amin(1)
    first, last = (left * SUB - 0.5).ceil(), (right * SUB - 0.5).floor() + 1
    outside = (rows < y.amin(1)) | (rows > y.amax(1)) | (last < first)
    first, last = (t.masked_fill(outside, 0).clamp(0, size * SUB).float()[..., None] for t in (first, last))
    pixels = SUB * torch.arange(size, device=points.device)
    inside = (last - pixels).clamp(0, SUB) - (first - pixels).clamp(0, SUB)
    return 1 - inside.reshape(-1, size, SUB, size).sum(2).to(points.dtype) / SUB**2


class Projection:
    """Squared distance of images to the manifold of polygons with one of `counts` vertices, found by optimisation.

    The nearest of `bank` random polygons per number of vertices are starts; Levenberg-Marquardt moves each one's turn and
    vertices inside their segments, through a rasteriser whose edges are ramps a pixel wide. The distance is to the best
    start or end point as truly rendered, so it is never too small; where the search fails it is too large.
    """

    def __init__(self, counts: tuple[int, ...], size: int, *, bank: int = 3000, starts: int = 4, steps: int = 15, seed: int = 0):
        self.counts, self.size, self.starts, self.steps = tuple(counts), size, starts, steps
        rng = np.random.default_rng(seed)
        self.shapes = [draw(rng, bank, count) for count in self.counts]
        parts = [render(corners(turn, share, size), size).flatten(1).float() for turn, share in self.shapes]
        self.bank, self.each = torch.cat(parts), bank

    def __call__(self, images: Tensor, batch: int = 500) -> Tensor:
        """Distances (n,) of images (n, 1, S, S) or (n, S, S) in 0..1, float32 on the CPU; ValueError if they are not finite."""
        images = images.detach().reshape(-1, self.size**2).float().cpu()
        if not bool(images.isfinite().all()):
            raise ValueError("projection on polygons: images are not finite")
        return torch.cat([self._project(part) for part in images.split(batch)])

    def _project(self, images: Tensor) -> Tensor:
        near = torch.cdist(images, self.bank).topk(self.starts, largest=False)
        best = near.values[:, 0] ** 2
        owner = torch.arange(len(images))[:, None].expand_as(near.indices)
        for place, (turn, share) in enumerate(self.shapes):
            mine = near.indices // self.each == place
            if not bool(mine.any()):
                continue
            who, which = owner[mine], near.indices[mine] % self.each
            start = torch.cat([turn[which, None], share[which]], 1)
            end = _fit(start.float(), images[who], self.size, self.steps).double()
            found = render(corners(end[:, 0], end[:, 1:], self.size), self.size).flatten(1).float()
            best.scatter_reduce_(0, who, (found - images[who]).square().sum(1), "amin")
        return best


def _edges(state: Tensor, size: int) -> Tensor:
    """Edges (n, 3) of the polygon with state (turn, share): the part of a pixel at (x, y) inside of edge e is a x + b y + c."""
    points = corners(state[0], state[1:], size)
    step = points.roll(-1, 0) - points
    normal = torch.stack([-step[:, 1], step[:, 0]], 1) / step.abs().sum(1, keepdim=True)
    return torch.cat([normal, 0.5 - (normal * points).sum(1, keepdim=True)], 1)


def _fit(state: Tensor, images: Tensor, size: int, steps: int) -> Tensor:
    """Levenberg-Marquardt from states (B, 1 + n), turn and share, towards images (B, S*S) with shares in 0..1; returns states."""
    edges, slopes = (vmap(f, in_dims=(0, None)) for f in (_edges, jacfwd(_edges)))
    place = torch.arange(size, dtype=state.dtype) + 0.5
    y, x = (t.reshape(-1) for t in torch.meshgrid(place, place, indexing="ij"))
    basis = torch.stack([x, y, torch.ones_like(x)], 1)
    products = (basis[:, :, None] * basis[:, None, :]).flatten(1)

    def normal_equations(state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inside, active = (edges(state, size) @ basis.T).min(1)
        rest = 1 - inside.clamp(0, 1) - images
        ramp = (inside > 0) & (inside < 1)
        # a pixel's slope is linear in its place, with coefficients of its edge: sums over pixels come first
        mine = ((active[:, None] == torch.arange(state.shape[1] - 1)[:, None]) & ramp[:, None]).to(state.dtype)
        slope = slopes(state, size)
        second = (mine @ products).unflatten(2, (3, 3))
        matrix = torch.einsum("beip,beij,bejq->bpq", slope, second, slope)
        gradient = -torch.einsum("beip,bei->bp", slope, (mine * rest[:, None]) @ basis)
        return rest.square().sum(1), matrix, gradient

    loss, matrix, gradient = normal_equations(state)
    damping = torch.full_like(loss, 1e-2)
    for _ in range(steps):
        # vertices that would leave their segment stand still: the others' step has to do without them
        stuck = ((state <= 0) & (gradient > 0)) | ((state >= 1) & (gradient < 0))
        free = torch.cat([torch.ones_like(state[:, :1]), (~stuck[:, 1:]).to(state.dtype)], 1)
        part = matrix * free[:, :, None] * free[:, None, :]
        raised = part + torch.diag_embed(part.diagonal(dim1=1, dim2=2) * damping[:, None] + 1e-3)
        trial = state - torch.linalg.solve(raised, (gradient * free)[..., None])[..., 0].clamp(-0.5, 0.5)
        trial[:, 1:].clamp_(0, 1)
        new = normal_equations(trial)
        better = new[0] < loss
        state, loss = torch.where(better[:, None], trial, state), torch.where(better, new[0], loss)
        matrix = torch.where(better[:, None, None], new[1], matrix)
        gradient = torch.where(better[:, None], new[2], gradient)
        damping = torch.where(better, damping / 3, damping * 4).clamp(1e-6, 1e6)
    return state
