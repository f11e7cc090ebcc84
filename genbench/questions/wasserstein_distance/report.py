"""C4: whether Wasserstein GANs work because they fail to approximate the Wasserstein distance.

The data are those of three questions: `wasserstein_estimates`, `wasserstein_training` and `batch_wasserstein`.
"""

from dataclasses import replace

import pandas as pd

from genbench.questions.wasserstein_distance import figures, parts
from genbench.questions.wasserstein_distance.numbers import FREE, LEVEL, MARGIN, cells, ours, prefers, trials
from genbench.questions.wasserstein_distance.parts import Part
from genbench.report.blocks import Block, Claim, Figure, Fold, Paragraph, Points, Table
from genbench.report.means import Mean, averaged
from genbench.report.published import published
from genbench.report.text import listing, plural
from genbench.report.verdicts import tally, together
from genbench.results.study import Answer, Results

__all__ = ["CHAPTER", "PLACE", "report"]

CHAPTER, PLACE = "tale", 40
STATEMENT = "Wasserstein GANs work because their critics fail to estimate the Wasserstein distance"
SOURCE = "Stanczuk, Etmann, Kreusser & Schönlieb 2021, arXiv:2103.01678"
PLANE = 2  # up to so many dimensions critics are expected to be right
CHOSEN = 1.0  # penalty of games for the reason that WHY gives
WHICH = (
    "Three distances are called W1 here. That of two distributions is known for funnels (Korotin et al. 2022, arXiv:2206.07767), "
    "whose optimal critic and plan are known, and for shifted Gaussians. That of two finite sets is computed exactly; where the "
    "distributions are unknown, it is what a critic that sees only these sets is asked for. That of batches is the mean W1 of "
    "two random batches. It is on average never too small, and far too large in many dimensions. “Debiased” takes off half of "
    "the W1 between two batches of either set, so that equal distributions get 0 on average. The paper compares with W1 of "
    "batches.",
    "A critic with a gradient penalty solves another transport problem, one with congestion (Milne & Nachman 2021, "
    "arXiv:2109.00528); the c-transform is that of Mallasto et al. 2019, arXiv:1910.03875.",
)
VALUES = (
    "Left: a critic's value over W1, of the distributions for funnels and shifts, else of the two sets; a point per seed, values "
    "below 0.003 and negative ones at the left edge. Grey: within a factor of {margin:g}. Bars: raw batch W1, crosses: debiased. "
    "Right: mean cosine of what pulls the fakes with the optimal plan's direction; none where fakes coincide."
)
GAMES = (
    "A critic's value, and W1 of the same training data and fakes, along training: means over seeds that ended well. If the "
    "value were W1, the coloured line would lie on one of the others."
)
WHY = (
    " The penalty of games was chosen after seeing that at 10 the two-sided one keeps a generator from learning a ring in this "
    "budget: a choice in favour of critics with a penalty."
)
SCATTER = (
    "Relative error of the critic's last value beside batch W1, and how far the samples are from test data; a point per training."
)
BLUR = (
    "W1 between batches: other data (black) beside the geometric median and k-means centres, means over draws. Where a coloured "
    "line lies below the black one, a generator that knows only these centres has the smaller batch W1. Below: the same "
    "debiased, with data at 0. Centres are fitted to the examples that batches are drawn from, and draws share examples, most of "
    "them at batches of half the data: their spread then says little of other data."
)
ALIKE = (
    "Test images, samples of the first seed by critic, and for each sample of the last of these critics the nearest of the "
    "training data's centroids."
)
PUBLISHED = (
    "Pairs whose W1 is known, here and in Korotin et al.: values of critics, and in brackets the cosine of their gradients with "
    "the right direction."
)


