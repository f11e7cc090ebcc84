"""What the rules of the fairness linter look at, and the sentences that they make of it.

Models are imported where a rule looks at one: rules can be listed without torch.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.config.expand import Trial
from genbench.config.expand import label as place_of
from genbench.config.read import model_spec
from genbench.config.schema import Recipe, Search, Study, Tune
from genbench.training.switches import HP

if TYPE_CHECKING:
    from genbench.checks.trials import Built
    from genbench.models import Model

__all__ = ["Case", "by_place", "by_value", "differing", "joined", "merged", "of_models", "place_of", "unlike", "values_of"]


@dataclass(frozen=True)
class Case:
    """A study's trials that are known before it runs, and the study, of which tests may have none."""

    trials: Sequence[Trial]
    study: Study | None
    root: Path

    @cached_property
    def datasets(self) -> dict[str, list[Trial]]:
        """Trials by dataset."""
        out: dict[str, list[Trial]] = {}
        for trial in self.trials:
            out.setdefault(trial.dataset, []).append(trial)
        return out

    @cached_property
    def cells(self) -> dict[tuple[str, str], list[Trial]]:
        """Trials by dataset and variant: models in one of these are compared as they are."""
        out: dict[tuple[str, str], list[Trial]] = {}
        for trial in self.trials:
            out.setdefault((trial.dataset, trial.variant), []).append(trial)
        return out

    @cached_property
    def searches(self) -> dict[str, dict[str, Search]]:
        """Search spaces by place (a dataset or its variant) and model; what a grid's factor levels add is the same for all."""
        out: dict[str, dict[str, Search]] = {}
        for place, model, tune in self.tuned:
            own = tune.space  # the models' own of this name, or one for all
            out.setdefault(place, {})[model] = getattr(model_spec(model, self.root).space, own) if isinstance(own, str) else own
        return out

    @cached_property
    def tuned(self) -> list[tuple[str, str, Tune]]:
        """Place, model and settings of every search."""
        return [
            (place_of(dataset, variant), model, cell.tune)
            for cell in (self.study.cells if self.study else ())
            if cell.tune
            for dataset, model, (variant, *_) in itertools.product(cell.datasets, cell.models, cell.crossings())
        ]

    def drawn(self, trial: Trial) -> set[str]:
        """Settings, such as "hp.lr", that a trial's search draws, or sets for all its trials."""
        place = place_of(trial.dataset, trial.variant)
        space = self.searches.get(place, {}).get(trial.model)
        if space is None or not trial.phase:
            return set()
        parts = any(tune.checkpoints > 1 for where, model, tune in self.tuned if (where, model) == (place, trial.model))
        return _keys(space, ("net", "hp")) | ({"train.checkpoints"} if parts else set())

    def having(self, key: str, place: str) -> set[str]:
        """Models of a place that have a hyperparameter in one sense: all have an optimiser's; a method's, those of its family."""
        trials = [t for t in self.trials if place_of(t.dataset, t.variant) == place]
        if key in HP:
            return {t.model for t in trials}
        searches = self.searches.get(place, {})
        families = {t.family for t in trials if t.model in searches and key in searches[t.model].hp}
        return {t.model for t in trials if t.family in families and key in self.built(t).hp}

    def said(self, trial: Trial) -> set[str]:
        """Settings of a trial that the study itself says, in place of the model's recipe."""
        cells = self.study.cells if self.study else ()
        own = [cell for cell in cells if trial.dataset in cell.datasets and trial.model in cell.models]
        found: set[str] = set()
        for cell in own:
            if trial.variant in (variant for variant, *_ in cell.crossings()) and trial.model in cell.recipes:
                found |= _keys(cell.recipes[trial.model], ("net", "hp", "train"))
        return found

    def model(self, name: str) -> "type[Model]":
        """A class of models by its name."""
        from genbench.models import MODELS

        return MODELS[name]

    def flops(self, trial: Trial) -> float:
        """FLOPs that a trial's training may take, of a budget in updates or samples."""
        from genbench.checks.updates import update_cost

        cost, budget = update_cost(trial, self.root), trial.budget
        return cost.flops * budget["value"] / (1 if budget["unit"] == "updates" else cost.samples)

    def built(self, trial: Trial) -> "Built":
        """What is known of a trial's model once it is built."""
        from genbench.checks.trials import built

        return built(trial, self.root)

    def network(self, trial: Trial) -> str:
        """The kind of a trial's networks."""
        from genbench.checks.trials import network_defaults

        return trial.net.get("network", network_defaults(self.model(trial.model)).get("network", "their own"))

    def choice(self, trial: Trial, factor: str) -> str:
        """The loss, penalty or norm of a GAN's trial; "" of another model's."""
        from genbench.models.gan import GAN

        cls = self.model(trial.model)
        return trial.net.get(factor) or getattr(cls, factor) if issubclass(cls, GAN) else ""

    def photographs(self, source: str) -> bool:
        """Whether a source's images are, or may be, photographs."""
        from genbench.data.dataset import source_traits

        return source_traits(source).photographs

    def well_specified(self) -> dict[str, list[str]]:
        """Models by dataset that can equal the true distribution."""
        from genbench.checks.trials import well_specified

        return well_specified(self.trials, self.root)


