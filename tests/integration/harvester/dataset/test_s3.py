"""Resume, kill and compacting: on a local disk, and the same on a real S3 server on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from harvester.dataset import atomic, compaction_journal, lock, manifest, shards
from harvester.dataset import storage as places
from harvester.dataset.manifest import read_manifest
from harvester.dataset.storage import Location, list_files, location_of
from harvester.dataset.writer import DatasetWriter
from harvester.errors import ShardError
from harvester.maintenance import compaction
from harvester.maintenance.compaction import compact
from harvester.schema import Candidate, FetchStatus, Finding, Search, SearchStatus, failed_id
from tests.support.checkout import ROOT
from tests.support.patience import patient
from tests.support.servers.s3_server import address, s3_server

_ROOT = str(ROOT)


@pytest.fixture(scope="module")
def endpoint():
    with s3_server() as found:
        yield found


@pytest.fixture(params=["local", "s3"])
def where(request, tmp_path) -> str:
    """A dataset's address, as a command takes it."""
    if request.param == "local":
        return str(tmp_path / "dataset")
    return address(request.getfixturevalue("endpoint"), f"{tmp_path.name}/dataset")


@pytest.fixture
def remote(endpoint, tmp_path) -> Location:
    return location_of(address(endpoint, f"{tmp_path.name}/dataset"))


def candidate(number: int, **fields) -> Candidate:
    return Candidate(id=f"{number:04d}", url=f"https://example.org/{number}", **fields)


def fill(folder: Location) -> None:
    """4 pictures, 4 findings and a search in small shards, and one row of each that is replaced."""
    with DatasetWriter(folder, Candidate) as store:
        failed = failed_id("https://example.org/1")
        store.append(Candidate(id=failed, url="https://example.org/1", status=FetchStatus.TIMEOUT))
        for n in range(4):
            store.append(candidate(n, image=bytes([n]) * 1000, title=str(n)))
            store.append(Finding(url=f"u{n % 3}", source="s", candidate_id=f"{n:04d}"))
            store.flush()
        store.append(
            Search(query_prompt="p", query="p", source="s", status=SearchStatus.OK, found=1)
        )


def held(folder: Location) -> list[Counter]:
    return [
        Counter(map(repr, shards.rows(folder, row_type)))
        for row_type in (Candidate, Finding, Search)
    ]


def python(script: str, *args: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", script, *args],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": ROOT},
    )


def test_rows_come_back_and_the_manifest_follows(where):
    folder = location_of(where)
    with DatasetWriter(folder, Candidate) as store:
        store.note({"consent": "strict"})
        rows = [candidate(n, image=bytes([n]) * 5000) for n in range(250)]
        for row in rows:
            store.append(row)
    with DatasetWriter(folder, Candidate) as store:
        store.append(candidate(250))
    assert list(shards.rows(folder, Candidate)) == [*rows, candidate(250)]
    assert shards.pick(folder, Candidate, ["0120"])["0120"] == rows[120]
    assert shards.count_rows(folder, Candidate) == 251
    found = read_manifest(folder)
    assert found["tables"]["candidate"]["rows"] == 251
    assert [run["settings"] for run in found["runs"]] == [{"consent": "strict"}]
    assert found["runs"][0]["rows"] == {"candidate": 250}


