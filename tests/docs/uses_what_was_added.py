"""Use everything that docs/extending.md adds, in a copy of the project; the last line printed is what came of it, as JSON."""

import functools
import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import torch

from genbench import questions
from genbench.config.budget import Budget
from genbench.config.expand import groups
from genbench.config.read import dataset_spec, model_spec, read_study, recipe
from genbench.data import load, prepare, space
from genbench.metrics import METRICS
from genbench.metrics.cards import scorer
from genbench.metrics.references import Reference
from genbench.metrics.sets import Images
from genbench.models import MODELS
from genbench.training.trainer import Switches, Trainer

NAMES = ("quadrilaterals", "ring8")
for name in NAMES:
    prepare(dataset_spec(name), Path("data") / name)
data = {name: load(Path("data") / name) for name in NAMES}


def trained(name: str, **net) -> str:
    """Status of a model's three updates on the ring."""
    ring, part = data["ring8"], recipe(model_spec(name), dataset_spec("ring8"))
    cls, net = MODELS[name], {**part.net, **net}
    trainer = Trainer(
        functools.partial(cls, ring.shape, ring.levels, **net), [0, 1], [part.hp] * 2,
        ring.splits["train"], ring.splits["validation"], space(ring, cls.space["points"]), 32,
        Budget(unit="updates", value=3), Switches(),
    )  # fmt: skip
    (status,) = {result.status for result in trainer.run()}
    return status


study = read_study("my_study")
asked = questions.asked(study)["nearest"]
tables = questions.part("nearest", "run").run(asked, SimpleNamespace(data=data))
answer = SimpleNamespace(answer=lambda name: SimpleNamespace(tables=tables) if name == "nearest" else None)
images = Images(torch.ones(5, 4), reference=Reference("some", "test", torch.zeros(7, 4)))
assert "mean_distance" in METRICS
made = data["quadrilaterals"]
print(
    json.dumps(
        {
            "dataset": {"train": list(made.splits["train"].shape), "classes": made.labels["train"].unique().tolist()},
            "models": {"ns_gan with kl": trained("ns_gan", loss="kl"), "kl_gan": trained("kl_gan"), "normal": trained("normal")},
            "metric": scorer("mean_distance")(images).value,
            "question": {
                "distances": tables["distances"].loc[tables["distances"]["dataset"] == "ring8", "distance"].tolist(),
                "blocks": [block.kind for block in questions.part("nearest", "report").report(answer)],
            },
            "study": Counter(trial.dataset for group in groups(study) if group.phase != "confirm" for trial in group.trials),
        }
    )
)
