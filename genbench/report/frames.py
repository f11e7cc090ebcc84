"""What a report shows as plain frames, for its CSV files."""

from collections.abc import Iterable

import pandas as pd

from genbench.report.means import Mean
from genbench.report.tables import Row, ScoreTable
from genbench.results.files import read_json
from genbench.results.paths import TRAINED
from genbench.results.study import Results

__all__ = ["costs", "failures", "long", "wide"]


def long(every: Iterable[ScoreTable]) -> pd.DataFrame:
    """All score tables as one frame: a row per dataset, metric, kind and model.

    Floors are the model "(floor)", training data against the test split "(training data)"; they have no interval but ends.
    """
    rows = []
    for table in every:
        for place, column in enumerate(table.columns):
            head = {
                "dataset": table.dataset,
                "table": table.title,
                "metric": column.metric,
                "kind": column.kind,
            }
            head |= {"unit": column.unit, "direction": column.direction}
            for name, cell in (("(floor)", column.floor), ("(training data)", column.copier)):
                if cell.n:
                    ends = {"lowest": min(cell.values), "highest": max(cell.values)}
                    rows.append(head | {"model": name} | _numbers(cell) | ends | {"settings": column.settings})
            for row in table.rows:
                own = {
                    "model": row.label,
                    "family": row.family,
                    "trials": row.trials,
                    "failed": row.trials - row.ok,
                    "reference": row.reference,
                }
                gap = {} if place or row.difference is None else _difference(row)
                rows.append(head | own | _numbers(row.cells[place]) | gap | {"settings": column.settings})
    names = "dataset table metric kind unit direction model family reference mean half_width lowest highest values se trials"
    more = "failed state note estimator not_reliable_because difference_to_best difference_half_width difference_se_test"
    return pd.DataFrame(rows).reindex(columns=[*f"{names} {more} difference_se_training settings".split()])


def _numbers(cell: Mean) -> dict[str, object]:
    return {
        "mean": cell.mean,
        "half_width": cell.half,
        "values": cell.n,
        "se": cell.se,
        "state": cell.state,
        "note": cell.note,
        "estimator": cell.estimator,
        "not_reliable_because": cell.caveat,
    }


def _difference(row: Row) -> dict[str, float]:
    gap = row.difference
    return {
        "difference_to_best": gap.mean,
        "difference_half_width": gap.half,
        "difference_se_test": gap.se_test,
        "difference_se_training": gap.se_training,
    }


def costs(results: Results) -> pd.DataFrame:
    """Mean costs of the trials that ended ok, by dataset and model; `players`: updates per network."""
    rows = []
    for dataset in results.datasets:
        for label in results.labels(dataset):
            trials = results.of(dataset, label)
            ok = trials[trials["status"] == "ok"]
            row = {"dataset": dataset, "model": label, "family": results.family(dataset, label)}
            row |= {"ok": len(ok), "trials": len(trials)}
            for name in trials.columns[trials.columns.str.startswith("cost_")]:
                row[name.removeprefix("cost_")] = pd.to_numeric(ok[name], errors="coerce").mean()
            seconds = pd.to_numeric(ok["cost_seconds"], errors="coerce")
            row |= {"seconds_min": seconds.min(), "seconds_max": seconds.max()}
            row["sample_seconds_per_1000"] = 1000 * row["sample_seconds"] / row["sample_count"]
            row["device"] = ", ".join(sorted(set(ok["device"].dropna())))
            row["players"] = _players(results, ok)
            rows.append(row)
    return pd.DataFrame(rows)


def _players(results: Results, ok: pd.DataFrame) -> str:
    for trial in ok["trial"]:
        path = results.paths.trial(trial) / TRAINED
        if path.is_file():
            updates = read_json(path).get("costs", {}).get("player_updates") or {}
            return "; ".join(f"{name} {count:,}" for name, count in updates.items()) if len(updates) > 1 else ""
    return ""


def failures(results: Results) -> pd.DataFrame:
    """Every trial that did not end ok."""
    names = ["dataset", "label", "seed", "status", "cause", "step", "trial"]
    return results.trials.loc[results.trials["status"] != "ok", names].rename(columns={"label": "model"})


def wide(results: Results) -> pd.DataFrame:
    """Trials with one column per metric and kind, and encoder where it is not the primary one."""
    scores = pd.concat([results.scores.assign(encoder=""), results.further_scores])
    if scores.empty:
        return results.trials
    named = zip(scores["metric"], scores["kind"], scores["encoder"], strict=True)
    scores["name"] = [metric + "".join(f" ({part})" for part in rest if part) for metric, *rest in named]
    table = scores.pivot_table(index="trial", columns="name", values="value", aggfunc="first")
    return results.trials.merge(table, on="trial", how="left")
