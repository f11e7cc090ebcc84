"""Every model in a size that trains in a moment, with data to match."""

import functools
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from genbench.config.schema import Budget
from genbench.data.space import SPACES, Space, Standard
from genbench.models import MODELS, Model
from genbench.models.adversarial import Adversarial
from genbench.training.trainer import Switches, Trainer

__all__ = ["CASES", "NETS", "Case", "case_of", "trainer"]

torch.set_num_threads(1)

NETS: dict[str, dict[str, Any]] = {  # a model that is not here is tested at its own size
    "gmm": {"components": 8},
    "ebm": {"width": 16, "depth": 2, "steps": 4, "buffer": 300, "sample_steps": 30},
    "cd_ebm": {"width": 16, "depth": 2, "steps": 4, "sample_steps": 30},
    "short_run_ebm": {"width": 16, "depth": 2, "steps": 10},
    "last_batch_ebm": {"width": 16, "depth": 2, "steps": 10, "buffer": 300, "sample_steps": 30},
    **{name: {"width": 16, "depth": 2, "sample_steps": 30} for name in ("dsm_ebm", "ssm_ebm")},
    "recovery_ebm": {"width": 16, "depth": 2, "noises": 3, "steps": 8},
    "vae": {"latent": 2, "width": 16, "depth": 1},
    "iwae": {"latent": 2, "width": 16, "depth": 1, "samples": 3},
    "iaf_vae": {"latent": 2, "width": 16, "depth": 1, "flow_width": 16, "context": 4},
    "flow_prior_vae": {"latent": 2, "width": 16, "depth": 1, "prior_layers": 2, "prior_width": 16},
    "mixture_vae": {"latent": 2, "width": 16, "depth": 1, "components": 5},
    "vamp_vae": {"latent": 2, "width": 16, "depth": 1, "components": 5},
    "diffusion_prior_vae": {"latent": 2, "width": 16, "depth": 1, "prior_steps": 8, "prior_width": 16},
    "ladder_vae": {"width": 16, "depth": 1},
    "nvae": {"channels": 2, "width": 8},
    "ae": {"latent": 2, "width": 16, "depth": 1, "components": 3},
    "nice": {"layers": 4, "width": 16, "depth": 1},
    "realnvp": {"layers": 4, "width": 16, "depth": 1},
    "glow": {"steps": 3, "width": 16},
    "maf": {"layers": 4, "width": 16, "depth": 1},
    "iaf": {"layers": 2, "width": 16, "depth": 1},
    "nsf": {"layers": 2, "width": 16, "depth": 1, "bins": 4},
    "made": {"width": 24, "depth": 2, "mixture": 4},
    "pixelcnn": {"width": 8, "depth": 2, "mixture": 3},
    "pixelrnn": {"width": 8, "depth": 1, "mixture": 3},
    **{name: {"width": 16, "depth": 2, "steps": 2, "test_steps": 8} for name in ("cnf", "ffjord")},
    **{name: {"latent": 2, "width": 16, "depth": 2} for name, cls in MODELS.items() if issubclass(cls, Adversarial)},
    "ddpm": {"width": 16, "depth": 1, "steps": 20},
}


@dataclass(frozen=True, eq=False)
class Case:
    """A model on a kind of data."""

    model: str
    kind: str
    variant: str = ""
    net: dict[str, Any] = field(default_factory=dict)
    levels: int | None = None

    def __str__(self) -> str:
        return "-".join(filter(None, [self.model, self.kind, self.variant]))

    @property
    def cls(self) -> type[Model]:
        return MODELS[self.model]

    @property
    def shape(self) -> tuple[int, ...]:
        return (2,) if self.kind == "points" else (1, 8, 8)

    @property
    def make(self):
        return functools.partial(self.cls, self.shape, self.levels, **(NETS.get(self.model, {}) | self.net))

    @property
    def hp(self) -> dict[str, float]:
        """The method's own hyperparameters, those of the variant included."""
        return self.make().hp

    @property
    def space(self) -> Space:
        cls = SPACES[self.cls.space[self.kind]]
        return Standard(self.shape, None, (0.0, 0.0), 2.0) if cls is Standard else cls(self.shape, self.levels)

    def raw(self, n: int, seed: int = 0) -> Tensor:
        """Points on a ring of eight Gaussians, or noisy images of two patterns."""
        g = torch.Generator().manual_seed(seed)
        if self.kind == "points":
            angle = torch.randint(8, (n,), generator=g) * (2 * math.pi / 8)
            return 2.83 * torch.stack([angle.cos(), angle.sin()], 1) + 0.35 * torch.randn(n, 2, generator=g)
        ramp = torch.linspace(0.1, 0.9, 8)
        pattern = torch.stack([ramp.expand(8, 8), (1 - ramp).unsqueeze(1).expand(8, 8)])
        image = pattern[torch.randint(2, (n,), generator=g)] + 0.1 * torch.randn(n, 8, 8, generator=g)
        return (image * (self.levels - 1)).round().clamp(0, self.levels - 1).to(torch.uint8).unsqueeze(1)

    def labels(self, n: int, seed: int = 0) -> Tensor:
        """Which Gaussian or pattern raw(n, seed) come from."""
        return torch.randint(8 if self.kind == "points" else 2, (n,), generator=torch.Generator().manual_seed(seed))

    def batch(self, n: int, seed: int = 0) -> Tensor:
        """The same in the model's space."""
        raw = self.raw(n, seed)
        u = torch.rand(raw.shape, generator=torch.Generator().manual_seed(seed)) if self.space.dequantises else None
        return self.space.encode(raw, u)


