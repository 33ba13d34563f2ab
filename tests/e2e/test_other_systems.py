"""Systems without `fcntl`, `resource` and `uvloop`, such as Windows; here the three are hidden."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.checkout import ROOT, SAMPLE

HIDING = """
import importlib.abc, json, sys
class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("fcntl", "resource", "uvloop"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
for name in ("fcntl", "resource", "uvloop"):
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Hidden())
"""
OPTIONAL = ("harvester.pipeline.ray_engine", "harvester.pipeline.ray_pace")
"""Ray needs them itself."""


@pytest.fixture
def run_hidden(tmp_path, environment):
    def run_code(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", HIDING + code, *map(str, arguments)],
            cwd=tmp_path,
            env=environment | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run_code


def test_every_module_of_the_default_path_can_be_imported(run_hidden):
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for room in ("harvester", "attribution")
        for path in sorted((ROOT / room).rglob("*.py"))
        if path.name != "__init__.py" and "validation" not in path.parts
    ]
    names = [name for name in names if name not in OPTIONAL]
    assert len(names) > 150
    ran = run_hidden("import importlib\nfor n in sys.argv[1:]: importlib.import_module(n)", *names)
    assert ran.returncode == 0, ran.stderr


def test_a_folder_is_harvested_and_decoding_in_the_process_is_said_once(run_hidden, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, name in enumerate(("gen.png", "gen.png", "prompts.txt")):
        (folder / f"{number}-{name}").write_bytes((SAMPLE / name).read_bytes())
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    code = "from harvester.cli.main import main\nmain()"
    ran = run_hidden(code, "folder", folder, "--out", tmp_path / "out", "--json")
    assert ran.stderr.count("decoded within this process") == 1, ran.stderr
    told = json.loads(ran.stdout)
    assert (ran.returncode, told["new"]) == (0, 1), ran.stdout
    again = run_hidden(code, "folder", folder, "--out", tmp_path / "out", "--json")
    assert (again.returncode, json.loads(again.stdout)["new"]) == (0, 0), again.stderr


def test_the_sample_is_ranked(run_hidden):
    code = "from attribution.cli.main import main\nmain()"
    prompt = (SAMPLE / "prompts.txt").read_text("utf-8").splitlines()[0]
    arguments = ["--image", SAMPLE / "gen.png", "--prompt", prompt, "--offline", "--json"]
    ran = run_hidden(code, *arguments, "--candidates", SAMPLE / "candidates", "--top", 1)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[0])["verdict"] == "altered version"
