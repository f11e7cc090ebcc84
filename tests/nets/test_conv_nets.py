"""Generators and critics of images: shapes, replicas, gradients, and their special layers against explicit ones."""

import functools

import pytest
import torch
from kit import gen
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional as F

from genbench.nets.architectures import AUTHORS, CRITICS, GENERATORS, SMALL
from genbench.nets.biggan import Attention, BigGANCritic, BigGANGenerator, ConditionalNorm
from genbench.nets.parts import NORMS, BatchNorm, grow, he, ladder, normaliser, shrink, standing
from genbench.nets.resnet import UpBlock
from genbench.nets.spectral import Spectral
from genbench.nets.stylegan import ModulatedConv, StyleGANGenerator

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32)]
WIDTH = 8
LATENT = 6
every = pytest.mark.parametrize("name", GENERATORS)
conv = pytest.mark.parametrize("name", [n for n in GENERATORS if n != "mlp"])


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=gen(seed), dtype=dtype)


def scattered(net, seed=0):
    """Parameters that no initialisation chose (zeros hide faults), in double precision."""
    net.double()
    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            p += 0.1 * normal(*p.shape, seed=seed + i)
    return net


def generator(name, shape=(1, 8, 8), **options):
    return GENERATORS[name](LATENT, shape, WIDTH, **options)


def critic(name, shape=(1, 8, 8), **options):
    return CRITICS[name](shape, WIDTH, **options)


def norms(name, norm):
    """Options of a generator with a norm; the styled one normalises by its weights."""
    return {} if name == "stylegan" else {"norm": norm}


# ---- what every network promises


def test_tables_have_the_same_names():
    assert list(GENERATORS) == list(CRITICS) == list(AUTHORS) == list(SMALL)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@every
def test_shapes(name, shape):
    g, c, e = generator(name, shape), critic(name, shape), critic(name, shape, outputs=2 * LATENT)
    x = g(torch.randn(3, g.latent, generator=gen()))
    assert x.shape == (3, *shape) and bool(x.isfinite().all())
    assert c(x).shape == (3,) and e(x).shape == (3, 2 * LATENT)
    assert torch.equal(c(x.flatten(1)), c(x))  # flat images are the same images
    assert c.features(x).shape[:1] == (3,) and c.features(x).dim() == 2
    assert g.latent == LATENT or name == "stylegan"


@every
def test_one_output_is_the_head_on_the_features(name):
    c, x = critic(name), torch.randn(3, 1, 8, 8, generator=gen())
    head = c.layers[-1] if name == "mlp" else c.head
    torch.testing.assert_close(c(x), head(c.features(x)).squeeze(-1))


@conv
def test_what_is_no_square_image_is_refused(name):
    for shape in [(2,), (1, 8, 12), (1, 4, 4)]:
        with pytest.raises(ValueError, match="square images"):
            generator(name, shape)
        with pytest.raises(ValueError, match="square images"):
            critic(name, shape)


@every
def test_perceptrons_alone_take_points(name):
    if name == "mlp":
        assert generator(name, (2,))(torch.zeros(5, LATENT)).shape == (5, 2) and critic(name, (2,))(torch.zeros(5, 2)).shape == (
            5,
        )


@every
def test_the_seed_decides_the_weights_and_nothing_else_the_output(name):
    nets = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        nets.append((generator(name), critic(name)))
    z = torch.randn(4, nets[0][0].latent, generator=gen())
    out = [c(g(z)) for g, c in nets]
    assert torch.equal(out[0], out[1]) and not torch.equal(out[0], out[2])
    assert torch.equal(nets[0][1](nets[0][0](z)), out[0])  # no hidden randomness or state
    assert torch.equal(nets[0][1].eval()(nets[0][0].eval()(z)), out[0])


@pytest.mark.parametrize("norm", NORMS)
@every
def test_gradients_reach_every_parameter(name, norm):
    g, c = scattered(generator(name, **norms(name, norm))), scattered(critic(name, norm=norm))
    c(torch.tanh(g(normal(6, g.latent)))).square().sum().backward()
    for role, net in (("generator", g), ("critic", c)):
        for key, p in net.named_parameters():
            # a bias that a batch norm follows moves nothing
            cancelled = norm == "batch" and key.endswith(".bias") and (name == "mlp" or "conv2" in key)
            assert p.grad is not None and (cancelled or float(p.grad.abs().max()) > 1e-7), (role, key)


