"""A masked perceptron hears every earlier input, however few hidden units it has, and no later one."""

import pytest
import torch

from genbench.nets import MaskedMLP


@pytest.mark.parametrize(("features", "width"), [(2, 3), (9, 4), (9, 8), (9, 30), (784, 64)])
def test_masks_allow_the_earlier_inputs(features, width):
    net = MaskedMLP(features, 2, width, 2)
    paths = torch.eye(features)
    for layer in net.layers:
        paths = ((layer.mask @ paths) > 0).float()
    paths = paths.reshape(features, 2, features)[:, 0]  # (output, input)
    assert not bool(torch.triu(paths).any()), "an output depends on its own or a later input"
    heard = paths.tril(-1).sum(1)
    if width >= features - 1:
        assert torch.equal(paths, torch.ones(features, features).tril(-1))
    else:  # coarser, but over the whole range: the last output hears nearly all
        assert heard[-1] >= (features - 1) * (1 - 1 / width)


def test_initial_weights_and_training_draw_different_numbers():
    from genbench.training.replicas import stream

    purposes = [stream(seed, purpose) for seed in range(50) for purpose in ("training", "evaluation", "validation")]
    assert len(set(purposes)) == 150 and not set(purposes) & set(range(50))


@pytest.mark.parametrize("context", [0, 3])
@pytest.mark.parametrize(("features", "width", "depth"), [(1, 4, 1), (2, 5, 2), (9, 4, 2), (9, 30, 1), (6, 8, 0)])
def test_unrolled_inputs_are_those_of_a_loop_over_passes(features, width, depth, context):
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(features, generator=generator)
    net = MaskedMLP(features, 2, width, depth, context, order).double().requires_grad_(False)
    start, noise = (torch.randn(7, n, generator=generator, dtype=torch.float64) for n in (context, features))

    def rule(i, outputs):
        return outputs[:, 0] + noise[:, i] * outputs[:, 1].exp()

    x = torch.zeros(7, features, dtype=torch.float64)
    for place in range(features):
        (i,) = (order == place).nonzero()[0].tolist()
        x[:, i] = rule(i, net(x, context=start if context else None)[:, i])
    assert float(x.abs().min()) > 0
    torch.testing.assert_close(net.unroll(rule, start), x, rtol=0, atol=1e-12)
