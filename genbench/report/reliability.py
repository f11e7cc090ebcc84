"""How a value was estimated, and when it is not reliable."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["ANNEALED", "RULE", "caveat", "classifier", "estimator"]

MIN_ESS = 0.1  # effective share of the chains of annealed importance sampling (AIS)
MAX_ERROR = 0.01  # nats by which a quadrature's log Z may be off
MIN_CHAINS = 0.2  # share of the annealing chains of a decoder that must be effective
MAX_GAP = 1.0  # nats between the annealed bounds from both sides
MIN_CONTROL = 0.9  # share of a model's own samples that inversion of its latent space must find again
NAMES = {
    "log_prob": "the model's log-density",
    "probability-flow ODE": "probability-flow ODE (not the distribution of the sampled chain)",
}
BOUNDS = {"log_prob": "log-density of dequantised images, one draw"}
ANNEALED = ("ais_nll", "surrogate_nll")
RULE = (
    f"A value is not reliable, and so not ranked, where fewer than {100 * MIN_CHAINS:g} % of the chains are effective or the "
    f"annealing gap exceeds {MAX_GAP:g} nat."
)
INVERTED = ("manifold_recall", "manifold_f1")

Settings = Mapping[str, Any]


def estimator(trials: Iterable[Settings], kind: str = "") -> str:
    """Name of the estimator of a model's trials for that kind of likelihood, all names if they differ."""
    known = NAMES | (BOUNDS if kind.startswith("lower_bound") else {})
    names = dict.fromkeys(each["estimator"] for each in trials if each.get("estimator"))
    return ", ".join(known.get(name, name) for name in names)


def caveat(trials: Iterable[Settings], metric: str = "nll") -> str:
    """Why the value of a model is not reliable, from the settings of its trials; empty if it is."""
    trials = list(trials)
    if metric in INVERTED:
        return _inversion(trials)
    if metric in ANNEALED:
        return _chains(trials)
    # a gap between training and test examples has no log Z in it
    return "; ".join(filter(None, (_annealed(trials), _quadrature(trials)))) if metric != "nll_gap" else ""


def _annealed(trials: list[Settings]) -> str:
    chains = [each for each in trials if each.get("estimator") in ("AIS", "RAISE")]
    bad = [each for each in chains if each.get("reason") or (_number(each.get("ess")) and not each["ess"] >= MIN_ESS)]
    if not bad:
        return ""
    worst = min(bad, key=lambda each: each.get("ess") or 0.0)
    why = worst.get("reason") or f"an effective share of {worst['ess']:.2g} of the chains, below {MIN_ESS:g}"
    missed = "Log Z is probably too small" if worst["estimator"] == "AIS" else "A part of the mass is probably missed"
    return f"{worst['estimator']}: {why}{_of(bad, trials)}. {missed}, which makes the value better than the truth"


def _chains(trials: list[Settings]) -> str:
    """Annealing of a decoder's latent variables: too few effective chains or too wide a gap in any trial."""
    few = [each for each in trials if _number(each.get("ess")) and each["ess"] < MIN_CHAINS * each.get("chains", 0)]
    wide = _beyond(trials, "gap", lambda gap: not gap <= MAX_GAP)
    parts = []
    if few:
        worst = min(few, key=lambda each: each["ess"] / each["chains"])
        parts.append(
            f"only {worst['ess']:.2g} of {worst['chains']} chains are effective, below {100 * MIN_CHAINS:g} %{_of(few, trials)}"
        )
    if wide:
        parts.append(f"the annealing gap is {max(wide):.2g} nats, above {MAX_GAP:g}{_of(wide, trials)}")
    return f"{' and '.join(parts)}, so the bound may be loose and the truth better" if parts else ""


def _quadrature(trials: list[Settings]) -> str:
    chosen = [each for each in trials if each.get("estimator") == "quadrature"]
    wide = _beyond(chosen, "log_z_error", lambda error: not abs(error) <= MAX_ERROR)
    if not wide:
        return ""
    return (
        f"log Z may be off by {max(map(abs, wide)):.2g} nats, more than {MAX_ERROR:g}{_of(wide, trials)}. The grid of the "
        "quadrature is too coarse for the energy, or its box does not hold all the mass"
    )


def _inversion(trials: list[Settings]) -> str:
    low = _beyond(trials, "inversion_control", lambda share: not share >= MIN_CONTROL)
    if not low:
        return ""
    return (
        f"the search for latents finds only {100 * min(low):.3g} % of the model's own samples again, below "
        f"{100 * MIN_CONTROL:g} %{_of(low, trials)}, so test images that it misses say nothing about the model"
    )


def classifier(trials: Iterable[Settings]) -> str:
    """A warning where the classifier is not accurate enough to count classes; empty if it is."""
    low = [each["accuracy"] for each in trials if each.get("reliable") is False and _number(each.get("accuracy"))]
    return f"the classifier that counts reaches {100 * min(low):.1f} %; below 99 % its errors may pass for classes" if low else ""


def _beyond(trials: list[Settings], key: str, wrong: Callable[[float], bool]) -> list[float]:
    return [each[key] for each in trials if _number(each.get(key)) and wrong(each[key])]


def _of(bad: list, trials: list) -> str:
    return f" ({len(bad)} of {len(trials)} seeds)" if len(trials) > 1 else ""


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
