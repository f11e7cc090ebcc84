"""Variational autoencoders: noise of their gradients, what each term does to the latents, and how many latents are used."""

import math
from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from genbench.report.blocks import Chapter, Figure, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.style import inks, log_axis, seed_lines
from genbench.report.text import listing, number, value
from genbench.results.study import Answer, Results
from genbench.statistics.multiplicity import clear

__all__ = ["chapter"]

GRADIENTS = (
    "Estimators of the bound's gradient by the encoder's weights, at the same weights, examples and noise: the KL in closed "
    "form; estimated from the sampled z (total); the same without the gradient by the parameters of log q, whose mean is zero "
    "(path: Roeder et al. 2017, arXiv:1703.09194, who show that its variance vanishes where the encoder is the exact posterior); "
    "and the score function, which does not differentiate z, with and without a baseline (Mohamed et al. 2019, "
    "arXiv:1906.10652). All have the same mean. Where the encoder can't be exact, as on these data, no variance vanishes. "
    "Factors are geometric means over seeds, paired by seed, in brackets their 95 % intervals."
)
TERMS = (
    "VAEs with two latent numbers, trained on the reconstruction alone, on the KL alone and on both. Reconstruction and KL are "
    "those of the test split; where both were trained their sum is the negative bound. The spread is the standard deviation of z "
    "as the encoder draws it, over all test examples: 1 under the prior that samples are drawn from. Neighbours tell the class "
    "of a test example where most votes of the 10 nearest training means are for it."
)
PATHS = (
    "Left: images decoded from a grid at quantiles of the prior (Kingma & Welling 2013, arXiv:1312.6114, figure 4). Right: paths "
    "between the means of two test examples of different classes, each along a great circle (norms change evenly) and, below "
    "it, straight."
)
CODES = "means of test examples by class, first seed; circle: two standard deviations of the prior. A few far ones are cut off."
SIZES = (
    "VAEs that differ in their number of latent numbers alone. In use are latents whose posterior mean varies over the test "
    "examples by more than 0.01 (Burda et al. 2015, arXiv:1509.00519). The gap between the two bounds tells how far at least "
    "the encoder is from the posterior. One number of latents is clearly better than another where t-tests of differences "
    "paired by seed say so at 5 % after Holm's correction over all pairs of numbers. The Fréchet distance of samples is in the "
    "features of a small classifier, and beside it that of training images."
)
NAMES = {"closed": "closed-form KL", "score, baseline": "score with baseline"}
STAGES = {"start": "at the start of training", "early": "early in training", "end": "at the end of training"}
AT_PRIOR = 0.05  # nats of KL below which an encoder is the prior


def chapter(results: Results) -> Chapter | None:
    """What the experiments say of VAEs; None where a study has none of them."""
    parts = {"vae_gradients": _gradients, "vae_terms": _terms, "latent_sizes": _sizes}
    found = [(make, answer) for name, make in parts.items() if (answer := results.answer(name)) is not None]
    blocks = [block for make, experiment in found for block in make(answer)]
    return Chapter("autoencoders", "Autoencoders: gradients, terms and latents", tuple(blocks)) if blocks else None


# ---- noise of gradients


def _folds(part: pd.DataFrame) -> dict[str, Mean]:
    """Decimal logarithm of each estimator's variance over that of the closed form, paired by seed."""
    wide = np.log10(part.pivot(index="seed", columns="estimator", values="variance"))
    return {name: averaged(wide[name] - wide["closed"]) for name in part["estimator"].unique() if name != "closed"}


def _times(cell: Mean) -> str:
    ends = f" ({_power(cell.mean - cell.half)} to {_power(cell.mean + cell.half)})" if math.isfinite(cell.half) else ""
    return f"{_power(cell.mean)}{ends}"


def _power(x: float) -> str:
    return number(10**x, 2) if abs(x) < 4 else f"{10**x:.1e}"