def test_what_a_flush_acknowledged_survives_kill_9(where):
    """A real process, killed; the next one need not wait for its lock to age."""
    script = (
        "import sys, time\n"
        "from harvester.dataset.storage import location_of\n"
        "from harvester.schema import Candidate\n"
        "from harvester.dataset.writer import DatasetWriter\n"
        "with DatasetWriter(location_of(sys.argv[1]), Candidate) as store:\n"
        "    store.note({'a': 1})\n"
        "    store.append(Candidate(id='kept', url='u'))\n"
        "    store.flush()\n"
        "    store.append(Candidate(id='in flight', url='v'))\n"
        "    print('flushed', flush=True)\n"
        "    time.sleep(60)\n"
    )
    folder = location_of(where)
    with python(script, where) as process:
        assert process.stdout.readline() == "flushed\n"
        told = rf"another process is writing .*process {process.pid} on {socket.gethostname()}"
        with pytest.raises(ShardError, match=told):
            DatasetWriter(folder, Candidate).__enter__()
        process.send_signal(signal.SIGKILL)
    assert [row.id for row in shards.rows(folder, Candidate)] == ["kept"]
    with DatasetWriter(folder, Candidate) as store:
        store.append(candidate(2))
    found = read_manifest(folder)
    assert (found["tables"]["candidate"]["rows"], found["runs"][0]["settings"]) == (2, {"a": 1})


class Died(BaseException):
    """As if the process had been killed: what comes after it does nothing any more."""


class Steps:
    """Lets a number of writes and removals happen, and none after these."""

    def __init__(self, patch, limit: int) -> None:
        self.left = limit
        for module in (compaction, compaction_journal, manifest):
            for name in ("write_text", "remove", "write_shard"):
                if hasattr(module, name):
                    patch.setattr(module, name, self._counted(getattr(module, name)))

    def _counted(self, function):
        def counted(*args):
            self.left -= 1
            if self.left < 0:
                raise Died
            return function(*args)

        return counted


def copy_dataset(template: Path, folder: Location) -> None:
    for path in template.rglob("*"):
        if path.is_file():
            below = path.parent.name if path.parent != template else ""
            with atomic.writing(folder / below / path.name) as file:
                file.write(path.read_bytes())


@pytest.mark.parametrize(("kind", "stride"), [("local", 1), ("s3", 4)])
def test_compacting_may_die_at_every_step(tmp_path, kind, stride, request, monkeypatch):
    """A reader sees each row once, and the next run brings it to its end."""
    fill(template := tmp_path / "template")
    before = held(template)
    endpoint = request.getfixturevalue("endpoint") if kind == "s3" else ""
    for step in range(0, 100, stride):
        name = f"{tmp_path.name}/{step}"
        folder = location_of(address(endpoint, name)) if endpoint else tmp_path / str(step)
        copy_dataset(template, folder)
        with monkeypatch.context() as patch:
            steps = Steps(patch, step)
            try:
                compact(folder, rows_per_shard=2)
            except Died:
                pass
            else:
                assert steps.left >= 0
                break
        seen = held(folder)
        with DatasetWriter(folder, Candidate):  # what opens it next undoes or finishes
            assert held(folder) == seen
        report = compact(folder, rows_per_shard=2)
        after = held(folder)
        assert seen in (before, after)
        assert [sum(rows.values()) for rows in after] == [4, 3, 1]
        assert report.after == 5
        assert sum(read_manifest(folder)["tables"][kind]["rows"] for kind in report.rows) == 8
        names = [entry.name for entry in list_files(folder)]
        assert sum(name.startswith("part-") for name in names) == 2
    assert step > 15


@pytest.mark.parametrize("step", [3, 8])
def test_compacting_survives_a_real_kill_9(where, step):
    folder = location_of(where)
    fill(folder)
    before = held(folder)
    script = (
        "import os, signal, sys\n"
        "from harvester.dataset import compaction_journal\n"
        "from harvester.dataset.storage import location_of\n"
        "from harvester.maintenance import compaction\n"
        "left = int(sys.argv[2])\n"
        "def counted(function):\n"
        "    def call(*args):\n"
        "        global left\n"
        "        left -= 1\n"
        "        if left < 0:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return function(*args)\n"
        "    return call\n"
        "for module in (compaction, compaction_journal):\n"
        "    for name in ('write_text', 'remove', 'write_shard'):\n"
        "        if hasattr(module, name):\n"
        "            setattr(module, name, counted(getattr(module, name)))\n"
        "compaction.compact(location_of(sys.argv[1]), rows_per_shard=2)\n"
    )
    with python(script, where, str(step)) as process:
        process.wait(60)
    assert process.returncode == -signal.SIGKILL
    seen = held(folder)
    compact(folder, rows_per_shard=2)
    assert seen in (before, held(folder))


