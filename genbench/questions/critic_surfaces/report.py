"""Critics: whether their loss tells how good the samples are, and what they look like under different restraints."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.report.blocks import Chapter, Figure, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.style import inks, seed_lines
from genbench.report.text import listing, number, plural, value
from genbench.results.study import Answer, Results
from genbench.statistics.uncertainty import welch

__all__ = ["chapter", "failed"]

WASSERSTEIN = ("wgan", "wgan_gp")  # whose critics' losses are meant as distances
DISTANCES = {"points": "exact W1 to test points", "images": "Fréchet distance to test images"}
SIGNS = ("follows the distance", "goes against the distance", "has no clear relation to the distance")
UNJUDGED = "of fewer than two seeds allows no verdict"
RANKS = ("higher", "lower", "neither clearly higher nor lower")
QUALITY = (
    "A Wasserstein critic's loss is said to tell the quality of the samples (Arjovsky et al. 2017, arXiv:1701.07875, figure 3). "
    "Here each model trains by its recipe, and at some moments its critic's loss, averaged since the moment before, is compared "
    "with the distance of the current generator's samples to held-out data. The rank correlation over the moments of one "
    "training is 1 where the loss orders them as the distance does. As most trainings improve, the number of updates alone "
    "orders them, too: the column beside says how well. Words like follows, higher and lower stand where a 95 % interval over "
    "seeds excludes 0, without correction for many; in brackets differences of the correlations."
)
SURFACES = (
    "Wasserstein critics alone, trained to tell data from other data plus unit normal noise (Gulrajani et al. 2017, "
    "arXiv:1704.00028, figure 1b), in units of the data's standard deviation. On the same held-out points a critic f with slopes "
    "of at most s has an estimate E f(data) - E f(fakes) of at most s times the exact W1 between them. So the estimate over the "
    "steepest slope that was found and over W1 is at most 1, but for slopes that were missed, and 1 for an optimal critic."
)


def chapter(results: Results) -> Chapter | None:
    """What the experiments say of critics; None where a study has none of them."""
    quality, surfaces = results.answer("critic_quality"), results.answer("critic_surfaces")
    blocks = [*(_quality(quality, results) if quality else ()), *(_surfaces(surfaces) if surfaces else ())]
    return Chapter("critics", "What critics know", tuple(blocks)) if blocks else None


# ---- the loss against the samples


def _quality(answer: Answer, results: Results) -> list:
    looks, table = answer.tables["looks"], answer.tables["correlations"]
    blocks: list = [Heading("Does the critic's loss track the samples?"), Paragraph(QUALITY)]
    rows = [_tracked(dataset, model, part) for (dataset, model), part in table.groupby(["dataset", "model"], sort=False)]
    blocks.append(Points(tuple(each for dataset in table["dataset"].unique() for each in _verdicts(dataset, table))))
    size = answer.settings
    caption = (
        f"Spearman's rank correlation with the samples' distance: mean over seeds and its 95 % interval; "
        f"{size['updates']} updates of {size['batch']} examples."
    )
    blocks.append(Table.of_cells("tracking", rows, caption))
    for dataset, part in looks.groupby("dataset", sort=False):
        distance = DISTANCES[results.kind(str(dataset))]
        caption = (
            f"{dataset}: minus the critic's loss above, {distance} of {size['samples']} samples below; "
            "a thin line per seed, the mean thick."
        )
        blocks.append(Figure(f"tracking-{dataset}", _along(part, distance), caption))
    return blocks


def _tracked(dataset: str, model: str, part: pd.DataFrame) -> dict:
    keys = {"loss": "loss", "updates alone": "update", "loss, last two thirds": "late_loss"}
    keys |= {"updates alone, last two thirds": "late_update"}
    row = {"dataset": dataset, "model": model, "seeds": int(part["loss"].notna().sum())}
    return row | {name: averaged(part[key]) for name, key in keys.items()}


def _verdicts(dataset: str, table: pd.DataFrame) -> list[str]:
    """Which losses follow the distance at all, then each Wasserstein critic's against the others' and against time."""
    parts = dict(list(table[table["dataset"] == dataset].groupby("model", sort=False)))
    ways: dict[str, list[str]] = {}
    for model, part in parts.items():
        cell = averaged(part["loss"])
        ways.setdefault(_sign(cell, *SIGNS) if math.isfinite(cell.half) else UNJUDGED, []).append(model)
    said = [f"{dataset}: " + "; ".join(f"{listing(models)}: the loss {way}" for way, models in ways.items()) + "."]
    for model in [name for name in parts if name in WASSERSTEIN]:
        own = parts[model]["loss"].dropna().to_numpy()
        ranks: dict[str, list[str]] = {}
        for other in [name for name in parts if name not in WASSERSTEIN]:
            beside = parts[other]["loss"].dropna().to_numpy()
            if min(len(own), len(beside)) > 1:
                gap = Mean(own.mean() - beside.mean(), welch(own, beside))
                ranks.setdefault(_sign(gap, *RANKS), []).append(f"that of {other} ({value(gap)})")
        gap = averaged(parts[model]["loss"] - parts[model]["update"])
        if math.isfinite(gap.half):
            ranks.setdefault(_sign(gap, *RANKS), []).append(f"the number of updates ({value(gap)}, paired)")
        compared = "; ".join(f"{rank} than {listing(others)}" for rank, others in ranks.items())
        said += [f"{dataset}: the correlation of {model}'s loss with the distance is {compared}."] if ranks else []
    return said


def _sign(cell: Mean, above: str, below: str, neither: str) -> str:
    """What the 95 % interval says of a number's sign; without an interval, nothing."""
    return (above if cell.mean > 0 else below) if abs(cell.mean) > cell.half else neither


