"""Checks of a study before it runs: names, hyperparameters, and what is not comparable in it."""

import inspect
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from genbench.config.errors import UserError
from genbench.config.expand import Trial
from genbench.config.read import ROOT, dataset_spec, model_spec
from genbench.models import MODELS
from genbench.models.gan import GAN
from genbench.models.gan_penalties import PENALTIES
from genbench.training.trainer import HP, Switches

__all__ = ["arguments", "check_trial", "references", "unfair"]


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


def check_trial(trial: Trial, root: Path = ROOT) -> None:
    """UserError if a recipe names what its model, optimiser or trainer does not have, or gives a value of a wrong type."""
    file = root / "models" / f"{trial.model}.yaml"
    if trial.model not in MODELS:
        raise UserError(f"{file}: name: no such model in genbench.models; allowed: {', '.join(sorted(MODELS))}")
    cls = MODELS[trial.model]
    network = [p for p in inspect.signature(cls.__init__).parameters if p not in ("self", "shape", "levels")]
    network = ["conditional" if p == "classes" else p for p in network]  # how many there are is the dataset's to say
    rates = [f"lr_{player}" for player in cls.players]
    switches = {f.name: f.type for f in fields(Switches)}
    _known(file, "net", trial.net, network)
    _known(file, "train", trial.train, switches)
    defaults = {p: q.default for p, q in inspect.signature(cls.__init__).parameters.items()} | {"conditional": False}
    for key, value in trial.net.items():
        kind = type(defaults[key])
        if not isinstance(value, (int, float) if kind is float else kind):
            raise UserError(f"{file}: net.{key}: must be {kind.__name__}, got {value!r}")
    for key, value in trial.train.items():
        if not isinstance(value, (int, float) if switches[key] is float else switches[key]):
            raise UserError(f"{file}: train.{key}: must be {switches[key].__name__}, got {value!r}")
    chosen = Switches(**trial.train)
    if not (0 <= chosen.ema < 1 and 0 <= chosen.warmup <= 1 and chosen.replicas >= 1):
        raise UserError(f"{file}: train: needs 0 <= ema < 1, 0 <= warmup <= 1, replicas >= 1; got {trial.train}")
    if trial.train.get("schedule", "cosine") not in ("cosine", "constant"):
        raise UserError(f"{file}: train.schedule: allowed: cosine, constant; got {trial.train['schedule']!r}")
    spec, net = dataset_spec(trial.dataset, root), arguments(trial, root)
    try:
        model = cls(spec.shape, spec.levels, **net)
    except (TypeError, ValueError, RuntimeError, KeyError) as error:
        raise UserError(f"{file}: net: {trial.model} can't be built for {trial.dataset}: {error}") from None
    _known(file, "hp", trial.hp, [*HP, *rates, *model.hp])
    if isinstance(model, GAN) and (fault := forbidden(model)):
        raise UserError(f"{file}: net: {fault}")


def forbidden(model: GAN) -> str:
    """Why a point of the GANs' grid is not what its name says; "" where it is."""
    if PENALTIES[model.penalty].slopes and model.norm == "batch":
        return f"penalty {model.penalty} with norm batch: gradients at single examples don't exist where a batch is mixed"
    if model.output == "sigmoid" and model.loss != "least_squares":
        return f"output sigmoid with loss {model.loss}, which takes any real number: allowed with least_squares only"
    return ""


def doubtful(trial: Trial) -> list[str]:
    """Points of the GANs' grid that run but confound what they compare."""
    cls = MODELS[trial.model]
    loss, penalty, norm = (trial.net.get(key) or getattr(cls, key) for key in ("loss", "penalty", "norm"))
    out = []
    if trial.net.get("output") == "sigmoid":
        out.append("its critic's output is a probability (Lucic et al. 2018), not the real number of Mao et al. 2017")
    if norm == "batch":
        out.append("batch norm makes its critic's value of an example depend on the batch")
    if norm == "spectral" and penalty == "clipping":
        out.append("clipped weights are rescaled by the spectral norm, so that the limit limits nothing")
    if loss == "wasserstein" and penalty in ("none", "dragan", "r1") and norm != "spectral":
        out.append("nothing bounds the slope of its critic everywhere, so its loss is no Wasserstein distance")
    return out


