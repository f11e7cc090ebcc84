"""Reuse is exact: what an edit of the code reruns, and what it does not."""

import ast
import functools
import shutil
from pathlib import Path

import pytest

from genbench import questions
from genbench.config import cache, code, symbols
from genbench.config.expand import training_code
from genbench.config.read import ROOT, dataset_spec, model_spec, names, read_study, recipe
from genbench.jobs.evaluate import scoring_code
from genbench.metrics.cards import METRICS, POSTHOC, SYMBOLS
from genbench.models import MODELS

SMOKE = read_study("smoke")
BUDGET = {"unit": "updates", "value": 1.0}
DATASETS = ("ring8", "digits")
GANS = {"mm_gan", "ns_gan", "lsgan", "wgan", "wgan_gp", "dragan", "sngan", "r1_gan", "hinge_gan"}
ALL = {name: MODELS[name] for name in MODELS}
NON_SATURATING = GANS - {"mm_gan", "lsgan", "wgan", "wgan_gp", "hinge_gan"}
SHARED = ["genbench.jobs.context:Context", "genbench.data.dataset:Dataset"]
JOBS = {  # by rule of the workflow, in which the same roots stand
    "encode": ["genbench.jobs.data:encode"],
    "reference": ["genbench.jobs.reference:make_reference"],
    "floors": ["genbench.jobs.floors:make_floors"],
    "search": ["genbench.jobs.search:score_searched", *SHARED],
    "score": ["genbench.jobs.evaluate:evaluate_group", *SHARED],
    "posthoc": ["genbench.jobs.posthoc:sample_group", *dict.fromkeys(":".join(SYMBOLS[key]) for key in POSTHOC)],
}


class Tree:
    """A copy of the package whose code the hashes are made to read."""

    def __init__(self, root: Path):
        self.root = root
        shutil.copytree(symbols.PACKAGE, root, ignore=shutil.ignore_patterns("__pycache__"))

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text()
        assert old in text, f"the test's own text is out of date: {old!r} in {file}"
        path.write_text(text.replace(old, new))

    def hashes(self) -> dict[str, str]:
        """Of all trainings by the recipes, scores, jobs on datasets and questions."""
        forget()
        out = {}
        for dataset in DATASETS:
            data = spec(dataset)
            words = [data.kind, data.source]
            for model, cls in ALL.items():
                if data.kind in cls.space:
                    out[f"train {model} {dataset}"] = training_code(model, data, BUDGET, parts(model, dataset))
            out[f"prepare {dataset}"] = code.code_hash("genbench.data.dataset:prepare", settings=words)
            for job, roots in JOBS.items():
                out[f"{job} {dataset}"] = code.code_hash(*roots, settings=["classifier", words])
        study = SMOKE
        out |= {f"metric {key}": scoring_code(":".join(SYMBOLS[key]), study, "ring8") for key in METRICS}
        for name, settings in questions.asked(study).items():
            words = [settings.model_dump(mode="json"), [parts(m, d) for d in settings.datasets for m in settings.recipes]]
            words += [[spec(d).kind, spec(d).source] for d in settings.datasets]
            out[f"question {name}"] = code.code_hash(*questions.roots(name), settings=words)
        out["report"] = code.code_hash("genbench.jobs.report:write_report", *reports(), results=True)
        return out

    def changed(self, before: dict[str, str]) -> set[str]:
        after = self.hashes()
        assert set(before) <= set(after)
        return {name for name in before if before[name] != after[name]}


@functools.cache
def spec(dataset: str):
    return dataset_spec(dataset)


@functools.cache
def parts(model: str, dataset: str) -> dict:
    return recipe(model_spec(model), spec(dataset)).model_dump(mode="json")


def reports() -> list[str]:
    return [
        f"genbench.questions.{name}.report:{part}"
        for name in questions.names("report")
        for part in ("report", "CHAPTER", "PLACE")
    ]


def forget() -> None:
    for function in (code._modules, code._hash, code.model_symbols):
        function.cache_clear()


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    cache.cache_in(tmp_path_factory.mktemp("code"))
    yield
    cache._folder.clear()
    forget()


@pytest.fixture
def tree(tmp_path, monkeypatch, cached):
    out = Tree(tmp_path / "genbench")
    monkeypatch.setattr(symbols, "PACKAGE", out.root)
    yield out
    forget()


