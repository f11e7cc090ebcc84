"""What a recipe may say of a training; no torch, since a study is checked before anything is imported."""

from dataclasses import dataclass

__all__ = ["HP", "Switches"]

HP = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0, "clip": 0.0}  # every model's; clip 0 is none


@dataclass(frozen=True)
class Switches:
    """What a recipe's `train` section may say."""

    ema: float = 0.999  # decay of the averaged weights that sample, per update, after its ramp
    schedule: str = "cosine"  # "cosine" to zero or "constant"
    warmup: float = 0.0  # share of the updates over which the learning rate rises
    replicas: int = 16  # most trials trained together
    checkpoints: int = 1  # equal parts of the budget after each of which weights are kept, the last at its end
