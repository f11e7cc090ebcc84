"""The command line: the verbs that the workflow's rules call, and some for people."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from genbench.config.errors import UserError

__all__ = ["main"]


def _paths(args):
    from genbench.results.paths import Paths

    return Paths(args.results)


def _device(args):
    import torch

    from genbench.jobs.common import choose_device

    torch.set_num_threads(args.threads)
    return choose_device(args.device)


def prepare(args) -> None:
    """Write a dataset's splits and metadata."""
    from genbench.jobs.data import prepare_data

    prepare_data(args.dataset, _paths(args))


def encode(args) -> None:
    """Train a classifier whose features score a dataset's images."""
    from genbench.jobs.data import encode

    encode(args.dataset, args.encoder, _paths(args), args.epochs, _device(args))


def reference(args) -> None:
    """Extract the features of real data that samples are compared with."""
    from genbench.config.read import read_study
    from genbench.jobs.reference import make_reference

    make_reference(args.dataset, _paths(args), read_study(args.study, asked_by="--study"), _device(args))


def floors(args) -> None:
    """Measure what real data score by every metric."""
    from genbench.config.read import read_study
    from genbench.jobs.floors import make_floors

    make_floors(args.dataset, _paths(args), read_study(args.study, asked_by="--study"), _device(args))


def train(args) -> None:
    """Train groups of trials of one dataset, and score them."""
    from genbench.jobs.trials import run_trials

    device, interval = _device(args), args.checkpoint_interval
    run_trials(args.study, args.groups, _paths(args), args.out, device, interval, args.searched)


def evaluate(args) -> None:
    """Score samples that were made elsewhere."""
    from genbench.config.schema import check_encoders
    from genbench.jobs.outside import evaluate_samples

    encoders = tuple(args.encoders.split(","))
    try:
        check_encoders(encoders)
    except ValueError as error:
        raise UserError(f"--encoders: {error}") from None
    evaluate_samples(args.samples, args.dataset, encoders, _paths(args), _device(args), args.out)


def look(args) -> None:
    """Say which models of a study that grows are told from the baseline, and which are searched further."""
    from genbench.jobs.look import look

    look(args.study, args.look, args.manifests, args.out)


def posthoc(args) -> None:
    """Sample the generators of a group by a study's post-hoc methods, and score these samples beside the raw ones."""
    from genbench.jobs.posthoc import sample_group

    sample_group(args.study, args.group, _paths(args), args.out, _device(args))


def question(args) -> None:
    """Answer a question with a study's settings."""
    from genbench.jobs.question import run_question

    run_question(args.name, args.study, _paths(args), args.out, _device(args))


def collect(args) -> None:
    """Gather a study's tables."""
    from genbench.jobs.collect import collect

    collect(args.study, args.manifests, _paths(args), args.posthoc, args.searched)


def parzen(args) -> None:
    """Draw why Parzen windows mislead, for a prepared dataset of images; no score uses them."""
    from genbench.jobs.data import parzen

    print(parzen(args.dataset, _paths(args), args.out).to_string(index=False))


def sync(args) -> None:
    """Project a study's files into MLflow; idempotent."""
    from genbench.tracking.sync import sync

    paths = _paths(args)
    counts = sync(paths.study(args.study), paths.store, args.uri, paths.tracking)
    if args.out:
        from dataclasses import asdict

        from genbench.results.files import write_json

        write_json(args.out, asdict(counts))


def report(args) -> None:
    """Write a study's report."""
    from genbench.jobs.report import write_report

    print(write_report(args.study, _paths(args), args.out.parent))


def _table(rows: list[dict[str, str]], as_json: bool) -> None:
    if not rows:
        raise UserError("config/: nothing there; run genbench in the project's folder")
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    widths = {key: max(len(key), *(len(str(row[key])) for row in rows)) for key in rows[0]}
    for row in [{key: key for key in widths}, *rows]:
        print("  ".join(str(row[key]).ljust(width) for key, width in widths.items()).rstrip())


