"""No command writes over what it reads, nor over files that whence did not write."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

LIST = "image,prompt\ngen.png,a kingfisher\n"


@pytest.fixture
def mine(tmp_path, sample) -> Path:
    """A user's files: a picture, a list, a dataset, notes."""
    shutil.copytree(sample / "candidates", tmp_path / "ds")
    shutil.copy(sample / "gen.png", tmp_path)
    (tmp_path / "jobs.csv").write_text(LIST)
    (tmp_path / "link.csv").symlink_to("jobs.csv")
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "jobs.csv")
    (tmp_path / "list.txt").write_text("http://127.0.0.1:9/1.jpg\n")
    (tmp_path / "words.txt").write_text("a kingfisher\n")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<!doctype html><title>mine</title>")
    (tmp_path / "site" / "manifest.json").write_text('{"name": "my web app"}')
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in paths
        if "home" not in path.parts
    }


BATCH = "attribute batch jobs.csv --candidates ds --top 1"
RANK = "attribute --image gen.png --candidates ds --offline"
SHARD = "ds/part-sample-00000.parquet"


@pytest.mark.parametrize(
    "command",
    [
        f"{BATCH} --out jobs.csv",
        f"{BATCH} --out ./ds/../jobs.csv",
        f"{BATCH} --out link.csv",
        f"{BATCH} --out hard.csv --restart",
        f"{BATCH} --out {SHARD}",
        f"{BATCH} --out r.csv --report site",
        f"{RANK} --report gen.png",
        f"{RANK} --report {SHARD}",
        "attribute background ds --out gen.png",
        f"attribute background ds --out {SHARD}",
        "harvest urls list.txt --out c --log-json list.txt",
        f"harvest urls list.txt --out c --log-json {SHARD}",
        "harvest urls jobs.csv --out c --log-json gen.png",
        "harvest ddg --prompts words.txt --out c --log-json ./words.txt",
        "harvest folder site --out site",
    ],
)
def test_files_of_the_user_are_never_written_over(run, mine, command):
    before = content(mine)
    ran = run(*command.split())
    assert ran.code == 3, ran.err
    assert len([line for line in ran.err.splitlines() if line.startswith("error: ")]) == 1
    assert "nothing was changed" in ran.err
    assert content(mine) == before