CASES = [
    *(Case(name, kind, levels=17 if kind == "images" else None) for name, cls in MODELS.items() for kind in cls.space),
    Case("made", "images", "logistic", levels=40),
    Case("made", "images", "dropout", {"dropout": 0.3}, levels=17),
    Case("made", "points", "orders", {"orders": 3}),
    Case("made", "images", "binary-orders", {"orders": 2}, levels=2),
    Case("pixelcnn", "images", "logistic", levels=40),
    Case("pixelrnn", "images", "binary", levels=2),
    Case("cnf", "points", "dopri5", {"solver": "dopri5", "tolerance": 1e-2}),
    Case("cnf", "points", "adjoint", {"gradient": "adjoint", "solver": "midpoint", "steps": 4}),
    Case("ffjord", "points", "gaussian", {"probe": "gaussian", "depth": 3}),
    Case("ebm", "images", "cold", {"step": 0.00125, "temperature": 0.0125}, levels=17),
    Case("ddpm", "images", "unet", {"network": "unet", "width": 8}, levels=17),
    Case("ddpm", "points", "classes", {"classes": 8}),
    Case("ddpm", "images", "unet-classes-guidance", {"network": "unet", "width": 8, "classes": 2, "guidance": 0.5}, levels=17),
    Case("realnvp", "images", "conv", {"network": "conv", "layers": 1, "width": 8}, levels=17),
    Case("glow", "images", "standard", {"prior": "standard", "scales": 3, "steps": 2, "width": 8}, levels=17),
    Case("iaf", "points", "sigmoid", {"gate": "sigmoid"}),
    Case("vae", "points", "classes", {"classes": 8}),
    Case("vae", "images", "classes", {"classes": 2}, levels=17),
    Case("vae", "points", "score", {"estimator": "score", "baseline": True, "decoder": "gaussian_fixed", "std": 0.3}),
    Case("vae", "points", "path", {"estimator": "path"}),
    Case("vae", "images", "gaussian", {"decoder": "gaussian", "estimator": "total"}, levels=17),
    Case("vae", "images", "bernoulli", {"decoder": "bernoulli"}, levels=2),
    Case("iwae", "points", "dreg", {"estimator": "dreg"}),
    Case("iaf_vae", "points", "classes", {"classes": 8}),
    Case("vamp_vae", "images", "path-dcgan", {"estimator": "path", "network": "dcgan", "width": 4}, levels=17),
    Case("diffusion_prior_vae", "points", "classes", {"classes": 8}),
    Case("ladder_vae", "images", "dcgan", {"network": "dcgan", "width": 4}, levels=17),
    Case("nvae", "images", "groups", {"groups": 2}, levels=17),
    Case("iwae", "images", "classes", {"classes": 2}, levels=17),
    Case("ns_gan", "points", "classes", {"classes": 8}),
    Case("wgan_gp", "images", "classes", {"classes": 2}, levels=17),
    Case("sngan", "images", "classes", {"classes": 2}, levels=17),
    Case("ns_gan", "points", "batch", {"norm": "batch"}),
    Case("ns_gan", "images", "layer-one-sided", {"norm": "layer", "penalty": "one_sided"}, levels=17),
    Case("ns_gan", "images", "dcgan", {"network": "dcgan", "width": 4}, levels=17),
    Case("vae", "images", "dcgan", {"network": "dcgan", "width": 4}, levels=17),
    Case("lsgan", "points", "spectral-clipping-sigmoid", {"norm": "spectral", "penalty": "clipping", "output": "sigmoid"}),
]


def case_of(name: str) -> Case:
    """The case that is printed so."""
    return next(case for case in CASES if str(case) == name)


def trainer(case: Case, seeds, hps, updates: int, *, batch: int = 16, switches: dict[str, Any] | None = None, **more):
    """A Trainer of the case on 200 examples."""
    labels = {"train": case.labels(200, 1), "validation": case.labels(64, 2)}
    budget = more.pop("budget", None) or Budget(unit="updates", value=updates)
    return Trainer(
        case.make, seeds, hps, case.raw(200, 1), case.raw(64, 2), case.space, batch, budget,
        Switches(**(switches or {})), labels=labels, **more,
    )  # fmt: skip