def models(args) -> None:
    """List the models."""
    from genbench.config.read import model_spec, names
    from genbench.models import MODELS

    rows = []
    for name in names("models"):
        spec, cls = model_spec(name), MODELS.get(name)
        likelihood = cls.likelihood if cls else "(not in MODELS)"
        row = {"model": name, "family": spec.family, "likelihood": likelihood, "title": spec.title, "paper": spec.paper}
        rows.append(row)
    _table(rows, args.json)


def metrics(args) -> None:
    """List the metrics, or print docs/metrics.md (--markdown)."""
    from genbench.metrics.cards import METRICS
    from genbench.metrics.docs import markdown

    if args.markdown:
        print(markdown(), end="")
        return
    keys = ("key", "applies", "direction", "unit", "title", "source")
    _table([{key: getattr(card, key) for key in keys} for card in METRICS.values()], args.json)


def rules(args) -> None:
    """List the rules of the fairness linter, or print docs/fairness_rules.md (--markdown)."""
    from genbench.checks.fairness import markdown
    from genbench.checks.rules import RULES, meaning

    if args.markdown:
        print(markdown(), end="")
        return
    _table([{"rule": name, "finds": meaning(name)} for name in RULES], args.json)


def datasets(args) -> None:
    """List the datasets."""
    from genbench.config.read import dataset_spec, names

    rows = []
    for name in names("datasets"):
        spec = dataset_spec(name)
        shape, split = "x".join(map(str, spec.shape)), spec.split
        sizes = f"{split.train}/{split.validation}/{split.test}"
        row = {"dataset": name, "kind": spec.kind, "shape": shape, "levels": spec.levels or "", "splits": sizes}
        rows.append({**row, "needs": spec.needs, "description": spec.description})
    _table(rows, args.json)


def questions(args) -> None:
    """List the questions, or print docs/questions.md (--markdown)."""
    from genbench.questions.docs import markdown, rows

    if args.markdown:
        print(markdown(), end="")
    else:
        _table([{key: row[key] for key in ("question", "takes", "asks")} for row in rows()], args.json)


