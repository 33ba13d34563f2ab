"""What a dataset holds is known exactly, whatever happened to the run or to the index."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from harvester.dataset import shards
from harvester.dataset.writer import DatasetWriter
from harvester.dedup.index import STATE, SeenIndex
from harvester.errors import ShardError
from harvester.schema import Candidate, FetchStatus, Finding, failed_id
from tests.support.checkout import ROOT

TABLES = ("addresses", "pictures", "findings", "bands")


def address(number: int) -> str:
    return f"https://example.org/{number}.jpg"


def picture(number: int, **fields) -> Candidate:
    digest = hashlib.sha256(b"%d" % number).hexdigest()
    pdq = hashlib.sha256(b"pdq %d" % number).hexdigest()
    made = {"id": digest, "url": address(number), "pdq": pdq, "pdq_quality": 80}
    return Candidate(**(made | fields))


def failure(number: int, status: FetchStatus, **fields) -> Candidate:
    url = fields.pop("url", address(number))
    return Candidate(id=failed_id(url), url=url, status=status, **fields)


def finding(number: int, **fields) -> Finding:
    return Finding(**({"url": address(number), "source": "test"} | fields))


def content(state: Path) -> dict[str, list[tuple]]:
    with closing(sqlite3.connect(state)) as connection:
        return {
            table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr)
            for table in TABLES
        }


def made_anew(folder: Path, scratch: Path) -> dict[str, list[tuple]]:
    scratch.unlink(missing_ok=True)
    with SeenIndex(folder, scratch):
        pass
    return content(scratch)


def sizes(folder: Path) -> dict:
    return {kind: shards.shard_sizes(folder, kind) for kind in (Candidate, Finding)}


def test_a_picture_and_a_permanent_failure_are_settled_and_a_transient_one_is_open(tmp_path):
    rows = [
        picture(1),
        failure(2, FetchStatus.NOT_FOUND),
        failure(3, FetchStatus.TIMEOUT),
        failure(4, FetchStatus.THROTTLED),
    ]
    with DatasetWriter(tmp_path, Candidate) as store:
        for row in rows:
            store.append(row)
    with SeenIndex(tmp_path) as stored, SeenIndex(tmp_path / "nowhere") as learned:
        for row in rows:
            learned.add(row)
        for known in (stored, learned):
            assert known.resolution_of(address(1)) == (rows[0].id, FetchStatus.OK)
            assert known.resolution_of(address(2)) == (rows[1].id, FetchStatus.NOT_FOUND)
            assert known.resolution_of(address(3)) is known.resolution_of(address(4)) is None
            assert known.resolution_of(address(5)) is None
            assert known.latest(address(3)) == (rows[2].id, FetchStatus.TIMEOUT)
            assert known.latest(address(5)) is None
            assert known.holds(rows[0].id)
            assert not known.holds(rows[1].id)
            assert not known.holds("0001")


def test_two_spellings_of_one_address_are_one(tmp_path):
    with SeenIndex(tmp_path) as known:
        known.add(picture(1))
        assert known.resolution_of("http://EXAMPLE.org:80/1.jpg?utm_source=a#b") is not None


@pytest.mark.parametrize("is_committed", [True, False])
@pytest.mark.parametrize(
    ("first", "then", "holds"),
    [
        (failure(1, FetchStatus.TIMEOUT), picture(1), FetchStatus.OK),
        (picture(1), failure(1, FetchStatus.TIMEOUT), FetchStatus.OK),
        (picture(1), failure(1, FetchStatus.OPTED_OUT), FetchStatus.OPTED_OUT),
        (failure(1, FetchStatus.OPTED_OUT), picture(1), FetchStatus.OPTED_OUT),
        (failure(1, FetchStatus.OPTED_OUT), failure(1, FetchStatus.DNS), FetchStatus.OPTED_OUT),
        (failure(1, FetchStatus.DNS), failure(1, FetchStatus.EMPTY), FetchStatus.EMPTY),
        (failure(1, FetchStatus.EMPTY), failure(1, FetchStatus.DNS), None),
    ],
)
def test_of_several_outcomes_the_strongest_holds(tmp_path, first, then, holds, is_committed):
    with SeenIndex(tmp_path) as known:
        known.add(first)
        if is_committed:
            known.commit(known.seal())
        known.add(then)
        for _ in range(2):
            settled = known.resolution_of(address(1))
            assert (settled and settled[1]) is holds
            known.commit(known.seal())


def test_ids_of_another_form_come_back_as_they_were(tmp_path):
    ids = ["0001", "A" * 64, "ü", "a" * 63, "failed-1", " " + "a" * 63]
    with SeenIndex(tmp_path) as known:
        for number, name in enumerate(ids):
            known.add(picture(number, id=name))
        for _ in range(2):
            assert [known.resolution_of(address(n))[0] for n in range(len(ids))] == ids
            assert all(known.holds(name) for name in ids)
            known.commit(known.seal())


def test_a_way_is_new_once_and_again_when_it_leads_to_a_picture(tmp_path):
    failed = failed_id(address(1))
    with SeenIndex(tmp_path) as known:
        for commits in (False, True):
            way = finding(1, query="a" if commits else "b")
            assert known.is_new_finding(way, failed)
            if commits:
                known.commit(known.seal())
            assert not known.is_new_finding(way, failed)
            assert not known.is_new_finding(way, failed_id("http://example.org/1.jpg"))
            assert known.is_new_finding(way, picture(1).id)
            assert not known.is_new_finding(way, picture(1).id)
        assert known.is_new_finding(finding(1, query="b", query_prompt="p"), picture(1).id)


def test_another_address_of_a_picture_is_settled_and_is_found_again_in_the_shards(tmp_path):
    row = picture(1)
    with DatasetWriter(tmp_path, Candidate) as store, SeenIndex(tmp_path) as known:
        store.append(row)
        known.add(row)
        known.add_alias(address(2), (row.id, FetchStatus.OK))
        known.add_alias(address(3), (failed_id(address(1)), FetchStatus.NOT_FOUND))
        for number, name in ((1, row.id), (2, row.id), (4, picture(4).id)):
            store.append(finding(number, candidate_id=name))
            assert known.is_new_finding(finding(number), name)
        batch = known.seal()
        store.flush()
        known.commit(batch)
        assert known.resolution_of(address(2)) == (row.id, FetchStatus.OK)
        assert known.resolution_of(address(3)) is None
    with SeenIndex(tmp_path, tmp_path / "anew") as known:
        assert known.resolution_of(address(2)) == (row.id, FetchStatus.OK)
        assert known.resolution_of(address(4)) is None  # a finding whose picture no shard holds
        assert not known.is_new_finding(finding(4), picture(4).id)


def test_a_near_duplicate_is_found_in_memory_and_on_disk(tmp_path):
    row = picture(1)
    number = int(row.pdq, 16)
    near, far = f"{number ^ 0b1010101:064x}", f"{number ^ 0xFFF:064x}"
    with SeenIndex(tmp_path) as known:
        known.add(row)
        known.add(picture(2, pdq_quality=49))
        known.add(picture(3, pdq=None))
        for _ in range(3):
            assert known.near(row.pdq, 50) == known.near(near, 80) == row.id
            assert known.near(far, 80) is None
            assert known.near(near, 49) is None
            assert known.near(picture(2).pdq, 80) is None
            assert known.near("", 80) is known.near(None, None) is None
            known.commit(known.seal())


def play(folder: Path, seed: int, *, steps: int, flushes: int) -> None:
    """A run with many outcomes, recorded as the pipeline records them."""
    rng = random.Random(seed)
    with DatasetWriter(folder, Candidate) as store, SeenIndex(folder) as known:
        for step in range(steps):
            number = rng.randrange(steps // 2)
            status = rng.choice([FetchStatus.OK] * 3 + [*FetchStatus])
            row = picture(rng.randrange(30), url=address(number))
            if status is not FetchStatus.OK:
                row = failure(number, status)
            name = row.id
            if settled := known.resolution_of(address(number)):
                name = settled[0]
            elif status is FetchStatus.OK and known.holds(name):
                known.add_alias(address(number), (name, status))
            elif (last := known.latest(address(number))) is None or last[1] is not status:
                store.append(row)
                known.add(row)
            way = finding(number, query=rng.choice("ab"), candidate_id=name)
            if known.is_new_finding(way, name):
                store.append(way)
            if rng.randrange(steps) < flushes:
                batch, before = known.seal(), sizes(folder)
                store.flush()
                if rng.random() < 0.8:
                    after = sizes(folder).items()
                    new = {kind: dict(now.items() - before[kind].items()) for kind, now in after}
                    known.commit(batch, new if step % 2 else None)


def test_the_index_holds_what_one_made_anew_holds(tmp_path):
    folder = tmp_path / "dataset"
    for seed in range(8):
        play(folder, seed, steps=300, flushes=12)
        with SeenIndex(folder):
            pass
        assert len(content(folder / STATE)["addresses"]) > 50
        assert content(folder / STATE) == made_anew(folder, tmp_path / "anew")


RUN = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from test_index import play
print("begun", flush=True)
for seed in range(10_000):
    play(Path(sys.argv[1]), seed, steps=100, flushes=20)
"""


