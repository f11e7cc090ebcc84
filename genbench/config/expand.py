"""From a study to its trials, by pure functions: the whole DAG is known from the configuration and the code alone."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from genbench.config.code import code_hash, model_symbols
from genbench.config.errors import UserError
from genbench.config.hashing import short_hash
from genbench.config.read import ROOT, dataset_spec, model_spec, read_study, recipe
from genbench.config.schema import Cell, DatasetSpec, Level, ModelSpec, Recipe, Search, Study, Tune
from genbench.config.seeds import confirming, searching

__all__ = ["Group", "Trial", "at_most", "dataset_hash", "expand", "groups", "label", "planned", "resolve", "training_code"]

TRAINING = ("genbench.training.trainer:Trainer", "genbench.data.space:space")  # what every trial runs, besides its model
GROUP_SIZE = 64  # trials of one group


@dataclass(frozen=True)
class Trial:
    """One configuration and one seed in a cell; `id` is the hash of all that defines it, so studies share trials."""

    id: str
    dataset: str
    model: str
    family: str
    seed: int
    batch: int
    budget: dict[str, Any]
    net: dict[str, Any]
    hp: dict[str, float]
    train: dict[str, Any]
    dataset_spec: str
    code: str
    # what only the study knows of it: its name for what the cell does differently, and its place in a search
    variant: str = ""
    phase: Literal["", "search", "confirm"] = ""
    configuration: int = 0
    levels: tuple[tuple[str, str], ...] = ()  # factor and level, of a cell with a grid

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, with the id under "trial" and nothing that only a study knows."""
        value = {key: item for key, item in asdict(self).items() if key not in STUDYS}
        return {"trial": value.pop("id"), **value}


def label(name: str, variant: str) -> str:
    """The name of a model, or of a dataset, with that of what a cell does differently, as in reports."""
    return f"{name} · {variant}" if variant else name


STUDYS = ("variant", "phase", "configuration", "levels")


@dataclass(frozen=True)
class Group:
    """Trials of one dataset, model and phase that a job trains, those that share a network together."""

    name: str  # <dataset>/<model>-<hash of its trials' ids>
    dataset: str
    model: str
    trials: tuple[Trial, ...]  # to confirm the best of a search: a trial per configuration, of which `resolve` takes one
    phase: Literal["", "search", "confirm"] = ""
    variant: str = ""
    seeds: tuple[int, ...] = ()  # that the study lists, of the trials that confirm
    searched: tuple[str, ...] = ()  # names of the search's groups
    look: int = 0  # of a search that grows: the first look that these trials, or this choice, are of

    @property
    def label(self) -> str:
        """What tells its model apart on a dataset: its name, and that of what its cell does differently."""
        return label(self.model, self.variant)


def resolve(group: Group, configuration: int) -> Group:
    """A group that confirms, with its trials: the chosen configuration on fresh seeds."""
    chosen = next(trial for trial in group.trials if trial.configuration == configuration)
    seeds = map(confirming, group.seeds)
    return replace(group, trials=tuple(_identified(replace(chosen, seed=seed, phase="confirm")) for seed in seeds))


def dataset_hash(spec: DatasetSpec) -> str:
    """Hash of what decides a dataset's content."""
    return short_hash(spec.model_dump(mode="json", exclude={"description", "reference", "needs"}), 8)


def _identified(trial: Trial) -> Trial:
    """A trial with its id; how many trials train together changes their speed, not their result."""
    defining = {key: item for key, item in trial.as_dict().items() if key != "trial"}
    train = {k: v for k, v in trial.train.items() if k != "replicas"}
    return replace(trial, id=short_hash({**defining, "train": train}))


def expand(study: Study, root: Path = ROOT) -> list[Trial]:
    """All trials of a study that are known before it runs, cell by cell; UserError where two variants are the same.

    Of a cell with a search those are the searched ones; configurations that come out alike are one.
    """
    trials = []
    for cell in study.cells:
        for dataset, name, crossing in itertools.product(cell.datasets, cell.models, cell.crossings()):
            trials += _of_cell(study, cell, dataset_spec(dataset, root), model_spec(name, root), crossing, root)
    first: dict[str, Trial] = {}
    kept: dict[tuple[str, str], Trial] = {}
    for trial in trials:
        other = first.setdefault(trial.id, trial)
        if other.variant != trial.variant and not trial.phase:
            both = f"variants {other.variant!r} and {trial.variant!r} of {trial.dataset}/{trial.model}"
            raise UserError(f"{root}/studies/{study.name}.yaml: cells: {both} do not differ in anything that is trained")
        kept.setdefault((trial.variant, trial.id), trial)
    return list(kept.values())


def _of_cell(study: Study, cell: Cell, data: DatasetSpec, model: ModelSpec, crossing, root: Path) -> Iterator[Trial]:
    """Trials of one dataset, model and crossing of a cell's factors."""
    variant, named, levels = crossing
    tune, kept = cell.tune, None
    if tune and tune.checkpoints > 1:
        kept = Recipe(train={"checkpoints": tune.checkpoints})
    common = {
        "dataset": data.name,
        "model": model.name,
        "family": model.family,
        "batch": cell.batch,
        "budget": cell.budget.model_dump(mode="json"),
        "dataset_spec": dataset_hash(data),
        "variant": variant,
        "phase": "search" if tune else "",
        "levels": tuple(named.items()),
    }
    seen: set[str] = set()
    for place, own in enumerate(_configurations(model, tune, levels, root)):
        # what is searched wins over a level's value, and a level's value over the authors' defaults
        fixed, searched = (own, None) if place == 0 and tune and tune.defaults else (None, own)
        parts = recipe(model, data, cell.recipes.get(model.name), fixed, *levels, searched, kept).model_dump(mode="json")
        if (alike := repr(parts)) in seen:  # where there is nothing, or little, to search
            continue
        seen.add(alike)
        code = training_code(model.name, data, common["budget"], parts)
        for seed in [searching(place, repeat) for repeat in range(tune.seeds)] if tune else study.seeds:
            yield _identified(Trial("", seed=seed, configuration=place, code=code, **common, **parts))


