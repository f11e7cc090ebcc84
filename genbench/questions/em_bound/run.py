"""Does the bound that EM raises touch the likelihood?"""

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from genbench.models.mixture import expectation_maximisation
from genbench.questions.training import Bench

if TYPE_CHECKING:
    from genbench.questions.em_bound.settings import Settings as EMBound

__all__ = ["run"]


def run(settings: "EMBound", bench: Bench) -> dict[str, pd.DataFrame]:
    """Fit mixtures of Gaussians by EM from several starts, and look at the bound and the likelihood after every half-step.

    A start has its means at points of the training split, the covariance of all of it, and equal weights. Tables: `curves`
    (dataset, seed, iteration, step, elbo, log_likelihood, kl, reference), nats per training point, step E or M, where
    reference is the log-likelihood that scikit-learn's EM from the same start has after this M-step; `data` (dataset,
    log_likelihood) of the same points under the true density.

    References:
        Maximum likelihood from incomplete data via the EM algorithm (Dempster, Laird & Rubin, 1977)
        A view of the EM algorithm that justifies incremental, sparse, and other variants (Neal & Hinton, 1998)
    """
    curves, truth = [], []
    for name in settings.datasets:
        x = bench.data[name].splits["train"][: settings.points].double()
        truth.append({"dataset": name, "log_likelihood": float(bench.data[name].density().log_prob(x).mean())})
        for seed in range(settings.seeds):
            start = _start(x, settings.components, seed)
            steps = expectation_maximisation(x, *start, settings.iterations)
            frame = pd.DataFrame([asdict(each) for each in steps])
            frame["iteration"] = np.arange(len(frame)) // 2 + 1
            frame.loc[frame["step"] == "M", "reference"] = _reference(x, start, settings.iterations)
            curves.append(frame.assign(dataset=name, seed=seed))
        bench.log(f"{name}: log-likelihood {frame['log_likelihood'].iloc[-1]:.4f} after {settings.iterations} iterations")
    columns = ["dataset", "seed", "iteration", "step", "elbo", "log_likelihood", "kl", "reference"]
    return {"curves": pd.concat(curves, ignore_index=True)[columns], "data": pd.DataFrame(truth)}


def _start(x: Tensor, components: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, means and Cholesky factors of covariances."""
    chosen = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:components]
    factor = torch.linalg.cholesky(torch.cov(x.T, correction=0))
    return x.new_full((components,), 1 / components), x[chosen], factor.expand(components, -1, -1)


def _reference(x: Tensor, start: tuple[Tensor, Tensor, Tensor], iterations: int) -> list[float]:
    """Mean log-likelihoods of scikit-learn's mixture after each M-step."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    weights, means, factors = start
    given = {"weights_init": weights, "means_init": means, "precisions_init": torch.cholesky_inverse(factors)}
    given = {key: value.numpy() for key, value in given.items()}
    mixture = GaussianMixture(len(weights), reg_covar=0, max_iter=1, tol=0, warm_start=True, **given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is stopped after each iteration
        return [float(mixture.fit(x.numpy()).score(x.numpy())) for _ in range(iterations)]
