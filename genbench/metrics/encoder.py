"""The networks that turn images into features: a small classifier trained on the data, or Inception."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from genbench.config.errors import UserError
from genbench.metrics.inception import inception_encoder
from genbench.results.files import atomic, read_json, write_json
from genbench.results.paths import ENCODER, ENCODER_WEIGHTS

__all__ = [
    "Encoder",
    "StackedEncoder",
    "accuracy",
    "extract",
    "inception_encoder",
    "load_encoder",
    "save_encoder",
    "train_encoder",
    "train_stacked_encoder",
    "weights_hash",
]

WARP = 0.1  # standard deviation of the entries of the augmentation's affine maps, in coordinates from -1 to 1


class Encoder(nn.Module):
    """Small convolutional classifier whose last hidden pre-activations, z-scored on training data, are the features.

    `shape` is (C, H, W) with H and W from 8 to 64, `levels` the number of grey values; inputs are (n, C, H, W) in raw
    units 0..levels-1, uint8 or float. Raises ValueError for other sizes. Pre-activations because they have the best
    ratio of signal to floor; ReLU features hold dead units, which z-scoring blows up.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, levels: int, features: int = 64) -> None:
        super().__init__()
        channels, height, width = shape
        if not (8 <= height <= 64 and 8 <= width <= 64):
            raise ValueError(f"encoder: images of {height}x{width}; sizes from 8x8 to 64x64 are allowed")
        self.shape, self.classes, self.levels, self.features = tuple(shape), classes, levels, features
        self.seed: int | None = None
        # tiny images keep their resolution in the first layer: it is cheap there and they have none to lose
        kernel, stride = (5, 2) if min(height, width) >= 16 else (3, 1)
        layers: list[nn.Module] = []
        for inner, outer, k, s in ((channels, 32, kernel, stride), (32, 64, 3, 2), (64, 64, 3, 2)):
            layers += [nn.Conv2d(inner, outer, k, s, k // 2, bias=False), nn.GroupNorm(8, outer), nn.ReLU()]
            height, width = math.ceil(height / s), math.ceil(width / s)
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * height * width, features))
        self.head = nn.Linear(features, classes)
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))

    @property
    def name(self) -> str:
        """Name that changes with the weights, for `settings` of scores."""
        return f"genbench-cnn-{weights_hash(self)}"

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (n, features) and logits (n, classes) of raw images (n, C, H, W)."""
        if tuple(images.shape[1:]) != self.shape:
            raise ValueError(f"encoder: images of shape {tuple(images.shape[1:])}, trained on {self.shape}")
        hidden = self.body(images.float() * (2 / (self.levels - 1)) - 1)
        return (hidden - self.mean) / self.std, self.head(hidden.relu())


class StackedEncoder(nn.Module):
    """An encoder of one-channel images that looks at each of `channels` channels in turn, for images of stacked digits.

    Features (n, channels * features) are the channels' side by side; logits (n, classes ** channels) are the joint
    log-probabilities of independent channels, the first channel's class in front: of ten classes, 100 a + 10 b + c.
    """

    def __init__(self, single: Encoder, channels: int) -> None:
        super().__init__()
        self.single, self.channels = single, channels
        self.shape, self.levels, self.seed = (channels, *single.shape[1:]), single.levels, single.seed
        self.classes, self.features = single.classes**channels, single.features * channels

    @property
    def name(self) -> str:
        """The single encoder's name and the number of channels, for `settings` of scores."""
        return f"{self.single.name}x{self.channels}"

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and logits of raw images (n, channels, H, W)."""
        if tuple(images.shape[1:]) != self.shape:
            raise ValueError(f"encoder: images of shape {tuple(images.shape[1:])}, trained on {self.shape}")
        features, logits = self.single(images.flatten(0, 1)[:, None])
        parts = logits.log_softmax(1).unflatten(0, (-1, self.channels))
        joint = parts[:, 0]
        for channel in range(1, self.channels):
            joint = (joint[:, :, None] + parts[:, channel, None, :]).flatten(1)
        return features.reshape(len(images), -1), joint


def _warped(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift, turn, stretch and shear every image a little at random, repeating its border."""
    warp = torch.eye(2, 3) + WARP * torch.randn(len(images), 2, 3, generator=generator)
    grid = functional.affine_grid(warp.to(images.device), list(images.shape), align_corners=False)
    return functional.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)


