"""Steps that are replayed give what steps that are run give."""

import pytest
import tiny
import torch
from kit import gen

from genbench.training.traced import Traced

CASES = {case.model: case for case in reversed(tiny.CASES) if case.make().players}.values()  # one of each model


def both(case, count):
    """A trainer that runs its steps, and one that replays them."""
    out = []
    for traced in (False, True):
        made = tiny.trainer(case, list(range(count)), [{}] * count, 4, lifted=count > 1)
        made.replicas.traced = traced
        made.model.train()
        out.append(made)
    return out


@pytest.mark.parametrize("case", CASES, ids=str)
def test_replayed_steps_are_the_steps(case):
    count = 2 if case.make().liftable else 1
    run, replayed = both(case, count)
    for _ in range(3):  # the first traces, and buffers have changed by the third
        (losses, grads), (losses2, grads2) = run.step(), replayed.step()
        for player, values in losses.items():
            torch.testing.assert_close(losses2[player], values, rtol=1e-4, atol=1e-6)
            for row, row2 in zip(grads[player], grads2[player], strict=True):
                for one, other in zip(row, row2, strict=True):
                    torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-6)
    programs = replayed.replicas._programs
    assert programs and all(program.replay is not None for program in programs.values())


def test_what_looks_at_values_is_called_as_it_is():
    calls = []

    def signed(x):
        calls.append(1)
        return {"y": x + 1 if x.sum() > 0 else x - 1}

    f = Traced(signed)
    for x in (torch.ones(3), -torch.ones(3), torch.ones(3)):
        assert torch.equal(f(x)["y"], 2 * x)
    assert f.replay is None and len(calls) == 4  # one of them was the attempt to trace it


def test_other_shapes_are_traced_anew_and_equal_ones_are_not():
    calls = []

    def f(x, more):
        calls.append(1)
        return [x.t().t() * 1 + more["y"].expand(2, 3), (x.exp().sum(),)]

    g = Traced(f)
    for n in (2, 2, 2, 1, 2):
        x, y = torch.randn(2, 3, generator=gen(n)), {"y": torch.randn(n if n == 1 else 2, 3, generator=gen(n))}
        for one, other in zip(f(x, y), g(x, y), strict=True):
            torch.testing.assert_close(other, one, rtol=0, atol=0)
    assert len(calls) == 5 + 3
    kept = [str(node.target) for node in g.replay.__self__.graph.nodes if node.op == "call_function"]
    assert kept == ["aten.t.default", "aten.t.default", "aten.add.Tensor", "aten.exp.default", "aten.sum.default"]


def test_what_is_written_in_place_stays_written():
    def f(x):
        y = x.detach().clone()
        y.add_(1)
        return y * x.view(3)

    g = Traced(f)
    for value in (1.0, 2.0):
        x = torch.full((3,), value)
        assert torch.equal(g(x), f(x)) and torch.equal(x, torch.full((3,), value))
