"""What an optional package's absence looks like: one line that says what to install, exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.checkout import ROOT, SAMPLE
from tests.support.patience import patient

HIDDEN = """
import sys
names, sys.argv = sys.argv[1].split(","), sys.argv[2:]
sys.modules.update(dict.fromkeys(names))  # as if they were not installed
from {package}.cli.main import main
main()
"""
IMAGE = ["--image", SAMPLE / "gen.png", "--candidates", SAMPLE / "candidates", "--offline"]


@pytest.mark.parametrize(
    ("hidden", "command", "extra"),
    [
        ("torch", ["attribute", *IMAGE, "--backbone", "dinov2"], "models"),
        ("timm", ["attribute", *IMAGE, "--backbone", "dinov2=nothing.safetensors"], "models"),
        ("imagehash", ["attribute", *IMAGE, "--crop-resistant"], "crops"),
        ("scipy", ["attribute", "evaluate", "copies", SAMPLE / "candidates"], "evaluate"),
        ("transformers", ["attribute", "validate", "run", SAMPLE / "candidates"], "validate"),
        ("torch", ["attribute", "validate", "generate", "--prompt", "a"], "validate"),
        ("ray", ["harvest", "urls", "list.txt", "--engine", "ray"], "ray"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_absent_package_is_one_line_and_exit_code_2(tmp_path, hidden, command, extra):
    (tmp_path / "list.txt").write_text("https://example.org/a.jpg\n")
    package = {"attribute": "attribution", "harvest": "harvester"}[command[0]]
    ran = subprocess.run(
        [sys.executable, "-c", HIDDEN.format(package=package), hidden, *map(str, command)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=patient(600),
        check=False,
    )
    line = ran.stderr.strip().splitlines()[-1]
    assert ran.returncode == 2, ran.stderr
    assert line.startswith("error: ")
    assert f"install it with pip install 'whence-attribution[{extra}]'" in line
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "data").exists()


def test_a_ranking_needs_none_of_them(tmp_path):
    hidden = "torch,torchvision,timm,open_clip,scipy,imagehash,transformers,faiss,pdqhash,ray"
    copy = tmp_path / "candidates"
    copy.mkdir()
    for path in (SAMPLE / "candidates").glob("*.*"):
        (copy / path.name).write_bytes(path.read_bytes())
    command = ["attribute", "--image", SAMPLE / "gen.png", "--candidates", copy, "--offline"]
    ran = subprocess.run(
        [sys.executable, "-c", HIDDEN.format(package="attribution"), hidden, *map(str, command)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=patient(600),
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "altered version" in ran.stdout
