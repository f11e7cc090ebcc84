"""torch-fidelity's public entry on tensors, with its traps closed: an independent check of genbench's own metrics."""

import copy
import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch_fidelity import FeatureExtractorBase, calculate_metrics, register_feature_extractor
from torch_fidelity.defaults import DEFAULTS
from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

__all__ = ["cache_name", "check_keys", "measure"]

OURS = {"input1", "input2", "cuda", "cache", "cache_root", "input1_cache_name", "input2_cache_name", "feature_extractor",
        "verbose"}  # fmt: skip


def measure(
    *,
    generated: Tensor,
    reference: Tensor,
    cuda: bool,
    encoder: nn.Module | None = None,
    cache: str | Path | None = None,
    **options: Any,
) -> dict[str, float]:
    """Call torch_fidelity.calculate_metrics on features (n, d) and (m, d), or on an encoder's images.

    `encoder` has a `name` that changes with its weights and returns (features, logits); the features of isc are logits.
    `cache` is a folder for the reference's features. `options` are torch-fidelity's own, such as fid=True; ValueError
    for one that it does not know, which it would silently ignore.
    """
    check_keys(**options)
    name = _registered(encoder)
    caching = {"cache": False}
    if cache is not None:
        caching = {"cache": True, "cache_root": str(cache), "input2_cache_name": cache_name(reference, name)}
    return calculate_metrics(
        input1=_Rows(generated), input2=_Rows(reference), cuda=cuda, feature_extractor=name, verbose=False,
        **{"save_cpu_ram": True, **options}, **caching,
    )  # fmt: skip


def check_keys(**options: Any) -> None:
    """Raise ValueError for options that torch-fidelity does not know or that `measure` sets itself."""
    allowed = set(DEFAULTS) - OURS
    unknown = sorted(set(options) - allowed)
    if unknown:
        raise ValueError(f"torch-fidelity: unknown option {', '.join(unknown)}; allowed: {', '.join(sorted(allowed))}")


def cache_name(data: Tensor, extractor: str) -> str:
    """Name of cached features that changes with data, their number and the extractor; torch-fidelity's own does not."""
    content = data.detach().cpu().contiguous().numpy()
    digest = hashlib.sha256(f"{content.dtype}{content.shape}".encode() + content.tobytes()).hexdigest()[:16]
    return f"{extractor}-n{len(data)}-{digest}"


class _Rows(Dataset):
    """The rows of a tensor: torch-fidelity refuses tensors themselves."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Tensor:
        return self.rows[i]


def _registered(encoder: nn.Module | None) -> str:
    """Register an extractor that runs the encoder, or passes its input through, and return its name."""
    name = "genbench-identity" if encoder is None else encoder.name
    network = copy.deepcopy(encoder)  # torch-fidelity freezes and moves what it is given

    class Extractor(FeatureExtractorBase):
        def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
            super().__init__(name, features_list)
            self.network = network

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return "features", "logits"

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "logits" if metric == "isc" else "features"

        @staticmethod
        def can_be_compiled() -> bool:
            return False

        @staticmethod
        def get_dummy_input_for_compile() -> Tensor:
            return torch.zeros(1, 1)

        def forward(self, rows: Tensor) -> tuple[Tensor, ...]:
            features, logits = (rows, rows) if self.network is None else self.network(rows)
            return tuple({"features": features, "logits": logits}[key] for key in self.features_list)

    if name not in FEATURE_EXTRACTORS_REGISTRY:  # a second registration is an error; equal names mean equal weights
        register_feature_extractor(name, Extractor)
    return name
