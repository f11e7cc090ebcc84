"""Settings of the experiments: what a study may say about each, and what it takes where a study says nothing."""

from genbench.config.budget import Frozen
from genbench.config.experiments.adversarial import (
    BatchWasserstein,
    CriticGradients,
    CriticQuality,
    CriticSurfaces,
    FidFaults,
    GeneratorGradients,
    PixelDistance,
    WassersteinEstimates,
    WassersteinTraining,
)
from genbench.config.experiments.autoencoders import LatentSizes, VAEGradients, VAETerms
from genbench.config.experiments.autoregressive import SamplingCost
from genbench.config.experiments.base import Asked
from genbench.config.experiments.continuous import Adjoint, DivergenceCost, FlowDensities
from genbench.config.experiments.energies import EnergyProducts, LangevinSigns
from genbench.config.experiments.flows import FlowSamples
from genbench.config.experiments.planar import PlanarFlows
from genbench.config.experiments.priors import LatentPriors
from genbench.config.experiments.textures import EMBound, Textures

__all__ = ["Experiments"]


class Experiments(Frozen):
    """The experiments of a study; `{}` asks for one with its default settings."""

    critic_quality: CriticQuality | None = None
    critic_surfaces: CriticSurfaces | None = None
    critic_gradients: CriticGradients | None = None
    generator_gradients: GeneratorGradients | None = None
    wasserstein_estimates: WassersteinEstimates | None = None
    wasserstein_training: WassersteinTraining | None = None
    batch_wasserstein: BatchWasserstein | None = None
    pixel_distance: PixelDistance | None = None
    fid_faults: FidFaults | None = None
    vae_gradients: VAEGradients | None = None
    vae_terms: VAETerms | None = None
    latent_sizes: LatentSizes | None = None
    sampling_cost: SamplingCost | None = None
    latent_priors: LatentPriors | None = None
    adjoint: Adjoint | None = None
    divergence_cost: DivergenceCost | None = None
    flow_densities: FlowDensities | None = None
    em_bound: EMBound | None = None
    textures: Textures | None = None
    planar_flows: PlanarFlows | None = None
    flow_samples: FlowSamples | None = None
    langevin_signs: LangevinSigns | None = None
    energy_products: EnergyProducts | None = None

    def asked(self) -> dict[str, Asked]:
        """Settings by name, of those that the study has."""
        return {name: settings for name, settings in self if settings is not None}
