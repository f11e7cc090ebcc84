"""How many trials of a search a core-hour buys, in this tree and in another: training, scoring, imports and Snakemake together.

    git worktree add ../before COMMIT
    python tests/benchmarks/evidence.py --before ../before [--datasets ring8 digits mnist5k] [--models ns_gan wgan_gp vae]

Snakemake runs the search of each dataset in the tree's own study `laptop`, of some of its models and so many configurations; data
and encoders are prepared beforehand. CPU-seconds of user and system, of all processes; prints a table in Markdown.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SNAKEMAKE = str(Path(sys.executable).parent / "snakemake")


def project(tree: Path, folder: Path, dataset: str, models: list[str], configurations: int) -> None:
    """A copy of a tree with a study of one search."""
    for name in ("genbench", "workflow", "config"):
        shutil.copytree(tree / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(tree / "Snakefile", folder)
    binary = folder / "bin" / "genbench"
    binary.parent.mkdir()
    binary.write_text(f'#!/bin/sh\nPYTHONPATH={folder} exec {sys.executable} -m genbench.cli "$@"\n')
    binary.chmod(0o755)
    snakefile = folder / "workflow" / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace("{shlex.quote(str(Path(sys.executable).parent))}", str(binary.parent)))
    study = yaml.safe_load((tree / "config" / "studies" / "laptop.yaml").read_text())
    cell = next(cell for cell in study["cells"] if dataset in cell["datasets"] and set(models) <= set(cell["models"]))
    cell |= {"datasets": [dataset], "models": models, "tune": cell["tune"] | {"configurations": configurations}}
    cell["recipes"] = {name: parts for name, parts in cell.get("recipes", {}).items() if name in models}
    study |= {"name": "evidence", "cells": [cell], "questions": {}, "accepts": {}}
    (folder / "config" / "studies" / "evidence.yaml").write_text(yaml.safe_dump(study))


def spent(folder: Path, *rules: str) -> float:
    """CPU-seconds of running these rules on one core."""
    command = [SNAKEMAKE, "--cores", "1", "--config", "study=evidence", "--until", *rules]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed in {folder}:\n{done.stderr[-3000:]}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


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
                project(tree, folder, dataset, arguments.models, arguments.configurations)
                spent(folder, "prepare", "encode")
                rules = {"search", "score"} & {
                    word.split()[1].rstrip(":")
                    for file in (tree / "workflow" / "rules").glob("*.smk")
                    for word in file.read_text().splitlines()
                    if word.startswith("rule ")
                }
                seconds = spent(folder, *rules)
                trials = len(list((folder / "results" / "store").glob("*/selection-*.json")))
                rate[name] = trials / seconds * 3600
        ratio, shown = rate["now"] / rate["before"], ", ".join(arguments.models)
        print(f"| `{dataset}`: {shown} | {trials} | {rate['before']:,.0f} | {rate['now']:,.0f} | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    main()