@pytest.mark.parametrize("norm", NORMS)
@every
def test_only_batch_norm_mixes_examples(name, norm):
    for net, x in (
        (scattered(critic(name, norm=norm)), normal(6, 1, 8, 8)),
        ((g := scattered(generator(name, **norms(name, norm)))), normal(6, g.latent)),
    ):
        alone, among = net(x[:3]), net(x)[:3]
        mixes = norm == "batch" and net.__class__ is not StyleGANGenerator
        assert torch.allclose(alone, among, atol=1e-9) != mixes


@pytest.mark.parametrize("norm", NORMS)
@every
def test_lifted_equals_one_by_one(name, norm):
    """Outputs and gradients, those of a gradient penalty included, of three replicas lifted by vmap."""
    pairs = [nn.ModuleList([generator(name, **norms(name, norm)), critic(name, norm=norm)]) for _ in range(3)]
    pairs = [scattered(pair, seed) for seed, pair in enumerate(pairs)]
    parameters, buffers = stack_module_state(pairs)
    z, x = normal(3, 4, pairs[0][0].latent), normal(3, 4, 1, 8, 8, seed=1)

    class Loss(nn.Module):
        def __init__(self, pair):
            super().__init__()
            self.pair = pair

        def forward(self, z, x):
            fake = torch.tanh(self.pair[0](z))
            gradient = grad(lambda u: self.pair[1](u).sum())(x + 0.5 * (fake - x))
            return (self.pair[1](x) - self.pair[1](fake)).mean() + (gradient.square().sum((1, 2, 3)).sqrt() - 1).square().mean()

    leaves = {f"pair.{n}": p.detach().requires_grad_() for n, p in parameters.items()}
    base = Loss(pairs[0])
    lifted = vmap(lambda p, z, x: functional_call(base, p, (z, x)))(leaves, z, x)
    grads = torch.autograd.grad(lifted.sum(), list(leaves.values()), materialize_grads=True)
    assert not buffers
    for k, pair in enumerate(pairs):
        loss = Loss(pair)(z[k], x[k])
        torch.testing.assert_close(lifted[k], loss, rtol=1e-8, atol=1e-10)
        own = torch.autograd.grad(loss, list(pair.parameters()), materialize_grads=True)
        for key, a, b in zip(leaves, grads, own, strict=True):
            assert float((a[k] - b).abs().max()) <= 1e-8 * max(float(b.abs().max()), 1.0), key


@every
def test_critics_take_spectral_norm(name):
    net = Spectral(scattered(critic(name)), start=300).double()
    x = torch.tanh(normal(4, 1, 8, 8))
    assert net(x).shape == (4,) and net.names
    for weight in net.weights().values():
        assert float(torch.linalg.matrix_norm(weight.detach().flatten(1), 2)) == pytest.approx(1, abs=1e-3)
    assert not torch.allclose(net(x), net.net(x))


@every
def test_autoencoder_of_every_pair_learns(name):
    torch.manual_seed(0)
    g = generator(name, **({"noise": False} if name == "stylegan" else {}))
    e = critic(name, outputs=LATENT)
    x = torch.tanh(3 * F.interpolate(torch.randn(32, 1, 3, 3, generator=gen()), size=(8, 8), mode="bilinear"))
    adam = torch.optim.Adam([*g.parameters(), *e.parameters()], lr=3e-3)
    losses = []
    for _ in range(120):
        loss = (torch.tanh(g(e(x))) - x).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * float(x.var()), (losses[0], losses[-1])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@every
def test_signals_at_the_start_neither_die_nor_saturate(name, shape):
    torch.manual_seed(0)
    g, c = GENERATORS[name](64, shape, 16), CRITICS[name](shape, 16)
    g.requires_grad_(False), c.requires_grad_(False)
    x = torch.tanh(g(torch.randn(64, g.latent, generator=gen())))
    assert float(x.std()) > 0.02 and float((x.abs() > 0.99).float().mean()) < 0.2
    noise = torch.rand(64, *shape, generator=gen()) * 2 - 1
    score, code = c(noise), CRITICS[name](shape, 16, outputs=2 * LATENT)(noise).detach()
    assert float(score.std()) > 1e-3 and float(score.abs().max()) < 3 and float(code.abs().max()) < 10


# ---- pieces


@pytest.mark.parametrize(
    ("size", "sizes"), [(8, [2, 4, 8]), (28, [4, 7, 14, 28]), (32, [4, 8, 16, 32]), (64, [4, 8, 16, 32, 64])]
)
def test_ladder(size, sizes):
    assert ladder(size) == sizes


