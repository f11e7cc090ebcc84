"""The rules of the fairness linter, each a function of a study that gives sentences; names and meanings: config/fairness.py."""

from collections.abc import Callable, Iterable
from typing import Any

from genbench.checks.case import Case, by_place, differing, joined, merged, of_models, place_of, told, unlike, values_of
from genbench.checks.trials import built, network_defaults, references
from genbench.config.expand import Trial
from genbench.config.read import dataset_spec, model_spec
from genbench.models import MODELS
from genbench.models.gan import GAN
from genbench.training.trainer import HP, Switches

__all__ = ["FOUND_BY", "Rule"]

RATIO = 2.0  # of parameters, up to which two models count as equally large
FEWEST = 4  # configurations of a search, and ...
WIDEST = 1.5  # ... ratio of two scores that counts as equal, at which verdicts on models still say something
EPOCHS = 10  # of a classifier, below which its features are hardly those of a trained one
PHOTOGRAPHS = ("cifar10", "folder", "npz")  # sources of images that resemble, or may resemble, what Inception and DINOv2 saw


Rule = Callable[[Case], Iterable[str]]


def _grid(trial: Trial, key: str) -> str:
    """The loss, penalty or norm of a GAN's trial; "" of another model's."""
    cls = MODELS[trial.model]
    return trial.net.get(key) or getattr(cls, key) if issubclass(cls, GAN) else ""


# ---- searches and recipes


def recipes(case: Case) -> list[str]:
    fixed = sorted({t.model for t in case.trials if not t.phase})
    models = {t.model for t in case.trials}
    if not fixed or len(models) < 2:
        return []
    searched = any(t.phase for t in case.trials)
    who = ", ".join(fixed) if searched else "every model"
    why = "beside models that are searched" if searched else "and a difference is one between recipes"
    return [f"{who}: runs one recipe set by hand, the shipped ones with test scores of single seeds in view, {why}"]


def searches(case: Case) -> list[str]:
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
            who = told(tried)
            found.append((dataset, f"searches of unequal size, configurations: {who}"))
    judged: dict[str, dict[str, str]] = {}
    for place, model, tune in case.tuned:
        rest = tune.model_dump(mode="json", exclude={"configurations", "space", "seeds"})
        judged.setdefault(place, {})[model] = ", ".join(f"{key} {value}" for key, value in rest.items())
    for place, of in judged.items():
        if unlike(of.values()):
            found.append((place, f"searches judge differently: {told(of)}"))
    return merged(found)


def spaces(case: Case) -> list[str]:
    found = []
    for place, of in case.searches.items():
        for section in ("hp", "net"):
            ranges = {model: getattr(search, section) for model, search in of.items()}
            for key in dict.fromkeys(key for each in ranges.values() for key in each):
                # an optimiser's hyperparameter is every model's; of another, those models can be asked that have it
                asked = {m: each for m, each in ranges.items() if key in each or (section == "hp" and key in HP)}
                if unlike(each.get(key) for each in asked.values()):
                    who = told({model: _range(each.get(key)) for model, each in asked.items()})
                    found.append((place, f"{key} is searched in different ranges: {who}"))
    return merged(found)


def _range(value: Any) -> str:
    if value is None:
        return "not at all"
    ((kind, bounds),) = value.model_dump(mode="json", exclude_none=True).items()
    return f"{kind} {list(bounds)}"


def authors(case: Case) -> list[str]:
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


def switches(case: Case) -> list[str]:
    found = []
    for key in ("ema", "schedule", "warmup"):
        default = getattr(Switches, key)
        groups = {p: [t for t in each if t.phase and MODELS[t.model].players] for p, each in case.datasets.items()}
        found += differing(
            groups, lambda t, k=key, d=default: t.train.get(k, d), f"{key} is not searched and differs between models: {{}}"
        )
    return found


def few_configurations(case: Case) -> list[str]:
    sizes = {cell.tune.configurations for cell in case.study.cells if cell.tune} if case.study else set()
    few = [size for size in sizes if size < FEWEST]
    return [f"searches of {min(few)} configurations, fewer than {FEWEST}, say little of a model at its best"] if few else []


# ---- what verdicts rest on


def seeds(case: Case) -> list[str]:
    found = []
    for place, trials in by_place(case.cells).items():
        own = values_of(trials, lambda t: (t.phase, t.configuration, t.seed))
        per = {}
        for model, each in own.items():
            per[model] = max(sum(1 for e in each if e[:2] == head) for head in {e[:2] for e in each})
        if unlike(per.values()) and not unlike({t.phase for t in trials}):
            found.append((place, f"models have different numbers of seeds: {told(per)}"))
    return merged(found)


def few_seeds(case: Case) -> list[str]:
    if case.study and len(case.study.seeds) < 2:
        return ["one seed: no interval holds the variation of training"]
    return []


def margin(case: Case) -> list[str]:
    if case.study and case.study.margin > WIDEST and any(cell.tune for cell in case.study.cells):
        return [f"scores up to a ratio of {case.study.margin:g} count as equal, so nearly all models will"]
    return []


def encoder(case: Case) -> list[str]:
    if case.study is None:
        return []
    out, specs = [], [dataset_spec(name, case.root) for name in case.datasets]
    if case.study.encoder_epochs < EPOCHS and any(spec.kind == "images" for spec in specs):
        out.append(f"classifiers of {case.study.encoder_epochs} epochs, fewer than {EPOCHS}, give the features of all images")
    strange = ", ".join(spec.name for spec in specs if spec.kind == "images" and spec.source not in PHOTOGRAPHS)
    for name in case.study.encoders:
        if strange and not name.startswith("classifier"):
            out.append(f"{name.split(':')[0]} has learnt from photographs and never saw images like {strange}")
    return out


