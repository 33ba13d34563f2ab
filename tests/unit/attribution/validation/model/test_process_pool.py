"""Work side by side: everything comes, faults come through, and no process stays behind."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import torch

from attribution.errors import CheckpointError, ProofError
from attribution.validation.model.process_pool import ModelPool, one_thread


def act(context: Path, item: object) -> object:
    """In a worker: says who it is, and does as it is told."""
    (context / f"pid-{os.getpid()}").touch()
    if item == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "broken":
        raise CheckpointError("expected one thing, found another")
    if item == "slow":
        time.sleep(20)
        (context / "slow").touch()
    if item == "threads":
        return torch.get_num_threads()
    return item, context.name


def each(function, context, items, workers=None):
    with ModelPool(workers) as pool:
        yield from pool.each(function, context, items)


def pids(folder: Path) -> list[int]:
    return [int(path.name.removeprefix("pid-")) for path in folder.glob("pid-*")]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def ended(tmp_path):
    """Afterwards: every process that worked is gone."""
    yield tmp_path
    found = pids(tmp_path)
    assert found, "no process said who it is"
    assert not [pid for pid in found if alive(pid)]
    assert os.getpid() not in found


def test_every_item_is_done_once_by_one_thread(ended):
    found = list(each(act, ended, [*range(5), "threads"], workers=2))
    assert sorted(one for one in found if one != 1) == [(item, ended.name) for item in range(5)]
    assert found.count(1) == 1
    assert len(pids(ended)) <= 2


def test_nothing_to_do_starts_nothing(tmp_path):
    assert list(each(act, tmp_path, [])) == []
    assert not pids(tmp_path)


def test_a_killed_worker_ends_it_with_what_to_do(ended):
    with pytest.raises(ProofError, match=r"found a process killed .*run the same command again"):
        list(each(act, ended, ["killed", "slow"], workers=1))


def test_a_fault_of_a_worker_comes_through(ended):
    with pytest.raises(CheckpointError, match="expected one thing, found another"):
        list(each(act, ended, ["broken", "slow"], workers=1))
    assert not (ended / "slow").exists()  # what waits behind it is not done


def test_who_leaves_early_leaves_no_process(ended):
    for number, _ in enumerate(each(act, ended, [0, "slow", "slow"], workers=1)):
        assert number == 0
        break
    assert not (ended / "slow").exists()


def test_one_thread_is_given_back_whatever_happens():
    before = torch.get_num_threads()
    with pytest.raises(ProofError), one_thread():
        assert torch.get_num_threads() == 1
        raise ProofError("stopped")
    assert torch.get_num_threads() == before