def training_code(model: str, data: DatasetSpec, budget: dict[str, Any], parts: dict[str, Any]) -> str:
    """Hash of the code that trains a model by a recipe's parts; UserError without such a model."""
    if model not in model_symbols():
        allowed = ", ".join(sorted(model_symbols()))
        raise UserError(f"config/models/{model}.yaml: name: no such model in genbench.models; allowed: {allowed}")
    settings = [budget, parts["net"], parts["train"], data.kind, data.source]
    return code_hash(model_symbols()[model], *TRAINING, settings=settings, given=parts["net"])


def _configurations(model: ModelSpec, tune: Tune | None, levels: list[Level], root: Path) -> list[Recipe | None]:
    if tune is None:
        return [None]
    from genbench.config.stream import AXES, configurations

    own = isinstance(tune.space, str)
    parts = [getattr(model.space, tune.space) if own else tune.space, *(level.space for level in levels)]
    space = Search(**{key: {k: v for part in parts for k, v in getattr(part, key).items()} for key in ("net", "hp")})
    if unknown := {*space.net, *space.hp} - set(AXES):
        where = f"{root}/models/{model.name}.yaml: space.{tune.space}" if own else f"space of {model.name}'s search"
        raise UserError(f"{where}: {min(unknown)!r} is not in the stream; allowed: {', '.join(AXES)}")
    return configurations(space, tune.looks[-1], model.space.authors if tune.defaults else None)


def groups(study: Study, root: Path = ROOT) -> list[Group]:
    """The groups of a study: trials of one dataset, model and variant in order, GROUP_SIZE at a time.

    More seeds or configurations only add groups and extend the last one; trials in the store are not trained again.
    """
    trials = expand(study, root)
    looks = {slot: cell.tune.looks for cell in study.cells if cell.tune for slot in _slots(cell)}
    parts: dict[tuple[str, str, str, int], list[Trial]] = {}
    for trial in trials:
        slot = trial.dataset, trial.model, trial.variant
        place = sum(trial.configuration >= size for size in looks.get(slot, ())[:-1])
        parts.setdefault((*slot, place), []).append(trial)
    out = []
    for (dataset, model, variant, place), own in parts.items():
        for start in range(0, len(own), GROUP_SIZE):
            part = tuple(own[start : start + GROUP_SIZE])
            name = f"{dataset}/{model}-{short_hash([t.id for t in part], 8)}"
            out.append(Group(name, dataset, model, part, part[0].phase, variant, look=place))
    return out + _confirming(study, trials, out)


def _slots(cell: Cell) -> Iterator[tuple[str, str, str]]:
    """Dataset, model and variant of everything that a cell trains."""
    for dataset, model, (variant, *_) in itertools.product(cell.datasets, cell.models, cell.crossings()):
        yield dataset, model, variant


def planned(every: Iterable[Group], looks: Sequence[Collection[str]]) -> list[Group]:
    """The groups that a study runs by what `looks` say, of each the labels of models that it goes on searching.

    After the last of them all that is left to grow grows for one look more. A model is confirmed where it stops: at the first
    look that does not name it, or at the last one of its search.
    """
    every = list(every)
    last: dict[tuple[str, str, str], int] = {}
    for group in every:
        slot = group.dataset, group.model, group.variant
        last[slot] = max(last.get(slot, 0), group.look)
    out = []
    for group in every:
        stop = next((place for place, names in enumerate(looks) if group.label not in names), len(looks))
        stop = min(stop, last[group.dataset, group.model, group.variant])
        if group.look == stop if group.phase == "confirm" else group.look <= stop:
            out.append(group)
    return out


def at_most(study: Study, root: Path = ROOT) -> list[Group]:
    """The groups of a study whose searches all grow to their ends."""
    every = groups(study, root)
    return planned(every, [{group.label for group in every}] * (study.looks - 1))


def _confirming(study: Study, trials: list[Trial], searches: list[Group]) -> list[Group]:
    """A group for each dataset, model and variant that is searched, and each look at it, unless its cell does not confirm."""
    slots: dict[tuple[str, str, str], dict[int, Trial]] = {}
    alone = {slot for cell in study.cells if cell.tune and not cell.tune.confirm for slot in _slots(cell)}
    for trial in trials:
        if trial.phase == "search" and (trial.dataset, trial.model, trial.variant) not in alone:
            slots.setdefault((trial.dataset, trial.model, trial.variant), {}).setdefault(trial.configuration, trial)
    out = []
    for slot, found in slots.items():
        dataset, model, variant = slot
        own = [g for g in searches if (g.dataset, g.model, g.variant) == slot]
        decides = study.model_dump(mode="json", include=set(study.CHOOSING))
        for place in sorted({g.look for g in own}):
            searched = tuple(g.name for g in own if g.look <= place)
            name = f"{dataset}/{model}-{short_hash(['confirm', searched, study.seeds, decides], 8)}"
            out.append(Group(name, dataset, model, tuple(found.values()), "confirm", variant, study.seeds, searched, place))
    return out


def find_groups(study_name: str, names: Sequence[str], root: Path = ROOT) -> tuple[Study, list[Group]]:
    """A study and some of its groups by name; KeyError if the configuration changed under a running workflow."""
    study = read_study(study_name, root)
    every = {g.name: g for g in groups(study, root)}
    return study, [every[name] for name in names]
