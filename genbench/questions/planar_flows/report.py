"""How many planar or radial layers an energy of the plane needs, in the report."""

import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.questions.drawing import density, panels
from genbench.questions.phrases import INTERVALS, METHOD, clear, failed, trained
from genbench.report.blocks import Block, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.text import listing, number, plural, value
from genbench.results.study import Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "planar", 1010
LEAD = (
    "A planar layer bends the plane along one line, a radial one around one point. Use the numbers below to choose how many "
    "layers a posterior of that shape needs; 0 nats is a perfect fit."
)
ABOUT = (
    "The determinants of both layers are cheap. A planar layer has no inverse in closed form, a radial one that of a "
    "quadratic; run from noise to data, as here, neither has the density of given data at hand in one pass. So they are fitted "
    "to energies U by the reverse divergence KL(q | exp(-U) / Z) (Rezende & Mohamed 2015, arXiv:1505.05770). The energies are "
    "those of the paper's table 1, with walls at |z1| = 4, without which three of them have no finite Z. Divergences are "
    "integrals over the latent plane by quadrature, log Z by quadrature over z. A flow that finds one half of U1 only is log 2 "
    "= 0.69 nats away at least."
)


def report(results: Results) -> tuple[Block, ...] | None:
    """Return what the question found; None where a study does not ask it."""
    if (answer := results.answer("planar_flows")) is None:
        return None
    tables, size = answer.tables, answer.settings
    fits = tables["fits"]
    ended = fits[fits["status"] == "ok"]
    cells = {key: averaged(part["kl"]) for key, part in ended.groupby(["target", "flow", "layers"], sort=False)}
    rows = [
        {"energy": target, "flow": flow}
        | {plural(layers, "layer"): cells.get((target, flow, layers), Mean()) for layers in sorted(size["layers"])}
        for target in size["targets"]
        for flow in size["flows"]
    ]
    logs = listing([f"{row.target} {row.log_z:.3f}" for row in tables["targets"].itertuples()])
    caption = f"KL(q | exp(-U) / Z) in nats after {trained(size, 'draws')}. {INTERVALS} log Z: {logs}."
    fitted = "Densities on [-4, 4]² of the energies and of the first seed's flows. A row has one scale of colours, the energy's."
    return (
        Heading("How many planar or radial layers does an energy need?"),
        Paragraph(LEAD),
        Points((*_said(size, cells), *_against(size, ended), *failed(fits, what="fit"))),
        Figure("fitted", _fitted(tables["maps"], size), fitted),
        Fold(
            METHOD,
            (
                Paragraph(ABOUT),
                Table.of_cells("divergence", rows, caption),
                Figure(
                    "pushed", _pushed(tables["pushed"]), "A standard normal after the first of some random layers, on [-4, 4]²."
                ),
            ),
        ),
    )


def _said(size: dict, cells: dict[tuple, Mean]) -> list[str]:
    """What more layers do to each kind of flow, energy by energy."""
    few, many = min(size["layers"]), max(size["layers"])
    said = []
    for flow in size["flows"]:
        each = [
            f"{target} from {value(first)} to {value(last)}" if few < many else f"{target} {value(last)}"
            for target in size["targets"]
            if (first := cells.get((target, flow, few))) and (last := cells.get((target, flow, many)))
        ]
        if each:
            layers = f"from {few} to {many} layers" if few < many else f"of {plural(many, 'layer')}"
            said.append(f"{flow.capitalize()} flows {layers} come this near in nats: {listing(each)}.")
    return said


def _against(size: dict, fits: pd.DataFrame) -> list[str]:
    """Which kind of flow is nearer with most layers, by intervals over seeds of the differences."""
    if len(size["flows"]) < 2:
        return []
    many = max(size["layers"])
    deepest = fits[fits["layers"] == many].pivot(index=["target", "seed"], columns="flow", values="kl")
    gaps = {target: averaged(part["radial"] - part["planar"]) for target, part in deepest.groupby("target", sort=False)}
    nearer: dict[str, list[str]] = {"planar flows are nearer": [], "radial flows are nearer": [], "neither is clearly nearer": []}
    for target, gap in gaps.items():
        word = ("planar flows are" if gap.mean > 0 else "radial flows are") if clear(gap) else "neither is clearly"
        nearer[f"{word} nearer"].append(f"{target}{f' (by {number(abs(gap.mean), 2)} nats)' * clear(gap)}")
    said = "; ".join(f"{word} at {listing(targets)}" for word, targets in nearer.items() if targets)
    return [f"With {plural(many, 'layer')}, {said}."] if said else []


def _fitted(maps: pd.DataFrame, size: dict) -> Drawing:
    """A row per energy: its density, then the flows, in one scale of colours."""
    kinds = [("exact", 0), *((flow, layers) for flow in size["flows"] for layers in sorted(size["layers"]))]
    figure, axes = panels(len(size["targets"]), len(kinds))
    for ax, (flow, layers) in zip(axes[0], kinds, strict=True):
        ax.set_title("exp(-U) / Z" if flow == "exact" else f"{flow}, {layers}")
    for row, target in zip(axes, size["targets"], strict=True):
        own = maps[maps["target"] == target]
        top = own.loc[own["flow"] == "exact", "density"].max()
        for ax, (flow, layers) in zip(row, kinds, strict=True):
            density(ax, own[(own["flow"] == flow) & (own["layers"] == layers)], top, "viridis")
        row[0].set_ylabel(target)
    return figure


def _pushed(maps: pd.DataFrame) -> Drawing:
    flows, counts = list(maps["flow"].unique()), sorted(maps["layers"].unique())
    figure, axes = panels(len(flows), len(counts))
    for ax, layers in zip(axes[0], counts, strict=True):
        ax.set_title(plural(int(layers), "layer"))
    for row, flow in zip(axes, flows, strict=True):
        for ax, layers in zip(row, counts, strict=True):
            density(ax, maps[(maps["flow"] == flow) & (maps["layers"] == layers)], colours="viridis")
        row[0].set_ylabel(flow)
    return figure