@pytest.mark.subprocess
def test_a_run_that_is_killed_anywhere_loses_and_invents_nothing(tmp_path):
    folder, here = tmp_path / "dataset", Path(__file__).parent
    rng = random.Random(3)
    for _ in range(4):
        command = [sys.executable, "-c", RUN, str(folder), str(ROOT), str(here)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.1, 0.5))
            process.send_signal(signal.SIGKILL)
        known_before = content(folder / STATE) if (folder / STATE).exists() else {}
        anew = made_anew(folder, tmp_path / "anew")
        # Never more than the shards: every picture that the file names is in one.
        assert {one[0] for one in known_before.get("pictures", [])} <= {
            one[0] for one in anew["pictures"]
        }
        with DatasetWriter(folder, Candidate), SeenIndex(folder):
            pass
        assert content(folder / STATE) == anew


def dataset(folder: Path) -> Path:
    with DatasetWriter(folder, Candidate) as store:
        for number in range(200):
            store.append(picture(number))
    with SeenIndex(folder):
        pass
    return folder / STATE


def damage_head(state: Path) -> None:
    state.write_bytes(b"no database" * 1000)


def damage_pages(state: Path) -> None:
    body = bytearray(state.read_bytes())
    body[4096:] = b"\xff" * (len(body) - 4096)
    state.write_bytes(body)


