"""Parameters and operations of the networks, against counts by hand and published ones."""

import pytest

from genbench.nets.architectures import GENERATORS, SMALL, cost, describe, matched_width


def test_costs_of_a_perceptron_by_hand():
    c = cost("mlp", "generator", (1, 8, 8), 5, 10)  # 5 -> 10 -> 10 -> 10 -> 64
    assert c.flops == 2 * (50 + 100 + 100 + 640) and c.parameters == 890 + 3 * 10 + 64


def test_costs_of_a_critic_by_hand():
    c = cost("infogan", "critic", (1, 28, 28), 5, 4)  # 1x28x28 -> 4x14x14 -> 8x7x7 -> 64 -> 1
    weights = (4 * 16, 8 * 4 * 16, 64 * 8 * 49, 64)
    assert c.parameters == sum(weights) + 4 + 8 + 64 + 1
    assert c.flops == 2 * (weights[0] * 14 * 14 + weights[1] * 7 * 7 + weights[2] + weights[3])


def test_published_sizes():
    """Miyato et al.'s residual nets for 32x32: 4.28 and 1.05 million parameters; Lucic et al.'s for 28x28: 6.6 million each."""
    assert cost("resnet", "generator", (3, 32, 32), 128, 256).parameters == pytest.approx(4.28e6, rel=0.005)
    assert cost("resnet", "critic", (3, 32, 32), 128, 128).parameters == pytest.approx(1.05e6, rel=0.005)
    for role in ("generator", "critic"):
        assert cost("infogan", role, (1, 28, 28), 64, 64).parameters == pytest.approx(6.6e6, rel=0.02)


@pytest.mark.parametrize("role", ["generator", "critic"])
@pytest.mark.parametrize("name", GENERATORS)
def test_small_widths_match_in_parameters(name, role):
    width = matched_width(name, role, (1, 28, 28), 64, 100_000)
    assert width == SMALL[name][role == "critic"]
    assert cost(name, role, (1, 28, 28), 64, width).parameters == pytest.approx(100_000, rel=0.15)


def test_describe_lists_all():
    rows = describe((1, 28, 28))
    assert [(r.name, r.role) for r in rows] == [(n, role) for role in ("generator", "critic") for n in GENERATORS]
    assert all(r.parameters > 0 and r.flops > 2 * 0.5 * r.parameters for r in rows)
