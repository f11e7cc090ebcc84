"""DINOv2's transformer against torchvision's with the same weights, its positions and resizing against their definitions."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import VisionTransformer as Torchvision

from genbench.config.errors import UserError
from genbench.metrics import dinov2
from genbench.metrics.dinov2 import DINOv2, VisionTransformer, dinov2_encoder
from genbench.metrics.encoder import extract

WIDTH, DEPTH, HEADS = 32, 2, 4


@pytest.fixture(scope="module")
def network():
    network = VisionTransformer(WIDTH, DEPTH, HEADS)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.normal_(std=0.2, generator=generator)
            if "gamma" in name or "norm" in name and "weight" in name:
                weight.add_(1)
    return network.eval()


def mapped(network):
    """Torchvision's transformer with these weights: layer scales folded in, positions of a 16 x 16 grid."""
    other = Torchvision(224, 14, DEPTH, HEADS, WIDTH, 4 * WIDTH, num_classes=1)
    state, of = {}, network.state_dict()
    state["class_token"], state["encoder.pos_embedding"] = of["cls_token"], network.positions(16).detach()
    pairs = {"conv_proj": "patch_embed.proj", "encoder.ln": "norm"}
    for i in range(DEPTH):
        theirs, ours = f"encoder.layers.encoder_layer_{i}.", f"blocks.{i}."
        pairs |= {theirs + "ln_1": ours + "norm1", theirs + "ln_2": ours + "norm2", theirs + "mlp.0": ours + "mlp.fc1"}
        for kind in ("weight", "bias"):
            state[f"{theirs}self_attention.in_proj_{kind}"] = of[f"{ours}attn.qkv.{kind}"]
            for place, layer, scale in (("self_attention.out_proj", "attn.proj", "ls1"), ("mlp.3", "mlp.fc2", "ls2")):
                gamma, weight = of[f"{ours}{scale}.gamma"], of[f"{ours}{layer}.{kind}"]
                state[f"{theirs}{place}.{kind}"] = gamma[:, None] * weight if weight.ndim == 2 else gamma * weight
    for theirs, ours in pairs.items():
        state |= {f"{theirs}.{kind}": of[f"{ours}.{kind}"] for kind in ("weight", "bias")}
    other.heads = torch.nn.Identity()
    other.load_state_dict(state)
    return other.eval()


@torch.no_grad()
def test_transformer_equals_torchvisions(network):
    x = torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    features, expected = network(x), mapped(network)(x)
    assert features.shape == (3, WIDTH) and (features - expected).abs().max() < 1e-4
    assert (features[0] - features[1]).abs().max() > 1e-2


def cubic(x, a=-0.75):
    """Keys' kernel, with the constant of torch's bicubic interpolation without antialiasing."""
    x = abs(x)
    near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def test_positions_are_interpolated_with_the_official_offset(network):
    centres = (np.arange(16) + 0.5) * 37 / 16.1 - 0.5  # 16.1: the offset changes the coordinates, not the size
    first = np.floor(centres).astype(int)
    weights = np.zeros((16, 37))
    for shift in (-1, 0, 1, 2):
        np.add.at(weights, (np.arange(16), (first + shift).clip(0, 36)), cubic(centres - first - shift))
    grid = network.pos_embed[0, 1:].detach().numpy().reshape(37, 37, WIDTH)
    expected = np.einsum("ai,bj,ijc->abc", weights, weights, grid).reshape(256, WIDTH)
    found = network.positions(16).detach()[0]
    assert np.allclose(found[1:], expected, atol=1e-5) and torch.equal(found[0], network.pos_embed[0, 0])


@pytest.mark.parametrize(("side", "levels"), [(8, 17), (28, 256), (300, 256)])
def test_images_are_resized_as_pillow_does(network, monkeypatch, side, levels):
    images = torch.randint(0, levels, (2, 1, side, side), generator=torch.Generator().manual_seed(2))
    seen = []
    monkeypatch.setattr(network, "forward", lambda x: (seen.append(x), x.new_zeros(len(x), WIDTH))[1])
    DINOv2(network, "small", levels)(images)
    for image, given in zip(images, seen[0], strict=True):
        grey = (image[0] * (255 / (levels - 1))).round().to(torch.uint8).numpy()
        expected = np.array(Image.fromarray(grey).resize((224, 224), Image.Resampling.BICUBIC)) / 255.0
        for channel, (mean, std) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)):
            difference = abs(given[channel].numpy() * std + mean - expected) * 255
            assert difference.max() < 2.01 and difference.mean() < 0.01


def test_encoder_has_the_interface_of_genbenchs_own(network):
    encoder = DINOv2(network, "small", 17)
    images = torch.randint(0, 17, (5, 1, 8, 8), generator=torch.Generator().manual_seed(3))
    features, logits = extract(encoder, images)
    assert features.shape == (5, WIDTH) and logits.shape == (5, 0)
    assert (encoder.features, encoder.classes, encoder.levels, encoder.name) == (WIDTH, 0, 17, "small")
    assert torch.allclose(features, extract(encoder, images.expand(-1, 3, -1, -1))[0])
    with pytest.raises(ValueError, match="1 or 3"):
        encoder(torch.zeros(5, 2, 8, 8))


def test_weights_are_read_strictly(network, monkeypatch, tmp_path):
    monkeypatch.setattr(dinov2, "VisionTransformer", lambda: VisionTransformer(WIDTH, DEPTH, HEADS))
    path = tmp_path / "weights.pth"
    torch.save(network.state_dict(), path)
    encoder = dinov2_encoder(path, levels=2)
    assert encoder.name.startswith("dinov2-vit-b-14-") and len(encoder.name) == 24
    images = torch.ones(2, 3, 8, 8)
    assert torch.equal(extract(encoder, images)[0], extract(DINOv2(network, "small", 2), images)[0])
    with pytest.raises(UserError, match="not found"):
        dinov2_encoder(tmp_path / "missing.pth")
    wrong = network.state_dict()
    wrong.pop("mask_token")
    for content in (wrong, {"cls_token": torch.zeros(1, 1, 384)}, {"run": print}):
        torch.save(content, path)
        with pytest.raises(UserError, match="ViT-B/14") as caught:
            dinov2_encoder(path)
        assert "\n" not in str(caught.value)


def test_official_weights_have_these_names_and_sizes():
    with torch.device("meta"):
        state = VisionTransformer().state_dict()
    assert len(state) == 175 and sum(value.numel() for value in state.values()) == 86_580_480
    expected = {"cls_token", "pos_embed", "mask_token", "patch_embed.proj.weight", "blocks.11.attn.qkv.bias"}
    assert expected | {"blocks.0.ls1.gamma", "blocks.0.mlp.fc2.weight", "norm.weight"} <= set(state)
    assert state["pos_embed"].shape == (1, 1370, 768)
