"""A disk that fills: one clear line, a sound dataset, and nothing lost once there is room."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester.schema import Candidate, Finding
from tests.e2e.stoppable import Dataset, Harvest, serve_pictures
from tests.support.patience import patient

PICTURES = 200
ROOM_KB = 192
"""Room for a few of the shards: a row takes about 3 KB."""


@pytest.fixture
def harvest(fault_server, environment, tmp_path) -> Harvest:
    gate, urls = serve_pictures(fault_server, PICTURES)
    dataset = Dataset("c", tmp_path / "c")
    return Harvest(fault_server, gate, dataset, urls, environment, tmp_path)


class SmallDisk:
    """A file system in memory; where only root may mount one, in a namespace of its own.

    Attributes:
        folder: where it can be reached.
    """

    def __init__(self, mount_point: Path, *, in_namespace: bool) -> None:
        mount_point.mkdir()
        enter = ["unshare", "-Urm"] if in_namespace else []
        self._shell = subprocess.Popen(
            [*enter, "sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._point = shlex.quote(str(mount_point))
        root = Path(f"/proc/{self._shell.pid}/root") if in_namespace else Path("/")
        self.folder = root / mount_point.relative_to("/")
        self.is_mounted = self._does(f"mount -t tmpfs -o size={ROOM_KB}k tmpfs {self._point}")

    def _does(self, command: str) -> bool:
        try:
            self._shell.stdin.write(f"{command} 2>/dev/null; echo $?\n")
            self._shell.stdin.flush()
        except OSError:  # no such shell: namespaces are not to be had
            return False
        return self._shell.stdout.readline().strip() == "0"

    def grow(self) -> None:
        assert self._does(f"mount -o remount,size=64m tmpfs {self._point}")

    def close(self) -> None:
        if self.is_mounted:
            self._does(f"umount {self._point}")
        self._shell.communicate()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    for way in (False, True):
        disk = SmallDisk(tmp_path / f"disk-{way}", in_namespace=way)
        if disk.is_mounted:
            yield disk
            disk.close()
            return
        disk.close()
    pytest.skip("neither root nor a user namespace may mount a file system here")


def stopped_for_want_of_room(harvest: Harvest, **limits: int) -> set[str]:
    """One run that must end for want of room; gives the addresses that it has stored."""
    process = harvest.start(**limits)
    out, said = process.communicate(timeout=patient(600))
    assert process.returncode == 5, said
    assert not out.strip()
    assert sum(line.startswith("error: ") for line in said.splitlines()) == 1
    assert "Traceback" not in said
    said = " ".join(said.split())  # the console breaks lines
    assert "make room" in said
    assert "run the same command again" in said
    return check_sound(harvest.dataset)


def check_sound(dataset: Dataset) -> set[str]:
    """No partial file, every shard readable, and nothing in the manifest that is not there."""
    assert not dataset.leftovers()
    stored = dataset.acknowledged()
    assert set(dataset.urls(Finding)) <= stored  # pictures before the findings that name them
    known = {"candidate": dataset.place, "finding": dataset.place / "findings"}
    for name, table in dataset.manifest()["tables"].items():
        for shard, entry in table["shards"].items():
            body = (known[name] / shard).read_bytes()
            assert entry["sha256"] == hashlib.sha256(body).hexdigest()
    return stored


def check_resumed(harvest: Harvest, stored: set[str]) -> None:
    before = dict(zip(sorted(stored), harvest.hits(sorted(stored)), strict=True))
    harvest.finish()
    assert harvest.hits(before) == list(before.values())  # nothing stored is asked for again
    assert sorted(harvest.dataset.urls(Candidate)) == sorted(harvest.urls)
    assert set(harvest.dataset.urls(Finding)) == set(harvest.urls)
    assert harvest.dataset.acknowledged() == set(harvest.urls)
    check_sound(harvest.dataset)


def test_a_full_disk_stops_the_run_and_more_room_lets_it_go_on(harvest, small_disk):
    place = small_disk.folder / "c"
    harvest.dataset = Dataset(str(place), place)
    stored = stopped_for_want_of_room(harvest)
    assert 0 < len(stored) < PICTURES
    assert stopped_for_want_of_room(harvest) >= stored  # as full as before: no harm done
    small_disk.grow()
    check_resumed(harvest, stored)


def test_a_file_that_may_not_grow_stops_the_run_the_same_way(harvest):
    """The same where no file system can be mounted: `EFBIG` in place of `ENOSPC`."""
    stored = stopped_for_want_of_room(harvest, max_file_bytes=4096)
    assert not stored
    check_resumed(harvest, stored)


def test_the_disk_is_full_from_the_start(harvest, small_disk):
    fill(small_disk.folder / "filler")
    place = small_disk.folder / "c"
    harvest.dataset = Dataset(str(place), place)
    process = harvest.start()
    _, said = process.communicate(timeout=patient(600))
    assert process.returncode == 5, said
    assert "Traceback" not in said
    small_disk.grow()
    check_resumed(harvest, set())


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                os.fsync(file.fileno())
        except OSError:
            return
