"""The figure of the FID's weaknesses: a row per dataset, a panel per question."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from genbench.report.style import FLOOR, inks, log_axis

__all__ = ["drawn"]

RED, BLUE, GREEN, GREY = "#c4352b", "#1f6fb4", "#1b8a5a", "#5f6b76"


def drawn(tables: dict[str, pd.DataFrame]) -> Drawing:
    """Draw four panels for each dataset of the question's tables."""
    datasets = list(tables["bias"]["dataset"].unique())
    drawing = Drawing(figsize=(13, 3.1 * len(datasets)), layout="constrained")
    axes = drawing.subplots(len(datasets), 4, squeeze=False, width_ratios=[1, 1.1, 1.5, 1])
    for dataset, line in zip(datasets, axes, strict=True):
        own = {name: table[table["dataset"] == dataset] for name, table in tables.items()}
        own |= {name: own[name][own[name]["encoder"].str.startswith("classifier")] for name in ("bias", "dropping")}
        _bias(line[0], own["bias"])
        _lost(line[1], own["dropping"])
        _ranks(line[2], own["samplers"])
        _copies(line[3], own["copies"])
        line[0].set_title(f"{dataset}: number of images")
    return drawing


def _bias(ax: Axes, table: pd.DataFrame) -> None:
    means = table.groupby("n")[["fid", "predicted"]].mean()
    ax.scatter(table["n"], table["fid"], s=8, color=RED, alpha=0.35, linewidths=0)
    ax.plot(means.index, means["fid"], color=RED, lw=2)
    ax.plot(means.index, means["predicted"], **FLOOR)
    ax.set(xscale="log", yscale="log", xlabel="real images", ylabel="FID")
    ax.set_xticks(means.index, means.index)
    ax.minorticks_off()
    log_axis(ax.yaxis, table["fid"].min(), table["fid"].max())


def _lost(ax: Axes, table: pd.DataFrame) -> None:
    means = table.groupby("kept")[["fid", "coverage", "recall"]].mean()
    ax.scatter(table["kept"], table["fid"], s=8, color=RED, alpha=0.35, linewidths=0)
    ax.plot(means.index, means["fid"], color=RED, lw=2)
    ax.set(yscale="log", title="lost classes", xlabel="classes that are left", ylabel="FID")
    ax.set_xticks(means.index, means.index)
    ax.invert_xaxis()
    log_axis(ax.yaxis, table["fid"].min(), table["fid"].max())
    right = ax.twinx()
    for name, ink in (("coverage", BLUE), ("recall", GREEN)):
        right.plot(means.index, means[name], color=ink, lw=1.3, marker="o", ms=3, label=name)
    right.set(ylim=(0, 1.05))
    right.grid(False)
    right.legend(loc="lower center", fontsize=7.5)


def _ranks(ax: Axes, table: pd.DataFrame) -> None:
    ranks = table.groupby(["encoder", "sampler"])["fid"].mean().unstack("encoder")[list(table["encoder"].unique())].rank()
    order = ranks.iloc[:, -1].sort_values()
    colours = inks(list(table["sampler"].unique()))
    for name in order.index:
        ax.plot(range(ranks.shape[1]), ranks.loc[name], color=colours[name], marker="o", ms=4, lw=1.6)
        ax.text(ranks.shape[1] - 0.85, order[name], name, va="center", fontsize=7.5)
    ax.set_xticks(range(ranks.shape[1]), ranks.columns, fontsize=7.5, rotation=25, ha="right", rotation_mode="anchor")
    ax.set(title="encoders", ylabel="rank by FID", ylim=(len(ranks) + 0.5, 0.5), xlim=(-0.2, ranks.shape[1] + 0.9))
    ax.grid(axis="x", visible=False)


def _copies(ax: Axes, table: pd.DataFrame) -> None:
    names = list(table["sampler"].unique())
    means = table.groupby(["encoder", "sampler"])[["fid", "nn_distance"]].mean()
    for place, name in enumerate(names):
        for _, each in means.groupby("encoder"):
            each = each.droplevel("encoder") / each.droplevel("encoder").loc["fresh data"]
            ax.scatter(each.loc[name, "fid"], place - 0.13, s=24, color=RED, linewidths=0, label="FID", zorder=3)
            ax.scatter(each.loc[name, "nn_distance"], place + 0.13, s=22, marker="D", color=BLUE, linewidths=0,
                       label="distance to training data", zorder=3)  # fmt: skip
    ax.axvline(1, **FLOOR)
    ax.set_yticks(range(len(names)), names)
    ax.set(title="copies", xlabel="relative to fresh data", ylim=(len(names) - 0.4, -0.6))
    ax.set_xlim(left=-0.05 * ax.get_xlim()[1])
    handles, labels = ax.get_legend_handles_labels()
    first = {label: handle for handle, label in zip(handles, labels, strict=True)}
    ax.legend(first.values(), first.keys(), loc="upper center", bbox_to_anchor=(0.2, -0.2), ncols=2, fontsize=7.5)
