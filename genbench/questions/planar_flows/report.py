"""Planar and radial flows: what their layers can do to a normal."""

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from genbench.report.blocks import Chapter, Figure, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.text import listing, number, plural, value
from genbench.results.study import Answer, Results

__all__ = ["chapter"]

TOLD = (
    "A planar layer bends space along one plane, a radial one around one point. Their determinants are cheap. A planar layer "
    "has no inverse in closed form, a radial one that of a quadratic; run from noise to data, as here, neither has the density "
    "of given data at hand in one pass, so they are fitted to energies U by the reverse divergence KL(q | exp(-U) / Z) (Rezende "
    "& Mohamed 2015, arXiv:1505.05770). The energies are those of the paper's table 1, with walls at |z1| = 4, without which "
    "three of them have no finite Z. Divergences are integrals over the latent plane by quadrature, log Z by quadrature over z. "
    "A flow that finds one half of U1 only is log 2 = 0.69 nats away at least."
)


def chapter(results: Results) -> Chapter | None:
    """What the experiment says of planar and radial flows; None where a study does not have it."""
    found = results.answer("planar_flows")
    return Chapter("planar", "Planar and radial flows", tuple(_blocks(found))) if found else None


def _blocks(answer: Answer) -> list:
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
    caption = (
        f"KL(q | exp(-U) / Z) in nats after {size['updates']} updates of {size['batch']} draws: mean over {size['seeds']} seeds "
        f"and its 95 % interval. log Z: {listing([f'{row.target} {row.log_z:.3f}' for row in tables['targets'].itertuples()])}."
    )
    return [
        Heading("How many planar or radial layers does an energy need?"),
        Paragraph(TOLD),
        Points((*_said(size, cells), *_against(size, ended), *_failed(fits))),
        Table.of_cells("divergence", rows, caption),
        Figure(
            "fitted",
            _fitted(tables["maps"], size),
            "Densities on [-4, 4]² of the energies and of the first seed's flows; each row has one scale of colours, the law's.",
        ),
        Figure("pushed", _pushed(tables["pushed"]), "A standard normal behind the first of some random layers, on [-4, 4]²."),
    ]


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
            layers = f"{few} to {many} layers" if few < many else plural(many, "layer")
            said.append(f"{flow.capitalize()} flows of {layers} come to these nats from the law: {listing(each)}.")
    return said


def _against(size: dict, fits: pd.DataFrame) -> list[str]:
    """Which kind of flow is nearer with most layers, by intervals over seeds of the differences."""
    if len(size["flows"]) < 2:
        return []
    many = max(size["layers"])
    deepest = fits[fits["layers"] == many].pivot(index=["target", "seed"], columns="flow", values="kl")
    gaps = {target: averaged(part["radial"] - part["planar"]) for target, part in deepest.groupby("target", sort=False)}
    clear = {target: gap for target, gap in gaps.items() if math.isfinite(gap.half) and abs(gap.mean) > gap.half}
    named = [
        f"{target} ({'planar' if gap.mean > 0 else 'radial'} by {number(abs(gap.mean), 2)} nats)" for target, gap in clear.items()
    ]
    rest = [target for target in gaps if target not in clear]
    said = [f"clearly nearer at {listing(named)}"] * bool(named) + [f"no clear difference at {listing(rest)}"] * bool(rest)
    return [f"With {plural(many, 'layer')}, one kind against the other: {'; '.join(said)}."] if said else []


def _failed(fits: pd.DataFrame) -> list[str]:
    bad = int((fits["status"] != "ok").sum())
    return [f"{bad} of {plural(len(fits), 'fit')} failed and count in no number."] * bool(bad)


def _draw(ax: Axes, part: pd.DataFrame, top: float | None = None) -> None:
    grid = part.pivot(index="y", columns="x", values="density")
    ax.pcolormesh(grid.columns, grid.index, grid.to_numpy(), cmap="viridis", vmin=0, vmax=top, shading="nearest", rasterized=True)


def _panels(rows: int, columns: int) -> tuple[Drawing, Sequence]:
    figure = Drawing(figsize=(1.5 * columns, 1.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[], aspect="equal")
        ax.grid(False)
    return figure, axes


def _fitted(maps: pd.DataFrame, size: dict) -> Drawing:
    """A row per energy: its law, then the flows, in one scale of colours."""
    kinds = [("exact", 0), *((flow, layers) for flow in size["flows"] for layers in sorted(size["layers"]))]
    figure, axes = _panels(len(size["targets"]), len(kinds))
    for ax, (flow, layers) in zip(axes[0], kinds, strict=True):
        ax.set_title("exp(-U) / Z" if flow == "exact" else f"{flow}, {layers}")
    for row, target in zip(axes, size["targets"], strict=True):
        own = maps[maps["target"] == target]
        top = own.loc[own["flow"] == "exact", "density"].max()
        for ax, (flow, layers) in zip(row, kinds, strict=True):
            part = own[(own["flow"] == flow) & (own["layers"] == layers)]
            if len(part):
                _draw(ax, part, top)
        row[0].set_ylabel(target)
    return figure


def _pushed(maps: pd.DataFrame) -> Drawing:
    flows, counts = list(maps["flow"].unique()), sorted(maps["layers"].unique())
    figure, axes = _panels(len(flows), len(counts))
    for ax, layers in zip(axes[0], counts, strict=True):
        ax.set_title(plural(int(layers), "layer"))
    for row, flow in zip(axes, flows, strict=True):
        for ax, layers in zip(row, counts, strict=True):
            _draw(ax, maps[(maps["flow"] == flow) & (maps["layers"] == layers)])
        row[0].set_ylabel(flow)
    return figure
