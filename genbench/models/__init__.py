"""All models by name; config/models/<name>.yaml holds the recipe of each."""

from genbench.models.autoencoder import AE
from genbench.models.autoregressive import MADE
from genbench.models.autoregressive_flow import IAF, MAF
from genbench.models.base import Model
from genbench.models.began import BEGAN
from genbench.models.continuous import CNF, FFJORD
from genbench.models.diffusion import DDPM
from genbench.models.ebm import CDEBM, EBM, Algorithm1EBM, ShortRunEBM
from genbench.models.flow import NICE, RealNVP
from genbench.models.gan import DRAGAN, LSGAN, MMGAN, NSGAN, R1GAN, SNGAN, WGAN, WGANGP, HingeGAN
from genbench.models.gebm import GEBM
from genbench.models.glow import Glow
from genbench.models.hierarchical import NVAE, LadderVAE
from genbench.models.mixture import GMM
from genbench.models.pixelcnn import PixelCNN
from genbench.models.pixelrnn import PixelRNN
from genbench.models.recovery import RecoveryEBM
from genbench.models.score_matching import DSMEBM, SSMEBM
from genbench.models.spline import NSF
from genbench.models.vae import IWAE, VAE
from genbench.models.vae_posteriors import IAFVAE
from genbench.models.vae_priors import DiffusionPriorVAE, FlowPriorVAE, MixtureVAE, VampVAE

__all__ = ["MODELS", "Model"]

MODELS: dict[str, type[Model]] = {
    "gmm": GMM,
    "ebm": EBM,
    "cd_ebm": CDEBM,
    "short_run_ebm": ShortRunEBM,
    "algorithm1_ebm": Algorithm1EBM,
    "dsm_ebm": DSMEBM,
    "ssm_ebm": SSMEBM,
    "recovery_ebm": RecoveryEBM,
    "gebm": GEBM,
    "vae": VAE,
    "iwae": IWAE,
    "iaf_vae": IAFVAE,
    "flow_prior_vae": FlowPriorVAE,
    "mixture_vae": MixtureVAE,
    "vamp_vae": VampVAE,
    "diffusion_prior_vae": DiffusionPriorVAE,
    "ladder_vae": LadderVAE,
    "nvae": NVAE,
    "ae": AE,
    "nice": NICE,
    "realnvp": RealNVP,
    "glow": Glow,
    "maf": MAF,
    "iaf": IAF,
    "nsf": NSF,
    "made": MADE,
    "pixelcnn": PixelCNN,
    "pixelrnn": PixelRNN,
    "cnf": CNF,
    "ffjord": FFJORD,
    "mm_gan": MMGAN,
    "ns_gan": NSGAN,
    "lsgan": LSGAN,
    "wgan": WGAN,
    "wgan_gp": WGANGP,
    "dragan": DRAGAN,
    "began": BEGAN,
    "sngan": SNGAN,
    "r1_gan": R1GAN,
    "hinge_gan": HingeGAN,
    "ddpm": DDPM,
}
