"""K trials of one model as one object: their parameters, buffers, hyperparameters and random streams."""

import copy
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.utils._pytree import tree_map

from genbench.config.hashing import short_hash
from genbench.models.base import Model
from genbench.training.traced import Traced

__all__ = ["Replicas", "build", "stream"]

Make = Callable[[], Model]
BLOCK = 32  # steps whose randomness is drawn at once: on a GPU a draw per step and replica would dominate small nets
BLOCK_BYTES = 2**25  # ... unless a step needs so much that a block would not fit


def stream(seed: int, purpose: str) -> int:
    """A generator's seed for one purpose of a trial. Not seed + constant: a CPU generator keeps 32 bits of it, and the
    numbers of one purpose must not be those that drew the initial weights."""
    return int(short_hash([seed, purpose], 8), 16)


def build(make: Make, seed: int) -> Model:
    """A model whose initial weights depend on the seed alone, whatever the device or the global random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


class _Method(nn.Module):
    """Lets functional_call reach any method of a model."""

    def __init__(self, model: Model):
        super().__init__()
        self.model = model

    def forward(self, name: str, *args: Any) -> Any:
        return getattr(self.model, name)(*args)


class Replicas:
    """K replicas, run together by vmap (`lifted`) or one after the other by a loop over the same functions.

    Arguments:
        make: builds one model. seeds, hps: one per replica. device, dtype: of everything.
        lifted: vmap or loop. A single replica never pays for vmap. begin: called with each new model and its seed.
    """

    def __init__(
        self,
        make: Make,
        seeds: Sequence[int],
        hps: Sequence[Mapping[str, float]],
        device,
        dtype,
        lifted: bool,
        begin: Callable[[Model, int], None] | None = None,
    ):
        models = [_Method(build(make, seed)).to(device=device, dtype=dtype) for seed in seeds]
        for method, seed in zip(models, seeds, strict=True):
            if begin is not None:
                begin(method.model, seed)
        self.count, self.base, self.lifted = len(models), models[0], lifted
        self.device, self.dtype, self.hps = torch.device(device), dtype, [dict(hp) for hp in hps]
        self.hp = {k: torch.tensor([hp[k] for hp in hps], dtype=dtype, device=device) for k in hps[0]}
        self.generators = [torch.Generator(device).manual_seed(stream(seed, "training")) for seed in seeds]
        if lifted:
            parameters, self.buffers = stack_module_state(models)
            self.parameters: Any = {n: p.detach() for n, p in parameters.items()}
            self.rows = [{n: p[k] for n, p in self.parameters.items()} for k in range(self.count)]
        else:
            self.rows = [{n: p.detach() for n, p in m.named_parameters()} for m in models]
            self.parameters = self.rows
            # each replica's own module runs, whose parameters are the rows' memory: functional_call costs as much as a small net
            self._modules = [m.requires_grad_(False) for m in models]
        self._queue: list[dict[str, Tensor]] = []
        self.traced = False  # whether what a step calls is traced, which takes about a second for each of its functions
        self._programs: dict[str, Traced] = {}

    @property
    def model(self) -> Model:
        """The module whose code runs; its own weights mean nothing."""
        return self.base.model

    def names(self, player: str) -> list[str]:
        """Names of a player's parameters."""
        return [n for n in self.rows[0] if n.startswith(f"model.{player}.")]

    def call(self, method: str, *args: Any, parameters: Any = None) -> Any:
        """A method of the model on all replicas, with other parameters if given; args have a leading axis of K."""
        if not self.lifted and parameters is None:
            calls = [m(method, *tree_map(lambda t, k=k: t[k], args)) for k, m in enumerate(self._modules)]
            return tree_map(lambda *r: torch.stack(r), *calls)
        return self._each(self._function(method), self.parameters if parameters is None else parameters, *args)

    def step(self, method: str, *args: Any) -> Any:
        """`call` for a method that every update calls, without gradients."""
        with torch.no_grad():
            if not self.traced:
                return self.call(method, *args)
            return self._each(self._program(method, self._function(method)), self.parameters, *args)

    def gradients(self, method: str, player: str, *args: Any) -> tuple[Tensor, list[list[Tensor]]]:
        """Losses (K,) of a method and, for each replica, the gradients of the player's parameters."""
        names = self.names(player)
        if not (self.lifted or self.traced):
            own = [getattr(m.model, player).requires_grad_() for m in self._modules]
            loss = self.call(method, *args)
            grads = torch.autograd.grad(loss.sum(), [p for net in own for p in net.parameters()])
            for net in own:
                net.requires_grad_(False)
            return loss.detach(), [list(grads[k * len(names) : (k + 1) * len(names)]) for k in range(self.count)]

        def differentiate(parameters: dict[str, Tensor], buffers: dict[str, Tensor], *args: Any) -> tuple[Tensor, list[Tensor]]:
            wrap = {n: parameters[n].detach().requires_grad_() for n in names}
            with torch.enable_grad():
                loss = self._function(method)({**parameters, **wrap}, buffers, *args)
                return loss.detach(), list(torch.autograd.grad(loss.sum(), [wrap[n] for n in names]))

        f = self._program(method, differentiate) if self.traced else differentiate
        if self.lifted:
            loss, grads = f(self.parameters, self.buffers, *args)
            # contiguous, as the optimiser needs rows: weights' gradients come transposed
            return loss, [list(row) for row in zip(*(g.contiguous().unbind(0) for g in grads), strict=True)]
        rows = [f(self.rows[k], b, *tree_map(lambda t, k=k: t[k], args)) for k, b in enumerate(self.buffer_rows)]
        return torch.stack([loss for loss, _ in rows]), [grads for _, grads in rows]

    def _run(self, method: str, parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor], *args: Any) -> Any:
        """A method of the model with one replica's parameters and buffers."""
        return functional_call(self.base, {**parameters, **buffers}, (method, *args))

    def _function(self, method: str) -> Callable:
        """A method of the model as a function of parameters, buffers and args: of all replicas if lifted, else of one."""
        one = functools.partial(self._run, method)
        return vmap(one) if self.lifted else one

    def _program(self, name: str, f: Callable) -> Traced:
        """f, which is traced when it is first called; of one name the first is kept."""
        if name not in self._programs:
            self._programs[name] = Traced(f)
        return self._programs[name]

    def _each(self, f: Callable, parameters: Any, *args: Any) -> Any:
        """f(parameters, buffers, *args) on all replicas; f as `_function` gives it."""
        if self.lifted:
            return f(parameters, self.buffers, *args)
        buffers = self.buffer_rows
        rows = [f(parameters[k], buffers[k], *tree_map(lambda t, k=k: t[k], args)) for k in range(self.count)]
        return tree_map(lambda *r: torch.stack(r), *rows)

    def set_buffers(self, new: Mapping[str, Tensor]) -> None:
        """Store the buffers that an update returned, (K, ...) each."""
        for name, value in new.items():
            if self.lifted:
                self.buffers[f"model.{name}"] = value
            else:
                owner, _, leaf = name.rpartition(".")
                for module, part in zip(self._modules, value, strict=True):
                    setattr(module.model.get_submodule(owner), leaf, part)

    def set_parameters(self, new: Mapping[str, Tensor]) -> None:
        """Write into the parameters what a projection returned, (K, ...) each."""
        for name, value in new.items():
            for row, part in zip(self.rows, value, strict=True):
                row[f"model.{name}"].copy_(part)

    def block(self, batch: int) -> int:
        """Steps drawn at once: depends on the model and the batch only, as a trial's random stream must."""
        probe = self.model.noise((1, 1), torch.Generator(self.device))
        bytes_per_step = batch * sum(v.numel() * v.element_size() for v in probe.values())
        return max(1, min(BLOCK, BLOCK_BYTES // max(bytes_per_step, 1)))

    def draw(self, size: int, batch: int, shape: tuple[int, ...], dequantise: bool) -> dict[str, Tensor]:
        """Randomness of one update, each value (K, batch, ...): replica k's stream depends on its own seed alone."""
        if not self._queue:
            block, rows = (self.block(batch), batch), []
            for g in self.generators:
                row = {"index": torch.randint(size, block, generator=g, device=self.device)}
                if dequantise:
                    row["dequantise"] = torch.rand(*block, *shape, generator=g, device=self.device)
                rows.append({**row, **self.model.noise(block, g)})
            stacked = tree_map(lambda *r: torch.stack(r, 1), *rows)
            self._queue = [{n: v[t] for n, v in stacked.items()} for t in range(block[0])]
        noise = self._queue.pop(0)
        return {n: v.to(self.dtype) if v.is_floating_point() else v for n, v in noise.items()}

    @property
    def at_block_end(self) -> bool:
        """Whether no drawn randomness is waiting: the only moment that the generators' states describe the stream."""
        return not self._queue

    @property
    def buffer_rows(self) -> list[dict[str, Tensor]]:
        """Buffers by name: one dict with a leading axis of K, or a dict per replica."""
        return [self.buffers] if self.lifted else [dict(m.named_buffers()) for m in self._modules]

    def extract(
        self,
        k: int,
        rows: Sequence[Mapping[str, Tensor]] | None = None,
        buffers: Sequence[Mapping[str, Tensor]] | None = None,
    ) -> Model:
        """Replica k as an ordinary model, with its own weights or those of `rows[k]` (an average, say); likewise `buffers`."""
        model = copy.deepcopy(self.base)
        row, buffers = dict((rows or self.rows)[k]), buffers or self.buffer_rows
        own = {n: b[k] for n, b in buffers[0].items()} if self.lifted else buffers[k]
        model.load_state_dict({n: t.detach().clone() for n, t in {**row, **own}.items()})
        return model.model.eval().requires_grad_(False)

    def parameter_count(self) -> int:
        """Numbers that training updates, per replica."""
        return sum(math.prod(p.shape) for p in self.rows[0].values())
