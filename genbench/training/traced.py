"""The functions of a training step as flat lists of operations.

PyTorch finds each operation of a small network through vmap, autograd and module calls again in every update, which takes longer
than the arithmetic. Traced once, the operations that were found are replayed.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_unflatten

__all__ = ["Traced"]

aten = torch.ops.aten
SAME = (aten.detach.default, aten.alias.default)  # give what they are given
SHAPES = (aten.expand.default, aten.view.default, aten._unsafe_view.default)  # do, where the shape stays
VIEWS = (*SHAPES, aten.transpose.int, aten.t.default, aten.permute.default, aten.unsqueeze.default, aten.select.int)


class Traced:
    """A function of trees of tensors, traced at its first call and replayed afterwards, with the same numbers to the bit.

    Where it can't be traced, since it looks at values, it is called as it is.

    Arguments:
        function: gives a tree of tensors that depends on its arguments alone, and on nothing that changes between calls.
    """

    def __init__(self, function: Callable[..., Any]):
        self.function, self.shapes, self.replay = function, None, None
        self.out: Any = None

    def __call__(self, *args: Any) -> Any:
        leaves, spec = tree_flatten(args)
        shapes = [leaf.shape for leaf in leaves]
        if shapes != self.shapes:
            self.shapes, self.replay = shapes, self._traced(leaves, spec)
        if self.replay is None:
            return self.function(*args)
        with torch.no_grad():
            return tree_unflatten(self.replay(*leaves), self.out)

    def _traced(self, leaves: list[Tensor], spec: Any) -> Callable[..., Any] | None:
        def flat(*given: Tensor) -> list[Tensor]:
            found, self.out = tree_flatten(self.function(*tree_unflatten(list(given), spec)))
            return found

        try:
            module = make_fx(flat)(*leaves)
        except RuntimeError:  # the value of a tensor was asked for
            return None
        _simplify(module.graph)
        module.recompile()
        return module.forward


def _simplify(graph: fx.Graph) -> None:
    """Leave out operations that change nothing, and views that were made before."""
    calls = [node for node in graph.nodes if node.op == "call_function"]
    if any(isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable for node in calls):
        return  # what is written to must stay apart
    made: dict[tuple[Any, ...], fx.Node] = {}
    for node in calls:
        same = _same(node)
        if same is None and node.target in VIEWS and not node.kwargs:
            same = made.setdefault((node.target, repr(node.args)), node)
        if same is not None and same is not node:
            node.replace_all_uses_with(same)
            graph.erase_node(node)
    graph.eliminate_dead_code()


def _same(node: fx.Node) -> fx.Node | None:
    """The argument that a call gives back as it is, if it does."""
    if node.target in SAME:
        return node.args[0]
    if node.target in SHAPES and node.args[0].meta["val"].shape == node.meta["val"].shape:
        return node.args[0]
    if node.target in (aten.mul.Scalar, aten.mul.Tensor) and node.args[1] == 1 and isinstance(node.args[1], int):
        return node.args[0]
    return None