def cut(state: Path) -> None:
    os.truncate(state, 5000)


def empty(state: Path) -> None:
    state.write_bytes(b"")


def delete(state: Path) -> None:
    state.unlink()
    state.with_name(STATE + "-wal").write_bytes(b"left behind")


def other_version(state: Path) -> None:
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("PRAGMA user_version = 7")


def other_schema(state: Path) -> None:
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON shards BEGIN DELETE FROM shards; END")


def another_program(state: Path) -> None:
    state.unlink()
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("CREATE TABLE addresses (mail TEXT)")


@pytest.mark.parametrize(
    "spoil",
    [damage_head, damage_pages, cut, empty, delete, other_version, other_schema, another_program],
)
def test_an_index_that_cannot_be_used_is_made_anew(tmp_path, spoil):
    state = dataset(tmp_path)
    before = content(state)
    spoil(state)
    with SeenIndex(tmp_path) as known:
        assert known.resolution_of(address(7)) == (picture(7).id, FetchStatus.OK)
    assert content(state) == before


def test_a_link_in_its_place_is_not_followed(tmp_path):
    state = dataset(tmp_path / "dataset")
    mine = tmp_path / "mine.sqlite"
    with closing(sqlite3.connect(mine)) as connection:
        connection.execute("CREATE TABLE mine (a)")
    before = mine.read_bytes()
    state.unlink()
    state.symlink_to(mine)
    with SeenIndex(tmp_path / "dataset") as known:
        assert known.holds(picture(7).id)
    assert mine.read_bytes() == before
    assert not state.is_symlink()


