"""How a likelihood was estimated, and when its value is not to be relied on."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["OWN", "caveat", "estimator", "parse"]

MIN_ESS = 0.1  # effective share of the chains of annealed importance sampling (AIS)
MAX_WIDER = 0.01  # nats by which log Z may change on a domain of twice the width
NAMES = {
    "log_prob": "the model's log-density",
    "probability-flow ODE": "probability-flow ODE (another law than the sampled chain's)",
}
BOUNDS = {"log_prob": "log-density of dequantised images, one draw"}
OWN = ("estimator", "ess", "elbo", "log_z", "log_z_se", "wider_domain")  # settings of one trial's estimate


def parse(settings: str | None) -> dict[str, Any]:
    """A score's settings from their JSON, empty if there are none."""
    return json.loads(settings) if isinstance(settings, str) and settings else {}


def estimator(trials: Iterable[Mapping[str, Any]], kind: str = "") -> str:
    """Name of the estimator of a model's trials for that kind of likelihood, all names if they differ."""
    known = NAMES | (BOUNDS if kind.startswith("lower_bound") else {})
    names = dict.fromkeys(each["estimator"] for each in trials if each.get("estimator"))
    return ", ".join(known.get(name, name) for name in names)


def caveat(trials: Iterable[Mapping[str, Any]]) -> str:
    """Why the value of a model is not to be relied on, from the settings of its trials; empty if it is."""
    trials = list(trials)
    shares = [each["ess"] for each in trials if each.get("estimator") == "AIS" and _number(each.get("ess"))]
    low = [share for share in shares if not share >= MIN_ESS]
    changes = [
        abs(each["wider_domain"])
        for each in trials
        if each.get("estimator") == "quadrature" and _number(each.get("wider_domain"))
    ]
    wide = [change for change in changes if not change <= MAX_WIDER]
    reasons = []
    if low:
        reasons.append(
            f"an effective share of {min(low):.2g} of the AIS chains, below {MIN_ESS:g}{_of(low, trials)}: "
            "log Z is probably too small and the value better than the truth"
        )
    if wide:
        reasons.append(
            f"log Z changes by {max(wide):.2g} nats on a domain of twice the width, more than {MAX_WIDER:g}"
            f"{_of(wide, trials)}: the box of the quadrature does not hold all the mass"
        )
    return "; ".join(reasons)


def _of(bad: list[float], trials: list) -> str:
    return f" ({len(bad)} of {len(trials)} seeds)" if len(trials) > 1 else ""


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