def _gradients(answer: Answer) -> list:
    frame, size = answer.tables["variances"], answer.settings
    said, rows = [], []
    for (dataset, stage), part in frame.groupby(["dataset", "stage"], sort=False):
        folds = _folds(part)
        each = listing([f"{NAMES.get(name, name)} {_times(fold)}" for name, fold in folds.items()])
        lead = "" if stage != "end" else f" {_order(part)}"
        said.append(f"{dataset}, {STAGES[stage]}: variance as a multiple of the closed form's: {each}.{lead}")
        seeds = part.groupby("estimator", sort=False)
        signal = part.groupby("seed")["signal"].first().median()
        rows += [
            {
                "dataset": dataset,
                "stage": f"{stage} ({own['update'].iloc[0]} updates)",
                "estimator": NAMES.get(name, name),
                "seeds": len(own),
                "log10 of the variance": averaged(np.log10(own["variance"])),
                "log10 of its multiple of the closed form's": folds.get(name, Mean(0.0)),
                "noise / signal": Mean(float(own["variance"].median() / signal) if signal > 0 else math.nan),
            }
            for name, own in seeds
        ]
    caption = (
        f"Variance over {size['draws']} draws of z of the gradient of the mean loss over {size['examples']} examples, summed "
        "over the encoder's weights: mean over seeds and its 95 % interval. Noise / signal: its median over seeds by that of "
        "the squared mean's estimate, which is unbiased; none where that is not positive."
    )
    return [
        Heading("Which estimator of a VAE's gradient is the least noisy?"),
        Paragraph(GRADIENTS),
        Points(tuple(said)),
        Figure("gradients", _variances(frame), "A thin line per seed, the geometric mean over seeds thick."),
        Table.of_cells("gradients", rows, caption, folded=True),
    ]


def _order(part: pd.DataFrame) -> str:
    """Whether path < closed, total < score holds by the intervals of the paired differences."""
    wide = np.log10(part.pivot(index="seed", columns="estimator", values="variance"))
    pairs = [("path", "closed"), ("path", "total"), ("closed", "score"), ("total", "score"), ("score, baseline", "score")]
    gaps = {(a, b): averaged(wide[b] - wide[a]) for a, b in pairs}
    unclear = [f"{NAMES.get(a, a)} below {NAMES.get(b, b)}" for (a, b), gap in gaps.items() if not gap.mean > gap.half]
    if not unclear:
        return "Path is below closed form and total, these are below score, and the baseline lowers score's: in order."
    return f"Not clear by the intervals over seeds: {listing(unclear)}."


def _variances(frame: pd.DataFrame) -> Drawing:
    names, datasets = list(frame["estimator"].unique()), list(frame["dataset"].unique())
    colours = inks(names)
    figure = Drawing(figsize=(1.8 + 4.4 * len(datasets), 3.2), layout="constrained")
    for ax, dataset in zip(figure.subplots(1, len(datasets), squeeze=False)[0], datasets, strict=True):
        part = frame[frame["dataset"] == dataset].assign(place=frame["stage"].map(list(STAGES).index))
        for name in names:
            own = part[part["estimator"] == name].sort_values("place")
            seed_lines(ax, own, "place", "variance", colours[name], geometric=True, marker="o", ms=4, label=NAMES.get(name, name))
        ax.set(yscale="log", title=dataset, xlabel="moment of training", ylabel="variance of the gradient")
        ax.set_xticks(range(len(STAGES)), list(STAGES))
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right upper")
    return figure


# ---- terms of the objective


