"""Perturbed modules and Jacobians of bijections by autograd, in float64."""

import torch

from genbench.training.replicas import build


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made(make, scale=0.3):
    """A module with perturbed weights: zeros, rotations and what starts as the identity prove nothing."""
    module = build(make, 0).double().requires_grad_(False)
    for i, p in enumerate(module.parameters()):
        p += scale * normal(*p.shape, seed=i)
    return module


def log_det(f, x):
    """log |det| of the Jacobian of f at each x."""
    jacobians = [torch.func.jacrev(lambda x: f(x.unsqueeze(0))[0].flatten())(each).reshape(each.numel(), -1) for each in x]
    return torch.linalg.slogdet(torch.stack(jacobians))[1]