def test_grow_and_shrink_odd_sizes():
    x = normal(2, 3, 4, 4)
    assert torch.equal(grow(x, 8), x.repeat_interleave(2, -1).repeat_interleave(2, -2))
    assert torch.equal(grow(x, 7), grow(x, 8)[..., :7, :7])
    torch.testing.assert_close(shrink(grow(x, 8)), x)
    torch.testing.assert_close(shrink(grow(x, 7)), x)  # the odd last row and column are means of fewer pixels


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_is_torchs_in_training(affine):
    x = 3 * normal(5, 4, 6, 6) + 2
    ours, theirs = BatchNorm(4, affine).double(), nn.BatchNorm2d(4, affine=affine).double()
    if affine:
        scattered(ours)
        theirs.load_state_dict(ours.state_dict(), strict=False)
    torch.testing.assert_close(ours(x), theirs(x))
    assert not list(ours.buffers())


@conv
def test_standing_moments_free_examples_of_their_batch(name):
    net = scattered(generator(name))
    z = normal(12, net.latent)
    fixed = standing(net, z)
    torch.testing.assert_close(fixed(z), net(z))
    torch.testing.assert_close(fixed(z[:3]), net(z)[:3])
    assert name == "stylegan" or not torch.allclose(net(z[:3]), net(z)[:3])  # the network itself is as it was


def test_layer_norm_is_over_all_channels_and_pixels():
    x = 3 * normal(5, 4, 6, 6) + 2
    net = normaliser("layer", 4).double()
    torch.testing.assert_close(net(x), nn.LayerNorm([4, 6, 6]).double()(x))
    y = normal(5, 4)
    torch.testing.assert_close(net(y), nn.LayerNorm(4).double()(y))


def test_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="none, batch, layer"):
        normaliser("spectral", 4)


def test_initial_weights_keep_the_second_moment():
    torch.manual_seed(0)
    x = torch.relu(torch.randn(256, 32, 8, 8, generator=gen()))
    for layer in (nn.Conv2d(32, 32, 3), nn.ConvTranspose2d(32, 32, 4, 2), nn.Conv2d(32, 32, 1)):
        y = he(layer)(x).detach()[..., 2:-2, 2:-2]
        assert 0.7 < float(y.square().mean() / (2 * x.square().mean())) < 1.3  # half of it is rectified away


def test_shortcut_before_the_doubling_is_the_same():
    block, x = scattered(UpBlock(3, 5, 7, lambda c: normaliser("layer", c))), normal(2, 3, 4, 4)
    h = block.conv2(torch.relu(block.norm2(block.conv1(grow(torch.relu(block.norm1(x)), 7)))))
    torch.testing.assert_close(block(x), block.skip(grow(x, 7)) + h)


# ---- styled


@pytest.mark.parametrize("demodulate", [True, False])
def test_modulated_convolution_is_a_convolution_per_example(demodulate):
    net = scattered(ModulatedConv(3, 5, 4, 3, demodulate))
    x, w = normal(6, 3, 7, 7), normal(6, 4, seed=1)
    scale = net.style(w)
    for i in range(len(x)):
        weight = net.conv.weight * scale[i].view(1, 3, 1, 1)
        if demodulate:
            weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        torch.testing.assert_close(net(x, w)[i], F.conv2d(x[i : i + 1], weight, padding=1)[0])


