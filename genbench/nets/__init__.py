"""Networks by name: a model declares the shapes it needs and knows no network's inside."""

from genbench.nets.mlp import MLP, MaskedMLP, TimeMLP, time_features
from genbench.nets.ode import rk4
from genbench.nets.unet import PatchUNet

__all__ = ["MLP", "MaskedMLP", "PatchUNet", "TimeMLP", "rk4", "time_features"]
