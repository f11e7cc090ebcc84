"""docs/extending.md holds literally: its blocks are applied to a copy of the project, counted, and used."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"^\*\*`(?P<file>[^`]+)`\*\*, (?:new file|(?P<side>above|below) the line that starts with `(?P<line>[^`]+)`):\n\n"
    r"```\w+\n(?P<text>.*?)```$",
    re.M | re.S,
)
USES = Path(__file__).with_name("uses_what_was_added.py")


def parts() -> dict[str, list[re.Match]]:
    """The blocks of the page by the title of their section."""
    sections = re.split(r"^## ", (ROOT / "docs" / "extending.md").read_text(), flags=re.M)[1:]
    return {section.split("\n", 1)[0].lower(): list(BLOCK.finditer(section)) for section in sections}


def apply(block: re.Match, root: Path) -> None:
    """Do to a file what a block's first line says."""
    file, text = root / block["file"], block["text"]
    if not block["side"]:
        assert not file.exists(), f"{block['file']} is there already"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return
    before = file.read_text()
    (at,) = re.finditer(rf"^{re.escape(block['line'])}.*\n", before, re.M)
    place = at.start() if block["side"] == "above" else at.end()
    apart = "\n\n" if block["side"] == "above" else ""  # two blank lines between definitions
    file.write_text(before[:place] + text + apart + before[place:])


def counted(blocks: list[re.Match]) -> tuple[int, int]:
    """Files, and lines that are not empty."""
    lines = [line for block in blocks for line in block["text"].splitlines() if line.strip()]
    return len({block["file"] for block in blocks}), len(lines)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The project with everything added."""
    root = tmp_path_factory.mktemp("copy")
    for folder in ("genbench", "config", "workflow"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    for blocks in parts().values():
        for block in blocks:
            apply(block, root)
    return root


@pytest.fixture(scope="module")
def used(copy):
    """What came of using each part, in one process."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, USES], cwd=copy, env=environment, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_table_counts_files_and_lines():
    rows = re.findall(r"^\| \[(.+?)\].* \| (\d+) \| (\d+) \|$", (ROOT / "docs" / "extending.md").read_text(), re.M)
    said = {name.lower(): (int(files), int(lines)) for name, files, lines in rows}
    assert said == {title: counted(blocks) for title, blocks in parts().items()}


def test_every_block_that_names_a_file_is_read():
    text = (ROOT / "docs" / "extending.md").read_text()
    assert len(re.findall(r"^\*\*`", text, re.M)) == sum(map(len, parts().values())) > 10


def test_what_is_added_passes_the_linters(copy):
    added = {block["file"] for blocks in parts().values() for block in blocks if block["file"].endswith(".py")}
    for command in (["check"], ["format", "--check"]):
        ruff = [Path(sys.executable).with_name("ruff"), *command, "--no-cache", *sorted(added)]
        done = subprocess.run(ruff, cwd=copy, capture_output=True, text=True)
        assert not done.returncode, done.stdout + done.stderr


def test_the_dataset_is_made(used):
    assert used["dataset"] == {"train": [2000, 1, 28, 28], "classes": [0, 1]}


def test_the_loss_and_the_models_train(used):
    assert set(used["models"]) == {"ns_gan with kl", "kl_gan", "normal"}
    assert all(result == "ok" for result in used["models"].values())


def test_the_metric_scores(used):
    assert used["metric"] == pytest.approx(4.0)


def test_the_question_is_asked_answered_and_reported(used):
    near, far = used["question"]["distances"]
    assert 0 < far < near
    assert used["question"]["blocks"] == ["table"]


def test_the_study_is_what_it_says(used):
    assert used["study"] == {"ring8": 3 * 3, "quadrilaterals": 2 * 8}
