"""Networks by name: a model declares the shapes it needs and knows no network's inside."""

from genbench.nets.architectures import AUTHORS, CRITICS, GENERATORS, SMALL, describe, matched_width
from genbench.nets.conditional import Labelled, critic, generator, indicator
from genbench.nets.masked_conv import GatedPixelCNN, RowLSTM
from genbench.nets.mlp import MLP, MaskedMLP, TimeMLP, time_features
from genbench.nets.ode import VelocityField, adjoint, dopri5, rk4, runge_kutta
from genbench.nets.parts import settle, standing
from genbench.nets.spectral import Spectral, largest_singular_value
from genbench.nets.unet import PatchUNet

__all__ = [
    "AUTHORS",
    "CRITICS",
    "GENERATORS",
    "MLP",
    "SMALL",
    "GatedPixelCNN",
    "Labelled",
    "MaskedMLP",
    "PatchUNet",
    "RowLSTM",
    "Spectral",
    "TimeMLP",
    "VelocityField",
    "adjoint",
    "critic",
    "describe",
    "dopri5",
    "generator",
    "indicator",
    "largest_singular_value",
    "matched_width",
    "rk4",
    "runge_kutta",
    "settle",
    "standing",
    "time_features",
]
