"""Convolutional networks inside models: a VAE's decoder and encoder, and a GAN's batch norms once training has ended."""

import functools
import math

import pytest
import tiny
import torch
from kit import gen

from genbench.models import MODELS
from genbench.models.adversarial import STANDING
from genbench.models.outputs import standard_normal
from genbench.nets import GENERATORS, MLP
from genbench.nets.parts import BatchNorm
from genbench.training.checkpoint import load_tensors, save_tensors
from genbench.training.replicas import build

SHAPE, LEVELS, LATENT = (1, 8, 8), 17, 4
networks = pytest.mark.parametrize("network", GENERATORS)
BATCHED = [name for name in GENERATORS if name not in ("mlp", "stylegan")]


def make(name, network, **net):
    return functools.partial(MODELS[name], SHAPE, LEVELS, **{"latent": LATENT, "width": 8, "network": network} | net)


def images(n, seed=0):
    return next(c for c in tiny.CASES if str(c) == "vae-images").batch(n, seed)


def scattered(model, size=0.1):
    """Weights that no initialisation chose, in double precision."""
    model.double()
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p += size * torch.randn(p.shape, generator=gen(i), dtype=p.dtype)
    return model.requires_grad_(False)


# ---- VAE


@networks
def test_a_decoder_sees_neither_the_batch_nor_noise_beside_z(network):
    model = scattered(build(make("vae", network), 0))
    x, z = images(6).double(), torch.randn(6, LATENT, generator=gen(), dtype=torch.float64)
    assert model.latent == LATENT
    torch.testing.assert_close(model.log_likelihood(x, z)[:2], model.log_likelihood(x[:2], z[:2]))
    for whole, part in zip(model.encode(x), model.encode(x[:2]), strict=True):
        assert whole.shape == (6, LATENT)
        torch.testing.assert_close(whole[:2], part)
    assert not list(model.buffers())


