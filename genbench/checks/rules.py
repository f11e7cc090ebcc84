"""The rules of the fairness linter: each a function of a study that gives sentences, whose docstring says what it finds.

A rule is added by writing it here under `@rule`: a study can accept its findings by its name, and docs/fairness_rules.md, made by
`genbench rules --markdown`, has a row for it.
"""

import inspect
from collections.abc import Callable, Iterable
from statistics import median_low
from typing import Any

from genbench.checks.case import Case, by_place, by_value, differing, joined, merged, of_models, place_of, unlike, values_of
from genbench.checks.fixed import differences
from genbench.checks.spread import SPREAD, enough
from genbench.config.expand import Trial
from genbench.config.read import dataset_spec, model_spec

__all__ = ["RULES", "meaning"]

TIMES = 3.0  # FLOPs of training over those of the median model, up to which budgets count as equal computation
LOOKED_AT = 16  # configurations of a model, or up to twice as many, whose updates are counted
RATIO = 2.0  # of parameters, up to which two models count as equally large
FEWEST = 4  # configurations of a search, and ...
WIDEST = 1.5  # ... ratio of two scores that counts as equal, at which verdicts on models still say something
EPOCHS = 10  # of a classifier, below which its features are hardly those of a trained one

Rule = Callable[[Case], Iterable[str]]
RULES: dict[str, Rule] = {}  # by name, in the order of findings


def rule(check: Rule) -> Rule:
    """Enter a function into RULES under its name."""
    RULES[check.__name__] = check
    return check


def meaning(name: str) -> str:
    """What a rule finds: the first paragraph of its docstring as one line, with a small first letter and no full stop."""
    text = " ".join(inspect.getdoc(RULES[name]).partition("\n\n")[0].split()).rstrip(".")
    return text[0].lower() + text[1:]


# ---- searches and recipes


@rule
def recipes(case: Case) -> list[str]:
    """All or some models run a recipe that was set by hand."""
    fixed = sorted({t.model for t in case.trials if not t.phase})
    models = {t.model for t in case.trials}
    if not fixed or len(models) < 2:
        return []
    searched = any(t.phase for t in case.trials)
    who = ", ".join(fixed) if searched else "every model"
    why = "beside models that are searched" if searched else "and a difference is one between recipes"
    return [f"{who}: runs one recipe set by hand, the shipped ones with test scores of single seeds in view, {why}"]


@rule
def searches(case: Case) -> list[str]:
    """Searches differ in their number of configurations, or in how the best one is chosen."""
    found = []
    for dataset, trials in case.datasets.items():
        sizes: dict[str, dict[str, set[int]]] = {}
        for trial in trials:
            if trial.phase == "search":
                crossed = " x ".join(factor for factor, _ in trial.levels)
                name = place_of(trial.model, crossed or trial.variant)
                sizes.setdefault(name, {}).setdefault(trial.variant, set()).add(trial.configuration)
        tried = {name: joined({len(each) for each in of.values()}) for name, of in sizes.items()}
        if unlike(tried.values()):
            who = by_value(tried)
            found.append((dataset, f"searches of unequal size, configurations: {who}"))
    settings: dict[str, dict[str, str]] = {}
    for place, model, tune in case.tuned:
        rest = tune.model_dump(mode="json", exclude={"configurations", "space", "seeds"})
        settings.setdefault(place, {})[model] = ", ".join(f"{key} {value}" for key, value in rest.items())
    for place, of in settings.items():
        if unlike(of.values()):
            found.append((place, f"searches choose differently: {by_value(of)}"))
    return merged(found)


@rule
def search_ranges(case: Case) -> list[str]:
    """A hyperparameter that models share is searched in different ranges, or for some of them only."""
    found = []
    for place, of in case.searches.items():
        for section in ("hp", "net"):
            ranges = {model: getattr(search, section) for model, search in of.items()}
            for key in dict.fromkeys(key for each in ranges.values() for key in each):
                # an optimiser's hyperparameter is every model's; of another, those models can be asked that have it
                has = case.having(key, place) if section == "hp" else ()
                asked = {m: each for m, each in ranges.items() if key in each or m in has}
                if unlike(each.get(key) for each in asked.values()):
                    who = by_value({model: _range(each.get(key)) for model, each in asked.items()})
                    found.append((place, f"{key} is searched in different ranges: {who}"))
    return merged(found)


