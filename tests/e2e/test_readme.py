"""The commands of README and guide are run, and their output is what these show."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import SCRIPTS
from tests.support.checkout import ROOT
from tests.support.patience import patient

PAGES = [(ROOT / page).read_text("utf-8") for page in ("README.md", "docs/guide.md")]
BLOCKS = [
    block
    for page in PAGES
    for block in re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
]
EXAMPLES = [
    (command, output)
    for block in BLOCKS
    for command, output in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the README's reader stands in, without touching the real one."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sample").symlink_to(ROOT / "data" / "sample")
    return tmp_path


def pattern_of(output: str) -> str:
    """Lines to match, spaces at their ends aside; ` ...` stands for any lines."""
    lines = ["" if not line.strip() else line.rstrip() for line in output.splitlines()]
    parts = [r"(?:.*\n)*?" if line == " ..." else re.escape(line) + r" *\n" for line in lines]
    return "".join(parts).replace(re.escape("[...]"), r"\[.*\]") + r"(?:.*\n)*\Z"


@pytest.mark.parametrize(("command", "output"), EXAMPLES, ids=[c[:40] for c, _ in EXAMPLES])
def test_the_readme_shows_what_happens(checkout, environment, command, output):
    searched = f"{SCRIPTS}{os.pathsep}{environment['PATH']}"
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=checkout,
        env=environment | {"PATH": searched, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=patient(1200),
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert re.match(pattern_of(output), ran.stdout), ran.stdout


def test_there_are_examples_to_run():
    assert len(EXAMPLES) >= 4


def test_make_demo_ranks_the_true_source_first(environment):
    """The README's first command; in this checkout, so that nothing is installed again."""
    if not (ROOT / ".venv" / ".ready").exists():
        pytest.skip("the checkout was not set up by make")
    ran = subprocess.run(
        ["make", "demo"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"^ 1   altered version .* Kingfisher", ran.stdout, re.MULTILINE), ran.stdout
    assert "13 new" in ran.stdout or "13 known" in ran.stdout
    assert (ROOT / "build/demo/report.html").exists()
