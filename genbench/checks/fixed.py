"""What trials have fixed, of optimiser, trainer, method and networks, and where models of a cell differ in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from genbench.checks.case import Case, unlike
from genbench.config.expand import Trial
from genbench.training.switches import HP, Switches

__all__ = ["Setting", "differences", "settings"]

SPEED = ("replicas",)  # changes how fast trials are, not what comes out
# of networks: what other rules judge, which are networks, labels, critic_steps, sigmoid and, of every width, parameters
JUDGED = ("network", "classes", "conditional", "critic_steps", "output")


@dataclass(frozen=True)
class Setting:
    """A setting of a trial.

    Attributes:
        key: where a recipe says it, such as "hp.lr". value: what is in force. given: whether that is not the model's default.
        family: whose models mean the same by it; "": all models that are trained by gradients.
    """

    key: str
    value: Any
    given: bool
    family: str = ""


def settings(case: Case, trial: Trial) -> Iterator[Setting]:
    """Every setting of a trial of a model that is trained by gradients, but for those that other rules judge."""
    from genbench.checks.trials import network_defaults

    cls = case.model(trial.model)
    for each in fields(Switches):
        if each.name not in SPEED:
            value = trial.train.get(each.name, each.default)
            yield Setting(f"train.{each.name}", value, value != each.default)
    for key, default in HP.items():
        value = trial.hp.get(key, default)
        yield Setting(f"hp.{key}", value, value != default)
    for player in cls.players:
        key = f"lr_{player}"
        yield Setting(f"hp.{key}", trial.hp.get(key, "lr"), key in trial.hp)
    for key in case.built(trial).hp:
        default = cls.hp.get(key)
        value = trial.hp.get(key, default)
        yield Setting(f"hp.{key}", value, value != default, trial.family)
    for key, default in network_defaults(cls).items():
        if key not in JUDGED and not key.endswith("width"):
            value = trial.net.get(key, default)
            yield Setting(f"net.{key}", value, value != default, trial.family)


def differences(case: Case, dataset: str, variant: str) -> Iterator[tuple[str, dict[str, set[str]]]]:
    """Settings that models of a cell have fixed at different values: the key, and the values of each model.

    Left out: what a search draws, and what differs by what the models are, namely values that all are the models' defaults and,
    between families, those of recipes that no study changed.
    """
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    chosen: set[tuple[str, str]] = set()
    trials = [t for t in _ruled(case.cells[dataset, variant]) if case.model(t.model).players]
    said = set().union(*(case.said(t) for t in trials))
    searched = any(t.phase for t in trials)
    for trial in trials:
        drawn = case.drawn(trial)
        for each in settings(case, trial):
            scope = each.family or ("" if searched or each.key in said else trial.family)
            if each.key not in drawn:
                found.setdefault((each.key, scope), {}).setdefault(trial.model, set()).add(str(each.value))
                chosen |= {(each.key, scope)} if each.given else set()
    for (key, scope), of in found.items():
        if (key, scope) in chosen and unlike(of.values()):
            yield key, of


def _ruled(trials: Sequence[Trial]) -> list[Trial]:
    """Trials of different settings; of a search those that its space rules, not the authors' defaults, if it has any."""
    searched = {t.model for t in trials if t.configuration}
    kept = (t for t in trials if t.configuration or t.model not in searched)
    return list({repr((t.model, t.net, t.hp, t.train)): t for t in kept}.values())
