"""config/config.yaml: what a run of the workflow is told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genbench.config.jobs import MINUTES
from genbench.config.schema import Frozen, parse

__all__ = ["RunConfig", "run_config"]


class RunConfig(Frozen):
    """Keys of config/config.yaml and of --config."""

    study: str
    results: str = "results"
    reports: str = "reports"
    device: str = "auto"
    mlflow_uri: str = ""
    checkpoint_seconds: float = 30.0
    job_minutes: float = MINUTES


def run_config(config: Mapping[str, Any]) -> RunConfig:
    """Validate Snakemake's configuration; UserError names the key and what is allowed."""
    return parse(RunConfig, dict(config), Path("config/config.yaml (or --config, --configfile)"))
