"""DINOv2's ViT-B/14 with the interface of genbench's own encoder, if its official weights are at hand."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from genbench.config.errors import UserError

__all__ = ["DINOv2", "VisionTransformer", "dinov2_encoder"]

FILE = "dinov2_vitb14_pretrain.pth"
PATCH, GRID, OFFSET = 14, 37, 0.1  # pixels, patches per side in training, the official code's guard against rounding
SIZE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


class _Scale(nn.Module):
    """LayerScale: a learnt factor per channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        q, k, v = self.qkv(x).view(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, width))


class _MLP(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attn, self.ls1 = nn.LayerNorm(width, eps=1e-6), _Attention(width, heads), _Scale(width)
        self.norm2, self.mlp, self.ls2 = nn.LayerNorm(width, eps=1e-6), _MLP(width), _Scale(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class VisionTransformer(nn.Module):
    """ViT with patches of 14 pixels, named as in DINOv2's state dict: (n, 3, 14 a, 14 a) to class features (n, width).

    References: Dosovitskiy et al. 2021, arXiv:2010.11929; Oquab et al. 2023, arXiv:2304.07193.
    """

    def __init__(self, width: int = 768, depth: int = 12, heads: int = 12) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + GRID**2, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # of training only
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, PATCH, PATCH)})
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def positions(self, side: int) -> Tensor:
        """Return position embeddings (1, 1 + side^2, width), interpolated as the official code does."""
        width = self.pos_embed.shape[2]
        patches = self.pos_embed[:, 1:].reshape(1, GRID, GRID, width).permute(0, 3, 1, 2)
        # the scale, not the size: the coordinates then carry the offset, as they did where the model was evaluated
        factor = (side + OFFSET) / GRID
        patches = functional.interpolate(patches, scale_factor=(factor, factor), mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], patches.flatten(2).transpose(1, 2)], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed["proj"](x)
        side = x.shape[-1]
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)
        x = x + (self.pos_embed if side == GRID else self.positions(side))
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, 0]


class DINOv2(nn.Module):
    """A vision transformer as encoder: (n, 1 or 3, H, W) in 0..levels-1 to features (n, width) and no logits (n, 0)."""

    def __init__(self, network: VisionTransformer, name: str, levels: int = 256) -> None:
        super().__init__()
        self.network, self.name, self.levels = network, name, levels
        self.features, self.classes = network.cls_token.shape[2], 0
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (n, width) and logits (n, 0) of images that are resized to 224x224; grey is repeated."""
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise ValueError(f"DINOv2: images of shape {tuple(images.shape)}; (n, 1 or 3, H, W) is allowed")
        pixels = (images.float() * (255 / (self.levels - 1))).round()
        pixels = _resized(_resized(pixels, (images.shape[2], SIZE)), (SIZE, SIZE)) / 255
        features = self.network((pixels.expand(-1, 3, -1, -1) - self.mean) / self.std)
        return features, features.new_zeros(len(features), 0)


def _resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize pixels in 0..255 as Pillow does, which rounds and clips after each of the two axes."""
    return functional.interpolate(pixels, size, mode="bicubic", antialias=True).round().clamp(0, 255)


def dinov2_encoder(weights_path: str | Path, *, levels: int = 256, device: str | torch.device = "cpu") -> DINOv2:
    """Load ViT-B/14 from the official state dict, dinov2_vitb14_pretrain.pth; UserError if the file is not that."""
    path = Path(weights_path)
    if not path.is_file():
        raise UserError(f"{path}: DINOv2 weights not found; give the official file {FILE}")
    with torch.device("meta"):  # nothing is filled with random numbers only to be overwritten
        network = VisionTransformer()
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), assign=True)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: not DINOv2's ViT-B/14 weights, {FILE} ({reason[:120]})") from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:8]
    return DINOv2(network.float(), f"dinov2-vit-b-14-{digest}", levels).to(device).eval()