def _known(file: Path, section: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    allowed = sorted(allowed)
    for key in given:
        if key not in allowed:
            raise UserError(f"{file}: {section}.{key}: unknown; allowed: {', '.join(allowed)}")


def references(trials: Iterable[Trial]) -> dict[str, list[str]]:
    """Models by dataset that are no contenders there, since their class of laws contains the true one."""
    return {dataset: ["gmm"] for dataset in sorted({t.dataset for t in trials if t.model == "gmm"} & {"ring8", "grid25"})}


def unfair(trials: Iterable[Trial]) -> list[str]:
    """What a reader of the comparison must know, one sentence each."""
    trials, out = list(trials), []
    if fixed := sorted({t.model for t in trials if not t.phase}):
        who = "every model" if len(fixed) == len({t.model for t in trials}) else ", ".join(fixed)
        out.append(
            f"{who} runs one recipe set by hand, the shipped ones with test scores of single seeds in view: without a search "
            "on equal terms, a difference is one between recipes"
        )
    for dataset, models in references(trials).items():
        for model in models:
            out.append(f"{model} on {dataset}: its class of laws contains the true one, so it is a reference and no contender")
    if told := sorted({t.model for t in trials if t.net.get("conditional")}):
        out.append(
            f"{', '.join(told)}: some or all trials are given class labels, which others do not have: they are ranked apart, and "
            "their values are not comparable with those of models without labels"
        )
    for model in dict.fromkeys(t.model for t in trials):
        own = {repr((t.net, t.hp, t.dataset)): t for t in trials if t.model == model}.values()
        said = Counter(words for trial in own for words in confounds(trial))
        for words, count in said.items():
            some = "" if count == len(own) else f", in {count} of {len(own)} settings"
            out.append(f"{model}{some}: {words}")
        if notes := " ".join(model_spec(model).notes.split()):
            out.append(f"{model}: {notes[0].lower()}{notes[1:].rstrip('.')}")
    return out + uneven(trials)


def confounds(trial: Trial) -> list[str]:
    """What else than its method tells a trial from others."""
    cls, out = MODELS[trial.model], []
    players = cls.players | ({"critic": trial.net["critic_steps"]} if trial.net.get("critic_steps") else {})
    if trial.budget["unit"] == "updates" and max(players.values(), default=1) > 1:
        extra = ", ".join(f"{n} {player} updates" for player, n in players.items() if n > 1)
        out.append(f"an update of the budget includes {extra}")
    if not cls.players:
        out.append("an update is one iteration over the whole training split; it stops where it converges")
    if trial.hp.get("beta", 1.0) != 1.0:
        out.append(f"beta = {trial.hp['beta']:g} makes its objective no bound on the likelihood")
    if issubclass(cls, GAN):
        out += doubtful(trial)
    if not cls.selects and cls.players:
        out.append("has no held-out loss, so its last weights are scored; others choose theirs on validation")
    return out


def uneven(trials: Iterable[Trial]) -> list[str]:
    """Searches that are not of the same size: by dataset, who tried how many configurations."""
    counts: dict[str, dict[str, set[int]]] = {}
    for trial in trials:
        if trial.phase == "search":
            name = f"{trial.model} · {trial.variant}" if trial.variant else trial.model
            counts.setdefault(trial.dataset, {}).setdefault(name, set()).add(trial.configuration)
    out = []
    for dataset, found in counts.items():
        most = max(map(len, found.values()))
        if fewer := [f"{name} {len(each)}" for name, each in found.items() if len(each) < most]:
            out.append(f"{dataset}: searches of unequal size, {', '.join(fewer)} instead of {most} configurations")
    return out