# ---- what trials spend


def budget(case: Case) -> list[str]:
    def spent(trial: Trial) -> str:
        return f"{trial.budget['value']:g} {trial.budget['unit']} x {trial.batch}"

    return differing(by_place(case.cells), spent, "budgets differ between models: {}")


def critic_steps(case: Case) -> list[str]:
    def steps(trial: Trial) -> int:
        own = {"critic": trial.net["critic_steps"]} if trial.net.get("critic_steps") else {}
        return max({**MODELS[trial.model].players, **own}.values(), default=1)

    counted = {p: [t for t in each if t.budget["unit"] == "updates"] for p, each in case.datasets.items()}
    return differing(counted, steps, "an update of the budget includes so many updates of one network: {}")


def passes(case: Case) -> list[str]:
    whole = sorted({t.model for t in case.trials if not MODELS[t.model].players})
    if not whole or len(whole) == len({t.model for t in case.trials}):
        return []
    return [f"{', '.join(whole)}: an update is one iteration over the whole training split; it stops where it converges"]


# ---- what models are made of


def parameters(case: Case) -> list[str]:
    """Of all variants of a dataset, since they share its tables; not of models without gradient steps."""
    found = []
    for dataset, trials in case.datasets.items():
        distinct = {repr((t.model, t.variant, t.net)): t for t in trials if MODELS[t.model].players}.values()
        sizes = [(built(t, case.root).parameters, place_of(t.model, t.variant)) for t in distinct]
        (low, small), (high, large) = min(sizes, default=(1, "")), max(sizes, default=(1, ""))
        if high > RATIO * low:
            found.append((dataset, f"parameters differ by a factor of {high / low:.1f}: {low:,} of {small}, {high:,} of {large}"))
    return merged(found)


def networks(case: Case) -> list[str]:
    def network(trial: Trial) -> str:
        return trial.net.get("network", network_defaults(MODELS[trial.model]).get("network", "their own"))

    cells = {place: [t for t in each if MODELS[t.model].players] for place, each in by_place(case.cells).items()}
    return differing(cells, network, "models are built from different kinds of networks: {}")


def variants(case: Case) -> list[str]:
    text = "models stand in different variants, so that some have more tries: {}"
    found = []
    for dataset, trials in case.datasets.items():
        of = values_of(trials, lambda t: t.variant)
        if unlike(of.values()):
            found.append((dataset, text.format(told({model: len(each) for model, each in of.items()}))))
    return merged(found)


def labels(case: Case) -> list[str]:
    told = sorted({t.model for t in case.trials if t.net.get("conditional")})
    if not told or all(t.net.get("conditional") for t in case.trials):
        return []
    return [
        f"{', '.join(told)}: some or all trials are given class labels, which others do not have: they are ranked apart, and "
        "their values are not comparable with those of models without labels"
    ]


def selection(case: Case) -> list[str]:
    last = (t.model for t in case.trials if t.train.get("checkpoints", 1) == 1)  # of several, validation chooses for all alike
    models = [m for m in dict.fromkeys(last) if MODELS[m].players]
    without = [m for m in models if not MODELS[m].selects]
    if not without or len(without) == len(models):
        return []
    return [
        f"{', '.join(without)}: no held-out loss chooses weights, so the last ones are scored; others' are chosen on validation"
    ]


def reference(case: Case) -> list[str]:
    return [
        f"{model} on {dataset}: its class of laws contains the true one, so it is a reference and no contender"
        for dataset, models in references(case.trials).items()
        for model in models
    ]


# ---- points of the models' own grids that run but confound what they compare


def beta(case: Case) -> list[str]:
    off = sorted({f"{t.hp['beta']:g}" for t in case.trials if t.hp.get("beta", 1.0) != 1.0})
    text = f"beta = {', '.join(off)} makes its objective no bound on the likelihood"
    return of_models(case, lambda t: t.hp.get("beta", 1.0) != 1.0, text)


def sigmoid(case: Case) -> list[str]:
    text = "its critic's output is a probability (Lucic et al. 2018), not the real number of Mao et al. 2017"
    return of_models(case, lambda t: t.net.get("output") == "sigmoid", text)


def batch_norm(case: Case) -> list[str]:
    text = "batch norm makes its critic's value of an example depend on the batch"
    return of_models(case, lambda t: _grid(t, "norm") == "batch", text)


def clipping(case: Case) -> list[str]:
    text = "clipped weights are rescaled by the spectral norm, so that the limit limits nothing"
    return of_models(case, lambda t: _grid(t, "norm") == "spectral" and _grid(t, "penalty") == "clipping", text)


def slope(case: Case) -> list[str]:
    def unbounded(trial: Trial) -> bool:
        free = _grid(trial, "penalty") in ("none", "dragan", "r1") and _grid(trial, "norm") != "spectral"
        return _grid(trial, "loss") == "wasserstein" and free

    return of_models(case, unbounded, "nothing bounds the slope of its critic everywhere, so its loss is no Wasserstein distance")


FOUND_BY: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        recipes, searches, spaces, authors, switches, few_configurations, seeds, few_seeds, margin, budget, critic_steps, passes,
        parameters, networks, variants, labels, selection, reference, beta, sigmoid, batch_norm, clipping, slope, encoder,
    )
}  # fmt: skip