def report(results: Results) -> Claim | None:
    """Return the verdict from the questions on Wasserstein critics; None without any of them, or where none ended well."""
    asked = (
        ("wasserstein_estimates", _static, "Critics of fixed pairs"),
        ("wasserstein_training", _game, "Critics in training"),
        ("batch_wasserstein", _batches, "Batches of data and of blurred centres"),
    )
    found, leads, folds = [], [], []
    for name, say, title in asked:
        if (answer := results.answer(name)) is None:
            continue
        own, blocks = say(answer, results)
        if own:
            found += own
            leads.append(own[0].lead)
            folds.append(Fold(title, (Points(tuple(line for part in own for line in _lines(part))), *blocks)))
    if not found:
        return None
    asides = [part.key for part in found if not part.own]
    rows = [
        {"part": p.key, "statement": p.statement, "verdict": p.verdict, "in the paper": "yes" if p.own else "no"} for p in found
    ]
    beside = f"; {listing(asides)} say how to read the others and do not enter the verdict" if asides else ""
    statements = Table("c4_statements", pd.DataFrame(rows), f"The statements within the claim{beside}", folded=True)
    notes = Fold("Which Wasserstein distance?", tuple(Paragraph(text, fine=True) for text in WHICH))
    return Claim(
        "C4",
        STATEMENT,
        SOURCE,
        together(part.verdict for part in found if part.own),
        tuple(leads),
        (statements, *folds, notes, *_published(results.answer("wasserstein_estimates"))),
        tally({part.key: part.verdict for part in found}),
    )


def _lines(part: Part) -> tuple[str, ...]:
    """The sentences of a statement, the first with its key and verdict."""
    return f"{part.key} {_capital(part.statement)}: {part.verdict}.", *part.lines


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# ---- fixed pairs


def _static(answer: Answer, results: Results) -> tuple[list[Part], list[Block]]:
    pairs, critics, size = answer.tables["pairs"], answer.tables["critics"], answer.settings
    if not (critics["status"] == "ok").any():
        return [], []
    found = cells(pairs, critics)
    held = found[found["critic"] != FREE]
    high, plane = held[held["dim"] > PLANE], held[held["dim"] <= PLANE]
    said = [parts.values(high)] if len(high) else []
    said += [parts.control(plane)] if len(plane) else []
    said += [each for each in [parts.directions(high)] if each]
    if lost := int((critics["status"] != "ok").sum()):
        said[-1:] = [_with_failed(said[-1], lost, "critic")] if said else []
    caption = (
        f"Perceptrons of {size['depth']} x {size['width']}, {size['updates']} updates of {size['batch']} examples, penalties of "
        f"{size['gp']:g}, weights clipped at {size['limit']:g}: means over seeds and 95 % intervals, each by itself. The word "
        f"allows for a factor of {MARGIN:g}, with Holm's correction at {LEVEL:g} over all regularised critics and both "
        "yardsticks. “half”: the value on a batch after half of the updates over that in the end. “bound / sets”: what the "
        "critic's potential guarantees of the sets' W1, once its c-transform is taken over both whole sets, or the constant 0 "
        "does."
    )
    return said, [
        Figure("c4_value", figures.values(pairs, critics), VALUES.format(margin=MARGIN)),
        _truths(pairs, size),
        Table.of_cells("c4_critics", [_row(row) for row in found.to_dict("records")], caption, folded=True),
    ]


def _with_failed(part: Part, lost: int, what: str) -> Part:
    failed = f"{plural(lost, what)} failed and {'counts' if lost == 1 else 'count'} in no number."
    return replace(part, lines=(*part.lines, failed))


def _row(row: dict) -> dict:
    shown = {
        "pair": row["pair"],
        "critic": row["critic"],
        "seeds": row["seeds"],
        "value / W1 of distributions": row["law_ratio"],
        "by distributions": row["law_word"] or "–",
        "value / W1 of sets": row["set_ratio"],
        "by sets": row["set_word"],
    }
    shown |= {"value / batch W1": row["batch_ratio"], "cosine": row["cosine"], "half": row["half"], "bound / sets": row["bound"]}
    return shown


def _truths(pairs: pd.DataFrame, size: dict) -> Table:
    rows = [
        {
            "pair": row["pair"], "dimensions": row["dim"], "W1 of distributions": row["known"], "of sets": row["exact"],
            "of batches": Mean(row["batch"], 2 * row["batch_se"]), "debiased": Mean(row["debiased"], 2 * row["debiased_se"]),
            "nearest": row["nearest"], "cosine of batch plans": row["batch_cosine"],
        }
        for row in pairs.to_dict("records")
    ]  # fmt: skip
    caption = (
        f"The distances of each pair: sets of {plural(size['points'], 'example')} at most, batches of {size['batch']}, with two "
        f"standard errors over {plural(size['draws'], 'draw')}. “nearest”: mean distance from a fake to the nearest real "
        "example, which a critic that is 0 everywhere guarantees."
    )
    return Table.of_cells("c4_pairs", rows, caption, folded=True)


