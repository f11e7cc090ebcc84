"""The report's page: gathers tables, figures, pictures and sentences; writes CSV and SVG files beside it."""

import base64
import datetime
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from genbench.metrics.cards import METRICS
from genbench.report import encoders, figures, frames, sentences, style, tables, text, variation
from genbench.report.blocks import Chapter
from genbench.report.likelihoods import SHORT
from genbench.report.means import Mean
from genbench.report.notes import cautions, encoders_used
from genbench.results.files import atomic, write_text
from genbench.results.paths import PREVIEW
from genbench.results.study import Results, read

__all__ = ["build"]

TEMPLATES = Path(__file__).parent / "templates"
MAX_PICTURE = 60_000  # bytes; larger previews are shrunk for the page, the file in the store stays as it is
COLUMNS = (
    ("parameters", "parameters"),
    ("updates", "updates"),
    ("samples", "samples seen"),
    ("evaluations", "network evaluations"),
    ("flops", "FLOPs"),
    ("seconds", "training s"),
    ("replicas", "replicas K"),
    ("sample_seconds_per_1000", "sampling s / 1000"),
    ("peak_memory_mb", "peak memory MB"),
)


def build(study_dir: Path, store: Path, out: Path, chapters: Callable[[Results], list[Chapter]] = lambda _: []) -> Path:
    """Write out/index.html, out/tables/*.csv and out/figures/*.svg for a study; returns the page's path.

    `chapters` makes what stands beside the scores, such as answers to questions. Equal files give equal bytes. CSV and SVG
    files that only an earlier report made are removed.
    UserError if the study has not been gathered.
    """
    results, out = read(study_dir, store), Path(out)
    every = {dataset: tables.tables(results, dataset) for dataset in results.datasets}
    with style.theme():
        drawn = {dataset: _figures(results, dataset, every[dataset]) for dataset in results.datasets}
        told = chapters(results)
        pictured = {chapter.key: chapter.figures() for chapter in told}
    spreads = {dataset: variation.variations(results, dataset, each) for dataset, each in every.items()}
    agreed = {dataset: encoders.agreements(results, dataset, each) for dataset, each in every.items()}
    made = {
        "scores": frames.long(table for each in every.values() for table in each),
        "costs": frames.costs(results),
        "failures": frames.failures(results),
        "trials": frames.wide(results),
        "floors": pd.concat([results.floors, results.further_floors, results.copies], ignore_index=True),
        "variation": variation.frame(spreads),
        "encoders": encoders.frame(agreed),
    }
    for chapter in told:
        made |= chapter.tables()
    _keep_only(out / "tables", {f"{name}.csv" for name in made})
    for name, frame in made.items():
        with atomic(out / "tables" / f"{name}.csv") as path:
            frame.to_csv(path, index=False, lineterminator="\n")
    svgs = {f"{key}-{name}": svg for part in (drawn, pictured) for key, each in part.items() for name, svg in each.items()}
    _keep_only(out / "figures", {f"{name}.svg" for name in svgs})
    for name, svg in svgs.items():
        write_text(out / "figures" / f"{name}.svg", svg)
    sections = [
        _section(results, dataset, every[dataset], drawn[dataset])
        | {"spreads": spreads[dataset], "agreed": agreed[dataset], "encoders": encoders_used(results, dataset)}
        | {"further": encoders.described(results, dataset), "densities": figures.density_words(results, dataset)}
        for dataset in results.datasets
    ]
    write_text(out / "index.html", _render(results, every, sections, made, told, pictured))
    return out / "index.html"


def _render(
    results: Results,
    every: dict,
    sections: list[dict[str, Any]],
    made: dict[str, pd.DataFrame],
    chapters: list[Chapter],
    pictured: dict[str, dict[str, Markup]],
) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": text.number,
        "count": text.count,
        "value": text.value,
        "ends": text.ends,
        "seconds": _seconds,
        "gap": lambda difference: text.value(Mean(difference.mean, difference.half)),
        "linked": _linked,
    }
    look = style.colours(results.trials["family"])
    study = results.study
    return environment.get_template("page.html").render(
        results=results,
        study=study,
        sections=sections,
        chapters=chapters,
        pictured=pictured,
        overview=sentences.overview(results),
        findings={dataset: sentences.findings(results, dataset, every[dataset]) for dataset in results.datasets},
        cautions=cautions(results, every),
        likelihoods={name: _likelihoods(results, name) for name in study.get("models") or {}},
        noted=any(card.get("notes") for card in (study.get("models") or {}).values()),
        arrow=sentences.arrow,
        settings=sentences.settings,
        colour={family: ink for family, (ink, _) in look.items()},
        spread_sentences=variation.sentences,
        encoder_sentence=encoders.sentence,
        costs=made["costs"].to_dict("records"),
        cost_columns=[(key, title) for key, title in COLUMNS if key in made["costs"]],
        failures=made["failures"].to_dict("records"),
        trials=_trial_rows(results),
        csv=sorted(made),
        metrics=_metrics(results),
        config=yaml.safe_dump(study.get("config") or {}, sort_keys=False, allow_unicode=True),
        finished=_date(study.get("finished")),
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        script=Markup((TEMPLATES / "page.js").read_text(encoding="utf-8")),
    )