def test_demodulated_outputs_have_unit_scale_whatever_the_style():
    net = ModulatedConv(16, 8, 4).double().requires_grad_(False)
    x = normal(200, 16, 9, 9)
    for size in (0.1, 1.0, 30.0):
        y = net(x, size * normal(200, 4, seed=1))[..., 1:-1, 1:-1]
        assert float(y.square().mean()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_all_noise_comes_in_through_z(shape):
    net = scattered(StyleGANGenerator(LATENT, shape, 4))
    sides = [s for i, s in enumerate(ladder(shape[1])) for _ in range(2 if i else 1)]
    assert net.pixels == sum(s * s for s in sides) and net.latent == LATENT + net.pixels
    z = normal(2, net.latent)
    style = net.style(z[:, :LATENT])
    assert torch.equal(net(z), net.render(style, z[:, LATENT:]))
    silent = torch.cat([z[:, :LATENT], torch.zeros(2, net.pixels, dtype=z.dtype)], 1)
    torch.testing.assert_close(net(silent), net.render(style))
    gradient = grad(lambda n: (net.render(style[:1], n) * normal(1, *shape)).sum())(z[:1, LATENT:])
    assert bool((gradient != 0).all())  # every number of it is used
    assert StyleGANGenerator(LATENT, shape, 4, noise=False).latent == LATENT


def test_style_does_not_depend_on_the_length_of_z():
    net, z = scattered(StyleGANGenerator(LATENT, (1, 8, 8), 4)), normal(3, LATENT)
    torch.testing.assert_close(net.style(z), net.style(5 * z))


def test_mean_style_gives_one_picture():
    """What truncation moves towards."""
    net = scattered(StyleGANGenerator(LATENT, (1, 8, 8), 4))
    w = net.style(normal(50, LATENT)).mean(0, keepdim=True)
    assert net.render(w).shape == (1, 1, 8, 8)


# ---- conditional, with attention


BIG = {"generator": functools.partial(BigGANGenerator, LATENT), "critic": BigGANCritic}


@pytest.mark.parametrize("role", BIG)
def test_initial_weights_are_orthogonal(role):
    net = BIG[role]((1, 28, 28), 8, classes=5)
    layers = [m for m in net.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.Embedding)]
    assert len(layers) > 10
    for layer in layers:
        matrix = layer.weight.detach().flatten(1)
        gram = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
        torch.testing.assert_close(gram, torch.eye(len(gram)), rtol=0, atol=1e-5)


def test_attention_is_torchs():
    net, x = scattered(Attention(16)), normal(3, 16, 7, 7)
    query = net.query(x).flatten(2).transpose(1, 2)
    key, value = (F.max_pool2d(f(x), 2).flatten(2).transpose(1, 2) for f in (net.key, net.value))
    assert query.shape == (3, 49, 2) and key.shape == (3, 9, 2) and value.shape == (3, 9, 8)
    expected = F.scaled_dot_product_attention(query, key, value, scale=1.0).transpose(1, 2).unflatten(-1, (7, 7))
    torch.testing.assert_close(net.attend(x), expected)
    torch.testing.assert_close(net(x), x + net.weight * net.outward(expected))


def test_attention_starts_as_the_identity():
    net, x = Attention(16), torch.randn(2, 16, 4, 4, generator=gen())
    assert torch.equal(net(x), x)


def test_conditional_norm_scales_each_example_by_its_condition():
    net = scattered(ConditionalNorm("layer", 4, 3))
    x, y = normal(5, 4, 6, 6), normal(5, 3, seed=1)
    gain, shift = (f(y)[..., None, None] for f in (net.gain, net.shift))
    expected = F.layer_norm(x, x.shape[1:]) * (1 + gain) + shift
    torch.testing.assert_close(net(x, y), expected)


def test_every_part_of_z_reaches_the_image():
    net = scattered(BigGANGenerator(7, (1, 28, 28), 4, norm="layer"))
    assert net.parts == [2, 2, 2, 1]
    jacobian = torch.func.jacrev(lambda z: net(z[None])[0])(normal(7))
    assert bool((jacobian.abs().amax((0, 1, 2)) > 1e-6).all())
    with pytest.raises(ValueError, match="at least 4"):
        BigGANGenerator(3, (1, 28, 28), 4)


def test_classes_change_images_and_scores():
    g, c = scattered(BigGANGenerator(LATENT, (1, 8, 8), 8, classes=3)), scattered(BigGANCritic((1, 8, 8), 8, classes=3))
    z, y = normal(1, LATENT).expand(3, -1), torch.arange(3)
    x = g(z, y).detach()
    assert float((x[0] - x[1]).abs().max()) > 1e-3 and float((x[1] - x[2]).abs().max()) > 1e-3
    one = x[:1].expand(3, -1, -1, -1)
    h = c.features(one)
    torch.testing.assert_close(c(one, y), c.head(h).squeeze(-1) + (c.embed.weight * h).sum(1))


def test_classes_are_lifted():
    nets = [scattered(BigGANGenerator(LATENT, (1, 8, 8), 4, classes=3), seed) for seed in range(2)]
    parameters, _ = stack_module_state(nets)
    z, y = normal(2, 5, LATENT), torch.randint(3, (2, 5), generator=gen())
    lifted = vmap(lambda p, z, y: functional_call(nets[0], p, (z, y)))(parameters, z, y)
    torch.testing.assert_close(lifted, torch.stack([n(a, b) for n, a, b in zip(nets, z, y, strict=True)]))