# ---- games


def _game(answer: Answer, results: Results) -> tuple[list[Part], list[Block]]:
    looks, ends, size = answer.tables["looks"], answer.tables["ends"], answer.settings
    if not (ends["status"] == "ok").any():
        return [], []
    found = trials(looks, ends)
    looks = looks.merge(ends.loc[ends["status"] == "ok", ["dataset", "critic", "seed"]])
    conditions = _conditions(size, results.answer("wasserstein_estimates"))
    said = [each for each in (parts.thesis(found, results, conditions), parts.rule(found)) if each]
    if lost := int((ends["status"] != "ok").sum()):
        said[-1] = _with_failed(said[-1], lost, "training")
    caption = (
        f"Games of {size['updates']} updates of the generator, five of the critic for each, after the last: means over seeds and "
        "95 % intervals, in the models' data space. “error”: of the value, relative to that distance. “quality”: exact W1 of "
        "points to test points, the Fréchet distance of a small classifier's features for images. “centred”: distance to the "
        f"nearest of the training data's centroids (50, or fewer of few data) over that of test data. {conditions}"
    )
    columns = {"value": "value", "batch W1": "batch", "debiased": "debiased", "error, batch": "error_batch"}
    columns |= {"error, debiased": "error_debiased", "quality": "quality", "centred": "centred"}
    rows = [
        {"dataset": dataset, "critic": critic, "seeds": len(own)} | {name: averaged(own[key]) for name, key in columns.items()}
        for (dataset, critic), own in found.groupby(["dataset", "critic"], sort=False)
    ]
    blocks = [
        Figure("c4_training", figures.games(looks), GAMES),
        Figure("c4_thesis", figures.thesis(found, results), SCATTER),
        Table.of_cells("c4_games", rows, caption, folded=True),
    ]
    for dataset, own in answer.tables["pictures"].groupby("dataset", sort=False):
        if set(own["kind"]) & set(size["critics"]):  # the first seeds of all may have failed
            blocks.append(Figure(f"c4_alike_{dataset}", figures.pictures(own), f"{dataset}: {ALIKE}"))
    return said, blocks


def _conditions(size: dict, pairs: Answer | None) -> str:
    """The settings of games, those of fixed pairs where they differ, and why."""
    own = _strengths(size)
    other = _strengths(pairs.settings) if pairs is not None else own
    beside = f" (fixed pairs: {other})" if other != own else ""
    return f"Settings of games: {own}{beside}.{WHY if size['gp'] == CHOSEN else ''}"


def _strengths(size: dict) -> str:
    return f"penalties of {size['gp']:g}, weights clipped at {size['limit']:g}, learning rate {size['lr']:g}"


# ---- batches


def _batches(answer: Answer, results: Results) -> tuple[list[Part], list[Block]]:
    found, draws = prefers(answer.tables["batches"]), answer.settings["draws"]
    caption = (
        f"W1 of batches: means over {plural(draws, 'draw')} from the same examples, to which centres are fitted, too, and 95 % "
        "intervals over draws, each by itself. “gap”: to that of other data, paired. The words are of t-tests over draws with "
        f"Holm's correction at {LEVEL:g} over all rows, separately for gaps and for debiased distances."
    )
    rows = [
        {
            "data": row["data"], "dimensions": row["dim"], "batch": row["size"], "candidate": row["candidate"], "W1": row["raw"],
            "gap": row["gap"], "so it is": row["word"], "debiased": row["debiased"], "debiased, it is": row["debiased_word"],
        }
        for row in found.to_dict("records")
        if row["candidate"] != "data"
    ]  # fmt: skip
    return [parts.blur(found)], [
        Figure("c4_blur", figures.blur(found), BLUR),
        Table.of_cells("c4_batches", rows, caption, folded=True),
    ]


# ---- published


def _published(static: Answer | None) -> tuple[Table, ...]:
    table = published("C4")
    if static is not None:
        table = pd.concat([ours(static.tables["pairs"], static.tables["critics"]), table], ignore_index=True)
    table = table.rename(columns={"published": "value"})
    return (Table("c4_published", table, PUBLISHED, folded=True),) if len(table) else ()
