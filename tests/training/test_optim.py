"""The row-wise optimiser against torch's."""

import pytest
import torch
from kit import gen

from genbench.training.optim import RowAdam, clip_norm


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("stacked", [True, False])
def test_row_adam_is_adamw(weight_decay, stacked):
    shapes, count = [(4, 3), (4,), ()], 3
    start = [torch.randn(count, *shape, generator=gen(i)) for i, shape in enumerate(shapes)]
    rows = [[t[k] if stacked else t[k].clone() for t in start] for k in range(count)]
    reference = [[t[k].clone().requires_grad_() for t in start] for k in range(count)]
    hps = [{"beta1": b1, "beta2": b2, "weight_decay": weight_decay} for b1, b2 in ((0.9, 0.999), (0.0, 0.9), (0.5, 0.99))]
    theirs = [
        torch.optim.AdamW(row, lr=1.0, betas=(hp["beta1"], hp["beta2"]), weight_decay=weight_decay)
        for row, hp in zip(reference, hps, strict=True)
    ]
    ours, generator = RowAdam(rows), gen(9)
    for update in range(20):
        for k in range(count):
            if k == 1 and update % 3:  # replicas keep their own count of steps
                continue
            grads = [torch.randn(t.shape, generator=generator) * 10.0 ** (k - 1) for t in rows[k]]
            lr = 0.01 * (k + 1) / (update + 1)
            ours.step(k, grads, hps[k], lr)
            for group in theirs[k].param_groups:
                group["lr"] = lr
            for p, g in zip(reference[k], grads, strict=True):
                p.grad = g
            theirs[k].step()
    for row, other in zip(rows, reference, strict=True):
        for a, b in zip(row, other, strict=True):
            torch.testing.assert_close(a, b.detach(), rtol=1e-5, atol=1e-6)
    assert [int(s) for s in ours.steps] == [20, 7, 20]


def test_row_adam_takes_gradients_of_any_strides():
    """The CPU kernel ignores strides: a transposed gradient would reach the wrong weights."""
    plain, strided = torch.zeros(3, 4), torch.zeros(3, 4)
    grad = torch.randn(3, 4, generator=gen())
    hp = {"beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0}
    for weight, g in ((plain, grad), (strided, grad.T.contiguous().T)):
        adam = RowAdam([[weight]])
        adam.step(0, [g], hp, 0.1)
        adam.step(0, [0.5 * g], hp, 0.1)
    assert torch.equal(plain, strided)


def test_row_adam_on_views_changes_only_their_row():
    stacked = torch.ones(3, 5)
    adam = RowAdam([[stacked[k]] for k in range(3)])
    adam.step(1, [torch.ones(5)], {"beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0}, 0.1)
    assert torch.equal(stacked[[0, 2]], torch.ones(2, 5)) and bool((stacked[1] < 1).all())


def test_row_adam_state_is_live():
    """A checkpoint copies into the very tensors that the optimiser uses."""
    adam = RowAdam([[torch.zeros(2)], [torch.zeros(2)]])
    state = adam.state()
    assert set(state) == {f"{k}.{n}" for k in (0, 1) for n in ("step", "first.0", "second.0")}
    state["1.first.0"].fill_(3.0)
    state["1.step"].fill_(5)
    assert adam.first[1][0].tolist() == [3, 3] and int(adam.steps[1]) == 5 and int(adam.steps[0]) == 0


@pytest.mark.parametrize("limit", [0.1, 1.0, 1000.0])
def test_clip_norm_is_torchs(limit):
    grads = [torch.randn(4, 3, generator=gen()), torch.randn(5, generator=gen(1))]
    parameters = [torch.zeros_like(g, requires_grad=True) for g in grads]
    for p, g in zip(parameters, grads, strict=True):
        p.grad = g.clone()
    torch.nn.utils.clip_grad_norm_(parameters, limit)
    before = [g.clone() for g in grads]
    for got, p, g, kept in zip(clip_norm(grads, limit), parameters, grads, before, strict=True):
        torch.testing.assert_close(got, p.grad, rtol=1e-4, atol=1e-7)
        assert torch.equal(g, kept)


def test_clip_norm_of_nothing_is_nothing():
    (got,) = clip_norm([torch.zeros(3)], 1.0)
    assert torch.equal(got, torch.zeros(3))
