"""Datasets on disk: whole shards, a manifest that follows them, one writer."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvester.dataset import atomic, shards
from harvester.dataset import manifest as manifests
from harvester.dataset import writer as stores
from harvester.dataset.writer import DatasetWriter
from harvester.errors import ShardError
from harvester.schema import (
    Candidate,
    FetchStatus,
    Finding,
    Generation,
    SchemaError,
    Search,
    SearchStatus,
)
from tests.support.checkout import ROOT


def candidate(number: int, **fields) -> Candidate:
    return Candidate(id=f"{number:04d}", url=f"https://example.org/{number}", **fields)


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def test_rows_come_back_in_order_with_their_pictures(tmp_path):
    rows = [candidate(n, image=bytes([n % 251])) for n in range(350)]
    with DatasetWriter(tmp_path, Candidate) as store:
        for row in rows:
            store.append(row)
    assert list(shards.rows(tmp_path, Candidate)) == rows
    assert shards.count_rows(tmp_path, Candidate) == 350


def test_pick_reads_the_named_rows_only(tmp_path):
    with DatasetWriter(tmp_path, Candidate, rows_per_shard=100) as store:
        for n in range(250):
            store.append(candidate(n, image=bytes([n % 251]), title=str(n)))
            if store.is_due:
                store.flush()
    picked = shards.pick(tmp_path, Candidate, ["0003", "0101", "0249", "nowhere"])
    assert sorted(picked) == ["0003", "0101", "0249"]
    assert picked["0101"].image == bytes([101])


def test_the_manifest_tells_counts_and_hashes_of_what_is_there(tmp_path):
    with DatasetWriter(tmp_path, Candidate) as store:
        store.note({"source": "test"})
        store.append(candidate(1))
        store.append(candidate(2, status=FetchStatus.NOT_FOUND))
        store.append(Finding(url="https://example.org/1", source="test"))
        store.append(
            Search(query_prompt="a", query="a", source="test", status=SearchStatus.EMPTY, found=0)
        )
    found = manifest(tmp_path)
    assert found["tables"]["candidate"]["rows"] == 2
    assert found["tables"]["candidate"]["status"] == {"ok": 1, "not_found": 1}
    assert found["tables"]["finding"]["rows"] == 1
    assert found["tables"]["search"]["status"] == {"empty": 1}
    assert found["runs"][0]["settings"] == {"source": "test"}
    [(name, entry)] = found["tables"]["candidate"]["shards"].items()
    assert entry["sha256"] == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


def test_a_shard_that_the_manifest_missed_is_taken_up(tmp_path):
    """A run that died between shard and manifest has lost nothing."""
    with DatasetWriter(tmp_path, Candidate) as store:
        store.append(candidate(1))
    (tmp_path / "manifest.json").unlink()
    with DatasetWriter(tmp_path, Candidate) as store:
        store.append(candidate(2))
    assert manifest(tmp_path)["tables"]["candidate"]["rows"] == 2


def test_a_damaged_manifest_is_made_anew(tmp_path):
    with DatasetWriter(tmp_path, Candidate) as store:
        store.append(candidate(1))
    (tmp_path / "manifest.json").write_text('{"tables": ')
    with DatasetWriter(tmp_path, Candidate):
        pass
    assert manifest(tmp_path)["tables"]["candidate"]["rows"] == 1


def test_an_exception_does_not_lose_what_was_appended(tmp_path):
    with pytest.raises(RuntimeError, match="boom"), DatasetWriter(tmp_path, Candidate) as store:
        store.append(candidate(1))
        raise RuntimeError("boom")
    assert shards.count_rows(tmp_path, Candidate) == 1


def test_a_second_writer_is_told_and_the_first_goes_on(tmp_path):
    with DatasetWriter(tmp_path, Candidate) as store:
        with pytest.raises(ShardError, match="another process is writing"):
            DatasetWriter(tmp_path, Candidate).__enter__()
        store.append(candidate(1))
    assert shards.count_rows(tmp_path, Candidate) == 1


def test_a_dataset_of_the_other_kind_is_refused(tmp_path):
    with DatasetWriter(tmp_path, Candidate) as store:
        store.append(candidate(1))
    with pytest.raises(SchemaError, match="expected generation rows, found 'candidate' rows"):
        DatasetWriter(tmp_path, Generation).__enter__()
    with DatasetWriter(tmp_path, Candidate):  # the refusal left no lock behind
        pass


def test_another_schema_version_is_refused_with_what_to_do(tmp_path):
    with DatasetWriter(tmp_path, Candidate) as store:
        store.append(candidate(1))
    [path] = shards.shard_paths(tmp_path, Candidate)
    table = pq.read_table(path)
    stamp = json.dumps({"schema_version": 99, "row": "candidate"}).encode()
    pq.write_table(table.replace_schema_metadata({b"whence": stamp}), path)
    with pytest.raises(SchemaError, match=r"expected schema version 1, found 99; harvest again"):
        shards.read(tmp_path, Candidate)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "expected a whence dataset"),
        ({b"whence": b"[1"}, "expected a whence dataset"),
        ({b"whence": b'{"schema_version": 1, "row": "candidate"}'}, "missing or of another type"),
    ],
)
def test_other_peoples_parquet_is_refused_and_not_misread(tmp_path, metadata, message):
    table = pa.table({"id": [1, 2]}).replace_schema_metadata(metadata)
    pq.write_table(table, tmp_path / "part-x.parquet")
    with pytest.raises(SchemaError, match=message):
        shards.read(tmp_path, Candidate)


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    (tmp_path / "part-x.parquet").write_bytes(b"PAR1 not at all")
    with pytest.raises(ShardError, match=r"part-x\.parquet: expected a Parquet shard"):
        shards.read(tmp_path, Candidate)


def test_a_full_disk_leaves_no_partial_file_and_says_what_to_do(tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with DatasetWriter(tmp_path, Candidate) as store:
        store.append(candidate(1))
        store.flush()
        store.append(candidate(2))
        monkeypatch.setattr(shards.pq, "write_table", full)
        with pytest.raises(ShardError, match=r"No space left on device; .* run the same command"):
            store.flush()
    assert [row.id for row in shards.rows(tmp_path, Candidate)] == ["0001"]
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ShardError, match="give another --out"):
        DatasetWriter(tmp_path / "file" / "dataset", Candidate).__enter__()


@pytest.mark.subprocess
def test_what_a_flush_acknowledged_survives_kill_9(tmp_path):
    """Real `kill -9` of a real process, in the middle of a run."""
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from harvester.schema import Candidate\n"
        "from harvester.dataset.writer import DatasetWriter\n"
        "with DatasetWriter(Path(sys.argv[1]), Candidate) as store:\n"
        "    store.append(Candidate(id='kept', url='u'))\n"
        "    store.flush()\n"
        "    store.append(Candidate(id='in flight', url='v'))\n"
        "    print('flushed', flush=True)\n"
        "    time.sleep(60)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout.readline() == "flushed\n"
        process.send_signal(signal.SIGKILL)
    assert [row.id for row in shards.rows(tmp_path, Candidate)] == ["kept"]
    with DatasetWriter(tmp_path, Candidate) as store:  # the dead process holds no lock
        store.append(candidate(2))
    assert manifest(tmp_path)["tables"]["candidate"]["rows"] == 2


def test_a_flush_is_due_by_rows_bytes_or_age(tmp_path, monkeypatch):
    clock = [1000.0]
    told = vars(time) | {"monotonic": lambda: clock[0]}
    monkeypatch.setattr(stores, "time", SimpleNamespace(**told))
    with DatasetWriter(
        tmp_path, Candidate, rows_per_shard=2, bytes_per_shard=10, max_age_s=5
    ) as store:
        assert not store.is_due
        store.append(candidate(1))
        assert not store.is_due
        store.append(candidate(2))
        assert store.is_due
        store.flush()
        assert not store.is_due
        store.append(candidate(3, image=b"0123456789"))
        assert store.is_due
        store.flush()
        store.append(candidate(4))
        clock[0] += 4.9
        assert not store.is_due
        clock[0] += 0.2
        assert store.is_due


def test_pictures_are_stored_plain_and_in_small_row_groups(tmp_path):
    """Encoded pictures do not shrink, and one must be readable without its neighbours."""
    with DatasetWriter(tmp_path, Candidate) as store:
        for n in range(150):
            store.append(candidate(n, image=b"x" * 100, title="t" * 100))
    [path] = shards.shard_paths(tmp_path, Candidate)
    metadata = pq.read_metadata(path)
    assert metadata.num_row_groups == 2
    group = metadata.row_group(0)
    codecs = {
        group.column(n).path_in_schema: group.column(n).compression
        for n in range(group.num_columns)
    }
    assert codecs["image.bytes"] == "UNCOMPRESSED"
    assert codecs["title"] == "ZSTD"


def test_a_file_that_is_not_finished_never_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "new folder" / "a.txt"
    with atomic.replacing(path) as temporary:
        temporary.write_text("old")
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask()
    for interruption in (KeyboardInterrupt, OSError):
        with pytest.raises(interruption), atomic.replacing(path) as temporary:
            temporary.write_text("half of the new")
            raise interruption
    assert path.read_text() == "old"
    assert [one.name for one in path.parent.iterdir()] == ["a.txt"]


def umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def test_a_link_at_the_name_is_replaced_and_its_target_left_alone(tmp_path):
    precious, path = tmp_path / "precious", tmp_path / "a.txt"
    precious.write_text("mine")
    path.symlink_to(precious)
    with atomic.replacing(path) as temporary:
        temporary.write_bytes(b"new")
    assert (precious.read_text(), path.read_text()) == ("mine", "new")
    assert not path.is_symlink()


@pytest.mark.parametrize("target", ["folder", "pipe", "/dev/full", "/dev/stdout", "/dev/fd/1"])
def test_what_is_no_file_is_never_replaced_by_one(tmp_path, target):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / target
    before = path.lstat().st_mode if path.exists() else None
    with (
        pytest.raises(FileExistsError, match=r"a .* in its place"),
        atomic.replacing(path),
    ):
        pytest.fail("the block was entered")
    assert before == (path.lstat().st_mode if path.exists() else None)
    assert not list(tmp_path.glob(".*"))


def test_the_longest_name_that_a_folder_takes_can_be_written(tmp_path):
    path = tmp_path / ("\U0001f600" * 63)
    with atomic.replacing(path) as temporary:
        temporary.write_text("text")
    assert path.read_text() == "text"


def test_what_a_killed_run_left_half_written_is_swept_and_nothing_else(tmp_path):
    token = "0123456789abcdef"  # of a temporary file
    (tmp_path / "findings").mkdir()
    stale = [".manifest.json", ".README.md", ".part-1-00000.parquet", "findings/.part-1.parquet"]
    for name in stale:
        (tmp_path / f"{name}.{token}.tmp").touch()
    (tmp_path / f".part-2.parquet.{token}.tmp").symlink_to("elsewhere")
    (tmp_path / f".part-3.parquet.{token}.tmp").mkdir()
    mine = [".notes.tmp", f".rankings.parquet.{token}.tmp", ".part-1.parquet.tmp"]
    for name in mine:
        (tmp_path / name).touch()
    with DatasetWriter(tmp_path, Candidate):
        pass
    left = {path.name for path in tmp_path.rglob("*.tmp")}
    assert left == {*mine, f".part-2.parquet.{token}.tmp", f".part-3.parquet.{token}.tmp"}


def test_a_lock_that_leads_elsewhere_is_not_followed(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    folder = tmp_path / "dataset"
    folder.mkdir()
    (folder / ".lock").symlink_to(precious)
    with pytest.raises(ShardError, match="expected a folder that can be written"):
        DatasetWriter(folder, Candidate).__enter__()
    assert precious.read_text() == "mine"


def test_rows_of_a_flush_that_failed_wait_for_the_next_in_their_order(tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with DatasetWriter(tmp_path, Candidate) as store:
        store.append(candidate(1))
        with monkeypatch.context() as patch:
            patch.setattr(shards.pq, "write_table", full)
            with pytest.raises(ShardError, match="No space left"):
                store.flush()
        store.append(candidate(2))
        store.flush()
    assert [row.id for row in shards.rows(tmp_path, Candidate)] == ["0001", "0002"]


def test_rows_appended_while_a_flush_writes_are_neither_lost_nor_doubled(tmp_path):
    with DatasetWriter(tmp_path, Candidate) as store, ThreadPoolExecutor(1) as pool:
        for n in range(3000):
            store.append(candidate(n))
            if n % 300 == 0:
                pool.submit(store.flush)
    stored = [row.id for row in shards.rows(tmp_path, Candidate)]
    assert stored == [f"{n:04d}" for n in range(3000)]


def test_the_manifest_is_written_seldom_and_knows_all_shards(tmp_path, monkeypatch):
    """Else each flush would cost as much as the dataset has shards."""
    written = []
    real = manifests.write_text
    monkeypatch.setattr(
        manifests, "write_text", lambda path, text: (written.append(path.name), real(path, text))
    )
    with DatasetWriter(tmp_path, Candidate) as store:
        for n in range(60):
            store.append(candidate(n))
            store.flush()
            assert manifests.read_manifest(tmp_path)["tables"]["candidate"]["rows"] == n + 1
    assert written.count("manifest.json") < 20
    assert not (tmp_path / "manifest-recent.json").exists()
    assert manifest(tmp_path)["tables"]["candidate"]["status"] == {"ok": 60}
