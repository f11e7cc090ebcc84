"""Imports run one way: the contracts of pyproject.toml hold, and no part of the package escapes them."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import networkx

from genbench import questions
from genbench.config.read import model_spec, names

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "genbench"


def test_every_contract_is_kept():
    lint = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "pyproject.toml"]
    done = subprocess.run(lint, cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stdout[done.stdout.find("Contracts\n") :] + done.stderr
    assert " 0 broken" in done.stdout


def test_no_folder_escapes_the_linter():
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    unseen = sorted(str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists())
    assert not unseen, f"add an empty __init__.py, or no linter looks there: {', '.join(unseen)}"


def test_configuration_names_no_model_dataset_or_question():
    known = {*names("models"), *names("datasets"), *questions.names()} - {model_spec(name).family for name in names("models")}
    files = sorted((PACKAGE / "config").glob("*.py"))
    said = {
        f"{path.name}:{node.lineno}: {node.value}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in known
    }
    assert files and not said


def test_the_picture_is_that_of_todays_imports():
    draw = [Path(sys.executable).with_name("import-linter"), "drawgraph", "genbench"]
    dot = subprocess.run(draw, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    imports = networkx.DiGraph(re.findall(r'"\.(\w+)" -> +"\.(\w+)"', dot))
    assert networkx.is_directed_acyclic_graph(imports), networkx.find_cycle(imports)
    drawn = re.findall(r"<title>\.(\w+)&#45;&gt;\.(\w+)</title>", (ROOT / "docs" / "imports.svg").read_text())
    assert sorted(drawn) == sorted(networkx.transitive_reduction(imports).edges), "make it anew: see CONTRIBUTING.md"
