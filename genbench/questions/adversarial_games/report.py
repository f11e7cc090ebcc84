"""How the games of adversarial models went, by what trials of a study showed while they trained, in the report."""

import math

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.style import DASHES, log_axis, too_wide
from genbench.report.text import count, listing, number, percent, plural
from genbench.results.paths import HISTORY
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "collapse", "report"]

CHAPTER, PLACE = "game", 100
# key of the series "diagnostic/...": its title, and how to read it
SERIES = {
    "accuracy_real": (
        "accuracy on real",
        "the share of held-out real examples that the critic takes for real. At 1 the critic is ahead; at 1/2 it guesses.",
    ),
    "accuracy_fake": (
        "accuracy on fakes",
        "the share of fakes that the critic takes for fakes. Low beside a high accuracy on real: the critic calls everything "
        "real.",
    ),
    "js": (
        "Jensen-Shannon, nats",
        "a lower bound on the divergence of data and fakes, of logistic losses only. At log 2 = 0.69 the critic separates them "
        "without error; at 0 and below it can't separate them.",
    ),
    "diversity": (
        "diversity of fakes",
        "mean distance of two fakes over that of two real examples. At 1 fakes are as spread as the data; near 0 they have "
        "collapsed.",
    ),
    "gradient_generator": (
        "generator's gradient",
        "norm of the gradient of the generator's loss. If it falls towards 0 while the critic is ahead, it has vanished.",
    ),
    "gradient_critic": (
        "critic's gradient",
        "norm of the gradient of the critic's loss, penalties included. If it grows without end, training is about to diverge.",
    ),
    "spectral_norm": (
        "critic's spectral norm",
        "the largest singular value of the critic's weight matrices, as it uses them: it bounds how steep the critic can be.",
    ),
    "k": ("k of BEGAN", "the weight of the fakes' error in BEGAN's loss. At 0 the critic ignores the fakes."),
    "convergence": (
        "BEGAN's convergence",
        "the authors' measure of progress (arXiv:1703.10717), in units of the data; lower is better.",
    ),
}
WIDE = ("gradient_generator", "gradient_critic", "spectral_norm", "convergence")  # may have a logarithmic axis
RANGE = {"accuracy_real": (-0.03, 1.03), "accuracy_fake": (-0.03, 1.03)}
TAIL = 0.1  # the end of training: this share of its updates
AHEAD, EVEN = 0.9, 0.6  # accuracies of the critic from which, and up to which, a game counts as decided and as even
COLLAPSED = 0.25  # diversity below which a generator counts as collapsed