def test_two_writers_that_come_at_once_never_both_go_on(remote):
    first, second = lock.lock_of(remote, "run-1"), lock.lock_of(remote, "run-2")
    first._show()  # both have put their object before either looks
    with pytest.raises(ShardError, match="another process is writing"):
        second.acquire()
    first.acquire()
    assert [entry.name for entry in list_files(remote / ".lock")] == ["run-1.json"]
    first.release()
    assert list_files(remote / ".lock") == []


def test_a_writer_elsewhere_holds_until_it_is_silent_for_long(remote, monkeypatch):
    stranger = '{"host": "other\\u001b[31m", "machine": "m", "pid": 1, "run": "r", "since": "s", "at": "x"}'
    atomic.write_text(remote / ".lock" / "r.json", stranger)
    with pytest.raises(ShardError, match=r"process 1 on other.* last heard of \d s ago") as told:
        DatasetWriter(remote, Candidate).__enter__()
    assert "\x1b" not in str(told.value)
    monkeypatch.setattr(lock, "DEAD_AFTER_S", -1.0)
    with DatasetWriter(remote, Candidate) as store:
        store.append(candidate(1))
    assert list_files(remote / ".lock") == []


def test_a_heart_beats_and_a_lock_that_was_lost_is_noticed(remote, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.05)
    with DatasetWriter(remote, Candidate) as store:
        name = remote / ".lock" / f"{store.run}.json"
        [entry] = list_files(remote / ".lock")
        deadline = time.monotonic() + patient(100)
        while list_files(remote / ".lock")[0].modified_at == entry.modified_at:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        store.append(candidate(1))
        store.flush()
        # Asleep for long, taken for dead, and replaced by another who is at work.
        monkeypatch.setattr(lock, "_UNSURE_AFTER_S", -1.0)
        other = places.read_text(name).replace(str(os.getpid()), "1")
        atomic.write_text(remote / ".lock" / "other.json", other)
        store.append(candidate(2))
        with pytest.raises(ShardError, match="another process is writing"):
            store.flush()
    assert [row.id for row in shards.rows(remote, Candidate)] == ["0001"]


def test_an_object_is_not_there_when_its_writer_raises(remote):
    with pytest.raises(RuntimeError, match="boom"), atomic.writing(remote / "a") as file:
        file.write(b"half")
        raise RuntimeError("boom")
    assert list_files(remote) == []


def test_a_bucket_that_is_not_there_is_one_line(endpoint):
    missing = location_of(address(endpoint, "x", bucket="missing"))
    with pytest.raises(ShardError, match=r"s3://missing/x: .* no bucket missing; check"):
        shards.count_rows(missing, Candidate)
    with pytest.raises(ShardError, match=r"s3://missing/x/.* NO_SUCH_BUCKET") as told:
        DatasetWriter(missing, Candidate).__enter__()
    assert "any:any" not in str(told.value)


def test_a_server_that_is_away_or_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(places, "_ANSWER_S", 1.0)
    monkeypatch.setattr(places, "_ATTEMPTS", 1)
    places._s3.cache_clear()
    with socket.socket() as closed, socket.create_server(("127.0.0.1", 0)) as silent:
        closed.bind(("127.0.0.1", 0))
        for one in (closed, silent):
            there = f"http://127.0.0.1:{one.getsockname()[1]}"
            began = time.monotonic()
            with pytest.raises(ShardError, match="expected it to be") as told:
                shards.count_rows(location_of(address(there, "x")), Candidate)
            assert "\n" not in str(told.value)
            assert time.monotonic() - began < patient(100)
    places._s3.cache_clear()
