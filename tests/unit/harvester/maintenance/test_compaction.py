"""Compacting: what is dropped and what never is, on a local disk; crashes are in test_s3."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from harvester.dataset import shards
from harvester.dataset.writer import DatasetWriter
from harvester.errors import InputError, ShardError
from harvester.maintenance.compaction import compact
from harvester.schema import (
    Candidate,
    FetchStatus,
    Finding,
    Generation,
    SchemaError,
    Search,
    SearchStatus,
    failed_id,
)
from tests.support.checkout import ROOT


def write(folder, rows, size=1, main=Candidate) -> None:
    """Rows in shards of a few each."""
    with DatasetWriter(folder, main) as store:
        for at in range(0, len(rows), size):
            for row in rows[at : at + size]:
                store.append(row)
            store.flush()


def picture(number: int, **fields) -> Candidate:
    return Candidate(
        id=f"{number:04d}", url=f"https://e.org/{number}", image=bytes([number % 251]), **fields
    )


def failure(number: int, status=FetchStatus.TIMEOUT, **fields) -> Candidate:
    url = f"https://e.org/{number}"
    return Candidate(id=failed_id(url), url=url, status=status, **fields)


def test_small_shards_become_full_ones_in_their_order(tmp_path):
    rows = [picture(n) for n in range(25)]
    write(tmp_path, rows)
    told = []
    report = compact(tmp_path, rows_per_shard=10, progress=lambda *at: told.append(at))
    assert (report.before, report.after) == (25, 3)
    assert (report.rows["candidate"], report.dropped["candidate"]) == (25, 0)
    assert list(shards.rows(tmp_path, Candidate)) == rows
    assert told[-1] == (50, 50)
    assert told == sorted(told)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    names = [path.name for path in shards.shard_paths(tmp_path, Candidate)]
    assert sorted(manifest["tables"]["candidate"]["shards"]) == names
    assert manifest["tables"]["candidate"]["rows"] == 25


def test_it_does_nothing_where_nothing_is_gained(tmp_path):
    write(tmp_path, [picture(n) for n in range(25)])
    compact(tmp_path, rows_per_shard=10)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    report = compact(tmp_path, rows_per_shard=10)
    assert (report.before, report.after) == (3, 3)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert {p.name for p in after if before.get(p) != after[p]} <= {".lock"}


def test_full_shards_that_lose_nothing_are_left_alone(tmp_path):
    write(tmp_path, [picture(n) for n in range(20)], size=10)
    full = shards.shard_sizes(tmp_path, Candidate)
    write(tmp_path, [picture(n) for n in range(20, 25)])
    report = compact(tmp_path, rows_per_shard=10)
    assert (report.before, report.after) == (7, 3)
    assert shards.shard_sizes(tmp_path, Candidate).items() >= full.items()


def test_pictures_fill_a_shard_by_their_bytes(tmp_path):
    rows = [Candidate(id=f"{n}", url=f"u{n}", image=b"x" * 20_000) for n in range(9)]
    write(tmp_path, rows)
    assert compact(tmp_path, bytes_per_shard=60_000).after == 3
    assert compact(tmp_path, bytes_per_shard=60_000).after == 3
    assert list(shards.rows(tmp_path, Candidate)) == rows


def test_of_candidates_the_newest_of_an_id_and_no_failure_that_was_made_good(tmp_path):
    rows = [
        failure(1),
        failure(2),
        picture(3, title="old"),
        failure(4, FetchStatus.NOT_FOUND),
        failure(1),
        picture(2),
        picture(3, title="new"),
        picture(5),
        failure(5, FetchStatus.OPTED_OUT),
        failure(1, FetchStatus.DNS),
    ]
    write(tmp_path, rows, size=3)
    report = compact(tmp_path)
    kept = [rows[3], rows[5], rows[6], rows[7], rows[8], rows[9]]
    assert list(shards.rows(tmp_path, Candidate)) == kept
    assert report.dropped["candidate"] == 4


def test_a_generation_with_a_picture_does_not_give_way_to_a_failure(tmp_path):
    def made(name, status, **fields):
        return Generation(id=name, prompt="p", raw_content="p", status=status, **fields)

    rows = [
        made("a", FetchStatus.EXPIRED),
        made("a", FetchStatus.OK, image=b"1"),
        made("a", FetchStatus.EXPIRED),
        made("b", FetchStatus.EXPIRED),
        made("b", FetchStatus.TIMEOUT),
    ]
    write(tmp_path, rows, main=Generation)
    compact(tmp_path)
    assert list(shards.rows(tmp_path, Generation)) == [rows[1], rows[4]]


def test_of_findings_and_searches_the_last_of_each_kind(tmp_path):
    def found(url, prompt, led_to):
        return Finding(url=url, source="s", query_prompt=prompt, candidate_id=led_to)

    def searched(status, scope="us", wanted=1):
        return Search(
            query_prompt="p", query="q", source="s", status=status, found=0, wanted=wanted,
            scope=scope,
        )  # fmt: skip

    rows = [
        found("u", "p", "failed-1"),
        found("u", "other", "failed-1"),
        found("u", "p", "0001"),
        searched(SearchStatus.BLOCKED),
        searched(SearchStatus.OK, wanted=10),
        searched(SearchStatus.ERROR, wanted=20),
        searched(SearchStatus.BLOCKED, scope="de"),
        searched(SearchStatus.ERROR, scope="de"),
    ]
    write(tmp_path, rows)
    report = compact(tmp_path)
    assert list(shards.rows(tmp_path, Finding)) == [rows[1], rows[2]]
    assert list(shards.rows(tmp_path, Search)) == [rows[4], rows[7]]
    assert report.dropped == {"candidate": 0, "finding": 1, "search": 3}


def test_a_dataset_in_use_is_refused(tmp_path):
    with (
        DatasetWriter(tmp_path, Candidate),
        pytest.raises(ShardError, match=r"another process .*process"),
    ):
        compact(tmp_path)


def test_a_full_disk_leaves_it_as_it_was(tmp_path, monkeypatch):
    rows = [picture(n) for n in range(25)]
    write(tmp_path, rows)
    before = shards.shard_sizes(tmp_path, Candidate)
    real, written = shards.pq.write_table, []

    def fills(*args, **kwargs):
        written.append(1)
        if len(written) > 2:
            raise OSError(28, "No space left on device")
        real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(shards.pq, "write_table", fills)
        with pytest.raises(ShardError, match="No space left on device"):
            compact(tmp_path, rows_per_shard=10)
    assert shards.shard_sizes(tmp_path, Candidate) == before
    assert len(list(tmp_path.glob("part-*"))) == 25
    assert compact(tmp_path, rows_per_shard=10).after == 3


def test_a_reader_that_lists_while_shards_are_replaced_lists_again(tmp_path, monkeypatch):
    """Between the two looks at the journal a whole `compact` has come and gone."""
    rows = [picture(n) for n in range(5)]
    write(tmp_path, rows)
    real, seen = shards.list_files, []

    def lists(folder):
        found = real(folder)
        if not seen:
            seen.append(1)
            compact(tmp_path)
        return found

    monkeypatch.setattr(shards, "list_files", lists)
    assert list(shards.rows(tmp_path, Candidate)) == rows


def test_a_reader_whose_shards_went_away_is_told(tmp_path):
    write(tmp_path, [picture(n) for n in range(5)])
    reading = shards.rows(tmp_path, Candidate)
    next(reading)
    compact(tmp_path)
    with pytest.raises(ShardError, match=r"found it gone, .* run the same command again"):
        list(reading)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 10_000,
        '{"phase": "removing", "run": "20260101T000000-aaaa", "old": {"candidate": ["../x"]}}',
        '{"phase": "removing", "run": "20260101T000000-aaaa", "old": {"candidate": "part-"}}',
        '{"phase": "writing", "run": "", "old": {}}',
        '{"phase": "elsewhere", "run": "20260101T000000-aaaa", "old": {}}',
        '{"phase": "removing", "old": {}}',
        "null",
    ],
)
def test_a_journal_that_is_none_hides_and_removes_nothing(tmp_path, text):
    folder = tmp_path / "dataset"
    write(folder, [picture(1)])
    (tmp_path / "x").write_text("precious")
    (folder / "compact.json").write_text(text)
    assert shards.count_rows(folder, Candidate) == 1
    with DatasetWriter(folder, Candidate):
        pass
    assert shards.count_rows(folder, Candidate) == 1
    assert (tmp_path / "x").read_text() == "precious"


def test_a_damaged_or_foreign_dataset_is_refused_and_left_alone(tmp_path):
    write(tmp_path, [picture(n) for n in range(3)])
    with pytest.raises(SchemaError):
        compact(tmp_path, Generation)
    path = shards.shard_paths(tmp_path, Candidate)[1]
    body = path.read_bytes()
    path.write_bytes(body[: len(body) // 2] + b"\0" * (len(body) - len(body) // 2))
    with pytest.raises(ShardError, match=r"expected a Parquet shard"):
        compact(tmp_path)
    path.write_bytes(body)
    assert shards.count_rows(tmp_path, Candidate) == 3


@pytest.mark.subprocess
def test_memory_does_not_follow_the_dataset(tmp_path):
    """Ten times the pictures, and nearly the same peak, of Python's memory and of Arrow's."""
    script = (
        "import sys, tracemalloc\n"
        "from pathlib import Path\n"
        "import pyarrow as pa\n"
        "from harvester.maintenance.compaction import compact\n"
        "tracemalloc.start()\n"
        "report = compact(Path(sys.argv[1]), bytes_per_shard=500_000)\n"
        "peak = tracemalloc.get_traced_memory()[1] + pa.default_memory_pool().max_memory()\n"
        "print(report.after, peak)\n"
    )

    def measure(folder, count):
        rows = [Candidate(id=f"{n}", url=f"u{n}", image=b"x" * 20_000) for n in range(count)]
        write(folder, rows, size=10)
        done = subprocess.run(
            [sys.executable, "-c", script, str(folder)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        return map(int, done.stdout.split())

    (few, first), (many, second) = measure(tmp_path / "few", 100), measure(tmp_path / "many", 1000)
    assert (few, many) == (4, 34)
    assert second < first + 2_000_000  # of 18 MB that there are more


def test_where_no_dataset_is_none_is_made(tmp_path):
    with pytest.raises(InputError, match="no shards"):
        compact(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
