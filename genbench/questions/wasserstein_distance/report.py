"""C4: Wasserstein GANs work because they fail to approximate the Wasserstein distance."""

import pandas as pd
from genbench.report.claim import Claim, tally, together
from genbench.report.claims import wasserstein_figures as draw
from genbench.report.claims import wasserstein_parts as parts
from genbench.report.claims.exact import bared
from genbench.report.claims.wasserstein_numbers import FREE, LEVEL, MARGIN, cells, ours, prefers, trials
from genbench.report.claims.wasserstein_parts import Part

from genbench.report.blocks import Figure, Paragraph, Points, Table
from genbench.report.published import published
from genbench.report.tables import Cell, averaged
from genbench.report.text import plural
from genbench.results.study import Answer, Results

__all__ = ["claim"]

STATEMENT = "Wasserstein GANs work because their critics fail to estimate the Wasserstein distance"
SOURCE = "Stanczuk, Etmann, Kreusser & Schönlieb 2021, arXiv:2103.01678"
PLANE = 2  # up to so many dimensions critics are expected to be right
CHOSEN = 1.0  # penalty of games for the reason that WHY gives
WHICH = (
    "Three distances are called W1 here. That of the laws is known for funnels (Korotin et al. 2022, arXiv:2206.07767), whose "
    "optimal critic and plan are known, and for shifted Gaussians. That of two finite sets is computed exactly; where the laws "
    "are unknown, it is what a critic that sees nothing but these sets is asked for. That of batches is the mean W1 of two "
    "random batches, on average never too small, and far too large in many dimensions; debiased, half of the W1 between two "
    "batches of either set is taken off, so that equal laws get 0 on average. The paper compares with that of batches. A critic "
    "with a gradient penalty solves another transport problem, one with congestion (Milne & Nachman 2021, arXiv:2109.00528); "
    "the c-transform is that of Mallasto et al. 2019, arXiv:1910.03875."
)
VALUES = (
    "What a critic reports as the distance over W1: of the laws for funnels and shifts, else of the two sets; a point per seed, "
    "values below 0.003 and negative ones at the left edge. Grey: within a factor of {margin:g}. Bars: raw batch W1, crosses: "
    "debiased. Right: mean cosine of what pulls the fakes with the optimal plan's direction; none where fakes coincide."
)
GAMES = (
    "What the critic reports, and W1 of the same training data and fakes, along training: mean over seeds that ended well. If "
    "the value were W1, the coloured line would lie on one of the others."
)
WHY = (
    " The penalty of games was chosen after seeing that at 10 the two-sided one keeps a generator from learning a ring within "
    "the budget: a choice in favour of critics with a penalty."
)
SCATTER = (
    "A point per training: relative error of the critic's last value against batch W1, and how far samples are from test data."
)
BLUR = (
    "W1 between batches: other data (black) against the geometric median and k-means centres. Where a coloured line lies below "
    "the black one, a generator that knows nothing but these centres has the smaller batch W1. Below, the same debiased: data "
    "are at 0. Means over draws. Centres are fitted to the same examples that batches are drawn from, and draws share examples, "
    "at batches of half the data most of them: their spread then says little of other data."
)
ALIKE = (
    "Test images, samples of the first seed by critic, and for each sample of the last of these critics the nearest of the "
    "training data's centroids."
)


def claim(results: Results) -> Claim | None:
    """The claim from the experiments on Wasserstein critics; None where a study has none of them, or nothing that ended well."""
    static = results.answer("wasserstein_estimates")
    found: list[Part] = []
    blocks: list = []
    for name, told in (("wasserstein_estimates", _static), ("wasserstein_training", _game), ("batch_wasserstein", _batches)):
        if answer := results.answer(name):
            more, shown = told(answer, results)
            found, blocks = found + more, blocks + shown
    if not found:
        return None
    verdict = together(part.verdict for part in found if part.own)
    asides = [part.key for part in found if not part.own]
    because = "; ".join(f"{part.key} {part.statement}: {part.verdict} ({part.short})" for part in found)
    because += "." + (f" {' and '.join(asides)} {'do' if len(asides) > 1 else 'does'} not enter the verdict." if asides else "")
    lead = Points(tuple(f"{part.key} {_capital(part.statement)}: {part.verdict}. {part.because}" for part in found))
    every = (lead, Paragraph(WHICH, fine=True), *blocks, *_published(static))
    return Claim("C4", STATEMENT, SOURCE, verdict, because, every, tally({part.key: part.verdict for part in found}))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# ---- fixed pairs


def _static(answer: Answer, results: Results) -> tuple[list[Part], list]:
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
        f"allows for a factor of {MARGIN:g}, with Holm's correction at {LEVEL:g} over all restrained critics and "
        "both yardsticks. half: the value on a batch after half of the updates over that in the end. bound / sets: what the "
        "critic's potential guarantees of the sets' W1, once its c-transform is taken over both whole sets, or the constant "
        "0 does."
    )
    return said, [
        Figure("c4_value", draw.values(pairs, critics), VALUES.format(margin=MARGIN)),
        _truths(pairs, size),
        Table.of_cells("c4_critics", bared([_row(row) for row in found.to_dict("records")]), caption, folded=True),
    ]


