"""Whether critics' losses follow the quality of the samples, in the report."""

import math

import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.phrases import INTERVALS, LINES, METHOD, gap, sign, trained
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import averaged
from genbench.report.style import inks, seed_lines
from genbench.report.text import listing, value
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "critics", 300
WASSERSTEIN = ("wgan", "wgan_gp")  # whose critics' losses are meant as distances
DISTANCES = {"points": "exact W1 to test points", "images": "Fréchet distance to test images"}
SIGNS = ("follows the distance", "goes against the distance", "has no clear relation to the distance")
ONE_SEED = "has too few seeds to tell"
RANKS = ("higher than", "lower than", "not clearly different from")
LEAD = (
    "Where a critic's loss follows the distance of the samples to the data, the loss alone tells when to stop and which "
    "checkpoint to keep. Elsewhere you need samples and a metric."
)
ABOUT = (
    "A Wasserstein critic's loss is said to tell the quality of the samples (Arjovsky et al. 2017, arXiv:1701.07875, figure "
    "3). Each model trains by its recipe. At several moments, its critic's loss, averaged since the moment before, is compared "
    "with the distance of the current samples to held-out data. Spearman's rank correlation over the moments of one training "
    "is 1 where minus the loss orders them as the distance does. Most trainings improve with time, so the number of updates "
    "alone orders the moments, too: its correlation stands beside. A relation or difference counts where the 95 % interval "
    "over seeds excludes 0, without correction for many comparisons."
)
COLUMNS = {
    "loss": "loss",
    "updates alone": "update",
    "loss, last two thirds": "late_loss",
    "updates alone, last two thirds": "late_update",
}


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("critic_quality")) is None:
        return None
    looks, table, size = answer.tables["looks"], answer.tables["correlations"], answer.settings
    said = [each for dataset in table["dataset"].unique() for each in _said(dataset, table)]
    rows = [
        {"dataset": dataset, "model": model, "seeds": int(part["loss"].notna().sum())}
        | {name: averaged(part[key]) for name, key in COLUMNS.items()}
        for (dataset, model), part in table.groupby(["dataset", "model"], sort=False)
    ]
    caption = f"Rank correlations with the samples' distance after {trained(size)}. {INTERVALS}"
    figures = []
    for dataset, part in looks.groupby("dataset", sort=False):
        distance = DISTANCES[results.kind(str(dataset))]
        about = f"{dataset}: minus the critic's loss (above) and {distance} of {size['samples']:,} samples (below). {LINES}"
        figures.append(Figure(f"tracking-{dataset}", _along(part, distance), about))
    return (
        Heading("Does the critic's loss follow the samples?"),
        Paragraph(LEAD),
        Points(tuple(said)),
        *figures,
        Fold(METHOD, (Paragraph(ABOUT), Table.of_cells("tracking", rows, caption))),
    )


def _said(dataset: str, table: pd.DataFrame) -> list[str]:
    """Which losses follow the distance, then each Wasserstein critic's correlation against the others' and that of time."""
    parts = dict(list(table[table["dataset"] == dataset].groupby("model", sort=False)))
    found: dict[str, list[str]] = {}
    for model, part in parts.items():
        cell = averaged(part["loss"])
        found.setdefault(sign(cell, *SIGNS) if math.isfinite(cell.half) else ONE_SEED, []).append(model)
    said = [f"{dataset}: " + "; ".join(f"the loss of {listing(models)} {word}" for word, models in found.items()) + "."]
    for model in [name for name in parts if name in WASSERSTEIN]:
        ranks: dict[str, list[str]] = {}
        for other in [name for name in parts if name not in WASSERSTEIN]:
            difference = gap(parts[model]["loss"], parts[other]["loss"])
            if math.isfinite(difference.half):
                ranks.setdefault(sign(difference, *RANKS), []).append(f"that of {other} ({value(difference)})")
        difference = averaged(parts[model]["loss"] - parts[model]["update"])
        if math.isfinite(difference.half):
            ranks.setdefault(sign(difference, *RANKS), []).append(f"that of the number of updates ({value(difference)})")
        compared = "; ".join(f"{rank} {listing(others)}" for rank, others in ranks.items())
        said += [f"{dataset}: the rank correlation of {model}'s loss is {compared}; differences in brackets."] if ranks else []
    return said


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