@pytest.fixture(scope="module")
def before(cached):
    return Tree.hashes(None)


def trained(before, *models):
    return {f"train {model} {dataset}" for model in models for dataset in DATASETS} & set(before)


def of(kind, changed):
    return {name.split(" ", 1)[1] for name in changed if name.startswith(f"{kind} ")}


# ---- adding


def entries(file: Path) -> list[ast.Dict]:
    """Dictionaries with text keys at the top of a module, and those inside them."""
    found = []
    for node in ast.parse(file.read_text()).body:
        value = getattr(node, "value", None) if isinstance(node, ast.Assign | ast.AnnAssign) else None
        todo = [value] if isinstance(value, ast.Dict) else []
        while todo:
            each = todo.pop()
            if each.keys and all(isinstance(getattr(key, "value", None), str) for key in each.keys):
                found.append(each)
                # a dictionary of plain settings is one entry, not a table
                todo += [
                    d for d in each.values if isinstance(d, ast.Dict) and any(not isinstance(v, ast.Constant) for v in d.values)
                ]
    return found


def test_an_entry_more_in_every_table_reruns_nothing(tree, before):
    known = code.tables()
    added = 0
    for file in tree.root.rglob("*.py"):
        lines = file.read_text().splitlines(keepends=True)
        for table in sorted(entries(file), key=lambda each: (-each.lineno, -each.col_offset)):
            line, column = table.lineno - 1, table.col_offset
            text = lines[line].encode()
            lines[line] = (text[: column + 1] + b'"brand_new_entry": object(), ' + text[column + 1 :]).decode()
            added += 1
        file.write_text("".join(lines))
    changed = tree.changed(before) - {"report"}
    # the arms that a question compares are its own: with one more it asks more
    own = {f"question {name.split('.')[2]}" for name in known if ".run:" in name}
    assert not of("train", changed) and not of("metric", changed) and changed <= own
    grown = code.tables()
    assert added >= len(known) > 40 and all("brand_new_entry" in grown[name] for name in known if known[name])


def test_a_model_a_metric_a_loss_a_question_and_a_source_more_rerun_nothing(tree, before):
    (tree.root / "models" / "brand_new.py").write_text(
        'from genbench.models.vae import VAE\n\n\nclass BrandNew(VAE):\n    name = "brand_new"\n'
    )
    metric = (
        "from genbench.metrics.card import Card, metric\n\n\n@metric(Card(key='brand_new'))\ndef brand_new(images):\n    pass\n"
    )
    (tree.root / "metrics" / "brand_new.py").write_text(metric)
    shutil.copytree(tree.root / "questions" / "em_bound", tree.root / "questions" / "brand_new")
    loss = "class BrandNew(Hinge):\n    def generator(self, fake, hp):\n        return -fake.exp()\n\n\n"
    table = "LOSSES: dict[str, Loss] = {"
    tree.edit("models/gan_losses.py", table, f'{loss}{table}\n    "brand_new": BrandNew(),')
    tree.edit("data/__init__.py", "POINTS = {", 'POINTS = {\n    "spiral": points.ring8,')
    assert tree.changed(before) == set()
    assert "brand_new" in code.model_symbols()


@pytest.mark.parametrize("file", ["models/vae.py", "training/trainer.py", "nets/mlp.py", "data/space.py", "metrics/distances.py"])
def test_comments_docstrings_annotations_and_layout_count_nothing(tree, before, file):
    text = (tree.root / file).read_text()
    parsed = ast.parse(text)
    for node in ast.walk(parsed):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body[0].value.value = "Other words."
        if isinstance(node, ast.FunctionDef):
            node.returns = ast.Constant("AnotherType")
            for argument in node.args.args:
                argument.annotation = None
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            node.value = ast.List([ast.Constant("other")], ast.Load())
    (tree.root / file).write_text("# a comment\n" + ast.unparse(ast.fix_missing_locations(parsed)).replace("\n", "\n\n"))
    assert tree.changed(before) == set()


