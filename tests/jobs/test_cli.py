"""The command line: exit status 2 and one line for what the user can mend, never a traceback."""

import json
import subprocess
import sys

import pytest
from kit import CONFIG, ROOT

from genbench.cli import main
from genbench.config.read import names
from genbench.models import MODELS


@pytest.fixture
def call(capsys, monkeypatch):
    """Runs a verb in the project's folder: (status, stdout, lines of stderr)."""
    monkeypatch.chdir(ROOT)

    def call(*argv):
        status = main([str(a) for a in argv])
        captured = capsys.readouterr()
        return status, captured.out, captured.err.splitlines()

    return call


def test_an_unknown_study_as_a_process():
    done = subprocess.run(
        [sys.executable, "-m", "genbench.cli", "check", "nosuch"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("genbench: ") and "unknown study 'nosuch'" in line and "default" in line


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["check", "nosuch"], ["nosuch", "allowed: "]),
        (["prepare", "--dataset", "nosuch"], ["--dataset", "unknown dataset 'nosuch'", "ring8"]),
        (["train", "a/b", "--study", "nosuch", "--out", "x.json", "--device", "cpu"], ["nosuch"]),
        (["train", "a/b", "--study", "default", "--out", "x", "--device", "cpu"], ["no group 'a/b'"]),
        (["reference", "--study", "nosuch", "--dataset", "ring8", "--device", "cpu"], ["--study", "nosuch"]),
        (["train", "a/b", "--study", "default", "--out", "x", "--device", "abacus"], ["--device", "abacus"]),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(call, argv, words, tmp_path):
    status, out, lines = call(argv[0], *argv[1:], "--results", tmp_path)
    assert status == 2 and out == "" and len(lines) == 1
    assert lines[0].startswith("genbench: ") and all(word in lines[0] for word in words)


def test_missing_arguments_are_reported_by_the_parser(call):
    with pytest.raises(SystemExit) as caught:
        call("train")
    assert caught.value.code == 2


def test_models_as_json(call):
    status, out, lines = call("models", "--json")
    rows = json.loads(out)
    assert status == 0 and not lines
    assert {row["model"] for row in rows} == set(MODELS)
    assert all(row["likelihood"] == MODELS[row["model"]].likelihood and row["paper"] for row in rows)


def test_datasets_as_json(call):
    _, out, _ = call("datasets", "--json")
    rows = json.loads(out)
    assert [row["dataset"] for row in rows] == names("datasets", CONFIG)
    assert next(row for row in rows if row["dataset"] == "digits")["shape"] == "1x8x8"


@pytest.mark.parametrize("listing", ["models", "datasets"])
def test_listings_for_people(call, listing):
    status, out, _ = call(listing)
    lines = out.splitlines()
    assert status == 0 and lines[0].startswith(listing[:-1])
    assert [line.split()[0] for line in lines[1:]] == names(listing, CONFIG)


LONG = ("paper", "standard")  # of hundreds of networks, whose updates are counted


@pytest.mark.parametrize(
    "study", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in names("studies", CONFIG)]
)
def test_shipped_studies_can_run_and_have_nothing_unfair_that_they_do_not_accept(call, study, tmp_path):
    """--strict fails where the linter finds what the study does not accept."""
    status, out, lines = call("check", study, "--json", "--strict", "--results", tmp_path)
    assert not lines
    rows = json.loads(out)
    assert status == 0 and rows and all(row["trials"] > 0 and row["done"] == 0 and row["budget"] for row in rows)


def test_check_for_people(call, tmp_path):
    status, out, _ = call("check", "smoke", "--no-cost", "--results", tmp_path)
    assert status == 0 and "smoke: " in out and "0 trials trained already" in out


@pytest.mark.parametrize("verb", ["models", "datasets"])
def test_a_folder_without_configuration_is_a_users_error(call, verb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, lines = call(verb)
    assert status == 2 and len(lines) == 1 and "config" in lines[0]


def test_the_command_line_starts_without_torch():
    """The Snakefile and listings must not wait seconds for an import."""
    code = "import sys, genbench.cli, genbench.config.expand, genbench.config.run; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0
