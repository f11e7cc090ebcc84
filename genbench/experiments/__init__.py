"""Experiments: questions about methods that a study's trials do not answer, each with small trainings of its own.

An experiment is a module whose name is its own, with `run(settings, bench) -> {table: frame}`; its settings are a class of
genbench/config/experiments.py, and the bench holds the prepared datasets and recipes that they name.
"""

from collections.abc import Callable, Mapping

import pandas as pd

from genbench.experiments import (
    adjoint,
    batch_wasserstein,
    critic_gradients,
    critic_quality,
    critic_surfaces,
    divergence_cost,
    em_bound,
    energy_products,
    fid_faults,
    flow_densities,
    flow_samples,
    generator_gradients,
    langevin_signs,
    latent_priors,
    latent_sizes,
    pixel_distance,
    planar_flows,
    sampling_cost,
    textures,
    vae_gradients,
    vae_terms,
    wasserstein_estimates,
    wasserstein_training,
)

__all__ = ["EXPERIMENTS"]

EXPERIMENTS: Mapping[str, Callable[..., dict[str, pd.DataFrame]]] = {
    "critic_quality": critic_quality.run,
    "critic_surfaces": critic_surfaces.run,
    "critic_gradients": critic_gradients.run,
    "generator_gradients": generator_gradients.run,
    "wasserstein_estimates": wasserstein_estimates.run,
    "wasserstein_training": wasserstein_training.run,
    "batch_wasserstein": batch_wasserstein.run,
    "pixel_distance": pixel_distance.run,
    "fid_faults": fid_faults.run,
    "vae_gradients": vae_gradients.run,
    "vae_terms": vae_terms.run,
    "latent_sizes": latent_sizes.run,
    "sampling_cost": sampling_cost.run,
    "latent_priors": latent_priors.run,
    "adjoint": adjoint.run,
    "divergence_cost": divergence_cost.run,
    "flow_densities": flow_densities.run,
    "em_bound": em_bound.run,
    "textures": textures.run,
    "planar_flows": planar_flows.run,
    "flow_samples": flow_samples.run,
    "langevin_signs": langevin_signs.run,
    "energy_products": energy_products.run,
}