def test_where_code_lies_counts_nothing(tree, before):
    """A function that moves to another module, whose users import it from there."""
    text = (tree.root / "models" / "vae.py").read_text()
    node = next(each for each in ast.parse(text).body if getattr(each, "name", "") == "kl_from_standard")
    moved = ast.get_source_segment(text, node)
    (tree.root / "models" / "divergences.py").write_text(f"from torch import Tensor\n\n\n{moved}\n")
    changed = text.replace(moved, "").replace(
        "from torch import Tensor", "from torch import Tensor\nfrom genbench.models.divergences import kl_from_standard", 1
    )
    (tree.root / "models" / "vae.py").write_text(changed)
    assert tree.changed(before) == set()


# ---- editing


@pytest.mark.parametrize(
    ("file", "old", "new", "models"),
    [
        ("models/gan_losses.py", "return F.relu(1 - real)", "return F.relu(2 - real)", {"hinge_gan"}),
        ("models/gan_losses.py", "return 0.5 * (fake - ", "return 0.4 * (fake - ", {"lsgan"}),
        ("models/gan_losses.py", "return fake - real", "return fake - 2 * real", {"wgan", "wgan_gp"}),
        ("models/gan_losses.py", "return F.softplus(-fake)", "return F.relu(-fake)", NON_SATURATING),
        ("models/mixture.py", "tol=1e-4", "tol=1e-5", {"gmm", "ae"}),
        ("models/gan.py", "if critic_steps < 0:", "if critic_steps < -1:", GANS),
        ("training/optim.py", "eps=1e-8", "eps=1e-7", set(ALL)),
        ("models/base.py", "torch.randn", "torch.rand", set(ALL)),
        ("training/trainer.py", "DIVERGED = 1e10", "DIVERGED = 1e9", set(ALL)),
    ],
)  # fmt: skip
def test_an_edit_retrains_what_uses_it(tree, before, file, old, new, models):
    tree.edit(file, old, new)
    changed = tree.changed(before)
    retrained = {name.split()[0] for name in of("train", changed)}
    assert retrained == models
    assert not {"prepare ring8", "report"} & changed and (file == "models/base.py" or not of("metric", changed))


def test_editing_a_network_retrains_what_is_built_from_it(tree, before):
    tree.edit("nets/dcgan.py", "def __init__", "def added(self):\n        return 1\n\n    def __init__")
    assert not of("train", tree.changed(before))  # no recipe of ring8 or digits has one
    own = parts("ns_gan", "digits")
    own = {**own, "net": {**own["net"], "network": "dcgan"}}
    forget()
    with_it = training_code("ns_gan", spec("digits"), BUDGET, own)
    tree.edit("nets/dcgan.py", "return 1\n", "return 2\n")
    forget()
    assert training_code("ns_gan", spec("digits"), BUDGET, own) != with_it


@pytest.mark.parametrize(
    ("file", "old", "new", "metrics"),
    [
        ("metrics/transport.py", "PROJECTIONS = ", "PROJECTIONS = 1 + ", {"sliced_w1"}),
        ("metrics/two_samples.py", "BANDWIDTHS = ", "BANDWIDTHS = () + ", {"mmd2"}),
        ("metrics/classes.py", "SPLITS = ", "SPLITS = 1 + ", {"inception_score"}),
    ],
)
def test_editing_a_metric_rescores_it_alone(tree, before, file, old, new, metrics):
    tree.edit(file, old, new)
    changed = tree.changed(before)
    assert of("metric", changed) == metrics and not of("train", changed) and "report" not in changed


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "jobs/reference.py",
            "logits.argmax(1), minlength",
            "logits.argmin(1), minlength",
            {"reference digits", "floors digits"},
        ),
        (
            "metrics/distances.py",
            "def fid(",
            "def fid(more=0, *a, **k):\n    return None\n\n\ndef fid_before(",
            {"posthoc digits"},
        ),
        ("jobs/stored.py", "eval()", "train()", {"search digits", "score digits", "posthoc digits"}),
        ("data/points.py", "def log_prob(", "def log_prob_before(", {"question em_bound", "score ring8"}),
    ],
)
def test_what_stands_behind_a_number_counts(tree, before, file, old, new, expected):
    tree.edit(file, old, new)
    changed = tree.changed(before)
    assert expected <= changed and not of("train", changed)


