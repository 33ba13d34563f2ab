"""What is installed: the wheel and the sdist are built, and the wheel runs outside the checkout."""

from __future__ import annotations

import email
import json
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from harvester.distribution import DISTRIBUTION, VERSION
from tests.support.checkout import ROOT, SAMPLE

STEM = f"{DISTRIBUTION.replace('-', '_')}-{VERSION}"
WHEEL = f"{STEM}-py3-none-any.whl"


def build(source: Path, target: str, out: Path) -> Path:
    """As pip does it, with the backend that `pyproject.toml` names."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", out]
    ran = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return out / (WHEEL if target == "wheel" else f"{STEM}.tar.gz")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def names(wheel) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def metadata(wheel) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(archive.read(f"{STEM}.dist-info/METADATA"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The `bin` of an environment with the wheel in it; what it needs is lent by the running one.

    A folder that a .pth file adds is searched, but .pth files in it are not read: the checkout's
    editable install is not seen there.
    """
    folder = tmp_path_factory.mktemp("installed") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install"]
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, *options, wheel], check=True, env=_outside(os.environ))
    [packages] = folder.glob("lib/python*/site-packages")
    lent = {sysconfig.get_paths()[name] for name in ("purelib", "platlib")}
    (packages / "lent.pth").write_text("\n".join(sorted(lent)) + "\n")
    return folder / "bin"


def _outside(environment) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name != "PYTHONPATH"}


@pytest.fixture
def run(installed, tmp_path, environment):
    def run_command(command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [installed / command, *map(str, arguments)],
            cwd=tmp_path,
            env=_outside(environment),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run_command


def test_the_wheel_has_both_packages_and_nothing_beside_them(names):
    tops = {name.split("/")[0] for name in names}
    assert tops == {"harvester", "attribution", f"{STEM}.dist-info"}
    carried = {"harvester/py.typed", "attribution/py.typed"}
    kinds = {".safetensors", ".json", ".md", ".css", ".j2"}
    carried |= {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "attribution").rglob("*")
        if path.suffix in kinds
    }
    assert len(carried) > 8
    assert carried <= set(names)
    assert not [name for name in names if name.endswith((".pyc", ".ci"))]


def test_the_wheel_says_who_made_it_and_where_more_is(metadata):
    assert (metadata["Name"], metadata["Version"]) == (DISTRIBUTION, VERSION)
    assert metadata["Author"] == "The whence authors"
    assert metadata["License-Expression"] == "Apache-2.0"
    places = dict(line.split(", ", 1) for line in metadata.get_all("Project-URL"))
    assert {"Homepage", "Documentation"} <= places.keys()
    assert all(place.startswith("https://") for place in places.values())
    versions = [one for one in metadata.get_all("Classifier") if re.search(r":: 3\.\d+$", one)]
    assert [one.rpartition(".")[2] for one in versions] == ["11", "12", "13", "14"]
    assert "# whence" in metadata.get_payload()


def test_the_sdist_builds_the_same_wheel(wheel, tmp_path):
    sdist = build(ROOT, "sdist", tmp_path / "sdist")
    # Not by tarfile: early 3.11 has no `filter`, and 3.14 warns without one.
    subprocess.run(["tar", "-xzf", sdist, "-C", tmp_path], check=True)
    source = tmp_path / STEM
    assert not {".ci", ".git", ".github", "build", ".venv"} & {one.name for one in source.iterdir()}
    again = build(source, "wheel", tmp_path / "again")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        record = f"{STEM}.dist-info/RECORD"
        assert one.read(record) == other.read(record)  # each file's name and sha256


@pytest.mark.parametrize("command", ["harvest", "attribute"])
def test_both_commands_answer_outside_the_checkout(run, command):
    shown = run(command, "--version")
    assert (shown.returncode, shown.stdout) == (0, f"whence {VERSION}\n"), shown.stderr
    helped = run(command, "--help")
    assert helped.stdout.startswith(f"Usage: {command} "), helped.stderr


def test_what_runs_is_what_was_installed(run, installed):
    code = (
        "import importlib.util, harvester, attribution\n"
        "print(harvester.__file__, attribution.__file__, importlib.util.find_spec('cli'))"
    )
    first, second, cli = run("python", "-c", code).stdout.split()
    assert {Path(one).is_relative_to(installed.parent) for one in (first, second)} == {True}
    assert cli == "None"


def test_the_sample_is_ranked_outside_the_checkout(run, tmp_path):
    prompt = (SAMPLE / "prompts.txt").read_text("utf-8").splitlines()[0]
    options = ["--candidates", SAMPLE / "candidates", "--offline", "--top", 1, "--json"]
    ran = run("attribute", "--image", SAMPLE / "gen.png", "--prompt", prompt, *options)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[0])["verdict"] == "altered version"
    ran = run("harvest", "folder", SAMPLE, "--out", tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
