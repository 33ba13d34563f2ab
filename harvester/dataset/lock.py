"""This is the writer's lock: a locked file on a local disk, an object with a heartbeat elsewhere.

Elsewhere each writer puts an object of its own below `.lock/`, lists that folder, and goes on only
if it finds no other writer there that is alive. Two that come at once see each other and both
refuse, so there are never two; no store's conditional writes are needed. The object is written
anew every 20 s; one that has not changed for 90 s, by the store's own clock, is of a dead writer,
and so is at once that of a process of this machine which is no more.

But: a store has to list an object right after it was put, as S3 (since 2020), GCS and Azure do.
Where it tells no times of change, those that the writers noted are compared, by their own clocks.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import socket
import threading
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import filelock

from harvester.dataset.atomic import replacing, write_text
from harvester.dataset.foreign_files import refuse_foreign
from harvester.dataset.links import refuse_links
from harvester.dataset.storage import Entry, Location, list_files, read_text, remove
from harvester.errors import ShardError, reason_of
from harvester.sanitize import clean

log = logging.getLogger(__name__)
HEARTBEAT_S = 20.0
DEAD_AFTER_S = 90.0
_UNSURE_AFTER_S = 60.0
"""A writer that could not show for so long that it is alive asks whether it still holds."""
LOCK = ".lock"
_HOLDER = ".writer.json"
_LONGEST = 4096  # bytes of another writer's note


class Lock(Protocol):
    """A dataset's lock."""

    def acquire(self) -> None:
        """Take it, before anything of the dataset is written, replaced or removed.

        Raises:
            ShardError: if another process has it, the folder cannot be written, or parts of it are
                links that lead out of it (`links`).
            InputError: if another program's files are in its place (`foreign`).
        """

    def check(self) -> None:
        """Refuse with ShardError to write on where it was lost."""

    def release(self) -> None:
        """Give it back; never fails."""


def lock_of(folder: Location, run: str) -> Lock:
    """The lock of a dataset for one run; a local folder is made if it is missing."""
    return _FileLock(folder, run) if isinstance(folder, Path) else _ObjectLock(folder, run)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who writes to a dataset.

    Attributes:
        machine: tells apart those that share a name; empty where it cannot be told.
        since, at: ISO 8601; when the run began, and when it last showed that it is alive.
    """

    host: str
    machine: str
    pid: int
    run: str
    since: str
    at: str

    @classmethod
    def mine(cls, run: str, since: str | None = None) -> Holder:
        """This process."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(socket.gethostname(), _machine(), os.getpid(), run, since or now, now)

    @classmethod
    def read(cls, location: Location) -> Holder | None:
        """What another wrote down, or None; raises as `read_text` does."""
        try:
            record = json.loads(read_text(location, _LONGEST) or "null")
            texts = {name: str(record[name])[:200] for name in ("host", "machine", "run", "since")}
            return cls(**texts, pid=int(record["pid"]), at=str(record["at"])[:200])
        except (ValueError, TypeError, KeyError, RecursionError):
            return None

    @property
    def is_gone(self) -> bool:
        """Whether it was a process of this very machine, and is no more."""
        if not self.machine or (self.host, self.machine) != (socket.gethostname(), _machine()):
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False
        return False

    def describe(self) -> str:
        """In a message's words."""
        return clean(f"process {self.pid} on {self.host}, since {self.since}, run {self.run}")


def _machine() -> str:
    """Names of hosts and numbers of processes repeat: in containers each has a process 1."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _refuse_other(path: Path) -> None:
    """Older versions of filelock follow a link, and empty what is there."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, f"a link at {path.name}")
    if path.is_file() and path.stat().st_size:
        raise OSError(errno.EEXIST, f"a {path.name} that is no lock")


class _FileLock:
    def __init__(self, folder: Path, run: str) -> None:
        self._folder = folder
        self._run = run
        self._lock = filelock.FileLock(folder / LOCK, timeout=0)

    def acquire(self) -> None:
        refuse_links(self._folder)
        refuse_foreign(self._folder)
        try:
            _refuse_other(self._folder / LOCK)
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except filelock.Timeout as exc:
            holder = Holder.read(self._folder / _HOLDER)
            who = f" ({holder.describe()})" if holder else ""
            raise ShardError(
                f"{self._folder}: another process is writing to this dataset{who}; wait for it to "
                "end, or give another --out"
            ) from exc
        except OSError as exc:
            raise ShardError(
                f"{self._folder}: expected a folder that can be written, found {reason_of(exc)}; "
                "give another --out"
            ) from exc
        # The lock is the file's, not its content's: what it says of its holder is a courtesy.
        with contextlib.suppress(OSError), replacing(self._folder / _HOLDER) as temporary:
            temporary.write_text(json.dumps(asdict(Holder.mine(self._run))), encoding="utf-8")

    def check(self) -> None:
        """The system keeps it as long as this process lives."""

    def release(self) -> None:
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                (self._folder / _HOLDER).unlink(missing_ok=True)
        self._lock.release()


class _ObjectLock:
    def __init__(self, folder: Location, run: str) -> None:
        self._folder = folder
        self._run = run
        self._since: str | None = None
        self._name = f"{run}.json"
        self._shown_at = 0.0
        self._writing = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        refuse_foreign(self._folder)
        self._show()
        try:
            self._refuse_others()
        except BaseException:
            with contextlib.suppress(ShardError):
                remove(self._place)
            raise
        self._thread = threading.Thread(target=self._beat, name="lock", daemon=True)
        self._thread.start()

    def check(self) -> None:
        if time.monotonic() - self._shown_at > _UNSURE_AFTER_S:
            self._show()
            self._refuse_others()

    def release(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        with self._writing, contextlib.suppress(ShardError):
            remove(self._place)

    @property
    def _place(self) -> Location:
        return self._folder / LOCK / self._name

    def _show(self) -> None:
        """Show that this writer is alive."""
        with self._writing:
            mine = Holder.mine(self._run, self._since)
            self._since = mine.since
            began = time.monotonic()
            write_text(self._place, json.dumps(asdict(mine)))
            self._shown_at = began

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            try:
                self._show()
            except ShardError as exc:
                log.debug("the lock was not refreshed: %s", exc)

    def _refuse_others(self) -> None:
        entries = {entry.name: entry for entry in list_files(self._folder / LOCK)}
        mine = entries.pop(self._name, None)
        for entry in entries.values():
            location = self._folder / LOCK / entry.name
            holder = Holder.read(location)
            silent_s = _silence(entry, mine, holder)
            if silent_s < DEAD_AFTER_S and not (holder and holder.is_gone):
                who = holder.describe() if holder else clean(entry.name)
                raise ShardError(
                    f"{self._folder}: another process is writing to this dataset ({who}; last "
                    f"heard of {max(silent_s, 0):.0f} s ago, dead when it is silent for "
                    f"{DEAD_AFTER_S:.0f}); wait for it to end, or give another --out"
                )
            remove(location)


def _silence(entry: Entry, mine: Entry | None, holder: Holder | None) -> float:
    """Seconds since another writer showed itself."""
    if mine and entry.modified_at and mine.modified_at:
        return (mine.modified_at - entry.modified_at).total_seconds()
    try:
        noted = datetime.fromisoformat(holder.at) if holder else None
    except ValueError:
        noted = None
    # Without any time it counts as alive: a lock too many is removed by hand, data are not mended.
    return (datetime.now(UTC) - noted).total_seconds() if noted and noted.tzinfo else 0.0
