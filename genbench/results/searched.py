"""A study's searches that verdicts compare: which models were searched alike, and what their configurations scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from genbench.config.expand import label
from genbench.results.scores import parse

__all__ = ["BASELINE", "Arena", "arenas", "baseline_of", "families", "plain"]

BASELINE = "ns_gan"  # the model that Lucic et al. ask about


@dataclass(frozen=True)
class Arena:
    """Searches whose models may be compared with a baseline.

    `given`: whether models see class labels. `scores`: by dataset and label, validation and test scores (n,) of configurations in
    the order of the stream, averaged over their seeds, not finite where one failed. `sizes`: by dataset, configurations after
    each look. `baseline`: its label. `rivals`: labels of its family, `others`: of other families.
    """

    given: bool
    scores: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]
    sizes: dict[str, tuple[int, ...]]
    baseline: str
    rivals: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def looks(self) -> int:
        """At how many sizes the searches are looked at."""
        return max(map(len, self.sizes.values()))


def plain(config: Mapping[str, Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """How each dataset, model and variant is searched, without grids; `config`: of a study, as JSON."""
    return {
        (dataset, model, cell.get("variant", "")): cell["tune"]
        for cell in config.get("cells") or ()
        if cell.get("tune") and not cell.get("grid")
        for dataset in cell["datasets"]
        for model in cell["models"]
    }


def baseline_of(config: Mapping[str, Any]) -> str:
    """The model that a study's searches compare all others with."""
    return config.get("baseline") or BASELINE


def arenas(searched: pd.DataFrame, config: Mapping[str, Any]) -> list[Arena]:
    """What is compared over all datasets: models that see class labels by themselves, searched like the baseline wherever it is.

    `searched`: the study's table of that name. Without a baseline, or with several of one dataset, there is nothing.
    """
    tunes, base, out = plain(config), baseline_of(config), []
    rows = searched[[(*slot,) in tunes for slot in searched[["dataset", "model", "variant"]].itertuples(index=False)]]
    given = rows["net"].map(lambda net: bool(parse(net or "{}").get("conditional"))).astype(bool)
    for labelled in (False, True):
        own = rows[given == labelled]
        scores: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
        sizes: dict[str, tuple[int, ...]] = {}
        families: dict[str, str] = {}
        homes = own.loc[own["model"] == base, ["dataset", "variant"]].drop_duplicates()
        homes = homes[homes["variant"] == (homes["variant"].iloc[0] if len(homes) else "")]
        for dataset, home in homes.itertuples(index=False):
            tune = tunes[dataset, base, home]
            sizes[dataset], scores[dataset] = _looks(tune), {}
            for (model, variant), part in own[own["dataset"] == dataset].groupby(["model", "variant"], sort=False):
                if _alike(tunes[dataset, model, variant], tune):
                    name = label(str(model), str(variant))
                    families[name] = str(part["family"].iloc[0])
                    whole = (n := part["configuration"].nunique()) in sizes[dataset] and part["configuration"].max() == n - 1
                    # what lacks configurations of the stream has no partners, and stays undecided
                    scores[dataset][name] = _arrays(part) if whole else (np.full(sizes[dataset][-1], np.nan),) * 2
        if not scores:
            continue
        baseline = label(base, str(homes["variant"].iloc[0]))
        family = families.pop(baseline)
        rivals, others = (tuple(n for n, f in families.items() if (f == family) == same) for same in (True, False))
        out.append(Arena(labelled, scores, sizes, baseline, rivals, others))
    return out


def _looks(tune: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(np.atleast_1d(tune["configurations"]).tolist())


def _alike(tune: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(tune.get(key, default) == other.get(key, default) for key, default in _DECIDE.items())


_DECIDE = {"configurations": None, "space": "wide", "defaults": True, "confirm": True, "seeds": 1, "checkpoints": 1}


def _arrays(part: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Validation and test scores by configuration; one with a failed seed has failed."""
    columns = ["validation", "test"]
    means = part.astype(dict.fromkeys(columns, float)).groupby("configuration")[columns].agg(lambda s: s.mean(skipna=False))
    means = means.sort_index()
    return means["validation"].to_numpy(), means["test"].to_numpy()


def families(arena: Arena) -> list[Sequence[str]]:
    """Rivals and others: each is a family of comparisons of its own."""
    return [each for each in (arena.rivals, arena.others) if each]
