"""What a score is."""

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

from genbench.metrics.cards import METRICS

__all__ = ["Score", "root"]

KINDS = (None, "exact", "lower_bound", "upper_bound", "estimate")


@dataclass(frozen=True)
class Score:
    """One number that a metric gave, with all that is needed to compare it honestly.

    `n` is the number of generated (or, for likelihoods, test) examples, `se` a standard error in the unit of `value` if
    one is known, `kind` the kind of a likelihood, `settings` whatever else changes the value. Raises ValueError for an
    unknown metric or kind.
    """

    metric: str
    value: float
    n: int
    unit: str = ""
    se: float | None = None
    kind: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"unknown metric {self.metric!r}; known: {', '.join(METRICS)}")
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r} of {self.metric}; allowed: {', '.join(map(str, KINDS))}")

    @property
    def name(self) -> str:
        """Metric with all that a value holds for: `fid(genbench-cnn-1a2b3c4d, n=1000, test=360)`."""
        made, against = self.settings.get("encoder"), self.settings.get("reference")
        parts = [made] if made else []
        parts.append(f"n={int(self.n)}")
        if against:
            parts.append(f"{against}={self.settings.get('n_reference', '?')}")
        return f"{self.metric}({', '.join(parts)})"

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON types; a non-finite value, standard error or setting raises ValueError."""
        plain = {"name": self.name, **asdict(self)}
        plain["value"], plain["n"] = float(self.value), int(self.n)
        plain["se"] = None if self.se is None else float(self.se)
        if not math.isfinite(plain["value"]):
            raise ValueError(f"the value of {self.metric} is {plain['value']}, not a finite number")
        try:
            return json.loads(json.dumps(plain, allow_nan=False, default=_plain))
        except ValueError as error:
            raise ValueError(f"{self.metric} holds a number that is not finite: {plain}") from error


def root(variance: float) -> float | None:
    """The standard error of an estimated variance; None where the estimate is negative, as an unbiased one can be."""
    return math.sqrt(variance) if variance >= 0 else None


def _plain(value: Any) -> Any:
    """Turn a numpy or torch value into plain numbers or lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a score cannot hold a {type(value).__name__}")