def _along(part: pd.DataFrame, distance: str) -> Drawing:
    models = list(part["model"].unique())
    colours = inks(models)
    figure = Drawing(figsize=(11.5, 3.6), layout="constrained")
    axes = figure.subplots(2, len(models), squeeze=False, sharex=True)
    for column, model in enumerate(models):
        own = part[part["model"] == model]
        for ax, values in zip(axes[:, column], (-own["loss"], own["distance"]), strict=True):
            seed_lines(ax, own.assign(shown=values), "update", "shown", colours[model])
            ax.tick_params(labelsize=7)
            ax.yaxis.get_major_locator().set_params(nbins=4)
        axes[0, column].set_title(model)
        axes[1, column].set_xlabel("update")
    axes[0, 0].set_ylabel("minus critic's loss")
    axes[1, 0].set_ylabel(distance.split(" to ")[0])
    return figure


# ---- surfaces


def failed(critics: pd.DataFrame) -> list[str]:
    """Critics that did not end ok, which no number counts, as sentences."""
    parts = critics.groupby(["dataset", "restraint"], sort=False)["status"]
    return [
        f"{dataset}, {restraint}: {bad} of {plural(len(each), 'critic')} failed and count in no number."
        for (dataset, restraint), each in parts
        if (bad := int((each != "ok").sum()))
    ]


def _surfaces(answer: Answer) -> list:
    critics, size = answer.tables["critics"], answer.settings
    lost, critics = failed(critics), critics[critics["status"] == "ok"]
    blocks: list = [Heading("What does a critic look like?"), Paragraph(SURFACES)]
    rows = []
    for (dataset, restraint), part in critics.groupby(["dataset", "restraint"], sort=False):
        share = part["estimate"] / part["slope_max"] / part["exact"]
        found = {"estimate": part["estimate"], "exact W1": part["exact"], "mean slope": part["slope_mean"]}
        found |= {"steepest slope": part["slope_max"], "estimate / slope / W1": share, "half time / end": part["half"]}
        row = {"dataset": dataset, "restraint": restraint, "seeds": len(part)}
        row |= {name: averaged(each) for name, each in found.items()}
        rows.append(row | {"exact W1": Mean(row["exact W1"].mean)})  # of one set of points, not over seeds
    said = [_shape(restraint, part) for restraint, part in critics.groupby("restraint", sort=False)]
    blocks.append(Points((*said, *lost)))
    caption = (
        f"Critics of {size['depth']} hidden layers of {size['width']} after {size['updates']} updates, clipped at "
        f"{size['limit']:g} or with a penalty of {size['gp']:g}: mean over seeds and its 95 % interval. Mean slopes are between "
        "data and fakes; half time / end is the estimate on other held-out data after half of the updates over that in the end."
    )
    blocks.append(Table.of_cells("surfaces", rows, caption))
    caption = (
        "Values of the first seed's critics over the plane, dark where they are low, with lines at eight equal steps of each "
        "map's own range, and data points."
    )
    if len(answer.tables["maps"]):
        blocks.append(Figure("surfaces", _maps(answer.tables["maps"], answer.tables["points"]), caption))
    return blocks


def _shape(restraint: str, part: pd.DataFrame) -> str:
    """What one restraint makes of critics, over all datasets."""
    share = part["estimate"] / part["slope_max"] / part["exact"]
    slopes = f"slopes between data and fakes average {_range(part.groupby('dataset')['slope_mean'].mean())}"
    found = f"the estimate is {_range(part.groupby('dataset').apply(_ratio))} of the exact W1"
    scaled = f"{_range(share.groupby(part['dataset']).mean())} of it once divided by the steepest slope"
    sets = plural(part["dataset"].nunique(), "dataset")
    return f"{restraint.capitalize()}: {slopes}; {found}, and {scaled} ({'means, ' if len(part) > 1 else ''}{sets})."


def _ratio(part: pd.DataFrame) -> float:
    return float((part["estimate"] / part["exact"]).mean())


def _range(values: pd.Series) -> str:
    low, high = number(values.min(), 2), number(values.max(), 2)
    return low if low == high else f"{low} to {high}"


def _maps(maps: pd.DataFrame, points: pd.DataFrame) -> Drawing:
    datasets, restraints = list(maps["dataset"].unique()), list(maps["restraint"].unique())
    figure = Drawing(figsize=(8.5, 2.75 * len(datasets)), layout="constrained")
    axes = figure.subplots(len(datasets), len(restraints), squeeze=False)
    for row, dataset in enumerate(datasets):
        data = points[points["dataset"] == dataset]
        for ax, restraint in zip(axes[row], restraints, strict=True):
            own = maps[(maps["dataset"] == dataset) & (maps["restraint"] == restraint)]
            if len(own):
                grid = own.pivot(index="y", columns="x", values="value")
                x, y = grid.columns.to_numpy(), grid.index.to_numpy()
                ax.pcolormesh(x, y, grid.to_numpy(), cmap="viridis", shading="nearest", rasterized=True)
                levels = np.linspace(grid.to_numpy().min(), grid.to_numpy().max(), 10)[1:-1]
                if math.isfinite(levels[0]) and levels[0] < levels[-1]:
                    ax.contour(x, y, grid.to_numpy(), levels=levels, colors="white", linewidths=0.6, linestyles="solid")
                ax.scatter(data["x"], data["y"], s=2, color="#f28e2b", linewidths=0, rasterized=True)
                ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
            ax.set(xticks=[], yticks=[], aspect="equal", title=f"{dataset}: {restraint}")
            ax.grid(False)
    return figure