def _with_failed(part: Part, lost: int, what: str) -> Part:
    failed = f" {_capital(plural(lost, what))} failed and {'counts' if lost == 1 else 'count'} in no number."
    return Part(part.key, part.statement, part.verdict, part.short, part.because + failed, part.own)


def _row(row: dict) -> dict:
    shown = {
        "pair": row["pair"],
        "critic": row["critic"],
        "seeds": row["seeds"],
        "value / W1 of laws": row["law_ratio"],
        "by laws": row["law_word"] or "–",
        "value / W1 of sets": row["set_ratio"],
        "by sets": row["set_word"],
    }
    shown |= {"value / batch W1": row["batch_ratio"], "cosine": row["cosine"], "half": row["half"], "bound / sets": row["bound"]}
    return shown


def _truths(pairs: pd.DataFrame, size: dict) -> Table:
    rows = [
        {
            "pair": row["pair"], "dimensions": row["dim"], "W1 of laws": row["known"], "of sets": row["exact"],
            "of batches": Cell(row["batch"], 2 * row["batch_se"]), "debiased": Cell(row["debiased"], 2 * row["debiased_se"]),
            "nearest": row["nearest"], "cosine of batch plans": row["batch_cosine"],
        }
        for row in pairs.to_dict("records")
    ]  # fmt: skip
    caption = (
        f"The distances of each pair: sets of {plural(size['points'], 'example')} at most, batches of {size['batch']}, with two "
        f"standard errors over {plural(size['draws'], 'draw')}. nearest: mean distance from a fake to the nearest real example, "
        "what a critic that is 0 everywhere guarantees."
    )
    return Table.of_cells("c4_pairs", bared(rows), caption, folded=True)


# ---- games


def _game(answer: Answer, results: Results) -> tuple[list[Part], list]:
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
        "95 % intervals, in the models' space; error: of the value, relative to that distance. quality: exact W1 of points to "
        "test points, the Fréchet distance of a small classifier's features for images. centred: distance to the nearest of the "
        f"training data's centroids (50, or less of few data) over that of test data. {conditions}"
    )
    columns = {"value": "value", "batch W1": "batch", "debiased": "debiased", "error, batch": "error_batch"}
    columns |= {"error, debiased": "error_debiased", "quality": "quality", "centred": "centred"}
    rows = [
        {"dataset": dataset, "critic": critic, "seeds": len(own)} | {name: averaged(own[key]) for name, key in columns.items()}
        for (dataset, critic), own in found.groupby(["dataset", "critic"], sort=False)
    ]
    blocks = [
        Figure("c4_training", draw.games(looks), GAMES),
        Figure("c4_thesis", draw.thesis(found, results), SCATTER),
        Table.of_cells("c4_games", bared(rows), caption, folded=True),
    ]
    for dataset, own in answer.tables["pictures"].groupby("dataset", sort=False):
        if set(own["kind"]) & set(size["critics"]):  # the first seeds of all may have failed
            blocks.append(Figure(f"c4_alike_{dataset}", draw.pictures(own), f"{dataset}: {ALIKE}"))
    return said, blocks


def _conditions(size: dict, pairs: Answer | None) -> str:
    """The settings of games, those of fixed pairs where they differ, and why."""
    own = _restraints(size)
    other = _restraints(pairs.settings) if pairs is not None else own
    beside = f" (fixed pairs: {other})" if other != own else ""
    return f"Settings of games: {own}{beside}.{WHY if size['gp'] == CHOSEN else ''}"


def _restraints(size: dict) -> str:
    return f"penalties of {size['gp']:g}, weights clipped at {size['limit']:g}, learning rate {size['lr']:g}"


# ---- batches


def _batches(answer: Answer, results: Results) -> tuple[list[Part], list]:
    found, draws = prefers(answer.tables["batches"]), answer.settings["draws"]
    caption = (
        f"W1 of batches: means over {plural(draws, 'draw')} from the same examples, to which centres are fitted, too, and 95 % "
        "intervals over draws, each by itself; gap: paired with that of other data. The words are of t-tests over draws with "
        f"Holm's correction at {LEVEL:g} over all rows, for gaps and debiased distances apart."
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
        Figure("c4_blur", draw.blur(found), BLUR),
        Table.of_cells("c4_batches", bared(rows), caption, folded=True),
    ]


# ---- published


def _published(static: Answer | None) -> list:
    table = published("C4")
    if static is not None:
        table = pd.concat([ours(static.tables["pairs"], static.tables["critics"]), table], ignore_index=True)
    if table.empty:
        return []
    caption = (
        "Pairs whose W1 is known, here and in Korotin et al.: what critics report, and in brackets the cosine of their gradients "
        "with the right direction."
    )
    return [Table("c4_published", table.rename(columns={"published": "value"}), caption, folded=True)]
