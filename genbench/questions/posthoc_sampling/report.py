"""Other ways to sample the trained generators of a study beside the usual one, in the report."""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from genbench.metrics.cards import METRICS
from genbench.questions.drawing import blank, sheet
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.style import log_axis
from genbench.report.text import listing, number, plural, value
from genbench.results.study import Results
from genbench.statistics.uncertainty import interval

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "sampling", 200
METHODS = {"raw": "raw", "metropolis": "Metropolis-Hastings", "ddls": "latent Langevin", "truncation": "truncation"}
CHAINS = ("raw", "metropolis", "ddls")
VERDICTS = ("improves", "worsens", "raises", "lowers", "does not clearly change", "has too few seeds to tell about")
COSTS = {
    "generator_passes": "generator passes",
    "critic_passes": "critic passes",
    "backward_passes": "backward passes",
    "seconds_per_1000": "s / 1000",
}
CRITIC = {
    "z": "Z of calibration",
    "ece": "calibration error",
    "ece_floor": "error if calibrated",
    "acceptance": "acceptance",
    "restarted": "restarted",
}
LEAD = (
    "A trained generator can be sampled in other ways, at some cost per sample. Use one where it improves what you need and "
    "you can pay its passes; truncation is free and trades recall for precision."
)
ABOUT = (
    "Metropolis-Hastings (Turner et al. 2019, arXiv:1811.11357) runs a chain over a generator's samples and accepts one by its "
    "odds of being real, which isotonic regression on held-out data reads off the critic. Latent Langevin, DDLS (Che et al. "
    "2020, arXiv:2003.06060), moves z by the gradient of such odds, from a logistic regression, with Metropolis-corrected "
    "steps. Truncation (Brock et al. 2018, arXiv:1809.11096) keeps each coordinate of z within a threshold. Generator and "
    "critic are the averages over training that all scores use; the calibration makes up for what averaging does to the "
    "critic's scale, not to its ranking. All samples of a trial are equally many, the raw ones from noise of their own."
)
RULE = (
    "A method improves or worsens a metric where the 95 % interval over seeds of the difference to the raw samples, paired by "
    "trial, excludes 0; precision and recall rise or fall. There is no correction for many comparisons: of twenty differences "
    "without an effect, about one counts as clear. Where two or three seeds agree in a count by chance, an interval is no "
    "guide. Passes count every network evaluation behind a kept sample, without the calibration's or what a prior other than "
    "N(0, I) costs. Precision and recall of points are those of their coordinates."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what other sampling methods did to each dataset's generators; None where a study has none."""
    frame = results.refined
    if not frame["metric"].notna().any():
        return None
    place = {name: i for i, name in enumerate((*CHAINS, "truncation", "interpolation"))}
    frame = frame.sort_values("method", key=lambda names: names.map(place), kind="stable")
    blocks: list[Block] = [Paragraph(LEAD)]
    for dataset in [name for name in results.datasets if name in set(frame["dataset"])]:
        part = frame[frame["dataset"] == dataset]
        labels = [label for label in results.labels(dataset) if label in set(part["label"])]
        blocks += _dataset(results, dataset, {label: part[part["label"] == label] for label in labels})
    return (*blocks, Fold("How the methods work and how they are compared", (Paragraph(ABOUT), Paragraph(RULE))))


def _dataset(results: Results, dataset: str, parts: dict[str, pd.DataFrame]) -> list[Block]:
    """The blocks of one dataset; `parts`: rows of each label."""
    steps = (results.config.get("refine") or {}).get("steps")
    chains = {label: part for label, part in parts.items() if part["method"].isin(("metropolis", "ddls")).any()}
    differences = {label: _differences(label, part) for label, part in parts.items()}
    sentences = [each for label, part in parts.items() for each in _sentences(label, part, differences[label])]
    tables: list[Block] = []
    if any(part["metric"].notna().any() for part in chains.values()):
        rows = [(label, METHODS[method], _rows(part, method)) for label, part in chains.items() for method in CHAINS]
        rows = [each for each in rows if len(each[2])]
        caption = f"{dataset}: means over seeds with 95 % intervals; chains of {steps} steps."
        tables.append(_scores(f"{dataset}_scores", rows, caption))
        tables.append(_critics(f"{dataset}_critics", rows, f"{dataset}: the critics' odds on held-out data, and the chains."))
    if len(every := pd.concat(differences.values())):
        caption = (
            f"{dataset}: a method's samples less raw ones, paired by trial, with the half-width of the 95 % interval over seeds."
        )
        every = every.assign(method=every["method"].map(METHODS)).rename(columns={"half": "half-width"})
        tables.append(Table(f"{dataset}_differences", every, caption))
    pictures = _pictures(results, parts)
    drawn, thresholds = _truncation(dataset, parts)
    figures = [*_samples(results, dataset, pictures), *drawn, *_paths(results, dataset, pictures)]
    folded = [Fold(f"All numbers of {dataset}", (*tables, *thresholds))] if tables or thresholds else []
    return [Heading(dataset), Points(tuple(sentences)), *figures, *folded]


def _rows(part: pd.DataFrame, method: str, threshold: float = math.nan) -> pd.DataFrame:
    """Trials by metrics of one method."""
    own = part[(part["method"] == method) & part["metric"].notna()]
    own = own[own["threshold"].isna() if math.isnan(threshold) else own["threshold"] == threshold]
    return own.pivot_table(index="trial", columns="metric", values="value", aggfunc="first").astype(float)


def _metrics(frames: Iterable[pd.DataFrame]) -> list[str]:
    """Metrics that some of the frames have, in the order of their cards."""
    found = set().union(*(frame.columns for frame in frames))
    return [key for key in METRICS if key in found]


# ---- sentences


def _differences(label: str, part: pd.DataFrame) -> pd.DataFrame:
    """A method's samples less raw ones, paired by trial: a row per method, threshold and metric."""
    raw, rows = _rows(part, "raw"), []
    for method, threshold in part[["method", "threshold"]].drop_duplicates().itertuples(index=False):
        own = _rows(part, method, threshold)
        shared = raw.index.intersection(own.index)
        for key in _metrics([own]) if method != "raw" else ():
            gaps = own.loc[shared, key] - raw.loc[shared, key]
            row = {"model": label, "method": method, "threshold": threshold, "metric": METRICS[key].title, "seeds": len(shared)}
            row |= {"raw": raw.loc[shared, key].mean(), "with the method": own.loc[shared, key].mean()}
            mean, half = interval(gaps)
            rows.append({**row, "difference": mean, "half": half, "verdict": _verdict(key, mean, half)})
    return pd.DataFrame(rows)


def _name(method: str, threshold: float) -> str:
    return METHODS.get(method, method) + ("" if math.isnan(threshold) else f" at {threshold:g}")


def _verdict(metric: str, mean: float, half: float) -> str:
    """What an interval of differences says of a metric."""
    if math.isnan(half):
        return VERDICTS[-1]
    if not abs(mean) > half:  # also where nothing moved
        return VERDICTS[-2]
    card = METRICS[metric]
    if not card.ranked:
        return "raises" if mean > 0 else "lowers"
    return "improves" if (mean > 0) == (card.direction == "higher") else "worsens"


def _sentences(label: str, part: pd.DataFrame, differences: pd.DataFrame) -> list[str]:
    """What each method did to a model's samples, then its faults."""
    found = []
    for method in dict.fromkeys(part["method"]):
        rows = differences[differences["method"] == method] if len(differences) else differences
        said = []
        for verdict in VERDICTS if len(rows) else ():
            told = [_told(metric, each) for metric, each in rows[rows["verdict"] == verdict].groupby("metric", sort=False)]
            # what a threshold leaves alone would fill the page
            said += [f"{verdict} {listing(told)}"] if told and (method != "truncation" or verdict != VERDICTS[-2]) else []
        if len(rows):
            said = said or [f"{VERDICTS[-2]} any metric at any threshold"]
            name = _name(method, math.nan)
            head = f"{name[0].upper()}{name[1:]} of {label} ({plural(int(rows['seeds'].max()), 'seed')})"
            found.append(f"{head}: {'; '.join(said)}.{_price(part, method)}")
    for (method, cause), trials in part[part["cause"].notna()].groupby(["method", "cause"], sort=False):
        found.append(f"No {_name(method, math.nan)} for {label} ({plural(len(trials), 'trial')}): {cause}.")
    return found


def _told(metric: str, rows: pd.DataFrame) -> str:
    """A metric with its difference, or with the thresholds at which that is clear."""
    if rows["threshold"].notna().any():
        return f"{metric} at {listing([f'{each:g}' for each in rows['threshold']])}"
    row = rows.iloc[0]
    if row["verdict"] not in VERDICTS[:4]:
        return metric
    return f"{metric} (from {number(row['raw'])}, by {value(Mean(row['difference'], row['half']))})"


def _price(part: pd.DataFrame, method: str) -> str:
    """What a sample of a chain costs; empty for truncation, which costs nothing."""
    if method == "truncation":
        return ""
    mean = _rows(part, method).mean()
    passes = [f"{number(mean[key])} {title}" for key, title in COSTS.items() if key.endswith("passes") and mean[key]]
    return f" A sample costs {listing(passes)} in place of one generator pass."


# ---- tables


def _scores(name: str, rows: list[tuple[str, str, pd.DataFrame]], caption: str) -> Table:
    """Means over seeds of metrics and costs, a row per model and kind of samples."""
    keys = _metrics(frame for *_, frame in rows)
    found = []
    for label, samples, frame in rows:
        row = {"model": label, "samples": samples, "seeds": len(frame)}
        row |= {METRICS[key].title: averaged(frame.get(key, ())) for key in keys}
        found.append(row | {title: frame[key].mean() for key, title in COSTS.items()})
    return Table.of_cells(name, found, caption)


def _critics(name: str, rows: list[tuple[str, str, pd.DataFrame]], caption: str) -> Table:
    """How well the odds that chains use hold on other held-out data; raw: the critic's own odds, where its loss has such."""
    rows = [each for each in rows if "ece" in each[2]]
    columns = {title: [averaged(frame.get(key, ())).mean for *_, frame in rows] for key, title in CRITIC.items()}
    who = {"model": [label for label, *_ in rows], "odds": [samples for _, samples, _ in rows]}
    caption += (
        " Z is standard normal where the odds are right (Dawid 1997); a fit keeps it near 0, so the bins say more. The "
        "calibration error is the mean over 10 bins of the distance between the share of real examples and the odds; right "
        "odds do not get 0. Raw: the critic's own odds."
    )
    return Table(name, pd.DataFrame({**who, "seeds": [len(frame) for *_, frame in rows], **columns}), caption)


# ---- figures


def _pictures(results: Results, parts: dict[str, pd.DataFrame]) -> dict[str, dict[str, np.ndarray]]:
    """Arrays of each label's first trial."""
    found = {}
    for label, part in parts.items():
        path = results.paths.results / str(part["pictures"].iloc[0])
        if path.is_file():
            with np.load(path, allow_pickle=False) as file:
                found[label] = {key: file[key] for key in file.files}
    return found


def _samples(results: Results, dataset: str, pictures: dict[str, dict[str, np.ndarray]]) -> list[Figure]:
    """Samples of one trial: a row per model, a column per method."""
    shown = {label: each for label, each in pictures.items() if {"metropolis", "ddls"} & set(each)}
    if not shown:
        return []
    columns = [method for method in CHAINS if any(method in each for each in shown.values())]
    tall = 2.7 if results.kind(dataset) == "points" else 1.5
    drawing = Drawing(figsize=(3.2 * len(columns), tall * len(shown)), layout="constrained")
    axes = drawing.subplots(len(shown), len(columns), squeeze=False)
    for line, (label, each) in zip(axes, shown.items(), strict=True):
        for ax, method in zip(line, columns, strict=True):
            if method not in each:
                ax.set_axis_off()
                continue
            _draw(ax, each[method], results.meta(dataset), each["raw"])
            ax.set_title(f"{label}, {METHODS[method]}")
    caption = f"{dataset}: samples of each model's first trial by method."
    return [Figure(f"{dataset}_samples", drawing, caption)]


def _draw(ax: Axes, samples: np.ndarray, meta: dict, raw: np.ndarray) -> None:
    """Points within the range of the raw ones, or a sheet of images."""
    blank(ax)
    if samples.ndim == 2:
        ax.scatter(*samples.T, s=1.5, color="#3f4a9e", lw=0, rasterized=True)
        _limits(ax, raw)
    else:
        _sheet(ax, samples, meta, 8)


def _limits(ax: Axes, points: np.ndarray) -> None:
    low, high = np.quantile(points, [0.002, 0.998], axis=0)
    room = 0.1 * (high - low).max()
    ax.set(xlim=(low[0] - room, high[0] + room), ylim=(low[1] - room, high[1] + room), aspect="equal")


def _sheet(ax: Axes, images: np.ndarray, meta: dict, wide: int) -> None:
    """Images (n, C, H, W) row by row."""
    n, channels, height, width = images.shape
    rows = math.ceil(n / wide)
    cells = np.full((rows * wide, height, width, channels), np.nan)
    cells[:n] = images.transpose(0, 2, 3, 1) / (meta["levels"] - 1)
    sheet(ax, (cells if channels == 3 else cells[..., 0]).reshape(rows, wide, *cells.shape[1 : 4 if channels == 3 else 3]))


def _truncation(dataset: str, parts: dict[str, pd.DataFrame]) -> tuple[list[Figure], list[Table]]:
    """Precision against recall, and the distance to the data, over thresholds: a figure and a table, if there are any."""
    rows = []
    for label, part in parts.items():
        if (part["method"] == "truncation").any():
            thresholds = sorted(part.loc[part["method"] == "truncation", "threshold"].dropna().unique(), reverse=True)
            rows += [(label, each, _rows(part, "truncation", each)) for each in thresholds]
            rows.append((label, math.inf, _rows(part, "raw")))
    rows = [each for each in rows if len(each[2])]
    if not rows:
        return [], []
    rows.sort(key=lambda each: -each[1])
    labels = [label for label in parts if label in {each[0] for each in rows}]
    distance = next(key for key in ("fid", "sliced_w1") if key in rows[0][2])
    drawing = Drawing(figsize=(9.6, 3.6), layout="constrained")
    left, right = drawing.subplots(1, 2)
    ticks = list(dict.fromkeys(threshold for _, threshold, _ in rows))
    for place, label in enumerate(labels):
        own = [(threshold, frame) for each, threshold, frame in rows if each == label]
        recall, precision = ([float(frame[key].mean()) for _, frame in own] for key in ("recall", "precision"))
        ink = f"C{place}"
        left.plot(recall, precision, "o-", ms=3.5, lw=1, color=ink, label=label)
        for (threshold, _), x, y in zip(own, recall, precision, strict=True):
            left.annotate("∞" if math.isinf(threshold) else f"{threshold:g}", (x, y), (3, 3), textcoords="offset points", size=7)
        cells = [averaged(frame[distance]) for _, frame in own]
        halves = [0.0 if math.isnan(cell.half) else cell.half for cell in cells]
        means = [cell.mean for cell in cells]
        at = [ticks.index(threshold) for threshold, _ in own]
        right.errorbar(at, means, halves, fmt="o-", ms=3.5, lw=1, capsize=2, color=ink, label=label)
    right.set_xticks(range(len(ticks)), ["∞" if math.isinf(each) else f"{each:g}" for each in ticks])
    right.set(xlabel="threshold", ylabel=METRICS[distance].title, yscale="log")
    log_axis(right.yaxis, *right.get_ylim())
    left.set(xlabel="recall", ylabel="precision")
    left.legend()
    caption = (
        f"{dataset}: truncation, means over seeds. Numbers are thresholds, ∞ the raw samples. Bars are 95 % intervals over "
        "seeds; the logarithmic axis has no room for ends at 0 or below."
    )
    means_of = f"{dataset}: truncation by threshold, means over seeds with 95 % intervals."
    table = [(label, "raw" if math.isinf(each) else _name("truncation", each), frame) for label, each, frame in rows]
    table.sort(key=lambda row: labels.index(row[0]))
    return [Figure(f"{dataset}_truncation", drawing, caption)], [_scores(f"{dataset}_thresholds", table, means_of)]


def _paths(results: Results, dataset: str, pictures: dict[str, dict[str, np.ndarray]]) -> list[Figure]:
    """What lies between pairs of z."""
    shown = {label: each for label, each in pictures.items() if "interpolation" in each}
    if not shown:
        return []
    points = results.kind(dataset) == "points"
    drawing = Drawing(figsize=(3.4 * len(shown), 3.2), layout="constrained")
    for ax, (label, each) in zip(drawing.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True):
        path = each["interpolation"]
        blank(ax)
        ax.set_title(label)
        if points:
            ax.scatter(*each["raw"].T, s=1, color="#bbb", lw=0, rasterized=True)
            for line in path.transpose(1, 0, 2):
                ax.plot(*line.T, lw=1.1)
                ax.scatter(*line[[0, -1]].T, s=9, color="#222", zorder=3)
            _limits(ax, each["raw"])
        else:
            _sheet(ax, path.swapaxes(0, 1).reshape(-1, *path.shape[2:]), results.meta(dataset), path.shape[0])
    what = "lines join the ends in the plane, over raw samples" if points else "a row per pair"
    caption = f"{dataset}: arcs between pairs of z, straight where z is not normal, first trial of each model ({what})."
    return [Figure(f"{dataset}_paths", drawing, caption)]
