"""What lies beside the index of a dataset reaches nothing outside: neither journals nor links."""

from __future__ import annotations

import os
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest

from harvester.dataset.writer import DatasetWriter
from harvester.dedup.index import STATE, SeenIndex
from harvester.errors import ShardError
from harvester.schema import Candidate, FetchStatus

ADDRESS = "https://example.org/1.jpg"
SETTLED = ("1", FetchStatus.OK)
ENDINGS = ["-journal", "-wal", "-shm"]
MAGIC = bytes.fromhex("d9d505f920a163d7")
_PAGE = 4096


def dataset(folder: Path) -> Path:
    with DatasetWriter(folder, Candidate) as store:
        store.append(Candidate(id="1", url=ADDRESS))
    with SeenIndex(folder):
        pass
    return folder / STATE


def beside(state: Path, ending: str) -> Path:
    return state.with_name(state.name + ending)


def journal_that_names(victim: Path, pages: int) -> bytes:
    """A rollback journal of no pages, whose super-journal is a file of somebody's."""
    name = os.fsencode(victim)
    head = MAGIC + struct.pack(">5I", 0, 1, pages, 512, _PAGE)
    place = struct.pack(">I", 0x40000000 // _PAGE + 1)  # the page that SQLite locks by
    return head.ljust(512, b"\0") + place + name + struct.pack(">2I", len(name), sum(name)) + MAGIC


def in_rollback_mode(state: Path) -> None:
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def of_another_program(state: Path) -> None:
    state.unlink()
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("CREATE TABLE t (a)")


@pytest.mark.parametrize("make", [in_rollback_mode, of_another_program])
def test_a_journal_that_names_a_file_does_not_delete_it(tmp_path, make):
    state, victim = dataset(tmp_path / "dataset"), tmp_path / "victim"
    make(state)
    pages = state.stat().st_size // _PAGE
    victim.write_text("mine")
    body = journal_that_names(victim, pages)
    beside(state, "-journal").write_bytes(body)
    with SeenIndex(tmp_path / "dataset") as known:
        assert known.resolution_of(ADDRESS) == SETTLED
    assert victim.read_text() == "mine"
    assert not beside(state, "-journal").exists()


def test_the_journal_of_this_test_is_one_that_sqlite_acts_on(tmp_path):
    state, victim = tmp_path / "t.sqlite", tmp_path / "victim"
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("CREATE TABLE t (a)")
    victim.write_text("mine")
    pages = state.stat().st_size // _PAGE
    beside(state, "-journal").write_bytes(journal_that_names(victim, pages))
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("SELECT * FROM t").fetchall()
    assert not victim.exists()


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
@pytest.mark.parametrize("ending", ["", *ENDINGS])
def test_links_are_taken_away_and_what_they_lead_to_stays(tmp_path, ending, link):
    state, victim = dataset(tmp_path / "dataset"), tmp_path / "victim"
    victim.write_text("mine")
    place = beside(state, ending)
    place.unlink(missing_ok=True)
    link(place, victim)
    with SeenIndex(tmp_path / "dataset") as known:
        known.add(Candidate(id="2", url="https://example.org/2.jpg"))
        known.commit(known.seal())
        assert known.resolution_of(ADDRESS) == SETTLED
    assert victim.read_text() == "mine"
    assert state.stat().st_nlink == 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_link_that_leads_nowhere_makes_no_file_there(tmp_path, ending):
    state = dataset(tmp_path / "dataset")
    beside(state, ending).symlink_to(tmp_path / "nothing")
    with SeenIndex(tmp_path / "dataset") as known:
        known.add(Candidate(id="2", url="https://example.org/2.jpg"))
        known.commit(known.seal())
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_folder_or_a_pipe_beside_it_is_one_line(tmp_path, ending):
    state = dataset(tmp_path)
    beside(state, ending).mkdir()
    with pytest.raises(ShardError, match="found a folder; move it away"), SeenIndex(tmp_path):
        pass
    beside(state, ending).rmdir()
    os.mkfifo(beside(state, ending))
    with pytest.raises(ShardError, match="found a pipe; move it away"), SeenIndex(tmp_path):
        pass


def test_what_a_killed_run_had_written_is_not_read_again_from_the_shards(tmp_path):
    state = dataset(tmp_path / "dataset")
    with SeenIndex(tmp_path / "dataset") as known:
        known.add(Candidate(id="2", url="https://example.org/2.jpg"))
        known.commit(known.seal())
        # As `kill -9` leaves it: the log has not gone into the file.
        left = {ending: beside(state, ending).read_bytes() for ending in ("", "-wal", "-shm")}
    for ending, body in left.items():
        beside(state, ending).write_bytes(body)
    with SeenIndex(tmp_path / "dataset") as known:
        assert known.resolution_of("https://example.org/2.jpg") == ("2", FetchStatus.OK)
