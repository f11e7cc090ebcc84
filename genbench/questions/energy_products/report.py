"""Whether the sum of two trained energies is sampled as the product of their densities, in the report."""

import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.drawing import density, panels
from genbench.questions.phrases import INTERVALS, METHOD, clear, trained
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.text import value
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "energies", 610
LEAD = (
    "Two energy-based models that were trained apart give a third by adding their energies. The sampler's error below says "
    "whether longer chains would help, the models' error whether better energies would."
)
ABOUT = (
    "Energies add where densities multiply (Hinton 2002; Du et al. 2020, arXiv:2004.06030). The sampler's error is the total "
    "variation between chains on the sum and the product of the two trained densities, computed on a grid; beside it stands "
    "that of as many exact draws. The models' error is that of the product of the trained densities against the product of the "
    "true ones. Total variation is between 0 and 1, lower is better."
)
TITLES = {"tv": "total variation", "kl": "KL, nats", "sampler": "sampler", "floor": "exact draws"}
MAPS = "First seed: trained densities, their product with points of chains on the sum, and the true product."


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("energy_products")) is None:
        return None
    experts, products, size = answer.tables["experts"], answer.tables["products"], answer.settings
    rows, said = [], []
    for product, part in experts.groupby("product", sort=False):
        for expert, own in part.groupby("expert", sort=False):
            head = {"product": product, "distribution": expert, "seeds": int(own["tv"].count())}
            rows.append(head | {title: averaged(own[key]) if key in own else Mean() for key, title in TITLES.items()})
        if not len(products) or not (own := products[products["product"] == product])["tv"].count():
            said.append(f"{product}: in no seed did both trainings end well.")
            continue
        cells = {name: averaged(own[name]) for name in TITLES}
        head = {"product": product, "distribution": "their product", "seeds": len(own)}
        rows.append(head | {title: cells[name] for name, title in TITLES.items()})
        said.append(_said(str(product), own, cells))
    caption = (
        f"Energies of {size['depth']} hidden layers of {size['width']} after {trained(size)}, against the true distributions. "
        f"Sampler and exact draws: {size['samples']:,} points on a coarser grid. {INTERVALS}"
    )
    maps = answer.tables["maps"]
    return (
        Heading("Is the sum of two energies sampled as the product of their densities?"),
        Paragraph(LEAD),
        Points(tuple(said)),
        *([Figure("products", _maps(maps, answer.tables["samples"]), MAPS)] if len(maps) else ()),
        Fold(METHOD, (Paragraph(ABOUT), Table.of_cells("products", rows, caption))),
    )


def _said(product: str, part: pd.DataFrame, cells: dict[str, Mean]) -> str:
    difference = averaged(part["sampler"] - part["floor"])
    worse = "farther" if clear(difference) and difference.mean > 0 else "not clearly farther"
    return (
        f"{product}: chains on the sum are {worse} from the product of the trained densities than as many exact draws (total "
        f"variation {value(cells['sampler'])} and {value(cells['floor'])}). That product is {value(cells['tv'])} from the true "
        f"one ({value(cells['kl'])} nats)."
    )


def _maps(maps: pd.DataFrame, samples: pd.DataFrame) -> Drawing:
    products = list(maps["product"].unique())
    figure, axes = panels(len(products), 4, 2.9, 3.1)
    for row, product in zip(axes, products, strict=True):
        own = maps[maps["product"] == product]
        for ax, (name, part) in zip(row, own.groupby("distribution", sort=False), strict=True):
            density(ax, part)
            if name == "product":
                points = samples[samples["product"] == product]
                ax.scatter(points["x"], points["y"], s=1.5, color="#d9831f", alpha=0.5, linewidths=0, rasterized=True)
            title = "product and samples" if name == "product" else name
            ax.set(title=title, xlim=(-3.2, 3.2), ylim=(-3.2, 3.2))
        row[0].set_ylabel(product)
    return figure
