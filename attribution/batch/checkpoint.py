"""A batch's checkpoint: its finished rows in small files beside the output.

`<out>.parts/` holds the settings, a lock, and `part-<n>.parquet` files in `batch.table.SCHEMA`. It
may be deleted when the batch is over; without it the next run begins anew.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import filelock
import pyarrow as pa
import pyarrow.compute as pc

from attribution.batch.table import check_out, is_rankings, read_part, to_rankings, write_rankings
from attribution.errors import JobError
from harvester.dataset.atomic import replacing
from harvester.dataset.shards import write_shard
from harvester.errors import reason_of

_SETTINGS = "settings.json"
_LOCK = ".lock"
_IDS, _BY_CONTENT = "ids", "by content"
"""Noted beside the settings: versions before knew a job without an id by its row's number."""
_PART = re.compile(r"part-[0-9]{5,}\.parquet")
_TEMPORARY = re.compile(r"\.(part-[0-9]{5,}\.parquet|settings\.json)\.[0-9a-f]{16}\.tmp")


class BatchCheckpoint:
    """A batch's finished rows, open for one process at a time; a context manager.

    Args:
        out: the batch's output.
        settings: what results depend on; those of an earlier run must be the same.
        restart: forget what earlier runs did; what whence did not write stays.
        was_number: tells of the id of a finished job whether it was its row's number. Earlier
            versions knew jobs by these; whose it is by now nobody can tell, so that such a job is
            taken out of their folders, to be done again.

    Attributes:
        finished: ids of the jobs that earlier runs ranked; what failed is taken out, to be tried
            again.
        forgotten: how many jobs were taken out because their ids were numbers of rows.

    Raises:
        JobError: on entering, if `out` has an ending that names no format or is a folder, if
            another process is at work, if the settings differ, or if something else lies there.
        InputError: if `out` is a file that whence did not write.
    """

    def __init__(
        self,
        out: Path,
        settings: Mapping[str, Any],
        *,
        restart: bool = False,
        was_number: Callable[[str], bool] = lambda _: False,
    ) -> None:
        check_out(out)
        self._out = out
        self._settings = dict(settings)
        self._restart = restart
        self._was_number = was_number
        self._folder = out.with_name(out.name + ".parts")
        self._lock = filelock.FileLock(self._folder / _LOCK, timeout=0)
        self._number = 0
        self.finished: set[str] = set()
        self.forgotten = 0

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except filelock.Timeout as exc:
            raise JobError(
                f"{self._out}: another process is writing these rankings; wait for it to end, or "
                "give another --out"
            ) from exc
        except OSError as exc:
            raise JobError(
                f"{self._folder}: expected a folder that can be written, found {reason_of(exc)}; "
                "give another --out"
            ) from exc
        try:
            if self._restart:
                self._forget()
            is_former = self._check_settings()
            self._resume(is_former=is_former)
            if is_former:  # last: a run that is killed before takes the same jobs out once more
                self._write_settings()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep some rows; they are on disk when this returns.

        Raises:
            ShardError: if they cannot be written.
        """
        if rows:
            write_shard(self._folder / f"part-{self._number:05d}.parquet", to_rankings(rows))
            self._number += 1

    def join(self) -> None:
        """Write the output out of all parts; raises as `write_rankings` does."""
        write_rankings(self._out, self._files())

    def best(self) -> Iterator[dict[str, Any]]:
        """Of each job its best match, or its failure."""
        for path in self._files():
            for row in read_part(path).to_pylist():
                if row["rank"] in {None, 1}:
                    yield row

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("part-*.parquet"))

    def _forget(self) -> None:
        """Remove what earlier runs wrote, and nothing else.

        Raises:
            JobError: if another's file has the name of one; then nothing is removed.
        """
        found = [path for path in self._folder.iterdir() if not path.is_dir()]
        parts = [path for path in found if _PART.fullmatch(path.name)]
        settings = [path for path in found if path.name == _SETTINGS]
        # A damaged file is known by those beside it.
        is_ours = _is_settings(self._folder / _SETTINGS) or any(map(_is_part, parts))
        for path in (*settings, *parts) if not is_ours else ():
            raise JobError(
                f"{path}: expected what earlier runs left, found another file; nothing was "
                "changed: move it away, or give another --out"
            )
        left = [path for path in found if _TEMPORARY.fullmatch(path.name)]
        for path in (*parts, *settings, *left, self._out):
            path.unlink(missing_ok=True)

    def _check_settings(self) -> bool:
        """Refuse settings that an earlier batch did not have.

        Returns:
            Whether they are to be noted: in a new folder, or in one of an earlier version.
        """
        path = self._folder / _SETTINGS
        try:
            found = json.loads(path.read_text("utf-8")) if path.exists() else None
            if found is None:
                return True
        except (OSError, ValueError, RecursionError) as exc:
            raise JobError(
                f"{path}: expected the settings of an earlier run, found {reason_of(exc)}; use "
                "--restart, or give another --out"
            ) from exc
        if not isinstance(found, dict):
            found = {}
        differing = sorted(key for key, value in self._settings.items() if found.get(key) != value)
        if differing:
            raise JobError(
                f"{self._folder}: expected results of the same settings, found others for "
                f"{', '.join(differing)}; use --restart to begin again, or give another --out"
            )
        return found.get(_IDS) != _BY_CONTENT

    def _write_settings(self) -> None:
        path = self._folder / _SETTINGS
        try:
            with replacing(path) as temporary:
                temporary.write_text(json.dumps({**self._settings, _IDS: _BY_CONTENT}), "utf-8")
        except OSError as exc:
            raise JobError(
                f"{path}: expected to note the settings, found {reason_of(exc)}; make room or mend "
                "the folder, then run the same command again"
            ) from exc

    def _resume(self, *, is_former: bool) -> None:
        forgotten = set[str]()
        for path in self._files():
            table = read_part(path)
            ranked = table.filter(pc.equal(table.column("status"), "ok"))
            if is_former:
                names = ranked.column("job_id").to_pylist()
                gone = list(map(self._was_number, names))
                forgotten.update(itertools.compress(names, gone))
                ranked = ranked.filter(pc.invert(pa.array(gone, pa.bool_())))
            if ranked.num_rows < table.num_rows:
                write_shard(path, ranked)
            self.finished.update(ranked.column("job_id").to_pylist())
            number = path.stem.rpartition("-")[2]
            self._number = max(self._number, int(number) + 1 if number.isdecimal() else 0)
        self.forgotten = len(forgotten)


def _is_settings(path: Path) -> bool:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.keys() >= {"candidates", "method"}


def _is_part(path: Path) -> bool:
    try:
        return is_rankings(path)
    except (OSError, ValueError):
        return False
