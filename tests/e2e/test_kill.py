"""Processes that end at any moment: the same command goes on, loses nothing, and repeats little."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from harvester.dataset.storage import location_of
from harvester.schema import Candidate
from tests.e2e.stoppable import HELD_AFTER, ROWS_PER_SHARD, Dataset, Harvest, serve_pictures
from tests.support.patience import patient
from tests.support.servers.s3_server import address

PICTURES = 240
MOMENTS = [1, 39, 60, 100, 150, 200]
"""Pictures served when the process is stopped: before the first shard, around it, and later."""

S3_MOMENTS = [1, 150]
KILLED = [*(("local", moment) for moment in MOMENTS), *(("s3", moment) for moment in S3_MOMENTS)]


@pytest.fixture(params=["local", "s3"])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset:
    """An empty place for a dataset, one of each kind of file system."""
    if request.param == "local":
        return Dataset("c", tmp_path / "c")
    where = address(request.getfixturevalue("s3_endpoint"), f"{tmp_path.name}/c")
    return Dataset(where, location_of(where))


@pytest.fixture
def harvest(dataset, fault_server, environment, tmp_path) -> Harvest:
    gate, urls = serve_pictures(fault_server, PICTURES)
    return Harvest(fault_server, gate, dataset, urls, environment, tmp_path)


def stop_at(
    harvest: Harvest,
    moment: int,
    number: signal.Signals,
    *,
    rest_s: float = 0.0,
    answer_then: bool = False,
) -> tuple[int, str]:
    """Run until a moment, then send a signal; gives the exit code and what was said.

    Args:
        harvest: to be started.
        moment: pictures served.
        number: of the signal.
        rest_s: between the moment and the signal.
        answer_then: let the server answer what waits at the gate, after the signal was heard.
    """
    harvest.gate.stop_at = harvest.gate.served + moment
    harvest.gate.reached.clear()
    process = harvest.start()
    try:
        assert harvest.gate.reached.wait(patient(300)), "the harvest did not come so far"
        time.sleep(rest_s)
        process.send_signal(number)
        if answer_then:
            time.sleep(0.5)
            harvest.gate.open()
        _, said = process.communicate(timeout=patient(600))
    finally:
        process.kill()
    return process.returncode, said


@pytest.mark.parametrize(("dataset", "moment"), KILLED, indirect=["dataset"])
def test_killed_at_any_moment_it_goes_on_where_it_was(harvest, moment):
    code, _ = stop_at(harvest, moment, signal.SIGKILL)
    assert code == -signal.SIGKILL
    stored = harvest.dataset.acknowledged()
    harvest.finish()
    harvest.check_complete()
    assert set(harvest.hits(stored)) <= {1}  # what a shard held is never asked for again
    assert max(harvest.hits(harvest.urls)) <= 2


@pytest.mark.parametrize("dataset", ["local"], indirect=True)
def test_what_has_come_is_in_shards_but_for_the_one_that_is_open(harvest):
    # How far writing is behind at any moment hangs on the machine, so it is given time to catch up.
    harvest.gate.stop_at = 150
    served = 150 + HELD_AFTER
    process = harvest.start()
    try:
        deadline = time.monotonic() + patient(300)
        while len(harvest.dataset.acknowledged()) <= served - ROWS_PER_SHARD:
            assert time.monotonic() < deadline, "what was served is not stored"
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.kill()
        process.communicate()
    stored = harvest.dataset.acknowledged()
    assert len(stored) == served - served % ROWS_PER_SHARD
    harvest.finish()
    harvest.check_complete()
    assert set(harvest.hits(stored)) == {1}


@pytest.mark.parametrize("dataset", ["local"], indirect=True)
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_told_to_stop_it_keeps_what_it_has_and_says_how_to_go_on(harvest, number, code):
    # At rest, what was served has come; the others wait at the gate.
    ended, said = stop_at(harvest, 100, number, rest_s=1.0)
    assert ended == code
    assert "run the same command again" in said
    assert "Traceback" not in said
    stored = harvest.dataset.acknowledged()
    assert len(stored) == 100 + HELD_AFTER  # not the shards alone that were due
    assert not harvest.dataset.leftovers()
    assert harvest.dataset.manifest()["tables"]["candidate"]["rows"] == len(stored)
    harvest.finish()
    harvest.check_complete()
    assert set(harvest.hits(stored)) == {1}


def test_told_to_stop_it_waits_for_what_is_under_way_and_begins_nothing(harvest):
    ended, said = stop_at(harvest, 100, signal.SIGINT, rest_s=0.5, answer_then=True)
    assert ended == 130
    assert "run the same command again" in said
    stored = harvest.dataset.acknowledged()
    asked = {
        url for url, hits in zip(harvest.urls, harvest.hits(harvest.urls), strict=True) if hits
    }
    assert stored == asked
    assert 100 + HELD_AFTER <= len(stored) < PICTURES
    assert not harvest.dataset.leftovers()
    harvest.finish()
    harvest.check_complete()
    assert set(harvest.hits(harvest.urls)) == {1}


def test_a_second_process_says_that_the_dataset_is_in_use(harvest):
    harvest.gate.stop_at = 50
    first = harvest.start()
    try:
        assert harvest.gate.reached.wait(patient(300)), "the harvest did not come so far"
        second = harvest.start()
        _, said = second.communicate(timeout=patient(600))
        assert second.returncode == 5
        assert "another process is writing to this dataset" in said
        assert "Traceback" not in said
        harvest.gate.open()
        _, said = first.communicate(timeout=patient(600))
        assert first.returncode == 0, said
    finally:
        first.kill()
    harvest.check_complete()
    assert set(harvest.hits(harvest.urls)) == {1}


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_killed_again_and_again_it_ends_all_the_same(harvest, seed):
    chance = random.Random(seed)
    stored: set[str] = set()
    for _ in range(12):
        left = PICTURES - len(stored)
        if left < 30:
            break
        code, _ = stop_at(harvest, chance.randint(1, left - 25), signal.SIGKILL)
        assert code == -signal.SIGKILL
        now = harvest.dataset.acknowledged()
        assert stored <= now
        stored = now
    hits = dict(zip(sorted(stored), harvest.hits(sorted(stored)), strict=True))
    harvest.finish()
    harvest.check_complete()
    assert harvest.hits(hits) == list(hits.values())
    assert len(harvest.dataset.urls(Candidate)) == PICTURES
