"""Typed, frozen configuration: what YAML under config/ may say (pydantic at the boundary, nothing of it beyond)."""

import itertools
import re
from pathlib import Path
from typing import Any, ClassVar, Literal

import yaml
from pydantic import BaseModel, Field, FiniteFloat, ValidationError, ValidationInfo, field_validator, model_validator

from genbench.config.budget import Budget, Frozen
from genbench.config.errors import UserError
from genbench.config.seeds import REPEATS, SPAN

__all__ = [
    "RENAMED", "Budget", "Cell", "DatasetSpec", "Level", "ModelSpec", "Posthoc", "Range", "Recipe", "Search",
    "Spaces", "Split", "Study", "Tune", "load_yaml", "parse",
]  # fmt: skip

Name = Field(pattern=r"^[a-z0-9_]+$")
RENAMED = {"experiments": "questions", "refine": "posthoc", "slope": "lipschitz"}  # old keys, for files that still have them
MOST = 4096  # configurations of a search
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
ENCODER = r"classifier(-\d+)?|inception(:.+)?|dinov2:.+"


class Split(Frozen):
    """Number of examples in each split."""

    train: int = Field(gt=0)
    validation: int = Field(gt=0)
    test: int = Field(gt=0)


class DatasetSpec(Frozen):
    """A dataset: where it comes from, its shape and its fixed splits."""

    name: str = Name
    kind: Literal["points", "images"]
    source: str
    shape: tuple[int, ...]
    levels: int | None = Field(default=None, ge=2, le=256)
    classes: int | None = Field(default=None, ge=2)
    split: Split
    seed: int = Field(default=0, ge=0)
    parameters: dict[str, Any] = {}
    samples: int | None = Field(default=None, ge=100)  # generated examples that its metrics need, where a study asks for fewer
    needs: Literal["", "download", "path"] = ""
    description: str = ""
    reference: str = ""

    @model_validator(mode="after")
    def _shape_fits_kind(self) -> "DatasetSpec":
        if self.kind == "points" and (len(self.shape) != 1 or self.levels is not None):
            raise ValueError("points have a shape [d] and no levels")
        if self.kind == "images" and (len(self.shape) != 3 or self.levels is None):
            raise ValueError("images have a shape [channels, height, width] and levels (number of grey values)")
        return self


class Recipe(Frozen):
    """A part of a model's recipe; later parts override earlier ones key by key."""

    net: dict[str, Any] = {}  # constructor arguments: equal for all trials of a group
    hp: dict[str, FiniteFloat] = {}  # one value per trial: learning rate, betas, weights of loss terms
    train: dict[str, Any] = {}  # trainer's switches: schedule, ema, replicas