def _section(results: Results, dataset: str, every: list, drawn: dict[str, str]) -> dict[str, Any]:
    meta = results.meta(dataset)
    return {
        "name": dataset,
        "meta": meta,
        "tables": every,
        "single": all(len(row.values) < 2 for table in every for line in table.rows for row in line.cells),
        "figures": {name: Markup(svg) for name, svg in drawn.items()},
        "pictures": _pictures(results, dataset),
    }


def _figures(results: Results, dataset: str, every: list) -> dict[str, str]:
    made: dict[str, tuple[Figure | None, str]] = {
        "densities": (figures.densities(results, dataset), "Densities of the data and of the models"),
        "curves": (figures.curves(results, dataset), "Training curves of every model"),
    }
    tracks = results.tracks(dataset)
    for given, part in tracks.items():
        own, apart = [table for table in every if table.given == given], "-given" * (bool(given) and len(tracks) > 1)
        made |= {
            f"dots{apart}": (figures.dots(part, dataset, own), "Main metrics of every model with intervals over seeds"),
            f"tradeoff{apart}": (figures.tradeoff(part, dataset, own), "Quality against the cost of training"),
        }
    return {
        name: style.to_svg(figure, f"{dataset}-{name}", f"{dataset}: {label}")
        for name, (figure, label) in made.items()
        if figure is not None
    }


def _pictures(results: Results, dataset: str) -> list[dict[str, Any]]:
    """Sample sheets as data URIs, real data first; a model without one says why."""
    real = results.paths.reference(dataset) / PREVIEW
    found = [{"label": "real data", "family": "", "uri": _picture(real), "why": ""}] if real.is_file() else []
    for label in results.labels(dataset):
        path = results.first_ok(dataset, label, PREVIEW)
        ok = (results.of(dataset, label)["status"] == "ok").any()
        why = "" if path else "no picture" if ok else "no trial succeeded"
        uri = _picture(path) if path else ""
        found.append({"label": label, "family": results.family(dataset, label), "uri": uri, "why": why})
    return found if any(each["uri"] for each in found) else []


def _picture(path: Path) -> str:
    data = path.read_bytes()
    if len(data) > MAX_PICTURE:
        from PIL import Image

        with Image.open(io.BytesIO(data)) as image:
            image = image.convert("RGB")
            image.thumbnail((420, 420))
            buffer = io.BytesIO()
            image.quantize(128).save(buffer, "PNG", optimize=True)
        data = min(data, buffer.getvalue(), key=len)
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _trial_rows(results: Results) -> list[dict[str, Any]]:
    """Trials with their first main metric, for the table at the end."""
    rows = []
    values = results.scores.set_index(["trial", "metric"])["value"]
    for trial in results.trials.to_dict("records"):
        mains = tables.mains(results.kind(trial["dataset"]))
        metric = next((m for m in mains if (trial["trial"], m) in values.index), None)
        score = float(values.loc[[(trial["trial"], metric)]].iloc[0]) if metric else None
        rows.append(trial | {"metric": METRICS[metric].title if metric in METRICS else metric or "", "score": score})
    return rows


def _likelihoods(results: Results, model: str) -> str:
    """Kinds of a model's likelihoods on points and on images, as they were measured; else what its card says."""
    scores = results.scores[(results.scores["model"] == model) & results.scores["metric"].isin(("nll", "bpd"))]
    parts = []
    for metric, name in (("nll", "points"), ("bpd", "images")):
        kinds = [k for k in SHORT if k in set(scores.loc[scores["metric"] == metric, "kind"])]
        parts += [f"{name}: {' and '.join(SHORT[k] for k in kinds)}"] if kinds else []
    return "; ".join(parts) or str(results.card(model).get("likelihood") or "none").replace("_", " ")


def _metrics(results: Results) -> list[Any]:
    """Cards of the metrics that the study has."""
    used = set(results.scores["metric"])
    return [card for key, card in METRICS.items() if key in used]


def _keep_only(folder: Path, names: set[str]) -> None:
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.name not in names and path.suffix in (".csv", ".svg"):
            os.unlink(path)


def _seconds(row: dict[str, Any]) -> str:
    """Mean training seconds, with their range where it shows."""
    low, high = text.number(row["seconds_min"]), text.number(row["seconds_max"])
    return text.number(row["seconds"]) + (f" ({low}–{high})" if low != high else "")


def _linked(words: str) -> Markup:
    """Text in which a whole URL or an arXiv number is a link."""

    def link(match: re.Match[str]) -> str:
        word = match.group(0)
        return f'<a href="{word if word.startswith("http") else "https://arxiv.org/abs/" + word[6:]}">{word}</a>'

    return Markup(re.sub(r"https?://[^\s<>&;,)]+|arXiv[: ]\d{4}\.\d{4,5}", link, str(escape(words or ""))))


def _date(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
