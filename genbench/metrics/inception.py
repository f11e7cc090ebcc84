"""torch-fidelity's Inception with the interface of genbench's own encoder."""

from pathlib import Path

import torch
from torch import Tensor, nn

from genbench.config.errors import UserError

__all__ = ["Inception", "inception_encoder"]

HASH = "6726825d"  # start of the sha256 of the weights that torch-fidelity publishes; part of their file's name


class Inception(nn.Module):
    """torch-fidelity's `inception-v3-compat`: (n, 1 or 3, H, W) in 0..levels-1 to 2048 features and 1008 logits."""

    def __init__(self, network: nn.Module, levels: int = 256) -> None:
        super().__init__()
        self.network, self.levels, self.features, self.classes = network, levels, 2048, 1008
        self.name = "inception-v3-compat"

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (n, 2048) and unbiased logits (n, 1008); grey images are repeated to three channels."""
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise ValueError(f"Inception: images of shape {tuple(images.shape)}; (n, 1 or 3, H, W) is allowed")
        pixels = (images.float() * (255 / (self.levels - 1))).round().clamp(0, 255).to(torch.uint8)
        features, logits = self.network(pixels.expand(-1, 3, -1, -1))
        return features, logits


def inception_encoder(
    weights_path: str | Path | None = None, *, levels: int = 256, device: str | torch.device = "cpu"
) -> Inception:
    """Load Inception from a file, or download its weights once; UserError if neither can be had."""
    from torch_fidelity import (
        feature_extractor_inceptionv3 as tf,
    )  # seconds of import: only who needs it pays

    path = _download(tf.URL_INCEPTION_V3) if weights_path is None else Path(weights_path)
    if not path.is_file():
        raise UserError(f"{path}: Inception weights not found; give the file {Path(tf.URL_INCEPTION_V3).name}")
    try:  # torch-fidelity unpickles without restraint: let nothing through that is more than tensors
        torch.load(path, map_location="cpu", weights_only=True)
        network = tf.FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path)
        )
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{path}: not the weights of torch-fidelity's Inception ({reason[0][:120]})") from error
    return Inception(network, levels).to(device).eval()


def _download(url: str) -> Path:
    """Fetch the weights into torch's cache unless they are there."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=HASH, progress=False)
        except (OSError, RuntimeError) as error:  # URLError is an OSError; a wrong hash is a RuntimeError
            raise UserError(
                f"Inception weights cannot be downloaded ({error}); get {url} elsewhere and give its path, "
                "or use the dataset's own encoder"
            ) from error
    return path
