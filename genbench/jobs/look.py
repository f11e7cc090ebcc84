"""The job that looks at a study that grows: which models are told from the baseline, and which are searched further."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from genbench.config.expand import groups
from genbench.config.read import read_study
from genbench.results.files import read_json, write_json
from genbench.results.rows import searched_rows
from genbench.results.searched import arenas, families
from genbench.results.tables import SEARCHED
from genbench.statistics.looks import caps, replay, sized

__all__ = ["look"]


def look(study_name: str, place: int, manifests: Sequence[Path], out: Path) -> None:
    """Write what look `place` says: by family of rivals its verdicts, and under "open" the labels to search further.

    `manifests`: of scores of all trials that were searched so far. The baseline goes on as long as one of its rivals does.
    """
    study = read_study(study_name)
    members = {group.name: {t.id: t for t in group.trials} for group in groups(study)}
    rows = pd.DataFrame(searched_rows(map(read_json, manifests), members), columns=list(SEARCHED))
    found, still = [], []
    for arena in arenas(rows, study.model_dump(mode="json")):
        charged = caps(arena.scores, sized(arena.sizes, 0))
        for rivals in families(arena):
            looks = replay(arena.scores, arena.baseline, rivals, arena.sizes, study.k, charged, study.margin)
            seen = looks[min(place, len(looks) - 1)]
            verdicts = {name: _plain(v.__dict__) for name, v in seen.verdicts.items()}
            found.append({"rivals": rivals, "sizes": seen.sizes, "verdicts": verdicts, "open": seen.open})
            still += [name for name in (*seen.open, arena.baseline) if seen.open and name not in still]
    write_json(out, {"study": study_name, "look": place, "families": found, "open": still})
    print(f"look {place + 1} of {study.looks}: searching on for {', '.join(still) or 'none'}", file=sys.stderr)


def _plain(values: dict) -> dict:
    return json.loads(json.dumps({k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}))
