"""C6, W1 in pixels conflicts with perception: changes of images at one distance in pixels, as classifiers see them."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from genbench.report.blocks import Figure, Paragraph, Points, Table
from genbench.report.claim import HOLDS, OPEN, VERDICTS, Claim, tally, together
from genbench.report.claims.exact import bared
from genbench.report.crossed import crossed, exceeds, ratio
from genbench.report.published import published
from genbench.report.style import FLOOR, inks
from genbench.report.text import listing, number, plural
from genbench.results.study import Answer, Results

__all__ = ["MARGIN", "claim"]

MARGIN = 2.0  # least ratio of two feature distances at one pixel distance that is a conflict
LEAST = 1e-9  # of a feature distance, for its logarithm
STATEMENT = "W1 in pixels conflicts with perception"
SOURCE = "Stanczuk et al. 2021 (arXiv:2103.01678), figure 26"
NOTE = (
    "What is measured is the ground distance of W1, L2 in pixels between two images, and not W1 itself, which inherits it "
    "(Stanczuk et al. 2021, arXiv:2103.01678). "
    "Test images are changed in several ways, each by the same L2 in units of the grey range: the median"
    " distance of a test image to itself moved aside by {shift:g} of its side. Blend: towards the nearest training image of"
    " another class that is at least so far; shifts and turns by bicubic interpolation; nothing is rounded. Feature "
    "distances are in the z-scored last hidden layer of small classifiers, in units of the mean distance of two test images"
    " of one class: 1 is as different as two of a class. Classifiers stand for perception here: they are no human eye, and "
    "those trained on warped copies were taught that small shifts and turns mean nothing, so both kinds are shown and judged "
    "(of polygons, whose class a warp may change, plain ones alone). The most and the least telling change are chosen on "
    "every other image and judged on the rest, but by the same classifiers: intervals are fair to other images, and optimistic "
    "for other classifiers, which may have chosen another pair. Ratios are geometric means, intervals corrected by Bonferroni "
    "for {cases}. Rule, as it stands in the code: the claim holds in a case where the interval of the ratio"
    " is above {margin:g}, and not where it is below."
)
DOTS = (
    "What classifiers make of changes of equal size in pixels; a dot is the mean over images of one classifier. Dashed: the "
    "distance of two images of one class."
)


def claim(results: Results) -> Claim | None:
    """C6 from the experiment `pixel_distance`; None without."""
    answer = results.answer("pixel_distance")
    if answer is None:
        return None
    changes, size = answer.tables["changes"], answer.settings
    lost = _left_out(answer.tables["sets"])
    if not len(changes):
        return Claim("C6", STATEMENT, SOURCE, OPEN, " ".join(lost), _published())
    parts = list(changes.groupby(["dataset", "kind"], sort=False))
    cases = [_case(str(dataset), str(kind), part, 1 - 0.05 / len(parts)) for (dataset, kind), part in parts]
    order = list(changes.groupby("change")["feature"].mean().sort_values().index)
    note = NOTE.format(shift=size["shift"], cases=plural(len(cases), "case"), margin=MARGIN)
    blocks = (
        Points((*_ordered(changes), *_warping(changes), *_nearer(answer), *lost)),
        Figure("c6_panel", _panel(answer, order), _panel_caption(answer)),
        Figure("c6_distances", _dots(changes, order), DOTS),
        Paragraph(note, fine=True),
        _table(changes, order),
        _case_table(cases),
        *_published(),
    )
    words = {f"{case['dataset']} ({case['kind']})": case["verdict"] for case in cases}
    return Claim("C6", STATEMENT, SOURCE, together(words.values()), _because(cases), blocks, tally(words))


def _published() -> tuple[Table, ...]:
    frame = published("C6")
    return (Table("c6_published", frame, "Published on the claim", folded=True),) if len(frame) else ()


# ---- numbers


def _case(dataset: str, kind: str, part: pd.DataFrame, level: float) -> dict:
    """The most and the least telling change of one dataset for one kind of classifier, and the ratio of what they do."""
    logs = part.assign(log=np.log(part["feature"].clip(lower=LEAST)))
    logs = logs.pivot(index="seed", columns=["change", "image"], values="log")
    images = np.sort(part["image"].unique())
    choosing, judging = images[::2], images[1::2]
    means = {change: logs[change][choosing].to_numpy().mean() for change in logs.columns.levels[0]}
    most, least = max(means, key=means.get), min(means, key=means.get)
    found = crossed(logs[most][judging] - logs[least][judging], level)
    about = {"dataset": dataset, "kind": kind, "most": most, "least": least, "ratio": found}
    return {**about, "verdict": exceeds(found, MARGIN), "seeds": len(logs), "images": len(judging)}


def _because(cases: list[dict]) -> str:
    said: dict[str, list[str]] = {}
    for case in cases:
        key = f"on {case['dataset']}, {case['most']} moves classifiers' features so many times as far as {case['least']}"
        said.setdefault(key, []).append(f"{ratio(case['ratio'])} ({case['kind']} classifiers)")
    alone = " One classifier of a kind allows no verdict." if any(case["seeds"] < 2 for case in cases) else ""
    found = "; ".join(f"{key}: {listing(each)}" for key, each in said.items())
    chosen = "The two changes were chosen by the same classifiers, on other images."
    return f"At one and the same distance in pixels, {found}. {_decided(cases)} {chosen}{alone}"


def _decided(cases: list[dict]) -> str:
    """Which cases do not clear the bar, with their intervals."""
    named = {word: [_ends(case) for case in cases if case["verdict"] == word] for word in VERDICTS if word != HOLDS}
    rest = [(word, each) for word, each in named.items() if each]
    bar = f"the bar of {MARGIN:g}"
    if not rest:
        return f"The interval is above {bar}{' in every case' if len(cases) > 1 else ''}."
    only = " only" if len(rest) == 1 and len(rest[0][1]) < len(cases) else ""
    said = [f"{word}{only} {'; '.join(each)}" for word, each in rest]
    return f"{'; '.join(said)[:1].upper()}{'; '.join(said)[1:]}."


def _ends(case: dict) -> str:
    name, found = f"on {case['dataset']} by {case['kind']} classifiers", case["ratio"]
    if math.isnan(found.half):
        return f"{name}: no interval beside the bar of {MARGIN:g}"
    low, high = (number(math.exp(found.mean + sign * found.half)) for sign in (-1, 1))
    where = "contains" if case["verdict"] == OPEN else "is below"
    return f"{name}: {low} to {high} {where} the bar of {MARGIN:g}"


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
        each = [f"{name} {number(row.feature, 2)} ({_percent(row.flipped)})" for name, row in means.iterrows()]
        said.append(
            f"{dataset}, L2 {number(part['l2'].mean())} in pixels in every case: feature distances, and in brackets the share "
            f"of images that are then put into another class: {listing(each)}; means over {part['image'].nunique()} images and "
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
            f"{dataset}: mean feature distance by classifiers that learned from warped copies over that by plain ones, each in "
            f"its own units: {listing(each)}."
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
        (first, share), *rest = shares.items()
        pixels, felt = _both(share)
        line = (
            f"{dataset}: for {pixels} of {part['image'].nunique()} test images {first} is nearer in pixels than the image itself "
            f"shifted by {answer.settings['shift']:g} of its side; in classifiers' features for {felt}. "
        )
        others = [f"{words} {{}} in pixels and {{}} in features".format(*_both(each)) for words, each in rest]
        said.append(f"{line}Likewise {'; '.join(others)}.")
    return said


def _both(share: pd.Series) -> tuple[str, str]:
    """A share by pixels, and its range over classifiers."""
    return _percent(share["pixels"].mean()), _range(share.drop("pixels", level="kind"))


def _percent(share: float) -> str:
    return "0 %" if share == 0 else f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1f} %"


def _range(shares: pd.Series) -> str:
    low, high = _percent(shares.min()), _percent(shares.max())
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


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
    return Table.of_cells("c6_changes", bared(rows), caption, folded=True)


def _case_table(cases: list[dict]) -> Table:
    rows = [
        {
            "dataset": case["dataset"], "classifiers": case["kind"], "seeds": case["seeds"], "images": case["images"],
            "most": case["most"], "least": case["least"], "log ratio": case["ratio"], "verdict": case["verdict"],
        }
        for case in cases
    ]  # fmt: skip
    caption = (
        "Log of the ratio of the most and the least telling change by case, with corrected intervals that are optimistic for "
        "other classifiers, as these chose the pair"
    )
    return Table.of_cells("c6_cases", bared(rows), caption, folded=True)


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