def test_editing_the_report_writes_the_report_anew_and_nothing_else(tree, before):
    tree.edit("report/text.py", "def plural(", "def plural(x=None, *a, **k):\n    return ''\n\n\ndef plural_before(")
    assert tree.changed(before) == {"report"}


def test_editing_a_question_runs_that_question(tree, before):
    tree.edit("questions/em_bound/run.py", "curves, truth = [], []", "truth, curves = [], []")
    assert tree.changed(before) == {"question em_bound"}


@pytest.mark.parametrize("file", ["cli.py", "jobs/train.py", "config/expand.py", "results/files.py", "tracking/sync.py"])
def test_what_carries_results_about_changes_none(tree, before, file):
    path = tree.root / file
    path.write_text(path.read_text() + "\nNEW = print('new')\n")
    changed = tree.changed(before) - {"report"}
    assert not of("train", changed) and not of("metric", changed) and not of("question", changed)


# ---- how the sources are read


def reached(source: str, root: str, settings=None, given=()):
    module = symbols.read_module(source, "genbench.sample")
    code._modules.cache_clear()
    original = code._modules
    try:
        code._modules = lambda: {"genbench.sample": module}
        return {name.partition(":")[2] for name in code.reach(f"genbench.sample:{root}", settings=settings, given=given).digests}
    finally:
        code._modules = original


SAMPLE = """
import math
from dataclasses import dataclass

def one(): return 1
def two(): return 2
def three(one): return one
PARTS = {"one": one, "two": two}
MORE = {"three": three}
ALL = PARTS | MORE
NAMES = ("one", "two")

def by_literal(): return PARTS["one"]()
def by_setting(name): return PARTS[name]()
def by_default(name="two"): return PARTS[name]()
def by_union(name): return ALL[name]
def by_loop(): return [f() for f in PARTS.values()]
def checked(name):
    if name not in PARTS: raise ValueError(f"allowed: {', '.join(PARTS)}, {list(PARTS.values())}")
def compared(name): return 1 if name == "one" else PARTS.get(name)
def local():
    one = 5
    return one
def inner():
    def one(): return 3
    return one() + two()

class Base:
    part, size = "one", 3
    def __init__(self, part=""): self.f = PARTS[part or self.part]
class Child(Base):
    part = "two"
"""


@pytest.mark.parametrize(
    ("root", "settings", "given", "expected"),
    [
        ("by_literal", None, (), {"PARTS[one]", "one"}),
        ("by_setting", None, (), set()),
        ("by_setting", {"net": {"x": "two"}}, (), {"PARTS[two]", "two"}),
        ("by_default", None, (), {"PARTS[two]", "two"}),
        ("by_union", ["three"], (), {"MORE[three]", "three"}),
        ("by_loop", None, (), {"PARTS", "PARTS[one]", "PARTS[two]", "one", "two"}),
        ("checked", None, (), set()),
        ("compared", None, (), set()),
        ("local", None, (), set()),
        ("inner", None, (), {"two"}),
        ("Base", None, (), {"PARTS[one]", "one"}),
        ("Child", None, (), {"Base", "PARTS[two]", "two"}),
        ("Child", ["one"], ("part",), {"Base", "PARTS[one]", "one"}),
    ],
)
def test_what_is_reached(root, settings, given, expected):
    assert reached(SAMPLE, root, settings, given) == {root, *expected}


def test_a_name_from_another_library_counts():
    first = symbols.read_module("from math import sin as f\ndef g(x): return f(x)\n", "genbench.sample")
    second = symbols.read_module("from math import cos as f\ndef g(x): return f(x)\n", "genbench.sample")
    assert first.symbols["g"].digest != second.symbols["g"].digest


def test_the_cache_is_read_again_and_survives_damage(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_folder", [])
    plain = symbols.modules()
    cache.cache_in(tmp_path)
    assert symbols.modules() == plain and (tmp_path / "code.json").is_file()
    monkeypatch.setattr(symbols, "read_module", lambda *_: pytest.fail("a source was read twice"))
    assert symbols.modules() == plain
    monkeypatch.undo()
    monkeypatch.setattr(cache, "_folder", [tmp_path])
    (tmp_path / "code.json").write_text('{"made_from": ')
    assert symbols.modules() == plain


def test_every_shipped_study_names_models_that_exist():
    assert set(names("models")) == set(MODELS) and ROOT.is_dir()