def _range(value: Any) -> str:
    if value is None:
        return "not at all"
    ((kind, bounds),) = value.model_dump(mode="json", exclude_none=True).items()
    return f"{kind} {list(bounds)}"


@rule
def authors(case: Case) -> list[str]:
    """The first configuration is the authors' defaults for some models only."""
    found, asked = [], {}
    for place, model, tune in case.tuned:
        if tune.defaults:
            asked.setdefault(place, []).append(model)
    for place, models in asked.items():
        has = {m: any(model_spec(m, case.root).space.authors.model_dump().values()) for m in models}
        if unlike(has.values()):
            lack = ", ".join(model for model, given in has.items() if not given)
            found.append((place, f"no authors' defaults of {lack}, whose first configuration is the recipe set by hand"))
    return merged(found)


@rule
def fixed_settings(case: Case) -> list[str]:
    """A setting of optimiser, trainer, method or network is not searched, and differs between models that share it."""
    found = []
    for dataset, variant in case.cells:
        for key, of in differences(case, dataset, variant):
            who = by_value({model: joined(values) for model, values in of.items()})
            found.append((place_of(dataset, variant), f"{key} is fixed and differs between models: {who}"))
    return merged(found)


@rule
def few_configurations(case: Case) -> list[str]:
    """A search has fewer than 4 configurations."""
    sizes = {cell.tune.looks[0] for cell in case.study.cells if cell.tune} if case.study else set()
    few = [size for size in sizes if size < FEWEST]
    return [f"searches of {min(few)} configurations, fewer than {FEWEST}, say little of a model at its best"] if few else []


# ---- what verdicts rest on


@rule
def seeds(case: Case) -> list[str]:
    """Models have different numbers of seeds."""
    found = []
    for place, trials in by_place(case.cells).items():
        own = values_of(trials, lambda t: (t.phase, t.configuration, t.seed))
        per = {}
        for model, each in own.items():
            per[model] = max(sum(1 for e in each if e[:2] == head) for head in {e[:2] for e in each})
        if unlike(per.values()) and not unlike({t.phase for t in trials}):
            found.append((place, f"models have different numbers of seeds: {by_value(per)}"))
    return merged(found)


@rule
def few_seeds(case: Case) -> list[str]:
    """There is one seed, so nothing separates a difference from chance."""
    if case.study and len(case.study.seeds) < 2:
        return ["one seed: no interval holds the variation of training"]
    return []


@rule
def picked_seeds(case: Case) -> list[str]:
    """Seeds are picked, not counted from 0."""
    seeds = case.study.seeds if case.study else ()
    if sorted(seeds) != list(range(len(seeds))):
        return [f"seeds {', '.join(map(str, seeds))} are picked by hand; a number of seeds, here {len(seeds)}, takes the first"]
    return []


@rule
def margin(case: Case) -> list[str]:
    """The ratio of two scores that counts as equal is below 2 standard deviations over seeds, or above 1.5 and 3 of these."""
    if case.study is None or not any(cell.tune for cell in case.study.cells):
        return []
    ratio = case.study.margin
    kinds = {kind: enough(kind) for kind in sorted({dataset_spec(t.dataset, case.root).kind for t in case.trials if t.phase})}
    if ratio > max([WIDEST, *(least**1.5 for least in kinds.values())]):
        return [f"scores up to a ratio of {ratio:g} count as equal, so nearly all models will"]
    return [
        f"{kind}: scores up to a ratio of {ratio:g} count as equal, but seeds alone differ by {SPREAD[kind]:g} in log score; two "
        f"such standard deviations are a ratio of {least:.2f}"
        for kind, least in kinds.items()
        if ratio < least
    ]


