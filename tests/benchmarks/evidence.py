"""How many trials of a search a core-hour buys, in this tree and in another: training, scoring, imports and Snakemake together.

    git worktree add ../before COMMIT
    python tests/benchmarks/evidence.py --before ../before [--datasets ring8 digits mnist5k] [--models ns_gan wgan_gp vae]

Snakemake runs the search of each dataset in the tree's own study `laptop`, of some of its models and so many configurations; data
and encoders are prepared beforehand. CPU-seconds of user and system, of all processes; prints a table in Markdown.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import yaml
from overhead import ROOT, project, spent

SNAKEMAKE = str(Path(sys.executable).parent / "snakemake")


def search(tree: Path, folder: Path, dataset: str, models: list[str], configurations: int) -> None:
    """A copy of a tree with a study of one search."""
    project(folder, tree, f'#!/bin/sh\nPYTHONPATH={folder} exec {sys.executable} -m genbench.cli "$@"\n')
    study = yaml.safe_load((tree / "config" / "studies" / "laptop.yaml").read_text())
    cell = next(cell for cell in study["cells"] if dataset in cell["datasets"] and set(models) <= set(cell["models"]))
    cell |= {"datasets": [dataset], "models": models, "tune": cell["tune"] | {"configurations": configurations}}
    cell["recipes"] = {name: parts for name, parts in cell.get("recipes", {}).items() if name in models}
    study |= {"name": "evidence", "cells": [cell], "questions": {}, "accepts": {}}
    (folder / "config" / "studies" / "evidence.yaml").write_text(yaml.safe_dump(study))


def run(folder: Path, *rules: str) -> float:
    """CPU-seconds of running these rules on one core."""
    command = [SNAKEMAKE, "--cores", "1", "--config", "study=evidence", "--until", *rules]
    return spent(command, folder, PYTHONPATH=str(folder))[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="the other tree")
    parser.add_argument("--datasets", nargs="+", default=["ring8", "digits", "mnist5k"])
    parser.add_argument("--models", nargs="+", default=["ns_gan", "wgan_gp", "vae"])
    parser.add_argument("--configurations", type=int, default=16)
    arguments = parser.parse_args()
    trees = {"before": arguments.before.resolve(), "now": ROOT}
    print("| search | trials | before, trials a core-hour | now | ratio |\n|---|---|---|---|---|")
    for dataset in arguments.datasets:
        rate = {}
        for name, tree in trees.items():
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                search(tree, folder, dataset, arguments.models, arguments.configurations)
                run(folder, "prepare", "encode")
                merged = (tree / "workflow" / "rules" / "trials.smk").is_file()  # training and scoring, into one rule
                seconds = run(folder, "search" if merged else "score")
                trials = len(list((folder / "results" / "store").glob("*/selection-*.json")))
                rate[name] = trials / seconds * 3600
        ratio, shown = rate["now"] / rate["before"], ", ".join(arguments.models)
        print(f"| `{dataset}`: {shown} | {trials} | {rate['before']:,.0f} | {rate['now']:,.0f} | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    main()
