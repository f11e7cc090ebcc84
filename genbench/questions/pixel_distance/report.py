"""C6: whether W1 in pixels conflicts with perception: changes of images at one distance in pixels, as classifiers see them."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from genbench.questions.crossed import crossed, exceeds, ratio
from genbench.report.blocks import Claim, Figure, Fold, Paragraph, Points, Table
from genbench.report.published import beside
from genbench.report.style import FLOOR, inks
from genbench.report.text import listing, number, percent, plural, span
from genbench.report.verdicts import HOLDS, OPEN, REFUTED, enough, tally, together
from genbench.results.study import Answer, Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "tale", 60
MARGIN = 2.0  # least ratio of two feature distances at one pixel distance that is a conflict
LEAST = 1e-9  # of a feature distance, for its logarithm
STATEMENT = "W1 in pixels conflicts with perception"
SOURCE = "Stanczuk et al. 2021 (arXiv:2103.01678), figure 26"
NOTES = (
    "What is measured is the distance between two images on which W1 in pixels rests (L2), and not W1 itself, which inherits it "
    "(arXiv:2103.01678). Test images are changed in several ways, each by the same L2: the median distance of a test image to "
    "itself shifted by {shift:g} of its side. Blending goes towards the nearest training image of another class that is at least "
    "so far; shifts and turns interpolate bicubically; nothing is rounded.",
    "Feature distances are in the z-scored last hidden layer of small classifiers, in units of the mean distance of two test "
    "images of one class: 1 is as different as two of a class. Classifiers stand for perception here and are no human eye. Those "
    "trained on warped copies were taught that small shifts and turns mean nothing, so both kinds are shown (of polygons, whose "
    "class a warp may change, plain ones alone).",
    "The changes that move features most and least are chosen on every other image and compared on the rest, by the same "
    "classifiers. So the intervals are fair to other images and optimistic for other classifiers, which may have chosen another "
    "pair. Ratios are geometric means; intervals are corrected for {cases} (Bonferroni). Rule, as it stands in the code: the "
    "claim holds in a case where the interval of the ratio is above {margin:g}, and not where it is below.",
)
DOTS = (
    "Feature distances of changes of equal size in pixels; a dot is the mean over images of one classifier. Dashed: two images "
    "of one class."
)


def report(results: Results) -> Claim | None:
    """Return the verdict from the question `pixel_distance`; None without."""
    answer = results.answer("pixel_distance")
    if answer is None:
        return None
    changes, size = answer.tables["changes"], answer.settings
    lost = _left_out(answer.tables["sets"])
    if not len(changes):
        because = ("No image could be changed by the same distance in every way, so nothing is compared.",)
        return _claim(OPEN, because, (Fold("What is not in these numbers", (Points(tuple(lost)),)),))
    parts = list(changes.groupby(["dataset", "kind"], sort=False))
    cases = [_case(str(dataset), str(kind), part, 1 - 0.05 / len(parts)) for (dataset, kind), part in parts]
    order = list(changes.groupby("change")["feature"].mean().sort_values().index)
    notes = [note.format(shift=size["shift"], cases=plural(len(cases), "case"), margin=MARGIN) for note in NOTES]
    folds = (
        Fold("Images at equal pixel distance", (Figure("c6_panel", _panel(answer, order), _panel_caption(answer)),)),
        Fold(
            "Every change and every classifier",
            (
                Figure("c6_distances", _dots(changes, order), DOTS),
                Points((*_ordered(changes), *_warping(changes), *_nearer(answer), *lost)),
                _table(changes, order),
                _case_table(cases),
            ),
        ),
        Fold("How these verdicts are made", tuple(Paragraph(note, fine=True) for note in notes)),
    )
    words = {f"{case['dataset']} ({case['kind']})": case["verdict"] for case in cases}
    return _claim(together(words.values()), _because(cases), folds, tally(words))


def _claim(verdict: str, because: tuple[str, ...], folds: tuple[Fold, ...], short: str = "") -> Claim:
    return Claim("C6", STATEMENT, SOURCE, verdict, because, (*folds, *beside("C6")), short)


# ---- numbers


def _case(dataset: str, kind: str, part: pd.DataFrame, level: float) -> dict:
    """The changes that move features most and least, of one dataset and kind of classifier, and the ratio of what they do."""
    logs = part.assign(log=np.log(part["feature"].clip(lower=LEAST)))
    logs = logs.pivot(index="seed", columns=["change", "image"], values="log")
    images = np.sort(part["image"].unique())
    choosing, comparing = images[::2], images[1::2]
    means = {change: logs[change][choosing].to_numpy().mean() for change in logs.columns.levels[0]}
    most, least = max(means, key=means.get), min(means, key=means.get)
    found = crossed(logs[most][comparing] - logs[least][comparing], level)
    about = {"dataset": dataset, "kind": kind, "most": most, "least": least, "ratio": found}
    return {**about, "verdict": exceeds(found, MARGIN), "seeds": len(logs), "images": len(comparing)}


def _because(cases: Sequence[dict]) -> tuple[str, ...]:
    """What to do, the ratios, and what would decide the open cases."""
    advice = {
        HOLDS: "Don't compare images by their distance in pixels alone",
        REFUTED: "Distances in pixels agree with what classifiers see here",
        OPEN: "Whether distances in pixels mislead is open",
    }.get(together(case["verdict"] for case in cases), "Don't rely on distances in pixels on every dataset")
    said: dict[str, list[str]] = {}
    for case in cases:
        key = f"on {case['dataset']} {case['most']} moves a classifier's features {{}} times as far as {case['least']}"
        said.setdefault(key, []).append(f"{ratio(case['ratio'])} ({case['kind']})")
    found = "; ".join(key.format(listing(each)) for key, each in said.items())
    lines = [f"{advice}: at equal distance in pixels, {found}."]
    rest = [case for case in cases if case["verdict"] != HOLDS]
    if rest:
        named = [f"{case['verdict']} for {case['kind']} classifiers on {case['dataset']}" for case in rest]
        lines.append(f"The bar is a factor of {MARGIN:g}; the claim is {listing(named)}.")
    return (*lines, *_needed([case for case in cases if case["verdict"] == OPEN]))


def _needed(cases: Sequence[dict]) -> list[str]:
    """What would decide the open cases: more classifiers."""
    if not cases:
        return []
    fewest = min(case["seeds"] for case in cases)
    if fewest < 2:
        return ["One classifier of a kind allows no verdict; two or more would (`seeds`)."]
    sizes = [enough(case["seeds"], case["ratio"].half, abs(case["ratio"].mean - math.log(MARGIN))) for case in cases]
    possible = [n for n in sizes if n]
    if not possible:
        return [f"With ratios so near to {MARGIN:g}, 10,000 classifiers of a kind would not decide."]
    return [f"About {span(possible, lambda n: f'{n:,}')} classifiers of a kind instead of {fewest} would decide (`seeds`)."]


def _left_out(sets: pd.DataFrame) -> list[str]:
    """Images that some change could not take so far, as sentences."""
    first = sets.drop_duplicates("dataset")
    return [
        f"{row.dataset}: {row.left_out} of {plural(row.images + row.left_out, 'image')} can't be taken so far "
        f"(L2 {number(row.target)}) in every way and are left out of all changes."
        for row in first.itertuples()
        if row.left_out
    ]


def _ordered(changes: pd.DataFrame) -> list[str]:
    said = []
    for dataset, part in changes.groupby("dataset", sort=False):
        means = part.groupby("change")[["feature", "flipped"]].mean().sort_values("feature", ascending=False)
        each = [f"{name} {number(row.feature, 2)} ({percent(row.flipped)})" for name, row in means.iterrows()]
        said.append(
            f"{dataset}, at an L2 of {number(part['l2'].mean())} in pixels: mean feature distance, and in brackets the share of "
            f"images that change their predicted class: {listing(each)}. Means are over {part['image'].nunique()} images and "
            f"{plural(len(part.drop_duplicates(['kind', 'seed'])), 'classifier')}."
        )
    return said


def _warping(changes: pd.DataFrame) -> list[str]:
    """What training on warped copies changes."""
    means = changes.groupby(["dataset", "kind", "change"])["feature"].mean().unstack("kind")
    if not {"plain", "warped"} <= set(means.columns):
        return []
    shares = (means["warped"] / means["plain"]).dropna()
    said = []
    for dataset, own in shares.groupby("dataset", sort=False):
        each = [f"{name} {number(share, 2)}" for name, share in own.droplevel("dataset").sort_values().items()]
        said.append(
            f"{dataset}: training on warped copies multiplies the feature distances, each in its own units, by {listing(each)}."
        )
    return said


def _nearer(answer: Answer) -> list[str]:
    """What is nearer than the image itself, moved aside, in pixels and in features."""
    said = []
    for dataset, part in answer.tables["neighbours"].groupby("dataset", sort=False):
        shares = {
            words: (part[column] < part["shifted"]).groupby([part["kind"], part["seed"]]).mean()
            for words, column in (
                ("the nearest training image", "nearest"),
                ("the nearest one of another class", "nearest_other"),
                ("the mean image of its class", "mean"),
            )
        }
        each = [
            f"{words} for {percent(share['pixels'].mean())} in pixels and {span(share.drop('pixels', level='kind'), percent)} in "
            "features"
            for words, share in shares.items()
        ]
        said.append(
            f"{dataset}: nearer to a test image than the image itself shifted by {answer.settings['shift']:g} of its side is, of "
            f"{part['image'].nunique()} images, {listing(each)}."
        )
    return said


def _table(changes: pd.DataFrame, order: list[str]) -> Table:
    rows = []
    for dataset, part in changes.groupby("dataset", sort=False):
        for change in order[::-1]:
            own = part[part["change"] == change]
            row = {"dataset": dataset, "change": change, "strength, median": float(own["strength"].median())}
            for kind in changes["kind"].unique():
                each = own[own["kind"] == kind]
                row[f"feature distance, {kind}"] = crossed(each.pivot(index="seed", columns="image", values="feature"))
                row[f"other class, {kind}"] = float(each["flipped"].mean())
            rows.append(row)
    caption = (
        "Changes at one distance in pixels: strengths in pixels, degrees, shares or of the grey range; feature distances with "
        "95 % intervals for other images and classifiers; share of images whose predicted class is another."
    )
    return Table.of_cells("c6_changes", rows, caption, folded=True)


def _case_table(cases: list[dict]) -> Table:
    rows = [
        {
            "dataset": case["dataset"], "classifiers": case["kind"], "seeds": case["seeds"], "images": case["images"],
            "most": case["most"], "least": case["least"], "log ratio": case["ratio"], "verdict": case["verdict"],
        }
        for case in cases
    ]  # fmt: skip
    caption = (
        "Log of the ratio of the changes that move features most and least, with corrected intervals that are optimistic for "
        "other classifiers, as these chose the pair"
    )
    return Table.of_cells("c6_cases", rows, caption, folded=True)


# ---- figures


def _panel_caption(answer: Answer) -> str:
    sets = answer.tables["sets"].drop_duplicates("dataset")
    sizes = [f"{number(row.target)} ({row.dataset})" for row in sets.itertuples()]
    return (
        f"Originals and versions at exactly one L2 distance in pixels, {listing(sizes)}; below each its feature distance, the "
        "mean of all classifiers. Red: most classifiers put it into another class than its original."
    )


def _panel(answer: Answer, order: list[str]) -> Drawing:
    pictures, changes = answer.tables["pictures"], answer.tables["changes"]
    rows = list(pictures[["dataset", "image"]].drop_duplicates().itertuples(index=False, name=None))
    columns = ["original", *order]
    drawing = Drawing(figsize=(1.12 * len(columns), 1.32 * len(rows) + 0.3), layout="constrained")
    axes = drawing.subplots(len(rows), len(columns), squeeze=False)
    felt = changes.groupby(["dataset", "image", "change"])[["feature", "flipped"]].mean()
    for (dataset, image), line in zip(rows, axes, strict=True):
        own = pictures[(pictures["dataset"] == dataset) & (pictures["image"] == image)]
        for change, ax in zip(columns, line, strict=True):
            grey = own[own["change"] == change].pivot(index="row", columns="column", values="value")
            ax.imshow(grey.to_numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            if change != "original":
                feature, flipped = felt.loc[(dataset, image, change)]
                ax.set_xlabel(number(feature, 2), fontsize=8, color="#c4352b" if flipped > 0.5 else "#222", labelpad=2)
        line[0].set_ylabel(dataset, fontsize=8)
    for change, ax in zip(columns, axes[0], strict=True):
        ax.set_title(change, fontsize=8.5, loc="center")
    return drawing


def _dots(changes: pd.DataFrame, order: list[str]) -> Drawing:
    datasets, kinds = list(changes["dataset"].unique()), list(changes["kind"].unique())
    colours = inks(kinds)
    drawing = Drawing(figsize=(1 + 3.6 * len(datasets), 0.28 * len(order) + 1.2), layout="constrained")
    axes = drawing.subplots(1, len(datasets), sharey=True, sharex=True, squeeze=False)[0]
    for dataset, ax in zip(datasets, axes, strict=True):
        means = changes[changes["dataset"] == dataset].groupby(["kind", "seed", "change"])["feature"].mean()
        for (kind, _), own in means.groupby(["kind", "seed"]):
            aside = 0.16 * (2 * kinds.index(kind) + 1 - len(kinds))
            heights = [order.index(change) + aside for change in own.index.get_level_values("change")]
            ax.scatter(own, heights, s=22, color=colours[kind], alpha=0.75, linewidths=0, zorder=3)
        ax.axvline(1, **FLOOR)
        ax.set_title(dataset)
        ax.set_xlabel("feature distance")
    axes[0].set_yticks(range(len(order)), order)
    axes[0].set_xlim(left=0)
    handles = [Line2D([], [], color=colours[kind], marker="o", lw=0, label=f"{kind} classifiers") for kind in kinds]
    drawing.legend(handles=handles, loc="outside upper center", ncols=len(kinds))
    return drawing