@pytest.mark.parametrize("network", ["infogan", "dcgan", "stylegan"])
def test_bounds_and_the_integral_over_z(network):
    """With two latent numbers p(x) is an integral over the plane: the ELBO lies below it, many importance samples reach it."""
    model, x = scattered(build(make("vae", network, latent=2, width=4), 0), 0.05), images(3).double()
    model.net.log_scale.fill_(-0.5)  # pictures blurred enough that the untrained encoder is a fair guess
    axis = torch.linspace(-5, 5, 41, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    area = math.log(float(axis[1] - axis[0]) ** 2)
    joint = torch.stack([model.log_likelihood(each.expand(len(z), *SHAPE), z) + standard_normal(z) for each in x])
    exact = joint.logsumexp(1) + area
    log_w = model.log_weights(x.repeat_interleave(1000, 0), gen()).reshape(3, 1000)
    elbo, iwae = log_w.mean(1), log_w.logsumexp(1) - math.log(log_w.shape[1])
    relative = (log_w - iwae[:, None]).exp().std(1) / log_w.shape[1] ** 0.5  # its standard error, to first order
    assert float(relative.max()) < 0.3
    assert bool((elbo < exact).all())
    assert bool(((iwae - exact).abs() < 4 * relative + 1e-3).all()), (iwae, exact, relative)


@networks
def test_a_vae_of_any_network_learns(network):
    case = tiny.Case("vae", "images", network, {"network": network, "width": 6, "latent": LATENT}, levels=LEVELS)
    result = tiny.trainer(case, [0], [{"lr": 3e-3, "clip": 5.0}], 30, batch=16).run()[0]
    model, start, x = result.model, build(case.make, 0).requires_grad_(False), images(64, 2)
    assert result.status == "ok"
    before, after = (float(m.log_weights(x, gen()).mean()) for m in (start, model))
    assert after > before + 20, (before, after)


def test_perceptrons_of_a_vae_are_plain_ones():
    """Points, and images whose recipes name no network, keep their encoder and decoder of silu layers."""
    for shape, levels, outputs in (((2,), None, 4), (SHAPE, LEVELS, 64)):
        model = MODELS["vae"](shape, levels, latent=3, width=16, depth=2)
        for net, inputs, size in (("encoder", math.prod(shape), 6), ("decoder", 3, outputs)):
            plain, x = MLP(inputs, size, 16, 2), torch.randn(5, inputs, generator=gen())
            plain.load_state_dict(model.net[net].state_dict())
            assert torch.equal(plain(x), model.net[net](x).flatten(1))


@pytest.mark.parametrize("model", ["vae", "ns_gan"])
def test_what_can_not_be_built_is_refused(model):
    with pytest.raises(ValueError, match="network: allowed: mlp, infogan, .*; got 'vgg'"):
        MODELS[model](SHAPE, LEVELS, network="vgg")
    with pytest.raises(ValueError, match="square images"):
        MODELS[model]((2,), None, network="dcgan")


def test_encoder_and_decoder_have_widths_of_their_own():
    sizes = [sum(p.numel() for p in make("vae", "dcgan", encoder_width=w)().net["encoder"].parameters()) for w in (0, 8, 16)]
    decoders = [sum(p.numel() for p in make("vae", "dcgan", encoder_width=w)().net["decoder"].parameters()) for w in (0, 8, 16)]
    assert sizes[0] == sizes[1] < sizes[2] and len(set(decoders)) == 1


# ---- GAN: batch norm after training


@pytest.mark.parametrize("network", BATCHED)
def test_a_finished_generator_makes_each_sample_by_itself(network):
    model = scattered(build(make("ns_gan", network), 0))
    z = torch.randn(20, LATENT, generator=gen(1), dtype=torch.float64)
    assert not torch.allclose(model.generate(z)[:3], model.generate(z[:3]))
    model.finish(torch.empty(0), gen(2))
    torch.testing.assert_close(model.generate(z)[:3], model.generate(z[:3]))
    torch.testing.assert_close(torch.cat([model.generate(part) for part in z.split(7)]), model.generate(z))


@pytest.mark.parametrize("network", BATCHED)
def test_the_moments_kept_are_those_of_samples(network):
    """On the very numbers that gave the moments nothing has changed, and on others next to nothing."""
    model = scattered(build(make("ns_gan", network), 0))
    z, other = torch.randn(STANDING, LATENT, generator=gen(2)).double(), torch.randn(STANDING, LATENT, generator=gen(3)).double()
    seen, unseen = model.generate(z), model.generate(other)
    model.finish(torch.empty(0), gen(2))
    torch.testing.assert_close(model.generate(z), seen)
    spread = float(unseen.std(0).mean())
    assert float((model.generate(other) - unseen).abs().mean()) < 0.1 * spread


@pytest.mark.parametrize("network", GENERATORS)
def test_training_ends_with_samples_that_no_chunk_changes(network, tmp_path):
    """Of two replicas together, stored and loaded into a model that has never been trained."""
    case = tiny.Case("ns_gan", "images", network, {"network": network, "width": 4, "latent": LATENT}, levels=LEVELS)
    for result in tiny.trainer(case, [0, 1], [{}, {}], 2, lifted=True).run():
        norms = [layer for layer in result.model.generator.modules() if isinstance(layer, BatchNorm)]
        assert all(layer.mean is not None for layer in norms) and bool(norms) == (network in BATCHED)
        save_tensors(tmp_path / "weights.safetensors", result.model.state_dict())
        other = build(case.make, 99).eval().requires_grad_(False)
        other.load_state_dict(load_tensors(tmp_path / "weights.safetensors")[0])
        z = torch.randn(9, other.latent, generator=gen(5))
        assert torch.equal(other.generate(z), result.model.generate(z))
        torch.testing.assert_close(other.generate(z[4:6]), other.generate(z)[4:6])


def test_weights_without_moments_load_into_a_finished_model():
    plain, finished = build(make("ns_gan", "dcgan"), 0), build(make("ns_gan", "dcgan"), 1)
    finished.finish(torch.empty(0), gen())
    finished.load_state_dict(plain.state_dict())
    z = torch.randn(6, LATENT, generator=gen())
    assert torch.equal(finished.generate(z), plain.generate(z))
