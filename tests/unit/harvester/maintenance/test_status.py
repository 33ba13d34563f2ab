"""What a dataset holds, and which of its addresses are asked for again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from harvester.cli.status_text import describe_status
from harvester.dataset import shards
from harvester.dataset.arrow import to_table
from harvester.dataset.writer import DatasetWriter
from harvester.errors import InputError, ShardError
from harvester.maintenance.latest_status import LatestStatuses
from harvester.maintenance.retry import FailedFindings, retried
from harvester.maintenance.status import kind_of, read_status
from harvester.schema import (
    Candidate,
    FailureClass,
    FetchStatus,
    Finding,
    Generation,
    Retry,
    Search,
    SearchStatus,
    failed_id,
)

ESCAPE = "\x1b]0;taken over\x07"


def row(url, status=FetchStatus.OK, *, name=None, **fields):
    is_ok = status is FetchStatus.OK
    name = name or (f"{hash(url) & 0xFFFF:064x}" if is_ok else failed_id(url))
    fields = {"source": "urls", "bytes": 1000 if is_ok else None, **fields}
    return Candidate(id=name, url=url, status=status, **fields)


def way(url, to, *, prompt=None):
    return Finding(url=url, source="ddg", candidate_id=to, query_prompt=prompt)


def write(folder, *rows, main=Candidate, **settings):
    with DatasetWriter(folder, main) as store:
        store.note(settings)
        for one in rows:
            store.append(one)


@pytest.fixture
def dataset(tmp_path):
    """Three runs: failures that mended, that changed, that came under another address."""
    folder = tmp_path / "c"
    gone, slow, busy, no = (f"https://{n}.example/a.jpg" for n in ("gone", "slow", "busy", "no"))
    write(
        folder,
        row("https://ok.example/1.jpg", name="a" * 64),
        row(gone, FetchStatus.NOT_FOUND),
        row(slow, FetchStatus.TIMEOUT, title="Slow", creator="Ada"),
        row(busy, FetchStatus.THROTTLED),
        row(no, FetchStatus.OPTED_OUT),
        row("https://late.example/1.jpg", FetchStatus.DNS),
        row("https://twin.example/1.jpg", FetchStatus.TLS),
        way(slow, failed_id(slow), prompt="a boat"),
        way(slow, failed_id(slow), prompt="a cat"),
        Search(query_prompt="p", query="q", source="ddg", status=SearchStatus.BLOCKED, found=0),
        consent="strict",
    )
    write(
        folder,
        row("https://late.example/1.jpg", name="b" * 64),
        row(slow, FetchStatus.CONNECTION, title="Slow", creator="Ada"),
        way("https://twin.example/1.jpg", "a" * 64),
        Search(query_prompt="p", query="q", source="ddg", status=SearchStatus.OK, found=3),
    )
    write(folder, row(no, FetchStatus.TIMEOUT), row("file:f/1.jpg", FetchStatus.TRUNCATED))
    return folder


def test_each_address_counts_once_by_how_it_ended_last(dataset):
    status = read_status(dataset)
    assert status.kind == "candidate"
    assert status.statuses == {
        "ok": 3,
        "not_found": 1,
        "connection": 1,
        "throttled": 1,
        "opted_out": 1,
        "truncated": 1,
    }
    assert status.classes == {"permanent": 1, "transient": 2, "throttled": 1, "opted_out": 1}
    assert status.left == {"transient": 2, "throttled": 1}
    assert (status.addresses, status.pictures, status.merged) == (8, 2, 1)
    assert status.picture_bytes == 2000
    assert status.searches == {"ok": 1}
    assert status.findings == 3
    assert [(one.source, one.ok, one.failed) for one in status.sources] == [
        ("urls", 2, 5),
        ("ddg", 1, 0),
    ]


def test_hosts_are_told_by_their_failures(tmp_path):
    urls = [f"https://h{n % 30}.example:8443/{n}.jpg" for n in range(300)]
    rows = [row(url, FetchStatus.DNS) for url in urls]
    rows += [row(f"https://h7.example/{n}", FetchStatus.TIMEOUT) for n in range(50)]
    write(tmp_path / "c", *rows)
    hosts = read_status(tmp_path / "c").hosts
    assert len(hosts) == 20
    assert (hosts[0].host, hosts[0].failures, hosts[0].status) == ("h7.example", 60, "timeout")
    assert (hosts[1].failures, hosts[1].status) == (10, "dns")


def test_shards_runs_and_their_pace_are_told(dataset):
    manifest = json.loads((dataset / "manifest.json").read_text())
    start = datetime(2026, 1, 1, tzinfo=UTC)
    last = manifest["runs"][-1]
    last |= {
        "started_at": start.isoformat(),
        "updated_at": (start + timedelta(seconds=4)).isoformat(),
        "rows": {"candidate": 200},
    }
    manifest["runs"].append({"run": 7, "settings": [], "started_at": "soon", "rows": "many"})
    manifest["runs"][-1]["run"] = "edited"
    (dataset / "manifest.json").write_text(json.dumps(manifest))
    status = read_status(dataset)
    assert status.shards == len(list(dataset.rglob("part-*.parquet")))
    assert status.shard_bytes == sum(path.stat().st_size for path in dataset.rglob("part-*"))
    assert len(status.runs) == 4
    assert status.runs[0].settings["consent"] == "strict"
    assert status.runs[2].per_s == 50
    assert status.runs[3].per_s is status.runs[3].started_at is None


def test_a_dataset_that_is_being_written_to_is_read(dataset):
    with DatasetWriter(dataset, Candidate) as store:
        store.append(row("https://new.example/1.jpg", name="c" * 64))
        store.flush()
        assert read_status(dataset).pictures == 3
        store.append(row("https://new.example/2.jpg", name="d" * 64))
        assert read_status(dataset).pictures == 3


def test_shards_that_go_while_they_are_read_are_no_damage(dataset, monkeypatch):
    """As a run of `compact` replaces them."""
    small = shards.shard_paths(dataset, Candidate)
    whole = to_table(list(shards.rows(dataset, Candidate)), Candidate)
    asked = []

    def replace(folder, row_type, real=LatestStatuses):
        asked.append(row_type)
        if len(asked) == 1:
            shards.write_shard(small[-1].with_name("part-9.parquet"), whole)
            for path in small:
                path.unlink()
            raise ShardError("part-0.parquet: gone")
        return real(folder, row_type)

    monkeypatch.setattr("harvester.maintenance.status.LatestStatuses", replace)
    assert read_status(dataset).addresses == 8
    assert len(asked) == 2


def test_a_damaged_shard_is_told_at_once(dataset):
    path = shards.shard_paths(dataset, Candidate)[-1]
    path.write_bytes(b"no shard")
    with pytest.raises(ShardError, match="expected a Parquet shard"):
        read_status(dataset)


def test_generations_are_told_by_their_posts(tmp_path):
    write(
        tmp_path / "g",
        Generation(id="1", prompt="p", raw_content="", status=FetchStatus.EXPIRED),
        Generation(id="2", prompt="p", raw_content=""),
        main=Generation,
    )
    write(tmp_path / "g", Generation(id="1", prompt="p", raw_content=""), main=Generation)
    status = read_status(tmp_path / "g")
    assert (status.kind, status.pictures, status.addresses) == ("generation", 2, 2)
    assert status.statuses == {"ok": 2}
    assert status.merged == 0
    assert status.picture_bytes is None
    with pytest.raises(InputError, match="tries again by itself"), FailedFindings(tmp_path / "g"):
        pass


@pytest.mark.parametrize("made", [False, True])
def test_no_dataset_is_told_as_that(tmp_path, made):
    if made:
        (tmp_path / "c").mkdir()
    with pytest.raises(InputError, match="found no shards"):
        kind_of(tmp_path / "c")


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_text_fits_and_cannot_act(tmp_path, width):
    rows = [row(f"https://{'x' * 200}{n}.example/a", FetchStatus.DNS) for n in range(30)]
    evil = row(f"https://e{ESCAPE}\x9b2J.example/", FetchStatus.TLS, source="[bold]s" * 50)
    folder = tmp_path / "c"
    write(folder, *rows, *[evil] * 3, row("https://a.example/"), note=f"{ESCAPE}\n" * 100)
    said = describe_status(read_status(folder), "c", width=width)
    assert "\x1b" not in said
    assert "\x9b" not in said
    assert "e.example" in said
    assert "[bold]s[bold]s" in said
    assert all(len(line) <= width for line in said.splitlines())
    assert "left to retry: 31 (31 transient)" in said


# What is asked for again


def test_which_statuses_are_asked_for_again():
    both = {FailureClass.TRANSIENT, FailureClass.THROTTLED}
    assert {status.failure_class for status in retried(None)} == both
    assert retried(Retry.THROTTLED) == {FetchStatus.THROTTLED}
    assert FetchStatus.TIMEOUT in retried(Retry.TRANSIENT)
    never = set(FetchStatus) - retried(Retry.ALL)
    assert never == {FetchStatus.OK, FetchStatus.OPTED_OUT, FetchStatus.BLOCKED_ADDRESS}


@pytest.mark.parametrize(
    ("which", "hosts"),
    [
        (None, ["slow", "slow", "busy"]),
        (Retry.TRANSIENT, ["slow", "slow"]),
        (Retry.THROTTLED, ["busy"]),
        (Retry.ALL, ["slow", "slow", "busy", "gone"]),
    ],
)
def test_every_way_to_an_address_that_failed_is_told(dataset, which, hosts):
    """The opt-out that timed out later is not among them, nor the two that mended."""
    with FailedFindings(dataset, which) as failed:
        found = list(failed)
        assert failed.findings == len(found)
        assert failed.addresses == len(set(hosts))
        assert failed.local == 0 or which is not Retry.THROTTLED
    assert sorted(one.url.split("//")[1].split(".")[0] for one in found) == sorted(hosts)
    assert all(one.candidate_id is None for one in found)
    if "slow" in hosts:
        assert {one.query_prompt for one in found if "slow" in one.url} == {"a boat", "a cat"}


def test_a_failure_without_a_finding_keeps_what_its_row_tells(tmp_path):
    made = row("https://a.example/1", FetchStatus.DNS, title="T", creator="C", rank=3, license="L")
    write(tmp_path / "c", made)
    with FailedFindings(tmp_path / "c") as failed:
        [found] = failed
    for name in ("url", "source", "title", "creator", "rank", "license"):
        assert getattr(found, name) == getattr(made, name)


def test_rows_that_are_written_meanwhile_are_not_told_again(dataset):
    with FailedFindings(dataset) as failed:
        told = []
        for one in failed:
            told.append(one.url)
            path = dataset / f"part-9-{len(told)}.parquet"
            shards.write_shard(path, to_table([row(one.url, FetchStatus.DNS)], Candidate))
    assert len(told) == 3


def test_pictures_of_folders_are_counted_apart(dataset):
    with DatasetWriter(dataset, Candidate) as store:
        store.append(Finding(url="file:f/1.jpg", source="folder"))
    with FailedFindings(dataset) as failed:
        assert (failed.addresses, failed.local) == (2, 1)
