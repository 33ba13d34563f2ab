"""What a batch keeps beside its output: `--restart` removes what whence made, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from attribution.batch.checkpoint import BatchCheckpoint
from attribution.batch.table import failure_row
from attribution.errors import JobError
from harvester.errors import InputError

SETTINGS = {"candidates": "c", "method": "m", "k": 1, "grid": "auto"}


def begin(out: Path, *jobs: str, restart: bool = False, **settings: object) -> None:
    with BatchCheckpoint(out, SETTINGS | settings, restart=restart) as parts:
        parts.add([failure_row(job, "x.png", None, "e") for job in jobs])
        parts.join()


def content(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def restart(out: Path) -> None:
    begin(out, restart=True, k=2)


@pytest.fixture
def out(tmp_path) -> Path:
    begin(tmp_path / "r.csv", "a", "b")
    return tmp_path / "r.csv"


def test_restart_leaves_what_others_put_into_the_folder(out):
    folder = out.with_name("r.csv.parts")
    (folder / "thesis").mkdir()
    (folder / "thesis" / "chapter.txt").write_text("mine")
    (folder / "part-one.parquet").with_suffix(".txt").write_text("mine")
    (folder / "link").symlink_to("thesis")
    (folder / ".part-00001.parquet.0123456789abcdef.tmp").touch()
    restart(out)
    left = {path.name for path in folder.iterdir()} - {".lock"}
    assert left == {"settings.json", "thesis", "part-one.txt", "link"}
    assert (folder / "thesis" / "chapter.txt").read_text() == "mine"
    assert json.loads((folder / "settings.json").read_text())["k"] == 2
    assert "x.png" not in out.read_text()


@pytest.mark.parametrize("name", ["settings.json", "part-00000.parquet"])
def test_restart_refuses_a_folder_of_another_program(tmp_path, name):
    folder = tmp_path / "r.csv.parts"
    folder.mkdir()
    (folder / "settings.json").write_text('{"theme": "dark"}')
    pq.write_table(pa.table({"a": [1]}), folder / "part-00000.parquet")
    if name != "settings.json":
        (folder / "settings.json").unlink()
    before = content(tmp_path)
    with pytest.raises(JobError, match=f"{name}: expected what earlier runs left, found another"):
        restart(tmp_path / "r.csv")
    assert content(tmp_path) == before


@pytest.mark.parametrize("broken", ["settings.json", "part-00000.parquet"])
def test_restart_begins_anew_where_one_file_is_damaged(out, broken):
    (out.with_name("r.csv.parts") / broken).write_bytes(b"{")
    restart(out)
    assert "x.png" not in out.read_text()


def test_an_output_of_another_program_is_not_removed(tmp_path):
    out = tmp_path / "r.csv"
    out.write_text("image,prompt\na.png,a\n")
    for again in (True, False):
        with pytest.raises(InputError, match="give another --out"):
            begin(out, "a", restart=again)
    assert content(tmp_path) == {"r.csv": b"image,prompt\na.png,a\n"}


def test_a_linked_folder_of_a_dataset_keeps_its_shards(tmp_path):
    (tmp_path / "mine").mkdir()
    pq.write_table(pa.table({"a": [1]}), tmp_path / "mine" / "part-00000.parquet")
    (tmp_path / "r.csv.parts").symlink_to("mine")
    before = content(tmp_path)
    with pytest.raises(JobError, match="found another file"):
        restart(tmp_path / "r.csv")
    assert content(tmp_path) == before


# Folders of versions that knew jobs by the numbers of their rows


def ranked(job: str) -> dict[str, object]:
    return failure_row(job, f"{job}.png", None, "") | {"status": "ok", "rank": 1}


@pytest.fixture
def former(tmp_path) -> Path:
    """Three jobs that are done, two of them by number."""
    with BatchCheckpoint(tmp_path / "r.csv", SETTINGS) as parts:
        parts.add([ranked("1"), ranked("own"), ranked("2")])
    (tmp_path / "r.csv.parts" / "settings.json").write_text(json.dumps(SETTINGS))
    return tmp_path / "r.csv"


def opened(out: Path, *numbers: str) -> tuple[set[str], int]:
    with BatchCheckpoint(out, SETTINGS, was_number=numbers.__contains__) as parts:
        parts.join()
        assert {row["job_id"] for row in parts.best()} == parts.finished
        return parts.finished, parts.forgotten


def test_numbers_of_rows_are_taken_out_once_and_other_ids_stay(former):
    assert opened(former, "1", "2") == ({"own"}, 2)
    assert opened(former, "own") == ({"own"}, 0)  # noted: ids are no numbers of rows any more


def test_ids_that_a_list_gives_stay_though_they_are_numbers(former):
    assert opened(former) == ({"1", "2", "own"}, 0)


def test_a_run_that_is_killed_while_it_takes_them_out_does_so_again(former, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(BatchCheckpoint, "_write_settings", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            opened(former, "1", "2")
    with BatchCheckpoint(former, SETTINGS, was_number={"2"}.__contains__) as parts:
        assert parts.finished == {"own"}


def test_a_new_folder_notes_that_ids_are_no_numbers(tmp_path):
    begin(tmp_path / "r.csv", "1")
    with BatchCheckpoint(tmp_path / "r.csv", SETTINGS) as parts:
        parts.add([ranked("1")])
    assert opened(tmp_path / "r.csv", "1") == ({"1"}, 0)
