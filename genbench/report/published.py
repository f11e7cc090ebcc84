"""Published values: what the literature reports on a claim, to stand beside a study's own numbers."""

from pathlib import Path

import pandas as pd

from genbench.config.read import ROOT
from genbench.report.blocks import Table

__all__ = ["COLUMNS", "beside", "published"]

COLUMNS = ("what", "dataset", "published", "source")


def published(claim: str, root: Path = ROOT) -> pd.DataFrame:
    """Published values on a claim such as "C1", as text, from reference_values.csv in the folder of configuration.

    The columns are `COLUMNS`; `source` also says what is quoted from memory, and that the budget was another. Empty for a claim
    without any and where there is no such file.
    """
    path = Path(root) / "reference_values.csv"
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS), dtype=str)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return table.loc[table["claim"] == claim, list(COLUMNS)].reset_index(drop=True)


def beside(claim: str, caption: str = "Published values; their budgets were not this study's") -> tuple[Table, ...]:
    """Return the folded table of published values on a claim; none without any."""
    frame = published(claim)
    return (Table(f"{claim.lower()}_published", frame, caption, folded=True),) if len(frame) else ()
