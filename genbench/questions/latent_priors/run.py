"""Does a VAE need a better prior than N(0, I), or a better posterior than a normal one?"""

import math
from typing import TYPE_CHECKING

import pandas as pd
import torch

from genbench.data import space
from genbench.likelihood.importance import importance_bounds
from genbench.models import MODELS, Model
from genbench.models.vae import FreeBits
from genbench.questions.quality import sample_distance
from genbench.questions.training import Bench, train
from genbench.training.replicas import stream
from genbench.training.trainer import Result, Switches

if TYPE_CHECKING:
    from genbench.questions.latent_priors.settings import Settings as LatentPriors

__all__ = ["joined", "run"]

PRIORS = {
    "normal": "vae",
    "mixture": "mixture_vae",
    "vamp": "vamp_vae",
    "flow": "flow_prior_vae",
    "diffusion": "diffusion_prior_vae",
}
POSTERIORS = {"normal": "vae", "iaf": "iaf_vae"}
DRAWS = 20  # of a posterior per example, for its KL from the prior
SHOWN = 2000  # latents of a prior, and at most of the posteriors, in a plane


def joined(prior: str, posterior: str) -> type[Model]:
    """The class of VAEs that has both; all of them can leave nats of the KL free."""
    own, other = (FreeBits if name == "vae" else MODELS[name] for name in (POSTERIORS[posterior], PRIORS[prior]))
    if issubclass(other, own):
        return other
    return own if issubclass(own, other) else type(own.__name__ + other.__name__, (own, other), {})


def run(settings: "LatentPriors", bench: Bench) -> dict[str, pd.DataFrame]:
    """Train the recipe's VAE with each prior and posterior and bound the likelihood of test examples.

    The KL is estimated from the sampled z and has as many free nats in all, those of the IAF's recipe.

    Tables: `bounds` (dataset, prior, posterior, seed, status, unit, elbo, bound, kl, distance, milliseconds, parameters): lower
    bounds on the log-likelihood with their sign changed, in `unit`, from one and from `importance` draws of the latents; `kl`, in
    nats, of the posterior from the prior, where a diffusion's bound stands for its density; `distance` of samples to the test
    split, see `sample_distance`; `milliseconds` of an update. `planes` (dataset, prior, distribution, x, y): latents of a VAE
    with two of them and a normal posterior, drawn from the prior and from the posteriors of test examples.

    References:
        VAE with a VampPrior (Tomczak & Welling, 2018), arXiv 1705.07120, tables 1 and 2
        ELBO surgery (Hoffman & Johnson, 2016), workshop on Advances in Approximate Bayesian Inference (the aggregate posterior)
    """
    bounds, planes = [], []
    for name in settings.datasets:
        distance = sample_distance(bench.data[name], settings, bench.device)
        for prior in settings.priors:
            for posterior in settings.posteriors:
                for seed, result in enumerate(_trained(name, prior, posterior, settings, bench)):
                    row = {"dataset": name, "prior": prior, "posterior": posterior, "seed": seed}
                    bounds.append(row | _measured(name, result, seed, distance, settings, bench))
                bench.log(f"{name}/{prior} prior/{posterior} posterior: {bounds[-1]['bound']:.4g} {bounds[-1]['unit']}")
            planes.append(_plane(name, prior, settings, bench))
    return {"bounds": pd.DataFrame(bounds), "planes": pd.concat(planes, ignore_index=True)}


def _trained(name: str, prior: str, posterior: str, settings: "LatentPriors", bench: Bench, **net) -> list[Result]:
    *parts, common = [bench.recipe(model, name) for model in (POSTERIORS[posterior], PRIORS[prior], "vae")]
    # what is asked is what each adds to the plain VAE: all else, networks and learning rate and loss, is common to all
    own = {key: value for part in parts for key, value in part.net.items()}
    net = {**own, **common.net, "estimator": "total", **net}
    hp = {**common.hp, "free": bench.recipe("iaf_vae", name).hp.get("free", 0.0)}
    return train(joined(prior, posterior), name, settings, bench, net, hp, Switches(**common.train))


def _measured(name: str, result: Result, seed: int, distance, settings: "LatentPriors", bench: Bench) -> dict:
    data, model = bench.data[name], result.model
    costs = {
        "milliseconds": 1000 * result.costs["seconds"] / max(result.costs["updates"], 1),
        "parameters": result.costs["parameters"],
    }
    unit, scale = ("bits/dim", 1 / (math.log(2) * math.prod(data.shape))) if data.levels else ("nats", 1.0)
    if model is None:
        nothing = dict.fromkeys(("elbo", "bound", "kl", "distance"), math.nan)
        return {"status": result.status, "unit": unit, **nothing, **costs}
    generator = torch.Generator(bench.device).manual_seed(stream(seed, "bounds"))
    seen = space(data, model.space[data.kind])
    x, jacobian = seen.seen(data.splits["test"][: settings.examples].to(bench.device), generator)
    with torch.no_grad():
        found = importance_bounds(lambda: model.log_weights(x, generator), settings.importance)
        noise = model.noise((DRAWS, len(x)), generator)
        kl = torch.stack([model.terms(x, {key: value[i] for key, value in noise.items()})[1] for i in range(DRAWS)])
        samples = seen.decode(model.sample(settings.samples, generator))
    return {
        "status": result.status,
        "unit": unit,
        "elbo": -scale * float((found.elbo + jacobian).mean()),
        "bound": -scale * float((found.iwae + jacobian).mean()),
        "kl": float(kl.mean()),
        "distance": distance(samples),
        **costs,
    }


def _plane(name: str, prior: str, settings: "LatentPriors", bench: Bench) -> pd.DataFrame:
    """Latents of one VAE with two of them."""
    (result,) = _trained(name, prior, "normal", settings.model_copy(update={"seeds": 1}), bench, latent=2)
    data, model, parts = bench.data[name], result.model, []
    if model is None:
        return pd.DataFrame(columns=["dataset", "prior", "distribution", "x", "y"])
    generator = torch.Generator(bench.device).manual_seed(stream(0, "plane"))
    x, _ = space(data, model.space[data.kind]).seen(data.splits["test"][:SHOWN].to(bench.device), generator)
    noise = {key: value[0] for key, value in model.noise((1, len(x)), generator).items()}
    with torch.no_grad():
        both = {"prior": model.draw_prior(SHOWN, generator), "posterior": model.posterior(x, noise)[0]}
    for which, z in both.items():
        about = {"dataset": name, "prior": prior, "distribution": which}
        parts.append(pd.DataFrame({**about, "x": z[:, 0].cpu(), "y": z[:, 1].cpu()}))
    return pd.concat(parts, ignore_index=True)
