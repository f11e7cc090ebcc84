"""Checks of trials before they run: names, types and hyperparameters, and what is refused; fairness.py says what is unfair."""

import functools
import inspect
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from genbench.checks.shapes import undrawn
from genbench.config.errors import UserError
from genbench.config.expand import Trial
from genbench.config.read import ROOT, dataset_spec
from genbench.config.schema import RENAMED
from genbench.data.dataset import point_density
from genbench.models import MODELS, Model
from genbench.models.gan import GAN
from genbench.models.gan_penalties import PENALTIES
from genbench.training.switches import HP, Switches

__all__ = ["Built", "arguments", "built", "check_trial", "network_defaults", "well_specified"]


def arguments(trial: Trial, root: Path = ROOT) -> dict[str, Any]:
    """A model's constructor arguments: a recipe's `net`, with its dataset's number of classes for `conditional: true`.

    UserError where the dataset has no classes.
    """
    net = {key: value for key, value in trial.net.items() if key != "conditional"}
    if trial.net.get("conditional"):
        net["classes"] = dataset_spec(trial.dataset, root).classes
        if net["classes"] is None:
            file = root / "models" / f"{trial.model}.yaml"
            raise UserError(f"{file}: net.conditional: {trial.dataset} has no class labels; allowed there: false")
    return net


def network_defaults(cls: type[Model]) -> dict[str, Any]:
    """What a recipe's `net` may say and its defaults: of the constructor, and of the one it passes others on to."""
    found: dict[str, Any] = {}
    for each in cls.__mro__:
        if "__init__" in vars(each):
            own = inspect.signature(each.__init__).parameters.values()
            named = {p.name: p.default for p in own if p.kind is p.POSITIONAL_OR_KEYWORD or p.kind is p.KEYWORD_ONLY}
            found = {name: default for name, default in named.items() if name not in ("self", "shape", "levels")} | found
            if not any(p.kind is p.VAR_KEYWORD for p in own):
                break
    return found


def check_trial(trial: Trial, root: Path = ROOT) -> None:
    """UserError if a recipe names what its model, optimiser or trainer does not have, or gives a value of a wrong type."""
    file = root / "models" / f"{trial.model}.yaml"
    if trial.model not in MODELS:
        raise UserError(f"{file}: name: no such model in genbench.models; allowed: {', '.join(sorted(MODELS))}")
    cls, kind = MODELS[trial.model], dataset_spec(trial.dataset, root).kind
    if kind not in cls.space:
        kinds = ", ".join(cls.space)
        raise UserError(f"{file}: {trial.model} can't learn {trial.dataset}: allowed: datasets of kind {kinds}; got {kind}")
    defaults = network_defaults(cls) | {"conditional": False}
    network = [p for p in defaults if p != "classes"]  # how many there are is the dataset's to say
    if "classes" not in defaults:
        network.remove("conditional")
    rates = [f"lr_{player}" for player in cls.players]
    switches = {f.name: f.type for f in fields(Switches)}
    _known(file, "net", trial.net, network)
    _known(file, "train", trial.train, switches)
    for key, value in trial.net.items():
        wanted = type(defaults[key])
        if not isinstance(value, (int, float) if wanted is float else wanted):
            raise UserError(f"{file}: net.{key}: must be {wanted.__name__}, got {value!r}")
    for key, value in trial.train.items():
        if not isinstance(value, (int, float) if switches[key] is float else switches[key]):
            raise UserError(f"{file}: train.{key}: must be {switches[key].__name__}, got {value!r}")
    chosen = Switches(**trial.train)
    if not (0 <= chosen.ema < 1 and 0 <= chosen.warmup <= 1 and chosen.replicas >= 1):
        raise UserError(f"{file}: train: needs 0 <= ema < 1, 0 <= warmup <= 1, replicas >= 1; got {trial.train}")
    if trial.train.get("schedule", "cosine") not in ("cosine", "constant"):
        raise UserError(f"{file}: train.schedule: allowed: cosine, constant; got {trial.train['schedule']!r}")
    try:
        model = built(trial, root)
    except (TypeError, ValueError, RuntimeError, KeyError) as error:
        raise UserError(f"{file}: net: {trial.model} can't be built for {trial.dataset}: {error}") from None
    _known(file, "hp", trial.hp, [*HP, *rates, *model.hp])
    if model.fault:
        raise UserError(f"{file}: net: {model.fault}")


@dataclass(frozen=True)
class Built:
    """What is known of a trial's model once it is built.

    Attributes:
        hp: names of its own hyperparameters. parameters: numbers that training updates, of all its networks.
        numbers: all that its weights file holds. fault: why it is refused; "" if it is not.
        liftable: whether its trials can train together.
    """

    hp: tuple[str, ...]
    parameters: int
    numbers: int
    fault: str
    liftable: bool


def built(trial: Trial, root: Path = ROOT) -> Built:
    """A trial's model, built once for all trials of equal networks and shapes; raises what its constructor raises."""
    spec = dataset_spec(trial.dataset, root)
    return _built(trial.model, tuple(spec.shape), spec.levels, json.dumps(arguments(trial, root), sort_keys=True))


@functools.lru_cache(maxsize=4096)
def _built(name: str, shape: tuple[int, ...], levels: int | None, net: str) -> Built:
    with undrawn():
        model = MODELS[name](shape, levels, **json.loads(net))
    parameters = sum(p.numel() for p in model.parameters()) if model.players else model.size()
    numbers = sum(t.numel() for t in model.state_dict().values())
    return Built(tuple(model.hp), parameters, numbers, forbidden(model) if isinstance(model, GAN) else "", model.liftable)


def forbidden(model: GAN) -> str:
    """Why a point of the GANs' grid is not what its name says; "" where it is."""
    if PENALTIES[model.penalty].gradients and model.norm == "batch":
        return f"penalty {model.penalty} with norm batch: gradients at single examples don't exist where a batch is mixed"
    if model.output == "sigmoid" and model.loss != "least_squares":
        return f"output sigmoid with loss {model.loss}, which takes any real number: allowed with least_squares only"
    return ""


def _known(file: Path, section: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    allowed = sorted(allowed)
    for key in given:
        if (new := RENAMED.get(key)) in allowed:
            raise UserError(f"{file}: {section}.{key}: is now called {new}")
        if key not in allowed:
            raise UserError(f"{file}: {section}.{key}: unknown; allowed: {', '.join(allowed)}")


def well_specified(trials: Iterable[Trial], root: Path = ROOT) -> dict[str, list[str]]:
    """Models by dataset that can equal the true distribution: references there, and no contenders."""
    able = {name: cls for name, cls in MODELS.items() if cls.contains is not Model.contains}
    found: dict[str, set[str]] = {}
    for trial in {repr((t.dataset, t.model, t.net)): t for t in trials if t.model in able}.values():
        spec = dataset_spec(trial.dataset, root)
        if spec.kind == "points":
            known = network_defaults(able[trial.model])  # a trial that can't be built is check_trial's to name
            given = {key: value for key, value in arguments(trial, root).items() if key in known}
            model = able[trial.model](tuple(spec.shape), spec.levels, **given)
            if model.contains(point_density(spec.name, spec.source, spec.parameters)):
                found.setdefault(trial.dataset, set()).add(trial.model)
    return {dataset: sorted(models) for dataset, models in sorted(found.items())}