def _terms(answer: Answer) -> list:
    scores, size = answer.tables["scores"], answer.settings
    columns = {"reconstruction": "reconstruction", "kl": "KL", "spread": "spread of z", "accuracy": "neighbours tell the class"}
    rows, said, blocks = [], [], []
    for dataset, part in scores.groupby("dataset", sort=False):
        cells = {t: {key: averaged(own[key]) for key in columns} for t, own in part.groupby("terms", sort=False)}
        rows += [{"dataset": dataset, "trained on": t} | {columns[k]: c for k, c in each.items()} for t, each in cells.items()]
        alone, prior, both = (cells[terms] for terms in ("reconstruction only", "KL only", "both"))
        codes, pictures = (each[each["dataset"] == dataset] for each in (answer.tables["codes"], answer.tables["pictures"]))
        nats = prior["kl"].mean * math.log(2) * len(pictures["pixels"].iloc[0])  # images are grey
        ended = "ends at the prior" if nats < AT_PRIOR else "does not reach the prior"
        said.append(
            f"{dataset}: trained on the reconstruction alone, z has a spread of {value(alone['spread'])}, against 1 under the "
            f"prior, and a KL of {value(alone['kl'])} bits/dim; on the KL alone the encoder {ended} (KL {number(nats, 2)} nats) "
            f"and neighbours tell {prior['accuracy'].mean:.0%} of the classes; on both the KL is {value(both['kl'])}, the spread "
            f"{value(both['spread'])}, and neighbours tell {both['accuracy'].mean:.0%}, against {alone['accuracy'].mean:.0%} by "
            f"the reconstruction alone, which reconstructs at {value(alone['reconstruction'])} bits/dim, both at "
            f"{value(both['reconstruction'])}."
        )
        blocks += [
            Figure(f"codes-{dataset}", _codes(codes), f"{dataset}: {CODES}"),
            Figure(f"latents-{dataset}", _latents(pictures), f"{dataset}, trained on both terms, first seed. {PATHS}"),
        ]  # fmt: skip
    caption = (
        f"Bits per dimension of the test split after {size['updates']} updates of {size['batch']} examples: mean over seeds and "
        "its 95 % interval."
    )
    return [
        Heading("What does each term of the bound do to the latents?"),
        Paragraph(TERMS),
        Points(tuple(said)),
        Table.of_cells("terms", rows, caption),
        *blocks,
    ]


def _codes(codes: pd.DataFrame) -> Drawing:
    names = list(codes["terms"].unique())
    colours = inks(sorted(codes["label"].unique()))
    figure = Drawing(figsize=(3.6 * len(names), 3.5), layout="constrained")
    turn = np.linspace(0, 2 * np.pi, 200)
    for ax, terms in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        part = codes[codes["terms"] == terms]
        for label, own in part.groupby("label"):
            ax.scatter(own["z1"], own["z2"], s=5, lw=0, color=colours[label], label=str(label))
        ax.plot(2 * np.cos(turn), 2 * np.sin(turn), color="#333", lw=0.8, ls="--")
        reach = max(2.6, 1.3 * float(part[["z1", "z2"]].abs().quantile(0.98).max()))
        ax.set(title=terms, xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="z1", ylabel="z2")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", markerscale=2.5, title="class")
    return figure