def check(args) -> int:
    """Validate a study, and list what would run, what is not comparable in it, and what it would cost."""
    from genbench.config.expand import at_most
    from genbench.config.read import read_study
    from genbench.jobs.check import cost, findings, shown, would_run

    if args.cores < 1:
        raise UserError(f"--cores: must be at least 1, got {args.cores}")
    study = read_study(args.study, asked_by="genbench check")
    parts = at_most(study)
    rows = would_run(parts, _paths(args))
    found, said = findings(study, parts)
    unaccepted = [finding for finding in found if not finding.reason]
    status = int(args.strict and bool(unaccepted))
    _table(rows, args.json)
    if args.json:
        return status
    done, total = (sum(row[key] for row in rows) for key in ("done", "trials"))
    print(f"\n{study.name}: {total} trials in {len(rows)} groups, {done} trials trained already")
    if study.looks > 1:
        first = sum(len(g.trials) for g in parts if g.phase == "search" and g.look == 0)
        print(f"it grows: this is the most, at the last of {study.looks} looks; the first has {first} trials of searches")
    for finding in found:
        word, why = ("accepted", f" ({finding.reason})") if finding.reason else ("unfair", "")
        print(f"{word}: {finding.rule}: {finding.text}{why}")
    for line in said:
        print(f"note: {line}")
    if args.cost:
        device = _device(args).type
        costs, remarks = cost(study, parts, _paths(args), device)
        rows, wall = shown(costs, device, args.cores)
        print()
        _table(rows, False)
        for line in (wall, *remarks):
            print(f"cost: {line}")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="genbench", description="Benchmark of generative models; `snakemake --cores all` runs it."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(function: Callable, *options: str, name: str | None = None) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name or function.__name__, help=function.__doc__, description=function.__doc__)
        sub.set_defaults(run=function)
        folder = os.environ.get("GENBENCH_RESULTS", "results")
        sub.add_argument("--results", type=Path, default=Path(folder), help="results folder (default: results)")
        for option in options:
            told = os.environ.get(f"GENBENCH_{option.upper()}")
            sub.add_argument(f"--{option}", default=told, required=told is None)
        return sub

    def computes(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
        sub.add_argument("--device", default=os.environ.get("GENBENCH_DEVICE", "auto"), help="auto, cpu, cuda or cuda:N")
        sub.add_argument("--threads", type=int, default=1, help="CPU threads of this process (default: 1)")
        return sub

    verb(prepare, "dataset")
    sub = computes(verb(encode, "dataset"))
    sub.add_argument("--encoder", default="classifier", help="classifier, or classifier-SEED for another of the kind")
    sub.add_argument("--epochs", type=int, default=20)
    for job in (reference, floors):
        computes(verb(job, "dataset", "study"))
    sub = computes(verb(train, "study"))
    sub.add_argument("groups", nargs="+", help="names of groups, as `genbench check STUDY` lists them")
    sub.add_argument("--searched", type=Path, nargs="*", default=[], help="manifests of the searches that the groups confirm")
    sub.add_argument("--out", type=Path, required=True, help="JSON file to write")
    seconds = float(os.environ.get("GENBENCH_CHECKPOINT_SECONDS", 30))
    sub.add_argument("--checkpoint-interval", type=float, default=seconds, help="seconds between checkpoints")
    sub = computes(verb(evaluate))
    sub.add_argument("--samples", type=Path, required=True, help=".npz, .npy, or a folder of images")
    sub.add_argument("--dataset", required=True, help="the dataset that they imitate")
    sub.add_argument("--encoders", default="classifier", help="classifier[-SEED], inception[:FILE], dinov2:FILE; commas between")
    sub.add_argument("--out", type=Path, help="JSON file to write")
    computes(verb(posthoc, "study", "group")).add_argument("--out", type=Path, required=True)
    sub = verb(look, "study")
    sub.add_argument("manifests", type=Path, nargs="+", help="of the scores of all searched so far")
    sub.add_argument("--look", type=int, required=True, help="which look, from 0")
    sub.add_argument("--out", type=Path, required=True, help="JSON file to write")
    sub = computes(verb(question, "study"))
    sub.add_argument("name", help="of a question, such as critic_quality")
    sub.add_argument("--out", type=Path, required=True, help="JSON file to write; its tables go beside it")
    sub = verb(collect, "study")
    sub.add_argument("manifests", type=Path, nargs="+", help="of scores")
    sub.add_argument("--posthoc", type=Path, nargs="*", default=[], help="manifests of post-hoc samples")
    sub.add_argument("--searched", type=Path, nargs="*", default=[], help="manifests of searches")
    verb(parzen, "dataset").add_argument("--out", type=Path, required=True, help="picture to write; its table goes beside it")
    sub = verb(sync, "study")
    sub.add_argument("--uri", default=None, help="MLflow tracking URI (default: sqlite in the results folder)")
    sub.add_argument("--out", type=Path, default=None, help="write the counts there")
    verb(report, "study").add_argument("--out", type=Path, required=True, help="the page to write: .../index.html")
    for listing in (models, datasets, metrics, questions, rules):
        sub = verb(listing)
        sub.add_argument("--json", action="store_true")
        if page := {metrics: "metrics", questions: "questions", rules: "fairness_rules"}.get(listing):
            sub.add_argument("--markdown", action="store_true", help=f"what docs/{page}.md holds")
    sub = computes(verb(check))
    sub.add_argument("study", help="name of a study: config/studies/<name>.yaml")
    sub.add_argument("--json", action="store_true", help="the groups alone")
    sub.add_argument("--strict", action="store_true", help="exit status 1 if anything is unfair that the study does not accept")
    sub.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="jobs that run at once (default: all cores)")
    sub.add_argument("--cost", action=argparse.BooleanOptionalAction, default=True, help="tell what it costs, or not")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run a verb; exit status 2 and one line for input that the user can mend, 1 where `check --strict` finds something."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except UserError as error:
        print(f"genbench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