def test_a_folder_in_its_place_is_an_error_that_says_so(tmp_path):
    (tmp_path / STATE).mkdir()
    with pytest.raises(ShardError, match="found a folder; move it away"), SeenIndex(tmp_path):
        pass


def test_damage_that_shows_in_a_run_ends_it_and_is_gone_in_the_next(tmp_path):
    state = dataset(tmp_path)
    with SeenIndex(tmp_path) as known:
        damage_pages(state)
        with pytest.raises(ShardError, match=r"damaged .* run the same command again"):
            for number in range(200):
                known.resolution_of(address(number))
                known.holds(picture(number).id)
    with SeenIndex(tmp_path) as known:
        assert known.holds(picture(7).id)


def test_a_shard_that_vanished_is_forgotten(tmp_path):
    with DatasetWriter(tmp_path, Candidate) as store:
        store.append(picture(1))
        store.flush()
        store.append(picture(2))
    with SeenIndex(tmp_path) as known:
        assert known.holds(picture(1).id)
    shards.shard_paths(tmp_path, Candidate)[0].unlink()
    with SeenIndex(tmp_path) as known:
        assert not known.holds(picture(1).id)
        assert known.resolution_of(address(1)) is None
        assert known.near(picture(1).pdq, 80) is None
        assert known.holds(picture(2).id)


@pytest.mark.parametrize("is_told", [True, False])
def test_shards_that_were_told_at_the_commit_are_not_read_again(tmp_path, is_told):
    with DatasetWriter(tmp_path, Candidate) as store, SeenIndex(tmp_path) as known:
        store.append(picture(1))
        known.add(picture(1))
        batch = known.seal()
        store.flush()
        known.commit(batch, sizes(tmp_path) if is_told else None)
    [path] = shards.shard_paths(tmp_path, Candidate)
    path.write_bytes(b"x" * path.stat().st_size)  # whoever reads it fails
    if is_told:
        with SeenIndex(tmp_path) as known:
            assert known.holds(picture(1).id)
    else:
        with pytest.raises(ShardError, match="Parquet"), SeenIndex(tmp_path):
            pass


def test_what_a_failed_flush_left_goes_with_the_next_one(tmp_path):
    with SeenIndex(tmp_path) as known:
        known.add(failure(1, FetchStatus.TIMEOUT))
        known.seal()  # … and the flush failed
        known.add(failure(1, FetchStatus.NOT_FOUND))
        known.add(picture(2))
        assert known.latest(address(1))[1] is FetchStatus.NOT_FOUND
        known.commit(known.seal())
        assert known.latest(address(1))[1] is FetchStatus.NOT_FOUND
    assert len(content(tmp_path / STATE)["addresses"]) == 2


def test_a_full_disk_is_an_error_and_what_was_learned_stays_known(tmp_path):
    with SeenIndex(tmp_path) as known:
        known._file._writer.execute("PRAGMA max_page_count = 12")
        for number in range(2000):
            known.add(picture(number))
        with pytest.raises(ShardError, match="full; the shards are whole: make room"):
            known.commit(known.seal())
        assert known.holds(picture(7).id)
    assert not content(tmp_path / STATE)["pictures"]


def test_questions_are_answered_while_a_thread_commits(tmp_path):
    with SeenIndex(tmp_path) as known:
        for turn in range(10):
            rows = [picture(turn * 500 + number) for number in range(500)]
            for row in rows:
                known.add(row)
            writing = threading.Thread(target=known.commit, args=(known.seal(),))
            writing.start()
            while writing.is_alive():
                assert all(known.holds(row.id) for row in rows[::50])
                assert known.resolution_of(rows[0].url)
            writing.join()
    assert len(content(tmp_path / STATE)["pictures"]) == 5000


def test_a_folder_that_does_not_exist_is_left_alone(tmp_path):
    with SeenIndex(tmp_path / "nowhere") as known:
        assert known.resolution_of(address(1)) is None
    assert not (tmp_path / "nowhere").exists()
