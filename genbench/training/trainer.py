"""One training loop for every family: K trials of a model, together or one by one."""

import math
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench.config.budget import Budget
from genbench.data.space import Space
from genbench.models.base import Model
from genbench.training.checkpoint import load_tensors, save_tensors
from genbench.training.costs import StepCost, updates_of
from genbench.training.losses import Losses
from genbench.training.memory import keep_freed
from genbench.training.optim import RowAdam, clip_norm
from genbench.training.replicas import Make, Replicas, stream
from genbench.training.switches import HP, Switches

__all__ = ["HP", "Result", "Switches", "Trainer"]

HISTORY = 300  # points kept per curve
VALIDATIONS = 20  # looks at the validation split per run
VALIDATION_SIZE = 1024  # examples per look
DIAGNOSES = 20  # points of a diagnostic curve: with the next line, about 2 % of the time of a short run
DIAGNOSED = 128  # held-out examples per point
TRACED = 300  # updates that pay for tracing what they call; three times as many where replicas run one by one
SHOWN = 8192  # training examples that a model may look at before and after training
DIVERGED = 1e10  # a loss beyond this is recorded as divergence, like nan


@dataclass
class Result:
    """What came of one trial."""

    status: str  # ok | diverged
    cause: str | None
    step: int | None  # update at which it failed
    selected_update: int  # update whose weights were kept
    model: Model | None
    history: list[tuple[int, str, float, float]]  # update, series, value, seconds
    costs: dict[str, Any] = field(default_factory=dict)
    earlier: dict[int, Model] = field(default_factory=dict)  # by update, of the checkpoints before the end


