"""Soundness of reuse: what really runs while a model is trained, sampled and scored is covered by the hashes of its results."""

import ast
import functools
import inspect
import sys
from pathlib import Path

import pytest
import torch
from kit import CPU

from genbench.config import code, symbols
from genbench.config.budget import Budget
from genbench.config.expand import TRAINING
from genbench.config.read import dataset_spec, model_spec, recipe
from genbench.data import load, prepare, space
from genbench.jobs.evaluate import ANNEALED, LIKELIHOOD
from genbench.jobs.stored import draw_samples
from genbench.likelihood import score as likelihood_module
from genbench.likelihood.score import Likelihood, nll_scores
from genbench.metrics.cards import SYMBOLS, scores, units
from genbench.metrics.references import Reference, Training
from genbench.metrics.sets import Images, Points
from genbench.models import MODELS
from genbench.training.trainer import Switches, Trainer

SAMPLES = 24


class Trace:
    """Symbols of the package whose code runs inside a `with` block."""

    def __enter__(self):
        self.seen: set[tuple[str, int]] = set()
        here, add = str(symbols.PACKAGE), self.seen.add

        def profile(frame, event, argument):
            if event == "call" and frame.f_code.co_filename.startswith(here) and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
                add((frame.f_code.co_filename, frame.f_code.co_firstlineno))  # bodies of modules and classes are not optimised

        sys.setprofile(profile)
        return self

    def __exit__(self, *error):
        sys.setprofile(None)

    @property
    def run(self) -> set[str]:
        """The narrowest symbol, or entry of a table, around each function that ran."""
        found = set()
        for file, line in self.seen:
            around = [each for each in places(file) if each[0] <= line <= each[1]]
            found |= {min(around, key=lambda each: each[1] - each[0])[2]} if around else set()
        return {name for name in found if not name.startswith((code.CONFIG, code.RESULTS))}


@functools.cache
def places(file: str) -> list[tuple[int, int, str]]:
    """First and last line of every symbol of a file."""
    module = ".".join(Path(file).relative_to(symbols.PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    out = []

    def entries(name: str, value: ast.AST) -> None:
        if isinstance(value, ast.Dict) and all(isinstance(getattr(key, "value", None), str) for key in value.keys):
            for key, each in zip(value.keys, value.values, strict=True):
                out.append((each.lineno, each.end_lineno, f"{name}[{key.value}]"))
                entries(f"{name}[{key.value}]", each)

    for node in ast.parse(Path(file).read_text()).body:
        names = [getattr(node, "name", None)]
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [each.id for each in targets if isinstance(each, ast.Name)]
        for name in filter(None, names):
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
            out.append((first, node.end_lineno, f"{module}:{name}"))
            entries(f"{module}:{name}", getattr(node, "value", None))
    return out


@pytest.fixture(scope="module")
def datasets(once):
    def make(folder: Path) -> None:
        for name in ("ring8", "digits"):
            prepare(dataset_spec(name), folder / name)

    folder = once("reuse-data", make)
    return {name: load(folder / name) for name in ("ring8", "digits")}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Few temperatures and steps: what runs is the same."""
    for name, value in {"TEMPERATURES": 4, "FINE_STEPS": 3, "FINE_POINTS": 2, "IMPORTANCE_SAMPLES": 2, "ODE_IMAGES": 1,
        "RAISE_IMAGES": 2, "RAISE_CHAINS": 2,
    }.items():  # fmt: skip
        monkeypatch.setattr(likelihood_module, name, value)


def pairs():
    """Every model with both kinds of data that it takes; the second one is slow."""
    for name in MODELS:
        for place, data in enumerate(data for data in ("digits", "ring8") if dataset_spec(data).kind in MODELS[name].space):
            yield pytest.param(name, data, marks=[pytest.mark.slow] * place)


@pytest.mark.parametrize(("model", "dataset"), pairs())
def test_what_runs_is_what_is_hashed(model, dataset, datasets):
    cls, data, spec = MODELS[model], datasets[dataset], dataset_spec(dataset)
    parts = recipe(model_spec(model), spec).model_dump(mode="json")
    words = [{"unit": "updates"}, parts["net"], parts["train"], spec.kind, spec.source]
    trained = code.reach(code.model_symbols()[model], *TRAINING, settings=words, given=parts["net"])
    make = functools.partial(cls, spec.shape, spec.levels, **parts["net"])
    seen = space(data, cls.space[spec.kind])
    generator = torch.Generator().manual_seed(0)
    with Trace() as training:
        trainer = Trainer(
            make, [0], [parts["hp"]], data.splits["train"][:128], data.splits["validation"][:32], seen, 16,
            Budget(value=2), Switches(**parts["train"]), device=CPU,
        )  # fmt: skip
        (result,) = trainer.run()
    assert result.status == "ok"
    assert training.run <= set(trained.digests) and len(training.run) > 10

    with Trace() as sampling:
        samples = draw_samples(result.model, seen, SAMPLES, generator)
    drawn = code.reach("genbench.jobs.stored:draw_samples")
    assert sampling.run <= set(trained.digests) | set(drawn.digests)

    with Trace() as likelihood:
        nll_scores(Likelihood(result.model, data, seen, generator), 4)
    measured = code.reach(*LIKELIHOOD, ANNEALED, settings=[spec.kind, spec.source])
    assert likelihood.run <= set(trained.digests) | set(measured.digests)
    assert len(samples) == SAMPLES


@pytest.mark.parametrize("unit", sorted({":".join(symbol) for symbol in SYMBOLS.values()}))
def test_what_a_metric_runs_is_what_is_hashed(unit, datasets):
    found = 0
    for dataset, data in datasets.items():
        if unit not in units(data.kind):
            continue
        found += 1
        real, made = data.splits["test"][:60], data.splits["train"][:60]
        if data.kind == "points":
            given = Points(made, real, data.density(), "test")
        else:
            features = [x.flatten(1).float()[:, :5] + torch.rand(60, 5) for x in (made, real)]
            logits = [torch.randn(60, 10) for _ in range(2)]
            counts = torch.bincount(logits[1].argmax(1), minlength=10)
            reference = Reference("an encoder", "test", features[1], counts, 0.99)
            training = Training.fit("an encoder", made, features[0], features[1])
            given = Images(features[0], logits[0], reference, made, training, data.labels["train"][:60])
        keys = units(data.kind)[unit]
        with Trace() as trace:
            scores(given, keys)
        roots = ("genbench.jobs.reference:sample_scores", "genbench.metrics.references:Training", "genbench.data.dataset:Dataset")
        known = code.reach(unit, *roots, settings=[data.meta["source"]])
        assert trace.run <= set(known.digests), f"{dataset}: {sorted(trace.run - set(known.digests))}"
    assert found or unit.startswith("genbench.likelihood")
