"""The smoke scale as shipped, through the real workflow: every chapter and every claim has its place."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest


@pytest.mark.slow
def test_the_smoke_scale_tells_the_whole_tale(tmp_path, copy_project):
    copy_project(tmp_path)
    command = [str(Path(sys.executable).parent / "snakemake"), "--cores", "2", "--configfile", "config/smoke.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    report = tmp_path / "reports" / "smoke"
    claims = pd.read_csv(report / "tables" / "tale_claims.csv")
    assert list(claims["claim"].str.split(":").str[0]) == ["C1", "C2", "C3", "C4", "C5", "C6", "FID"]
    assert claims["verdict here"].notna().all()
    page = (report / "index.html").read_text(encoding="utf-8")
    chapters = re.findall(r'<section id="([a-z]+)">', page)
    assert chapters.index("tale") < chapters.index("samples") and {"game", "sampling", "critics", "gradients"} <= set(chapters)
    likelihoods = {"energies", "autoencoders", "priors", "flows", "planar", "autoregressive", "continuous", "textures", "em"}
    assert likelihoods <= set(chapters)
    searched = pd.read_parquet(tmp_path / "results" / "studies" / "smoke" / "searched.parquet")
    trials = pd.read_parquet(tmp_path / "results" / "studies" / "smoke" / "trials.parquet")
    assert len(searched) + len(trials) > 60 and set(searched["levels"].ne("{}")) == {True, False}
