"""Energies: the signs of the course's algorithm 1, products of trained energies, and what an update costs."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.report.blocks import Chapter, Figure, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.style import inks, log_axis, seed_lines
from genbench.report.text import listing, number, plural, value
from genbench.results.study import Answer, Results
from genbench.statistics.uncertainty import welch

__all__ = ["chapter"]

ALIKE = ("as printed", "both flipped")
FAR = 10  # standard deviations of the data, the models' unit: chains that spread farther have run away
SIGNS = (
    "The course prints its algorithm 1 with chains that go up the gradient of f and weights that go up the gradient of f(data) - "
    "f(chains): right for p proportional to exp(f), while its text has exp(-f), for which both signs must be flipped. With only "
    "one of them flipped, weights draw the chains on to wherever they go. The energies here have no base measure, so nothing "
    "else holds the chains."
)
PRODUCTS = (
    "Energies add where densities multiply, so two models that were trained apart give a third by a sum (Hinton 2002; Du et al. "
    "2020, arXiv:2004.06030). Chains on the sum are compared with the product of the two trained densities, computed on a grid: "
    "that is the sampler's error, beside which stands that of as many exact draws. The product of the trained densities is "
    "compared with the product of the true ones: that is the models' error. Total variation is between 0 and 1."
)
COSTS = (
    "Network passes per example and update, counted in training, forward and Langevin alike; backward passes of the weights' "
    "gradient come on top. Chains need a pass for each step, one for the data and one for their own ends; score matching needs "
    "one; the derivative of it that sliced score matching takes is not counted. Recovery likelihood runs its chains at one noise "
    "level per example; a generalised energy has none in training, but passes of a critic and a generator in turn."
)


def chapter(results: Results) -> Chapter | None:
    """What the experiments say of energies; None where a study has none of them."""
    signs, products = results.answer("langevin_signs"), results.answer("energy_products")
    blocks = [*(_signs(signs) if signs else ()), *(_products(products) if products else ())]
    if blocks or results.trials.loc[results.trials["family"] == "ebm", "model"].nunique() > 1:
        blocks += _costs(results)
    return Chapter("energies", "Energies that learn from chains and from scores", tuple(blocks)) if blocks else None


# ---- signs


def _signs(answer: Answer) -> list:
    looks, ends, size = answer.tables["looks"], answer.tables["ends"], answer.settings
    rows, said = [], []
    for dataset, own in ends.groupby("dataset", sort=False):
        said += _signed(str(dataset), own)
        for signs, part in own.groupby("signs", sort=False):
            found = {
                "log10 of the chains' standard deviation": averaged(np.log10(part["std"])),
                "W1 to test points": averaged(part["w1"]),
                "W1 of real points": Mean(part["floor"].iloc[0]),
            }
            broke = int((part["status"] != "ok").sum())
            rows.append({"dataset": dataset, "signs": signs, "seeds": len(part), "broke off": broke, **found})
    caption = (
        f"Chains of the last of {size['updates']} updates of {size['batch']} examples, {size['steps']} steps each: mean over "
        "seeds and its 95 % interval, in units of the data's standard deviation."
    )
    return [
        Heading("Which signs does algorithm 1 need?"),
        Paragraph(SIGNS),
        Points(tuple(said)),
        Table.of_cells("signs", rows, caption),
        Figure("signs", _spreads(looks), "Spread of the chains in training: a thin line per seed, geometric means thick."),
    ]


def _signed(dataset: str, ends: pd.DataFrame) -> list[str]:
    parts = dict(list(ends.groupby("signs", sort=False)))
    printed, flipped = (parts[name]["w1"].dropna().to_numpy() for name in ALIKE)
    said = []
    if min(len(printed), len(flipped)) > 1:
        gap = Mean(printed.mean() - flipped.mean(), welch(printed, flipped))
        told = "are told apart" if abs(gap.mean) > gap.half else "are not told apart"
        spread = " and ".join(number(parts[name]["std"].mean()) for name in ALIKE)
        said.append(
            f"{dataset}: as printed and with both signs flipped, trainings {told}: their chains end with standard deviations of "
            f"{spread}, at W1 {number(printed.mean())} and {number(flipped.mean())} from test points (difference {value(gap)}; "
            f"real points {number(ends['floor'].iloc[0])})."
        )
    apart = {name: part["std"] for name, part in parts.items() if name not in ALIKE}
    each = listing(
        [f"{number(s.min())} to {number(s.max())} ({name}: {(s > FAR).sum()} of {len(s)} run away)" for name, s in apart.items()]
    )
    said.append(f"{dataset}: with one sign flipped the chains end with standard deviations of {each}, past {FAR} of the data's.")
    return said


def _spreads(looks: pd.DataFrame) -> Drawing:
    datasets, signs = list(looks["dataset"].unique()), list(looks["signs"].unique())
    colours = inks(signs)
    figure = Drawing(figsize=(5.5 * max(len(datasets), 1) + 1.5, 3.4), layout="constrained")
    axes = figure.subplots(1, len(datasets), squeeze=False, sharey=True)[0]
    for ax, dataset in zip(axes, datasets, strict=True):
        for name in signs:
            part = looks[(looks["dataset"] == dataset) & (looks["signs"] == name)]
            dash = "--" if name == ALIKE[1] else "-"  # it lies on the printed one's line
            seed_lines(ax, part, "update", "std", colours[name], geometric=True, label=name, ls=dash)
        ax.set(yscale="log", xlabel="update", title=dataset)
    low, high = looks["std"].min(), looks["std"].max()
    log_axis(axes[0].yaxis, low, high)
    axes[0].set_ylabel("standard deviation of the chains")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper")
    return figure


# ---- products


def _products(answer: Answer) -> list:
    experts, products, size = (*(answer.tables[name] for name in ("experts", "products")), answer.settings)
    rows, said = [], []
    for product, part in experts.groupby("product", sort=False):
        for expert, own in part.groupby("expert", sort=False):
            found = {"total variation": averaged(own["tv"]), "KL, nats": averaged(own["kl"])}
            head = {"product": product, "law": expert, "seeds": int(own["tv"].count())}
            rows.append(head | found | {"sampler": Mean(), "exact draws": Mean()})
        if not len(products) or not (own := products[products["product"] == product])["tv"].count():
            said.append(f"{product}: in no seed did both trainings end well.")
            continue
        titles = {"tv": "total variation", "kl": "KL, nats", "sampler": "sampler", "floor": "exact draws"}
        cells = {name: averaged(own[name]) for name in titles}
        head = {"product": product, "law": "their product", "seeds": len(own)}
        rows.append(head | {title: cells[name] for name, title in titles.items()})
        said.append(_multiplied(str(product), own, cells))
    caption = (
        f"Energies of {size['depth']} hidden layers of {size['width']} after {size['updates']} updates of {size['batch']} "
        "examples, against the true laws; sampler and exact draws: total variation on a coarser grid between "
        f"{size['samples']:,} points and the product of the trained densities. Mean over seeds and its 95 % interval."
    )
    blocks = [
        Heading("Is the sum of two energies the product of their laws?"),
        Paragraph(PRODUCTS),
        Points(tuple(said)),
        Table.of_cells("products", rows, caption),
    ]
    if len(answer.tables["maps"]):
        caption = "First seed: trained densities, their product with points that chains on the sum gave, and the true product."
        blocks.append(Figure("products", _maps(answer.tables["maps"], answer.tables["samples"]), caption))
    return blocks


def _multiplied(product: str, part: pd.DataFrame, cells: dict[str, Mean]) -> str:
    gap = averaged(part["sampler"] - part["floor"])
    clear = math.isfinite(gap.half) and gap.mean > gap.half
    told = f"{'' if clear else 'not clearly '}farther from the product of the trained densities than as many exact draws"
    return (
        f"{product}: chains on the sum are {told} (total variation {value(cells['sampler'])} and {value(cells['floor'])}). "
        f"That product is {value(cells['tv'])} from the true one ({value(cells['kl'])} nats)."
    )


def _maps(maps: pd.DataFrame, samples: pd.DataFrame) -> Drawing:
    products = list(maps["product"].unique())
    figure = Drawing(figsize=(11.5, 3.1 * len(products)), layout="constrained")
    axes = figure.subplots(len(products), 4, squeeze=False)
    for row, product in zip(axes, products, strict=True):
        own = maps[maps["product"] == product]
        for ax, (law, part) in zip(row, own.groupby("law", sort=False), strict=True):
            grid = part.pivot(index="y", columns="x", values="density")
            x, y = grid.columns.to_numpy(), grid.index.to_numpy()
            ax.pcolormesh(x, y, grid.to_numpy(), cmap="BuPu", vmin=0, shading="nearest", rasterized=True)
            if law == "product":
                points = samples[samples["product"] == product]
                ax.scatter(points["x"], points["y"], s=1.5, color="#d9831f", alpha=0.5, linewidths=0, rasterized=True)
            title = "product and samples" if law == "product" else law
            ax.set(xticks=[], yticks=[], aspect="equal", title=title, xlim=(-3.2, 3.2), ylim=(-3.2, 3.2))
            ax.grid(False)
        row[0].set_ylabel(product)
    return figure


# ---- costs


def _costs(results: Results) -> list:
    trials = results.trials[(results.trials["family"] == "ebm") & (results.trials["status"] == "ok")]
    rows = []
    for (dataset, model), part in trials.groupby(["dataset", "model"], sort=False):
        each = {name: pd.to_numeric(part[f"cost_{name}"]) for name in ("evaluations", "samples", "seconds", "updates")}
        passes = (each["evaluations"] / each["samples"]).mean()
        seconds = averaged(1000 * each["seconds"] / each["updates"])
        rows.append({"dataset": dataset, "model": model, "seeds": len(part), "passes": passes, "ms per update": seconds})
    if not rows:
        return []
    frame = pd.DataFrame(rows)
    ends = frame.loc[[frame["passes"].idxmin(), frame["passes"].idxmax()]]
    said = " to ".join(f"{number(row.passes)} for {row.model} on {row.dataset}" for row in ends.itertuples())
    caption = (
        f"Mean over {plural(len(trials), 'trial')} of the study; milliseconds are of its machine, with their 95 % intervals."
    )
    return [
        Heading("What does an update cost?"),
        Paragraph(COSTS),
        Points((f"Passes per example and update: from {said}.",) if len(frame) > 1 else ()),
        Table.of_cells("costs", rows, caption),
    ]