def _latents(pictures: pd.DataFrame) -> Drawing:
    figure = Drawing(figsize=(11.5, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _sheet(left, pictures[pictures["kind"] == "grid"])
    left.set(title="grid of latents", xlabel="z1", ylabel="z2")
    paths = pictures[pictures["kind"] != "grid"]
    place = 2 * paths["row"] + (paths["kind"] == "linear")
    _sheet(right, paths.assign(row=place))
    right.set_title("paths: great circle, straight, by pair")
    return figure


def _sheet(ax: Axes, pictures: pd.DataFrame) -> None:
    """Images at their rows and columns."""
    height, width, levels = (int(pictures[key].iloc[0]) for key in ("height", "width", "levels"))
    tall, wide = height + 1, width + 1  # with a line between images
    sheet = np.full(((pictures["row"].max() + 1) * tall - 1, (pictures["column"].max() + 1) * wide - 1), 0.5)
    for each in pictures.itertuples():
        top, edge = each.row * tall, each.column * wide
        sheet[top : top + height, edge : edge + width] = np.reshape(each.pixels, (height, width)) / (levels - 1)
    ax.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


# ---- numbers of latents


def _sizes(answer: Answer) -> list:
    frame, size = answer.tables["sizes"], answer.settings
    frame = frame.assign(gap=frame["elbo"] - frame["iwae"])
    columns = {"elbo": "ELBO", "iwae": "IWAE", "gap": "gap", "active": "in use", "distance": "Fréchet distance"}
    rows, said = [], []
    for dataset, part in frame.groupby("dataset", sort=False):
        cells = {latent: {key: averaged(own[key]) for key in columns} for latent, own in part.groupby("latent")}
        rows += [
            {"dataset": dataset, "latents": latent, **{columns[k]: c for k, c in each.items()}, "of training images": floor}
            for (latent, each), floor in zip(cells.items(), part.groupby("latent")["floor"].first(), strict=True)
        ]
        best, nearest = (min(cells, key=lambda latent: cells[latent][key].mean) for key in ("iwae", "distance"))
        most = max(cells)
        said.append(
            f"{dataset}: of {listing([str(latent) for latent in cells])} latents the tightest bound is that of {best} "
            f"({value(cells[best]['iwae'])} bits/dim{_rivals(part, 'iwae', best)}); samples are nearest with {nearest} "
            f"({value(cells[nearest]['distance'])}{_rivals(part, 'distance', nearest)}; training images "
            f"{number(float(part['floor'].iloc[0]))}). Of {most} latents {value(cells[most]['active'])} are in use, and the gap "
            f"between the bounds is {value(cells[most]['gap'])} bits/dim, with {min(cells)} {value(cells[min(cells)]['gap'])}."
        )
    caption = (
        f"Negative bounds in bits per dimension, by one weight and by {size['weights']}, after {size['updates']} updates of "
        f"{size['batch']} examples, weights chosen by held-out loss: mean over seeds and its 95 % interval."
    )
    return [
        Heading("How many latents does a VAE use, and what do more of them bring?"),
        Paragraph(SIZES),
        Points(tuple(said)),
        Table.of_cells("sizes", rows, caption),
        Figure(
            "sizes",
            _curves(frame),
            "A thin line per seed, the mean thick; dashed: as many latents as there are, and training images.",
        ),
    ]


def _rivals(part: pd.DataFrame, key: str, best: int) -> str:
    """The sizes whose difference to the best, paired by seed, is not clear: among all pairs, as any might have been the best."""
    wide = part.pivot(index="seed", columns="latent", values=key)
    pairs = list(combinations(wide, 2))
    told = zip(pairs, clear([[(wide[a] - wide[b]).dropna()] for a, b in pairs]), strict=True)
    unclear = [str(a if b == best else b) for (a, b), known in told if best in (a, b) and not known]
    return f", not clearly less than with {listing(unclear)}" if unclear else ", clearly less than with the others"


def _curves(frame: pd.DataFrame) -> Drawing:
    datasets = list(frame["dataset"].unique())
    figure = Drawing(figsize=(11.5, 3.1 * len(datasets)), layout="constrained")
    for line, dataset in zip(figure.subplots(len(datasets), 3, squeeze=False), datasets, strict=True):
        part = frame[frame["dataset"] == dataset].sort_values("latent")
        ink = inks(("elbo", "iwae"))
        for key, label in (("elbo", "ELBO"), ("iwae", "IWAE")):
            seed_lines(line[0], part, "latent", key, ink[key], marker="o", ms=4, label=label)
        line[0].legend()
        seed_lines(line[1], part, "latent", "active", ink["elbo"], marker="o", ms=4)
        line[1].axline((1, 1), slope=1, color="#333", lw=1, ls="--")
        seed_lines(line[2], part, "latent", "distance", ink["elbo"], marker="o", ms=4)
        line[2].axhline(part["floor"].iloc[0], color="#333", lw=1, ls="--")
        names = ("negative bound [bits/dim]", "latents in use", "Fréchet distance of samples")
        for ax, name in zip(line, names, strict=True):
            ax.set(xscale="log", xlabel="latents", ylabel=name, title=dataset)
            log_axis(ax.xaxis, part["latent"].min(), part["latent"].max())
            ax.set_xticks(sorted(part["latent"].unique()), sorted(part["latent"].unique()))
        line[1].set_yscale("log")
        line[1].set_yticks(sorted(part["latent"].unique()), sorted(part["latent"].unique()))
        line[1].minorticks_off()
    return figure