class Range(Frozen):
    """What a search draws one value from: one of `log` or `uniform` bounds, or a `choice` with equal odds."""

    log: tuple[FiniteFloat, FiniteFloat] | None = None  # the logarithm is uniform
    uniform: tuple[FiniteFloat, FiniteFloat] | None = None
    choice: tuple[bool | int | FiniteFloat | str, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_kind(self) -> "Range":
        given = [kind for kind in ("log", "uniform", "choice") if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"needs one of log, uniform, choice; got {', '.join(given) or 'none'}")
        bounds = self.log or self.uniform
        if bounds and not (bounds[0] < bounds[1] and (self.uniform or bounds[0] > 0)):
            raise ValueError("bounds are [low, high] with low < high, above 0 for log")
        return self


class Search(Frozen):
    """A search space: what is not here keeps its recipe's value."""

    net: dict[str, Range] = {}
    hp: dict[str, Range] = {}

    @model_validator(mode="after")
    def _one_value_per_group(self) -> "Search":
        if bad := [key for key, value in self.net.items() if value.choice is None]:
            raise ValueError(f"net.{bad[0]}: needs a choice, since trials of one network train together")
        return self


class Spaces(Frozen):
    """Search spaces of a model, and its authors' defaults: the first trial of a search."""

    wide: Search = Search()
    narrow: Search = Search()
    authors: Recipe = Recipe()


class ModelSpec(Frozen):
    """A model: a method of a family, with its recipe for each kind, size or name of dataset."""

    name: str = Name
    family: str = Name
    title: str
    paper: str
    notes: str = ""
    was: tuple[str, ...] = ()  # its earlier names, for files and commands that still have one
    defaults: Recipe = Recipe()
    recipes: dict[str, Recipe] = {}  # "points" | "images" | "HxW" | a dataset's name
    space: Spaces = Spaces()


class Tune(Frozen):
    """A search on equal terms: the best configuration by the validation split is trained anew on the study's seeds."""

    # per dataset, model and variant; the first is the authors' defaults. A list: as many after each look at a study that grows
    configurations: int | tuple[int, ...]
    space: Literal["wide", "narrow"] | Search = "wide"  # of each model, or one for all models of the cell
    seeds: int = Field(default=1, ge=1, le=REPEATS)  # per configuration; none of them is one of the study's
    checkpoints: int = Field(default=1, ge=1, le=100)  # of each trial, evenly spaced; the validation split chooses among them
    defaults: bool = True  # False: no configuration is the authors' defaults, all are of the stream
    confirm: bool = True  # False: the choice is not trained anew

    @field_validator("configurations")
    @classmethod
    def _growing(cls, value: int | tuple[int, ...]) -> int | tuple[int, ...]:
        looks = value if isinstance(value, tuple) else (value,)
        if not looks or list(looks) != sorted(set(looks)) or looks[0] < 1 or looks[-1] > MOST:
            raise ValueError(f"allowed: a number from 1 to {MOST}, or a growing list of such numbers")
        return value

    @property
    def looks(self) -> tuple[int, ...]:
        """Configurations after each look; one number where a search does not grow."""
        return self.configurations if isinstance(self.configurations, tuple) else (self.configurations,)

    @field_validator("space", mode="before")
    @classmethod
    def _one_of_two(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in ("wide", "narrow"):
            raise ValueError("allowed: wide, narrow, or ranges by net and hp")
        return value


class Level(Recipe):
    """A level of a factor: what it changes in a recipe, and what it adds to the search space."""

    space: Search = Search()


class Cell(Frozen):
    """Datasets x models under one budget, and, with a `grid`, x the levels of its factors: each crossing is a variant."""

    variant: str = Field(default="", pattern=r"^[a-z0-9_]*$")  # tells cells of the same datasets and models apart
    datasets: tuple[str, ...] = Field(min_length=1)
    models: tuple[str, ...] = Field(min_length=1)
    budget: Budget
    batch: int = Field(gt=0)  # examples per draw, equal for every model of the cell
    recipes: dict[str, Recipe] = {}  # overrides by model name
    tune: Tune | None = None  # without it every model runs its recipe
    grid: dict[str, dict[str, Level]] = {}  # factor: level: what it is

    @field_validator("grid")
    @classmethod
    def _named(cls, value: dict[str, dict[str, Level]]) -> dict[str, dict[str, Level]]:
        for name in (name for factor, levels in value.items() for name in (factor, *levels)):
            if not re.fullmatch(r"[a-z0-9_]+", name):
                raise ValueError(f"names of factors and levels have small letters, digits and _, not {name!r}")
        if empty := [factor for factor, levels in value.items() if not levels]:
            raise ValueError(f"{empty[0]}: needs a level")
        return value

    def crossings(self) -> list[tuple[str, dict[str, str], list[Level]]]:
        """Variant, level by factor, and the levels themselves, of every crossing; one without factors where there is no grid."""
        out = []
        for names in itertools.product(*self.grid.values()):
            levels = dict(zip(self.grid, names, strict=True))
            variant = "_".join(filter(None, (self.variant, *names)))
            out.append((variant, levels, [self.grid[factor][name] for factor, name in levels.items()]))
        return out


class Posthoc(Frozen):
    """Sampling methods for the trained generators of a study, and on which of its datasets (none named: all)."""

    methods: tuple[Literal["truncation", "metropolis", "ddls", "interpolation"], ...] = Field(min_length=1)
    datasets: tuple[str, ...] = ()
    steps: int = Field(default=200, ge=2)  # of each Markov chain: a sample costs as many proposals


class Study(Frozen):
    """A study: cells, seeds, and how trials are scored."""

    # the keys that scores, and nothing else, depend on
    SCORING: ClassVar = (
        "samples", "point_samples", "likelihood_points", "encoders", "annealed_points", "annealed_temperatures", "metrics",
    )  # fmt: skip

    POSTHOC: ClassVar = ("samples", "point_samples", "encoders", "posthoc")  # ... and scores of post-hoc samples

    FLOORS: ClassVar = ("samples", "point_samples", "encoders", "metrics")  # ... and floors

    # ... and what decides which configuration a search prefers
    CHOOSING: ClassVar = ("samples", "point_samples", "encoders", "encoder_epochs")

    name: str = Name
    title: str
    description: str = ""
    seeds: tuple[int, ...] = Field(min_length=1)
    samples: int = Field(default=1000, ge=100)  # generated images per trial that the metrics see
    point_samples: int = Field(default=2500, ge=100)  # generated points, and test points for their likelihood
    likelihood_points: int = Field(default=1000, ge=10)  # test images whose likelihood is computed
    encoder_epochs: int = Field(default=20, ge=1)
    # whose features score images: all metrics by the first, the Fréchet and kernel distance by the others
    encoders: tuple[str, ...] = Field(default=("classifier", "classifier-1"), min_length=1)
    metrics: tuple[str, ...] = ()  # besides the standard ones
    annealed_points: int = Field(default=0, ge=0)  # test examples of annealed bounds, first seed only; 0: none
    annealed_temperatures: int = Field(default=200, ge=10)
    margin: FiniteFloat = Field(default=1.25, gt=1)  # ratio of two scores that still counts as equal
    k: int = Field(default=4, ge=1)  # searches are compared by the best of so many configurations
    baseline: str = ""  # the model that searches compare all others with; what claims ask about where it is not said
    cells: tuple[Cell, ...] = Field(min_length=1)
    posthoc: Posthoc | None = None
    questions: dict[str, dict[str, Any]] = {}  # settings by question; see genbench/questions
    accepts: dict[str, str] = {}  # findings of the fairness linter by rule, each with its reason; see genbench/checks/rules.py

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_of_seeds(cls, value: Any) -> Any:
        return tuple(range(value)) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("encoders")
    @classmethod
    def _known_encoders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        check_encoders(value)
        return value

    @field_validator("cells")
    @classmethod
    def _something_to_score(cls, value: tuple[Cell, ...]) -> tuple[Cell, ...]:
        if all(cell.tune and not cell.tune.confirm for cell in value):
            raise ValueError("at least one cell needs to be without tune, or to confirm its search's choice")
        return value

    @field_validator("cells")
    @classmethod
    def _growing_together(cls, value: tuple[Cell, ...]) -> tuple[Cell, ...]:
        growing = [cell for cell in value if cell.tune and len(cell.tune.looks) > 1]
        if len({len(cell.tune.looks) for cell in growing}) > 1:
            raise ValueError("tune.configurations: searches that grow need lists of one length")
        for cell in growing:
            if cell.grid or not cell.tune.confirm:
                raise ValueError("tune.configurations: one number only, where factors are crossed or nothing is confirmed")
        return value

    @model_validator(mode="after")
    def _grows_until(self) -> "Study":
        growing = [cell for cell in self.cells if cell.tune and len(cell.tune.looks) > 1]
        if any(self.baseline not in cell.models for cell in growing):
            models = ", ".join(dict.fromkeys(name for cell in growing for name in cell.models))
            raise ValueError(f"baseline: searches that grow need one of their models, {models}; got {self.baseline!r}")
        return self

    @field_validator("posthoc")
    @classmethod
    def _known_datasets(cls, value: Posthoc | None, info: ValidationInfo) -> Posthoc | None:
        known = list(dict.fromkeys(name for cell in info.data.get("cells", ()) for name in cell.datasets))
        if value and (bad := [name for name in value.datasets if name not in known]):
            raise ValueError(f"datasets: {bad[0]!r} is not one of the study's: {', '.join(known)}")
        return value

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value) or min(value, default=0) < 0:
            raise ValueError("seeds must be distinct and >= 0")
        if max(value, default=0) >= SPAN:
            raise ValueError(f"seeds must be below {SPAN:,}")
        return value

    @property
    def looks(self) -> int:
        """At how many sizes its searches are looked at: 1 where none grows."""
        return max((len(cell.tune.looks) for cell in self.cells if cell.tune), default=1)

    @property
    def encoder_kinds(self) -> tuple[str, ...]:
        """Kinds of its encoders: classifier, inception or dinov2."""
        return tuple(name.partition(":")[0].partition("-")[0] for name in self.encoders)

    def samples_posthoc(self, dataset: str, family: str) -> bool:
        """Whether trials of a family on a dataset are sampled by other methods: those that decode a latent z."""
        return bool(self.posthoc) and family in ("gan", "vae") and dataset in (self.posthoc.datasets or (dataset,))


def check_encoders(names: tuple[str, ...]) -> None:
    """ValueError unless all are names of encoders, a classifier first."""
    for name in names:
        if not re.fullmatch(ENCODER, name):
            allowed = "classifier, classifier-<seed>, inception, inception:<weights file>, dinov2:<weights file>"
            raise ValueError(f"unknown encoder {name!r}; allowed: {allowed}")
    if not names[0].startswith("classifier") or len({name.split(":")[0] for name in names}) < len(names):
        raise ValueError("encoders must be distinct, a classifier first: its logits tell the classes")


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; UserError names the file and the line of a syntax error."""
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{where}: not valid YAML ({getattr(error, 'problem', error)})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: must be a mapping of keys to values")
    return value


def parse(spec: type[Frozen], value: dict[str, Any], path: Path, within: str = "") -> Any:
    """Validate a mapping against a spec; UserError lists every fault as `file: key: what is allowed` on one line each.

    `within`: where in the file the mapping stands, such as "questions.em_bound.".
    """
    try:
        return spec.model_validate(value)
    except ValidationError as error:
        faults = error.errors()
        outer = {f["loc"][:i] for f in faults for i in range(len(f["loc"]))}
        # pydantic counts a tuple's faulty elements as absent
        faults = [f for f in faults if f["type"] != "too_short" or f["loc"] not in outer]
        raise UserError("\n".join(_fault(spec, fault, path, within) for fault in faults)) from None


def _fault(spec: type[Frozen], fault: Any, path: Path, within: str) -> str:
    key = within + ".".join(str(part) for part in fault["loc"]) or "(whole file)"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        allowed, new = _fields(spec, fault["loc"][:-1]), RENAMED.get(fault["loc"][-1])
        message = "unknown key" + (f"; allowed: {', '.join(allowed)}" if allowed else "")
        message = f"is now called {new}" if new in allowed else message
    elif fault["type"] == "missing":
        message = "missing"
    else:
        message += f", got {fault['input']!r}" if not isinstance(fault["input"], dict) else ""
    return f"{path}: {key}: {message}"


def _fields(spec: Any, location: tuple[Any, ...]) -> list[str]:
    """Names of the fields at a location inside a spec; empty where the spec leaves them open."""
    import types
    import typing

    for part in location:
        if isinstance(spec, type) and issubclass(spec, BaseModel) and part in spec.model_fields:
            spec = spec.model_fields[part].annotation
            if isinstance(spec, types.UnionType):  # X | None
                spec = typing.get_args(spec)[0]
        else:  # an index into a tuple or a key of a dict: the element's type
            arguments = [a for a in typing.get_args(spec) if a not in (str, ..., type(None))]
            spec = arguments[-1] if arguments else None
    return sorted(spec.model_fields) if isinstance(spec, type) and issubclass(spec, BaseModel) else []