# ---- what trials spend


@rule
def budget(case: Case) -> list[str]:
    """Budgets or batches differ between models."""

    def spent(trial: Trial) -> str:
        return f"{trial.budget['value']:g} {trial.budget['unit']} x {trial.batch}"

    return differing(by_place(case.cells), spent, "budgets differ between models: {}")


@rule
def critic_steps(case: Case) -> list[str]:
    """One update of the budget trains the critic several times, and how often differs between models."""

    def steps(trial: Trial) -> int:
        own = {"critic": trial.net["critic_steps"]} if trial.net.get("critic_steps") else {}
        return max({**case.model(trial.model).players, **own}.values(), default=1)

    counted = {p: [t for t in each if t.budget["unit"] == "updates"] for p, each in case.datasets.items()}
    return differing(counted, steps, "one unit of budget trains the critic several times, and how often differs: {}")


@rule
def update_costs(case: Case) -> list[str]:
    """Budgets in updates or samples buy unequal computation: a model's training has more than 3 times the median's FLOPs."""
    found = []
    for place, trials in by_place(case.cells).items():
        counted = [t for t in trials if t.budget["unit"] in ("updates", "samples") and case.model(t.model).players]
        if len({t.model for t in counted}) < 2:
            continue
        own: dict[str, list[Trial]] = {}
        for trial in counted:
            own.setdefault(trial.model, []).append(trial)
        some = {model: each[:: max(len(each) // LOOKED_AT, 1)] for model, each in own.items()}
        means = {model: sum(map(case.flops, each)) / len(each) for model, each in some.items()}
        middle = max(median_low(means.values()), 1)
        ratios = {m: cost / middle for m, cost in sorted(means.items(), key=lambda pair: -pair[1]) if cost > TIMES * middle}
        if ratios:
            who = ", ".join(f"{model} {ratio:.1f}" for model, ratio in ratios.items())
            found.append((place, f"training has more than {TIMES:g} times the FLOPs of the median model's: {who}"))
    return merged(found)


@rule
def passes(case: Case) -> list[str]:
    """One update of the budget is a pass over the whole training split for some models."""
    whole = sorted({t.model for t in case.trials if not case.model(t.model).players})
    if not whole or len(whole) == len({t.model for t in case.trials}):
        return []
    return [f"{', '.join(whole)}: an update is one pass over the whole training split; training stops where it converges"]


# ---- what models are made of


@rule
def parameters(case: Case) -> list[str]:
    """Models differ by more than a factor of 2 in parameters.

    Of all variants of a dataset, since they share its tables; not of models without gradient steps.
    """
    found = []
    for dataset, trials in case.datasets.items():
        distinct = {repr((t.model, t.variant, t.net)): t for t in trials if case.model(t.model).players}.values()
        sizes = [(case.built(t).parameters, place_of(t.model, t.variant)) for t in distinct]
        (low, small), (high, large) = min(sizes, default=(1, "")), max(sizes, default=(1, ""))
        if high > RATIO * low:
            found.append((dataset, f"parameters differ by a factor of {high / low:.1f}: {low:,} of {small}, {high:,} of {large}"))
    return merged(found)


@rule
def networks(case: Case) -> list[str]:
    """Models are built from networks of different kinds."""
    cells = {place: [t for t in each if case.model(t.model).players] for place, each in by_place(case.cells).items()}
    return differing(cells, case.network, "models are built from different kinds of networks: {}")


@rule
def variants(case: Case) -> list[str]:
    """Models stand in different variants, so some have more tries."""
    text = "models stand in different variants, so some have more tries: {}"
    found = []
    for dataset, trials in case.datasets.items():
        of = values_of(trials, lambda t: t.variant)
        if unlike(of.values()):
            found.append((dataset, text.format(by_value({model: len(each) for model, each in of.items()}))))
    return merged(found)


@rule
def labels(case: Case) -> list[str]:
    """Some models are class-conditional and others are not."""
    conditional = sorted({t.model for t in case.trials if t.net.get("conditional")})
    if not conditional or all(t.net.get("conditional") for t in case.trials):
        return []
    return [
        f"{', '.join(conditional)}: some or all trials are given class labels, which others do not have; their values are not "
        "comparable, so they are ranked apart"
    ]


@rule
def selection(case: Case) -> list[str]:
    """Some models choose their weights by held-out loss; others cannot."""
    last = (t.model for t in case.trials if t.train.get("checkpoints", 1) == 1)  # of several, validation chooses for all alike
    models = [m for m in dict.fromkeys(last) if case.model(m).players]
    without = [m for m in models if not case.model(m).selects]
    if not without or len(without) == len(models):
        return []
    return [
        f"{', '.join(without)}: no held-out loss chooses weights, so the last ones are scored; others' are chosen on validation"
    ]


@rule
def well_specified(case: Case) -> list[str]:
    """A model's class of distributions contains the true one."""
    return [
        f"{model} on {dataset}: its class of distributions contains the true one, so it is a reference and no contender"
        for dataset, models in case.well_specified().items()
        for model in models
    ]


# ---- points of the models' own grids that run but mix what they compare with something else


@rule
def beta(case: Case) -> list[str]:
    """The weight of a VAE's KL is not 1, so its objective is no bound on the likelihood that it is ranked by."""
    off = sorted({f"{t.hp['beta']:g}" for t in case.trials if t.hp.get("beta", 1.0) != 1.0})
    text = f"beta = {', '.join(off)} makes its objective no bound on the likelihood"
    return of_models(case, lambda t: t.hp.get("beta", 1.0) != 1.0, text)


@rule
def sigmoid(case: Case) -> list[str]:
    """A least-squares critic's output is a probability."""
    text = "its critic's output is a probability (Lucic et al. 2018), not the real number of Mao et al. 2017"
    return of_models(case, lambda t: t.net.get("output") == "sigmoid", text)


@rule
def batch_norm(case: Case) -> list[str]:
    """A critic's value of an example depends on its batch."""
    text = "batch norm makes its critic's value of an example depend on the batch"
    return of_models(case, lambda t: case.choice(t, "norm") == "batch", text)


@rule
def clipping(case: Case) -> list[str]:
    """Clipped weights are rescaled by a spectral norm."""
    text = "clipped weights are rescaled by the spectral norm, so that the limit limits nothing"
    return of_models(case, lambda t: case.choice(t, "norm") == "spectral" and case.choice(t, "penalty") == "clipping", text)


@rule
def lipschitz(case: Case) -> list[str]:
    """Nothing bounds the Lipschitz constant of a Wasserstein critic."""

    def unbounded(trial: Trial) -> bool:
        free = case.choice(trial, "penalty") in ("none", "dragan", "r1") and case.choice(trial, "norm") != "spectral"
        return case.choice(trial, "loss") == "wasserstein" and free

    return of_models(
        case, unbounded, "nothing bounds its critic's Lipschitz constant everywhere, so its loss is no Wasserstein distance"
    )


# ---- what scores rest on


@rule
def encoder(case: Case) -> list[str]:
    """Samples are scored by features that fit the data badly, or that are picked."""
    if case.study is None:
        return []
    out, specs = [], [dataset_spec(name, case.root) for name in case.datasets]
    if case.study.encoder_epochs < EPOCHS and any(spec.kind == "images" for spec in specs):
        out.append(f"classifiers of {case.study.encoder_epochs} epochs, fewer than {EPOCHS}, give the features of all images")
    if case.study.encoders[0] != "classifier":
        out.append(
            f"{case.study.encoders[0]} is picked to give the features of all metrics, in place of the classifier of seed 0"
        )
    strange = ", ".join(spec.name for spec in specs if spec.kind == "images" and not case.photographs(spec.source))
    for name in case.study.encoders:
        if strange and not name.startswith("classifier"):
            out.append(f"{name.split(':')[0]} has learnt from photographs and never saw images like {strange}")
    return out
