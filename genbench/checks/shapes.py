"""Networks without numbers, for what depends on shapes alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

__all__ = ["shapes_only", "undrawn"]

META = torch.device("meta")  # its tensors have a shape and a type, and no numbers
DRAWS = (Tensor.normal_, Tensor.uniform_, init.normal_, init.uniform_, init.kaiming_uniform_)


class _Undrawn(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in DRAWS:
            return func(*args, **(kwargs or {}))
        tensor = args[0] if args else kwargs["tensor"]
        tensor.detach().zero_()
        return tensor


class _Meta(TorchFunctionMode):
    """Everything on the meta device, whatever device is named, and without generators, which it has none of."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = {name: value for name, value in (kwargs or {}).items() if name != "generator"}
        if "device" in kwargs:
            kwargs["device"] = META
        return func(*(META if isinstance(each, torch.device) else each for each in args), **kwargs)


def undrawn() -> TorchFunctionMode:
    """A context in which initial weights are zeros: drawing those of a large network takes longer than building it."""
    return _Undrawn()


@contextmanager
def shapes_only() -> Iterator[None]:
    """A context in which tensors have no numbers, and operations take as long for large ones as for small ones.

    What needs numbers, such as `if x > 0`, raises a RuntimeError there.
    """
    with META, _Meta():
        yield