LEAD = (
    "Look here before you trust a score: a critic that is far ahead, or a generator that has collapsed, explains a bad one. An "
    "even game is no proof of good samples, since a weak critic can't tell either."
)
RULE = (
    "Each generator and critic at some twenty moments of training, with the weights of that moment, on held-out examples and "
    "fakes of fixed noise. The end of training is its last tenth. A critic is ahead where it is right on at least "
    f"{percent(AHEAD)} of examples, mean of real and fake; a game is even at {percent(EVEN)} or less. Losses whose values have "
    "no zero (Wasserstein, BEGAN) call real what lies above the midpoint of both means. A generator has collapsed where its "
    f"diversity stayed below {COLLAPSED:g} through the whole last tenth: its fakes lie four times closer together than data. "
    "The loss of some modes, or of classes of images, is not seen here but by the metrics of coverage."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return how the games of each dataset's adversarial models went; None where there are no diagnostics."""
    blocks: list[Block] = []
    keys: set[str] = set()
    for dataset in results.datasets:
        histories = _histories(results, dataset)
        if len(histories):
            keys |= set(histories["key"])
            blocks += _dataset(results, dataset, histories)
    if not blocks:
        return None
    read = Points(tuple(f"{title}: {meaning}" for key, (title, meaning) in SERIES.items() if key in keys))
    return (Paragraph(LEAD), *blocks, Fold("How to read the curves", (read, Paragraph(RULE))))


def _histories(results: Results, dataset: str) -> pd.DataFrame:
    """Diagnostics of all trials of a dataset: label, seed, trial, status, key, update, value."""
    parts = []
    for row in results.trials[results.trials["dataset"] == dataset].itertuples():
        path = results.paths.trial(row.trial) / HISTORY
        if path.is_file():
            history = pd.read_parquet(path, columns=["update", "series", "value"])
            history["key"] = history["series"].str.removeprefix("diagnostic/")
            own = history[history["series"].str.startswith("diagnostic/") & history["key"].isin(SERIES)]
            broken = row.step if pd.notna(row.step) else math.nan
            parts.append(own.assign(label=row.label, seed=row.seed, trial=row.trial, status=row.status, broken=broken))
    return pd.concat(parts, ignore_index=True) if any(map(len, parts)) else pd.DataFrame(columns=["key"])


def _dataset(results: Results, dataset: str, histories: pd.DataFrame) -> list[Block]:
    """The blocks of one dataset."""
    labels = [label for label in results.labels(dataset) if label in set(histories["label"])]
    trials = _trials(histories, labels)
    caption = (
        f"{dataset}: thin lines are seeds, thick ones means over the seeds still running; a cross marks where training broke "
        "off. Axes leave out the outermost 1 % of values; some are logarithmic."
    )
    every = f"{dataset}: the last tenth of every trial's training, and the update from which its generator was collapsed."
    return [
        Heading(dataset),
        Points(tuple(_sentences(trials, labels))),
        Figure(f"{dataset}_curves", _curves(histories, labels), caption),
        Fold(
            f"All numbers of {dataset}",
            (
                _end(dataset, trials, labels),
                Table(f"{dataset}_trials", trials.drop(columns="last").rename(columns=_titles()), every),
            ),
        ),
    ]


def _titles() -> dict[str, str]:
    return {key: title for key, (title, _) in SERIES.items()}


def _trials(histories: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """A row per trial: the mean of each diagnostic over the last tenth, and when it collapsed or broke off."""
    rows = []
    for label in labels:
        own = histories[histories["label"] == label]
        for (seed, _), part in own.groupby(["seed", "trial"], sort=True):
            last = part["update"].max()
            late = part[part["update"] > (1 - TAIL) * last]
            row = {"model": label, "seed": seed, "status": part["status"].iloc[0], "broke off at": part["broken"].iloc[0]}
            row |= {"last": last, "collapsed from": collapse(part[part["key"] == "diversity"])}
            rows.append(row | late.groupby("key")["value"].mean().to_dict())
    frame = pd.DataFrame(rows)
    return frame[[name for name in frame if name not in SERIES] + [key for key in SERIES if key in frame]]


def collapse(diversity: pd.DataFrame) -> float:
    """First update () from which a series of `update` and `value` stayed below COLLAPSED, nan unless it did so through the
    whole last tenth of the updates."""
    diversity = diversity.sort_values("update")
    updates, spread = diversity["update"].to_numpy(), diversity["value"].to_numpy() >= COLLAPSED
    if not len(updates):
        return math.nan
    start = int(spread.nonzero()[0][-1]) + 1 if spread.any() else 0
    late = updates > (1 - TAIL) * updates[-1]
    return float(updates[start]) if not spread[late].any() else math.nan


# ---- sentences


def _sentences(trials: pd.DataFrame, labels: list[str]) -> list[str]:
    """Who was ahead, which generators collapsed and which trials broke off."""
    ok = trials[trials["status"] == "ok"]
    found = []
    if {"accuracy_real", "accuracy_fake"} <= set(ok):
        apart = ok.assign(apart=(ok["accuracy_real"] + ok["accuracy_fake"]) / 2).groupby("model")["apart"].mean()
        apart = apart.reindex([label for label in labels if label in apart.index]).dropna()
        named = {label: f"{label} ({percent(share)})" for label, share in apart.items()}
        groups = (
            ("the critic is ahead", apart >= AHEAD),
            ("the game is open", (apart < AHEAD) & (apart > EVEN)),
            ("the game is even", apart <= EVEN),
        )
        found += [
            f"At the end {words} for {listing([named[label] for label in apart.index[mask]])}; in brackets the critic's accuracy."
            for words, mask in groups
            if mask.any()
        ]
    for label in labels:
        own = trials[trials["model"] == label]
        gone = own.dropna(subset="collapsed from")
        if len(gone):
            each = [
                f"seed {row.seed} from update {count(row.start)} of {count(row.last)} on (diversity {number(row.diversity, 2)})"
                for row in gone.rename(columns={"collapsed from": "start"}).itertuples()
            ]
            found.append(f"{label}: {len(gone)} of {plural(len(own), 'trial')} collapsed: {listing(each)}.")
        if len(bad := own.dropna(subset="broke off at")):
            each = [f"seed {seed} at update {count(step)}" for seed, step in zip(bad["seed"], bad["broke off at"], strict=True)]
            found.append(f"{label}: training broke off: {listing(each)}.")
    return found


# ---- table and figure


def _end(dataset: str, trials: pd.DataFrame, labels: list[str]) -> Table:
    """Means over seeds with their range; only trials that ended ok have an end."""
    rows, shown = [], {SERIES[key][0]: [] for key in trials if key in SERIES}
    for label in labels:
        own = trials[trials["model"] == label]
        ok = own[own["status"] == "ok"]
        row = {"model": label, "trials": len(own), "ended ok": len(ok), "collapsed": int(own["collapsed from"].notna().sum())}
        for key in trials:
            if key in SERIES:
                values = tuple(ok[key].dropna())
                mean = float(np.mean(values)) if values else math.nan
                row[SERIES[key][0]] = mean
                shown[SERIES[key][0]].append(_range(mean, values))
        rows.append(row)
    caption = f"{dataset}: the last tenth of training, mean over trials that ended ok (lowest to highest)."
    return Table(f"{dataset}_end", pd.DataFrame(rows), caption, shown=shown)


def _range(mean: float, values: tuple[float, ...]) -> str:
    """mean (lowest to highest), the mean alone where they look alike, a dash for none."""
    low, high = number(min(values, default=math.nan)), number(max(values, default=math.nan))
    return number(mean) if low == high else f"{number(mean)} ({low} to {high})"


def _curves(histories: pd.DataFrame, labels: list[str]) -> Drawing:
    """A panel per diagnostic, a colour per model."""
    keys = [key for key in SERIES if key in set(histories["key"])]
    inks = seaborn.color_palette("colorblind", 10)
    # a second pattern where there are more models than colours
    look = {label: (inks[i % 10], DASHES[i // 10 % len(DASHES)]) for i, label in enumerate(labels)}
    wide = min(3, len(keys))
    tall = math.ceil(len(keys) / wide)
    drawing = Drawing(figsize=(11.5, 2.3 * tall + 0.5), layout="constrained")
    axes = list(drawing.subplots(tall, wide, squeeze=False).flat)
    for ax, key in zip(axes, keys, strict=False):
        _panel(ax, key, histories[histories["key"] == key], look)
    for ax in axes[len(keys) :]:
        ax.remove()
    drawing.supxlabel("update", size=8.5)
    handles = [
        Line2D([], [], color=ink, lw=1.8, ls=(0, dash) if dash else "-", label=label) for label, (ink, dash) in look.items()
    ]
    drawing.legend(handles=handles, loc="outside upper left", ncols=8)
    return drawing


def _line(ink: tuple, dash: object) -> dict[str, object]:
    return {"color": ink, "linestyle": (0, dash) if dash else "-"}


def _panel(ax: Axes, key: str, part: pd.DataFrame, look: dict[str, tuple]) -> None:
    """One diagnostic: seeds thin, their mean over the seeds still running thick, a cross where training broke off."""
    for label, own in part.groupby("label", sort=False):
        line = _line(*look[label])
        for _, each in own.groupby("trial"):
            each = each.sort_values("update")
            ax.plot(each["update"], each["value"], lw=0.6, alpha=0.45, **line)
            if each["broken"].notna().any():
                last = each.iloc[-1]
                ax.plot(last["update"], last["value"], "x", color=line["color"], ms=5, mew=1.4, clip_on=False)
        mean = own.groupby("update")["value"].mean()
        ax.plot(mean.index, mean, lw=1.8, **line)
    low, high = np.quantile(part["value"], [0.01, 0.99])  # outliers leave the panel, not the rest in a line
    if key in WIDE and too_wide(part["value"]):
        ax.set_yscale("log")
        ax.set_ylim(low / 1.3, high * 1.3)
        log_axis(ax.yaxis, low, high)
    else:
        margin = 0.06 * (high - low) or 0.1
        ax.set_ylim(RANGE.get(key, (low - margin, high + margin)))
        ax.yaxis.get_major_locator().set_params(nbins=5)
    ax.xaxis.get_major_locator().set_params(nbins=5)
    ax.set_title(SERIES[key][0])
    ax.tick_params(labelsize=7)