def train_encoder(
    images: Tensor,
    labels: Tensor,
    *,
    classes: int,
    levels: int,
    seed: int,
    epochs: int = 20,
    device: str | torch.device = "cpu",
    validation: tuple[Tensor, Tensor] | None = None,
    features: int = 64,
    batch: int = 64,
    augment: bool = True,
    log: Callable[[dict[str, float]], None] | None = None,
) -> Encoder:
    """Train an encoder by AdamW with a one-cycle rate and keep the epoch of the best validation accuracy (or the last).

    `images` (n, C, H, W) in raw units 0..levels-1, `labels` (n,) int64. `augment`: warp the images a little at random, which
    handwriting and photographs want and exact shapes do not. `log` gets {"epoch", "loss", "accuracy"} after every epoch.
    Same seed and device: same weights.
    """
    if len(images) != len(labels) or len(images) < 2:
        raise ValueError(f"encoder: {len(images)} images with {len(labels)} labels; need equally many, at least 2")
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise ValueError(f"encoder: labels from {int(labels.min())} to {int(labels.max())}, but {classes} classes")
    images, labels = images.to(device), labels.to(device)
    with torch.random.fork_rng(devices=[]):  # leaves the caller's random stream alone
        torch.manual_seed(seed)
        encoder = Encoder(tuple(images.shape[1:]), classes, levels, features)
    encoder.seed = seed
    encoder.to(device)
    generator = torch.Generator().manual_seed(seed)
    batch = min(batch, len(images))
    steps = len(images) // batch
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * steps + 1, pct_start=0.2)
    best: tuple[float, float] = (-1.0, 0.0)
    kept: dict[str, Tensor] | None = None
    for epoch in range(epochs):
        encoder.train()
        order = torch.randperm(len(images), generator=generator).to(device)
        total = torch.zeros((), device=device)
        for chosen in order[: steps * batch].split(batch):
            x = _warped(images[chosen], generator) if augment else images[chosen]
            loss = functional.cross_entropy(encoder(x)[1], labels[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach()
        entry = {"epoch": epoch, "loss": float(total / steps)}
        if validation is not None:
            logits, truth = extract(encoder, validation[0])[1], validation[1].cpu()
            entry["accuracy"] = float((logits.argmax(1) == truth).double().mean())
            rank = (entry["accuracy"], -float(functional.cross_entropy(logits, truth)))  # a tie: the lower loss
            if rank > best:
                best, kept = rank, {k: v.detach().clone() for k, v in encoder.state_dict().items()}
        if log is not None:
            log(entry)
    if kept is not None:
        encoder.load_state_dict(kept)
    raw, _ = extract(encoder, images)  # mean 0 and std 1 until here: the pre-activations themselves
    encoder.mean.copy_(raw.double().mean(0))
    encoder.std.copy_(raw.double().std(0).clamp_min(1e-6))
    return encoder.eval()


def train_stacked_encoder(
    images: Tensor, labels: Tensor, *, classes: int, validation: tuple[Tensor, Tensor], **options
) -> StackedEncoder:
    """Train an encoder on the distinct channels of stacked images (n, C, H, W), each a class of its own, and stack it.

    `labels` (n,) are numbers whose C places are the channels' classes, to the base of the C-th root of `classes`;
    `validation` alike; `options` as of `train_encoder`, whose errors it raises, too.
    """
    channels = images.shape[1]
    base = round(classes ** (1 / channels))
    if base**channels != classes:
        raise ValueError(f"encoder: {classes} classes of {channels} stacked channels; a {channels}-th power is needed")
    train, held = (_channels(*pair, base) for pair in ((images, labels), validation))
    return StackedEncoder(train_encoder(*train, classes=base, validation=held, **options), channels)


def _channels(images: Tensor, labels: Tensor, base: int) -> tuple[Tensor, Tensor]:
    """The distinct channels (m, 1, H, W) of uint8 images (n, C, H, W) and their classes (m,)."""
    power = base ** torch.arange(images.shape[1] - 1, -1, -1)
    single, digits = images.cpu().flatten(0, 1)[:, None], (labels.cpu()[:, None] // power % base).flatten()
    rows = single.flatten(1).contiguous().numpy()
    first = np.unique(rows.view(f"V{rows.shape[1]}")[:, 0], return_index=True)[1]
    return single[first], digits[first]


@torch.no_grad()
def extract(encoder: nn.Module, images: Tensor, batch: int = 512) -> tuple[Tensor, Tensor]:
    """Return features and logits of raw images as float32 tensors on the CPU, in eval mode, batch by batch."""
    if len(images) == 0:
        raise ValueError("extract: no images")
    was_training = encoder.training
    encoder.eval()
    device = next(encoder.parameters()).device
    try:
        # cuDNN's default TF32 keeps ten bits: features would depend on the machine more than on the weights
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            parts = [[part.float().cpu() for part in encoder(chunk.to(device))] for chunk in images.split(batch)]
    finally:
        encoder.train(was_training)
    return torch.cat([features for features, _ in parts]), torch.cat([logits for _, logits in parts])


def accuracy(encoder: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of raw images (n, C, H, W) that the encoder puts into their class, 0..1; of a stacked one, of channels."""
    if isinstance(encoder, StackedEncoder):
        return accuracy(encoder.single, *_channels(images, labels, encoder.single.classes))
    return float((extract(encoder, images)[1].argmax(1) == labels.cpu()).double().mean())


def weights_hash(encoder: nn.Module) -> str:
    """Return the first 8 hex digits of the sha256 over all weights and buffers."""
    digest = hashlib.sha256()
    for key, value in sorted(encoder.state_dict().items()):
        digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:8]


def save_encoder(encoder: Encoder | StackedEncoder, folder: str | Path, extra: dict[str, Any] | None = None) -> None:
    """Write encoder.safetensors and, last, encoder.json with `extra` (such as {"accuracy": test accuracy}) in it."""
    folder = Path(folder)
    if isinstance(encoder, StackedEncoder):
        encoder, extra = encoder.single, {**(extra or {}), "stacked": encoder.channels}
    with atomic(folder / ENCODER_WEIGHTS) as temporary:
        save_file({key: value.detach().cpu().contiguous() for key, value in encoder.state_dict().items()}, temporary)
    facts = {
        "accuracy": None,
        **(extra or {}),
        "features": encoder.features,
        "classes": encoder.classes,
        "levels": encoder.levels,
        "shape": list(encoder.shape),
        "seed": encoder.seed,
        "hash": weights_hash(encoder),
    }
    write_json(folder / ENCODER, facts)


def load_encoder(folder: str | Path, device: str | torch.device = "cpu") -> Encoder | StackedEncoder:
    """Read what `save_encoder` wrote, in eval mode; UserError if it is not there or the weights are not those named."""
    folder = Path(folder)
    for file in (folder / ENCODER, folder / ENCODER_WEIGHTS):
        if not file.exists():
            raise UserError(f"{file}: not found; train the dataset's encoder first")
    facts = read_json(folder / ENCODER)
    encoder = Encoder(tuple(facts["shape"]), facts["classes"], facts["levels"], facts["features"])
    encoder.load_state_dict(load_file(folder / ENCODER_WEIGHTS))
    encoder.seed = facts["seed"]
    if weights_hash(encoder) != facts["hash"]:
        raise UserError(f"{folder / 'encoder.safetensors'}: its weights are not those of encoder.json ({facts['hash']})")
    whole = StackedEncoder(encoder, facts["stacked"]) if "stacked" in facts else encoder
    return whole.to(device).eval()