def _keys(part: Search | Recipe, sections: Iterable[str]) -> set[str]:
    return {f"{section}.{key}" for section in sections for key in getattr(part, section)}


def values_of(trials: Iterable[Trial], value: Callable[[Trial], Any]) -> dict[str, set[Any]]:
    """The values that each model's trials have."""
    out: dict[str, set[Any]] = {}
    for trial in trials:
        out.setdefault(trial.model, set()).add(value(trial))
    return out


def by_value(of: Mapping[str, Any]) -> str:
    """Models by what they have: "a 5 (ns_gan, wgan), 3 (vae)", most models first."""
    by: dict[str, list[str]] = {}
    for model, value in of.items():
        by.setdefault(str(value), []).append(model)
    return ", ".join(f"{value} ({', '.join(each)})" for value, each in sorted(by.items(), key=lambda pair: -len(pair[1])))


def joined(values: Iterable[Any]) -> str:
    """Values in order: "1 or 5"."""
    return " or ".join(map(str, sorted(values)))


def merged(found: Iterable[tuple[str, str]]) -> list[str]:
    """Texts by place, with the places of equal ones together."""
    places: dict[str, list[str]] = {}
    for place, text in found:
        places.setdefault(text, []).append(place)
    return [f"{', '.join(each)}: {text}" for text, each in places.items()]


def differing(groups: Mapping[str, list[Trial]], value: Callable[[Trial], Any], text: str) -> list[str]:
    """A sentence for each group whose models have different sets of values; "{}" in the text stands for who has which."""
    found = [(place, values_of(trials, value)) for place, trials in groups.items()]
    who = [(place, {model: joined(own) for model, own in of.items()}) for place, of in found if unlike(of.values())]
    return merged((place, text.format(by_value(of))) for place, of in who)


def unlike(values: Iterable[Any]) -> bool:
    """Whether values are not all equal."""
    values = list(values)
    return any(each != values[0] for each in values)


def by_place(cells: Mapping[tuple[str, str], list[Trial]]) -> dict[str, list[Trial]]:
    """Trials of cells by the name of their place."""
    return {place_of(*key): trials for key, trials in cells.items()}


def of_models(case: Case, holds: Callable[[Trial], bool], text: str) -> list[str]:
    """One sentence on the models of which some trial has a property, with in how many settings where not in all."""
    count: dict[str, list[bool]] = {}
    for trial in {repr((t.dataset, t.model, t.net, t.hp)): t for t in case.trials}.values():
        count.setdefault(trial.model, []).append(holds(trial))
    some = {m: f" (in {sum(each)} of {len(each)} settings)" if not all(each) else "" for m, each in count.items() if any(each)}
    return [f"{', '.join(f'{model}{share}' for model, share in some.items())}: {text}"] if some else []