class Trainer:
    """Trains trials of one model together: `run` to the end of the budget, or `step` by step.

    Arguments:
        make: builds a model. seeds, hps: one per trial; missing hyperparameters take the defaults.
        train, validation: raw examples (n, ...), kept on the device and indexed there.
        labels: of both, by "train" and "validation" (n,) int64; needed by class-conditional models, unused by others.
        space: maps raw examples to what the model sees. batch: examples per draw, per trial.
        budget: what a trial may spend. switches: see Switches; its defaults if None. lifted: vmap or loop; None chooses.
        checkpoint: file to resume from and write to every `interval` seconds. key: what the file must have been made for.
        log: called with (updates done, updates in all, losses by player) now and then.
    """

    def __init__(
        self,
        make: Make,
        seeds: Sequence[int],
        hps: Sequence[Mapping[str, float]],
        train: Tensor,
        validation: Tensor,
        space: Space,
        batch: int,
        budget: Budget,
        switches: Switches | None = None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        lifted: bool | None = None,
        checkpoint: Path | None = None,
        interval: float = 30.0,
        key: str = "",
        log: Callable[[int, int, dict[str, float]], None] | None = None,
        labels: Mapping[str, Tensor] | None = None,
    ):
        keep_freed()
        switches = switches or Switches()
        example = make()
        hps = [{**HP, **example.hp, **hp} for hp in hps]
        lifted = len(seeds) > 1 and example.liftable and switches.replicas > 1 if lifted is None else lifted
        self.make, self.seeds, self.space, self.batch, self.switches = make, list(seeds), space, batch, switches
        self.dtype = dtype
        self.train, self.validation = train.to(device), validation[:VALIDATION_SIZE].to(device)
        self.replicas = Replicas(make, seeds, hps, device, dtype, lifted, self._begin)
        self.labels = {split: each.to(device) for split, each in labels.items()} if example.classes else {}
        self.losses = Losses(self.replicas, self.train, space, batch, self.labels.get("train"))
        self.model, self.players = self.replicas.model, self.replicas.model.players
        self.checkpoint, self.interval, self.key, self.log = checkpoint, interval, key, log
        count = self.replicas.count
        n = len(train)
        if self.labels:
            shares = torch.bincount(self.labels["train"], minlength=example.classes) / len(train)
            self.replicas.set_buffers({"prior": shares.to(dtype).repeat(count, 1)})
        self.cost = self._probe(seeds[0], hps[0]) if self.players else StepCost(n, n, self.model.fit_flops(n))
        self.updates = updates_of(budget, self.cost)
        self.replicas.traced = self.updates * (1 if lifted else count) >= (TRACED if lifted else 3 * TRACED)
        self.adam = {p: RowAdam([[row[n] for n in self.replicas.names(p)] for row in self.replicas.rows]) for p in self.players}
        # the average runs over the sampling weights of every family alike
        self.leaves = [t for row in self.replicas.rows for t in row.values()]
        self._trained = list(self.replicas.parameters.values()) if lifted else self.leaves  # stacked: a call each, not K
        self._averaged = [t.clone() for t in self._trained]
        self.average = [t[k] for k in range(count) for t in self._averaged] if lifted else self._averaged
        self.best = [t.clone() for t in self.leaves]
        parts = switches.checkpoints if self.players else 1
        marks = dict.fromkeys(round(self.updates * i / parts) for i in range(1, parts))
        self.earlier = {mark: self._copy() for mark in marks if 0 < mark < self.updates}
        self.best_loss = torch.full((count,), math.inf, dtype=dtype)
        self.selected = torch.zeros(count, dtype=torch.long)
        self.failed_at = torch.full((count,), -1, dtype=torch.long)
        self.done, self.seconds = 0, 0.0
        self.history: list[list[tuple[int, str, float, float]]] = [[] for _ in seeds]

    def _probe(self, seed: int, hp: Mapping[str, float]) -> StepCost:
        """Count one step of a throw-away replica."""
        single = Replicas(self.make, [seed], [hp], self.replicas.device, self.replicas.dtype, lifted=False)
        return Losses(single, self.train, self.space, self.batch, self.labels.get("train")).cost()

    # ---- one step

    def step(self) -> tuple[dict[str, Tensor], dict[str, list[list[Tensor]]]]:
        """Update every player as often as its schedule says, then the average of the weights.

        Returns by player the losses (K,) and the gradients, row by row, of its last update. Divergence is looked for by `run`.
        """
        losses, grads = {}, {}
        for player, times in self.players.items():
            for _ in range(times):
                losses[player], grads[player] = self._update(player)
        self.done += 1
        decay = min(self.switches.ema, self.done / (self.done + 9))  # ramped: else short runs average their start
        torch._foreach_lerp_(self._averaged, self._trained, 1 - decay)
        if self.done in self.earlier:
            self.earlier[self.done] = self._copy()
        return losses, grads

    def _update(self, player: str) -> tuple[Tensor, list[list[Tensor]]]:
        loss, grads = self.losses.gradients(player)
        for k, hp in enumerate(self.replicas.hps):
            if self.failed_at[k] < 0:  # a failed replica is frozen
                row = clip_norm(grads[k], hp["clip"]) if hp["clip"] else grads[k]
                self.adam[player].step(k, row, hp, self.rate() * hp.get(f"lr_{player}", hp["lr"]))
        if hasattr(self.model, f"project_{player}"):
            with torch.no_grad():
                self.replicas.set_parameters(self.replicas.step(f"project_{player}", self.replicas.hp))
        return loss, grads

    def rate(self) -> float:
        """Factor on the learning rates at the coming step."""
        warmup = self.switches.warmup * self.updates
        factor = min(1.0, (self.done + 1) / warmup) if warmup else 1.0
        if self.switches.schedule == "cosine":
            factor *= 0.5 * (1 + math.cos(math.pi * self.done / self.updates))
        return factor

    # ---- the loop

    def run(self) -> list[Result]:
        """Train to the end of the budget, from a checkpoint if there is one."""
        if not self.players:
            return self._fit()
        self._resume()
        self.model.train()
        record = math.ceil(self.updates / HISTORY)
        look, glance = math.ceil(self.updates / VALIDATIONS), math.ceil(self.updates / DIAGNOSES)
        clock, saved = time.perf_counter(), time.perf_counter()
        pending: list[tuple[int, dict[str, Tensor]]] = []
        while self.done < self.updates and bool((self.failed_at < 0).any()):
            losses, grads = self.step()
            pending.append((self.done, losses))
            last = self.done == self.updates
            if self.replicas.at_block_end or last:
                self._record(pending, record)  # waits for the device
                self.seconds, clock = self.seconds + time.perf_counter() - clock, time.perf_counter()
                pending = []
            if hasattr(self.model, "diagnose") and (self.done % glance == 0 or last):
                self.diagnose(grads)
            if self.model.selects and (self.done % look == 0 or last):
                self.validate()
            if self.checkpoint and self.replicas.at_block_end and time.perf_counter() - saved > self.interval and not last:
                self._save()
                saved = time.perf_counter()
        for k, row in enumerate(self._rows(self.average)):  # what the last update broke, no later loss saw
            if not all(bool(t.isfinite().all()) for t in row.values()) and self.failed_at[k] < 0:
                self.failed_at[k] = self.done
        return [self._result(k) for k in range(self.replicas.count)]

    def _record(self, pending: list[tuple[int, dict[str, Tensor]]], every: int) -> None:
        """Look for divergence in the losses of a block and keep a thinned history; the only transfer from the device."""
        series = {p: torch.stack([losses[p] for _, losses in pending]).double().cpu() for p in self.players}
        bad = torch.stack([~(values.abs() < DIVERGED) for values in series.values()]).any(0)  # also true for nan
        for k in bad.any(0).nonzero()[:, 0].tolist():
            if self.failed_at[k] < 0:
                self.failed_at[k] = pending[int(bad[:, k].nonzero()[0])][0]
        for player, values in series.items():
            for (update, _), row in zip(pending, values.tolist(), strict=True):
                if update % every == 0 or update == self.updates:
                    for k, value in enumerate(row):
                        if math.isfinite(value):
                            self.history[k].append((update, f"loss/{player}", value, self.seconds))
        if self.log:
            self.log(self.done, self.updates, {p: float(v.mean()) for p, v in pending[-1][1].items()})

    def _rows(self, leaves: list[Tensor]) -> list[dict[str, Tensor]]:
        """Leaves as one dict of parameters per replica."""
        names = list(self.replicas.rows[0])
        width = len(names)
        return [dict(zip(names, leaves[k * width : (k + 1) * width], strict=True)) for k in range(self.replicas.count)]

    def _held_out(self, limit: int) -> list[Any]:
        """Examples of the validation split, noise and hyperparameters of every replica; the same at every look."""
        generator = torch.Generator(self.replicas.device).manual_seed(stream(0, "validation"))
        raw = self.validation[:limit]
        u = torch.rand(raw.shape, generator=generator, device=self.replicas.device)
        x = self.space.encode(raw, u if self.space.dequantises else None).to(self.replicas.dtype)
        noise = {n: v[0] for n, v in self.model.noise((1, len(raw)), generator).items()}
        noise = {n: v.to(self.replicas.dtype) if v.is_floating_point() else v for n, v in noise.items()}
        if self.labels:
            noise["label"] = self.labels["validation"][:limit]
        count = self.replicas.count
        return [torch.stack([x] * count), {n: torch.stack([v] * count) for n, v in noise.items()}, self.replicas.hp]

    @torch.no_grad()
    def diagnose(self, grads: Mapping[str, list[list[Tensor]]]) -> None:
        """Record what the model says of itself on held-out examples, and the norms of the players' last gradients."""
        values = {name: v.tolist() for name, v in self.replicas.call("diagnose", *self._held_out(DIAGNOSED)).items()}
        for player, rows in grads.items():
            norms = [torch.linalg.vector_norm(torch.stack(torch._foreach_norm(row))) for row in rows]
            values[f"gradient_{player}"] = torch.stack(norms).tolist()
        for name, row in values.items():
            for k, value in enumerate(row):
                if math.isfinite(value):
                    self.history[k].append((self.done, f"diagnostic/{name}", value, self.seconds))

    @torch.no_grad()
    def validate(self) -> None:
        """Loss of the averaged weights on the validation split, with the same noise at every look; keep the best."""
        rows, count = self._rows(self.average), self.replicas.count
        parameters = {n: torch.stack([row[n] for row in rows]) for n in rows[0]} if self.replicas.lifted else rows
        spread = self._held_out(len(self.validation))
        self.model.eval()
        loss = sum(self.replicas.call(f"loss_{p}", *spread, parameters=parameters) for p in self.players).cpu()
        self.model.train()
        best = self._rows(self.best)
        for k in range(count):
            if loss[k] < self.best_loss[k]:
                self.best_loss[k], self.selected[k] = loss[k], self.done
                for kept, new in zip(best[k].values(), rows[k].values(), strict=True):
                    kept.copy_(new)
            if math.isfinite(loss[k]):
                self.history[k].append((self.done, "validation", float(loss[k]), self.seconds))

    def _fit(self) -> list[Result]:
        """Models without gradient steps."""
        results = []
        for k, generator in enumerate(self.replicas.generators):
            start = time.perf_counter()
            x = self.space.encode(self.train, self._uniform(generator) if self.space.dequantises else None)
            x = x.to(self.replicas.dtype)
            model = self.replicas.extract(k)
            used = model.fit(x, self.updates, generator)
            self.seconds = time.perf_counter() - start
            results.append(Result("ok", None, None, used, model, [], self._costs(used)))
        return results

    def _uniform(self, generator: torch.Generator) -> Tensor:
        return torch.rand(self.train.shape, generator=generator, device=self.replicas.device)

    # ---- ends

    def _costs(self, updates: int) -> dict[str, Any]:
        count = self.replicas.count if self.players else 1
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        if self.replicas.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated() / 2**20
        return {
            "updates": updates,
            "player_updates": {p: n * updates for p, n in self.players.items()},
            "samples": self.cost.samples * updates,
            "evaluations": self.cost.evaluations * updates,
            "flops": self.cost.flops * updates,
            "seconds": self.seconds / count,
            "group_seconds": self.seconds,
            "replicas": count,
            "peak_memory_mb": peak,
            "parameters": self.replicas.parameter_count() if self.players else self.model.size(),
        }

    def _result(self, k: int) -> Result:
        failed = int(self.failed_at[k])
        if failed >= 0:
            cause = f"the loss became non-finite or exceeded {DIVERGED:.0e}"
            return Result("diverged", cause, failed, 0, None, [p for p in self.history[k] if p[0] <= failed], self._costs(failed))
        # of several checkpoints a metric chooses that all families have, so none brings the best of its own looks
        chosen = self.model.selects and self.switches.checkpoints == 1 and math.isfinite(self.best_loss[k])
        selected = int(self.selected[k]) if chosen else self.done
        model = self.finished(k, self.best if chosen else self.average)
        earlier = {mark: self.finished(k, *kept) for mark, kept in self.earlier.items()}
        return Result("ok", None, None, selected, model, self.history[k], self._costs(self.done), earlier)

    def _copy(self) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        """Averaged weights and buffers as they are now."""
        return [t.clone() for t in self.average], [{n: t.clone() for n, t in row.items()} for row in self.replicas.buffer_rows]

    def finished(self, k: int, leaves: list[Tensor] | None = None, buffers: list[dict[str, Tensor]] | None = None) -> Model:
        """Replica k with its own of these weights and buffers, or with the current ones: ready to sample and to be stored."""
        model = self.replicas.extract(k, None if leaves is None else self._rows(leaves), buffers)
        generator = torch.Generator(self.replicas.device).manual_seed(stream(self.seeds[k], "finish"))
        self._finish(model, generator)
        return model

    @torch.no_grad()
    def _begin(self, model: Model, seed: int) -> None:
        """Let a new model take initial values from data."""
        if type(model).begin is not Model.begin:  # what no model asks for is not encoded
            generator = torch.Generator(self.train.device).manual_seed(stream(seed, "begin"))
            model.begin(self._shown(generator), generator)

    def _finish(self, model: Model, generator: torch.Generator) -> None:
        """Let a trained model do what is left to do."""
        if type(model).finish is not Model.finish:
            model.finish(self._shown(generator), generator)

    def _shown(self, generator: torch.Generator) -> Tensor:
        """Training examples that a model may look at before or after training."""
        raw = self.train[:SHOWN]
        u = torch.rand(raw.shape, generator=generator, device=raw.device) if self.space.dequantises else None
        return self.space.encode(raw, u).to(self.dtype)

    # ---- checkpoints

    def _state(self) -> dict[str, Tensor]:
        """Every tensor that the rest of the run depends on, by name; loading copies into these very tensors."""
        state = {f"leaf.{i}": t for i, t in enumerate(self.leaves)}
        state |= {f"average.{i}": t for i, t in enumerate(self.average)}
        state |= {f"best.{i}": t for i, t in enumerate(self.best)}
        for mark, (leaves, buffers) in self.earlier.items():
            state |= {f"earlier.{mark}.{i}": t for i, t in enumerate(leaves)}
            state |= {f"earlier.{mark}.buffer.{i}.{n}": t for i, row in enumerate(buffers) for n, t in row.items()}
        state |= {f"{p}.{n}": t for p, adam in self.adam.items() for n, t in adam.state().items()}
        state |= {f"buffer.{i}.{n}": t for i, row in enumerate(self.replicas.buffer_rows) for n, t in row.items()}
        return state | {"best_loss": self.best_loss, "selected": self.selected, "failed_at": self.failed_at}

    def _save(self) -> None:
        streams = {f"generator.{k}": g.get_state() for k, g in enumerate(self.replicas.generators)}
        meta = {"key": self.key, "done": self.done, "seconds": self.seconds, "history": self.history}
        save_tensors(self.checkpoint, {**self._state(), **streams}, meta)

    def _resume(self) -> None:
        loaded = load_tensors(self.checkpoint) if self.checkpoint else None
        if loaded is None or loaded[1].get("key") != self.key:
            return
        tensors, meta = loaded
        with torch.no_grad():
            for name, tensor in self._state().items():
                tensor.copy_(tensors[name])
        for k, generator in enumerate(self.replicas.generators):
            generator.set_state(tensors[f"generator.{k}"])
        self.done, self.seconds = meta["done"], meta["seconds"]
        self.history = [[tuple(point) for point in row] for row in meta["history"]]
