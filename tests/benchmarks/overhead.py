"""What is spent around the work: starting Snakemake, its share of a job, a cluster job's own start, and imports by verb.

    python tests/benchmarks/overhead.py [--study default] [--large paper]

Studies are run with a stand-in for `genbench` that sleeps a second and makes empty output files, so what is measured is Snakemake
and the Snakefile alone. CPU-seconds of user and system together; print a table in Markdown.
"""

import argparse
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERBS = {  # what a verb imports before it does anything
    "(the command line itself)": "genbench.cli",
    "prepare, encode": "genbench.jobs.data",
    "reference, floors": "genbench.jobs.floors",
    "train": "genbench.jobs.trials",
    "posthoc": "genbench.jobs.posthoc",
    "question": "genbench.jobs.question",
    "collect": "genbench.jobs.collect",
    "sync": "genbench.tracking.sync",
    "report": "genbench.jobs.report",
}
STAND_IN = r"""#!/bin/sh
verb=$1; shift
sleep ${SLEEP:-1}
while [ $# -gt 0 ]; do
  case $1 in --dataset) dataset=$2;; --encoder) encoder=$2;; --out) out=$2;; esac
  shift
done
r=$GENBENCH_RESULTS
case $verb in
  prepare) touch $r/data/$dataset/data.npz $r/data/$dataset/meta.json;;
  encode) touch $r/encoders/$dataset/$encoder/encoder.safetensors $r/encoders/$dataset/$encoder/encoder.json;;
  reference) touch $r/reference/$dataset/reference.json;;
  floors) touch $r/reference/$dataset/floor.json;;
  collect) for f in trials.parquet scores.parquet floors.parquet study.json; do touch $r/studies/$GENBENCH_STUDY/$f; done;;
  look) echo '{"open": []}' > $out;;
  posthoc) touch $out ${out%.json}.npz;;
  *) touch $out;;
esac
"""


def spent(command: list[str], folder: Path, **environment: str) -> tuple[float, str]:
    """CPU-seconds of a command with its children, and what it printed; stops at a command that fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, done.stdout + done.stderr


def project(folder: Path, tree: Path = ROOT, genbench: str = STAND_IN) -> None:
    """A copy of what a run of a tree needs, whose jobs call this script as `genbench`."""
    for name in ("genbench", "workflow", "config"):
        shutil.copytree(tree / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(tree / "Snakefile", folder)
    script = folder / "bin" / "genbench"
    script.parent.mkdir()
    script.write_text(genbench)
    script.chmod(0o755)
    snakefile = folder / "workflow" / "Snakefile"
    text = snakefile.read_text()
    where = "{shlex.quote(str(Path(sys.executable).parent))}"
    assert where in text
    snakefile.write_text(text.replace(where, f"{script.parent}"))


def of_study(study: str, sleep: str) -> list[tuple[str, str]]:
    """Rows of the table for one study, whose jobs sleep so many seconds."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        project(folder)
        command = [str(Path(sys.executable).parent / "snakemake"), "--cores", "2", "--config", f"study={study}"]
        path = {"PYTHONPATH": str(folder), "SLEEP": sleep}
        cold, _ = spent([*command, "--dry-run", "--quiet"], folder, **path)
        whole, said = spent(command, folder, **path)
        jobs = int(next(line for line in said.splitlines() if line.startswith("total")).split()[1])
        again, said = spent(command, folder, **path)
        assert "Nothing to be done" in said, said[-2000:]
        one = next((folder / "results" / "scores").glob("*/*.json")).relative_to(folder)
        (folder / one).unlink()
        job, _ = spent(
            [*command, "--mode", "remote", "--nolock", "--force", "--rerun-triggers", "mtime", "--", str(one)], folder, **path
        )
        return [
            (f"{study}: first start, nothing cached, dry run", f"{cold:.1f} s"),
            (f"{study}: start to “nothing to be done”", f"{again:.1f} s"),
            (f"{study}: Snakemake in a run of {jobs} jobs, each", f"{(whole - again) / jobs:.2f} s"),
            (f"{study}: start of one job on a cluster", f"{job:.1f} s"),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default="default")
    parser.add_argument("--large", default="paper", help="a study of thousands of trials; empty: none")
    arguments = parser.parse_args()
    bare, _ = spent([sys.executable, "-c", "pass"], ROOT)
    rows = of_study(arguments.study, "1") + (of_study(arguments.large, "0") if arguments.large else [])
    for verb, module in VERBS.items():
        seconds, said = spent(
            [sys.executable, "-c", f"import sys, {module}; print('torch' in sys.modules, 'mlflow' in sys.modules)"],
            ROOT,
            OMP_NUM_THREADS="1",
        )
        torch, mlflow = said.split()[-2:]
        heavy = (
            ", ".join(name for name, there in (("torch", torch), ("mlflow", mlflow)) if there == "True")
            or "neither torch nor mlflow"
        )
        rows.append((f"imports of {verb} ({heavy})", f"{seconds:.1f} s"))
    where = f"{platform.machine()}, Python {platform.python_version()}"
    print(f"CPU-seconds on {where}; an empty Python takes {bare:.2f}\n")
    print("| what | CPU-seconds |\n|---|---|")
    for what, value in rows:
        print(f"| {what} | {value} |")


if __name__ == "__main__":
    main()
