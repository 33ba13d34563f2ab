"""This is the writer of a dataset: it gathers rows, and writes them as shards when it is time.

::

    data/candidates/
      part-<run>-00000.parquet      candidates (or generations), about 100 rows a row group
      findings/part-<run>-….parquet
      searches/part-<run>-….parquet
      manifest.json                 counts, versions and the sha256 of every shard: see `manifest`
      README.md                     names the tables for Hugging Face `load_dataset`

What a finished shard holds is never lost, and what was in memory at a `kill -9` is fetched again.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self

from harvester.dataset.arrow import KINDS, to_table
from harvester.dataset.compaction_journal import recover
from harvester.dataset.lock import lock_of
from harvester.dataset.manifest import Manifest, entry_of, new_run
from harvester.dataset.shards import sweep, write_shard
from harvester.dataset.storage import Location
from harvester.errors import ShardError
from harvester.schema import Candidate, Finding, Generation, Row, Search


class DatasetWriter:
    """A dataset folder open for writing, by one process at a time; a context manager.

    Leaving the context writes what is in memory, whatever the reason for leaving; but nothing
    after a `flush` that failed and was not made good: what rows say of others has to follow these.

    Args:
        folder: made if it is missing; local, or on any file system (`storage.location_of`).
        main: what the dataset is made of: generations or candidates.
        rows_per_shard: a flush is due when this many rows of one kind wait,
        bytes_per_shard: or when this many bytes of pictures do,
        max_age_s: or when the oldest waiting row is this many seconds old.

    Raises:
        ShardError: on entering, if the folder cannot be made, written, or is in use.
        SchemaError: on entering, if it holds rows of another kind or schema version.
    """

    def __init__(
        self,
        folder: Location,
        main: type[Generation | Candidate],
        *,
        rows_per_shard: int = 1000,
        bytes_per_shard: int = 32 << 20,
        max_age_s: float = 60.0,
    ) -> None:
        self.folder = folder
        # Pictures before the findings that name them, findings before the search they came from:
        # a run that dies between two tables repeats work at the next start, and never skips any.
        self._tables: tuple[type[Row], ...] = (main, Finding, Search)
        self.run = new_run()
        self._rows_per_shard = rows_per_shard
        self._bytes_per_shard = bytes_per_shard
        self._max_age_s = max_age_s
        self._waiting: dict[type[Row], list[Row]] = {}
        self._bytes = 0
        self._oldest: float | None = None
        self._next_number: Counter[type[Row]] = Counter()
        self._appending = threading.Lock()
        self._flushing = threading.Lock()
        self._lock = lock_of(folder, self.run)
        self._manifest: Manifest | None = None
        self._has_failed = False

    def __enter__(self) -> Self:
        self._lock.acquire()
        try:
            for row_type in self._tables:
                sweep(self.folder / KINDS[row_type].folder)
            recover(self.folder)
            self._manifest = Manifest(self.folder, self._tables, self.run)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._has_failed:  # whoever called `flush` was told
                with suppress(ShardError):
                    self._opened.save(is_last=True)
                return
            self.flush()
            self._lock.check()
            self._opened.save(is_last=True)
        finally:
            self._lock.release()

    def append(self, row: Row) -> None:
        """Take one row into memory; it is on disk after the next `flush`."""
        with self._appending:
            self._waiting.setdefault(type(row), []).append(row)
            if self._oldest is None:
                self._oldest = time.monotonic()
            if isinstance(row, Candidate | Generation):
                self._bytes += len(row.image or b"")

    @property
    def is_due(self) -> bool:
        """Whether enough rows wait, or long enough, for a `flush`."""
        oldest = self._oldest
        if oldest is None:
            return False
        return (
            self._bytes >= self._bytes_per_shard
            or time.monotonic() - oldest >= self._max_age_s
            or any(len(rows) >= self._rows_per_shard for rows in list(self._waiting.values()))
        )

    def flush(self) -> dict[type[Row], dict[str, int]]:
        """Write the waiting rows as shards, then what the manifest says of them.

        May run in a thread while rows are appended: those wait for the next time. After an error
        the rows that no shard holds wait again, in their order, for whoever has made room.

        Returns:
            Of each kind of row the shards that were written: their names and sizes in bytes.

        Raises:
            ShardError: if they cannot be written, or the lock was lost; no partial file is left.
        """
        written: dict[type[Row], dict[str, int]] = {}
        with self._flushing:
            with self._appending:
                waiting, self._waiting = self._waiting, {}
                size, self._bytes = self._bytes, 0
                oldest, self._oldest = self._oldest, None
            if not waiting:
                return written
            try:
                self._lock.check()
                for row_type in self._tables:
                    if row_type in waiting:
                        written[row_type] = self._write(row_type, waiting[row_type])
                        del waiting[row_type]
            except BaseException:
                self._has_failed = True
                self._take_back(waiting, size, oldest)
                raise
            self._has_failed = False
            self._opened.save()
        return written

    def _write(self, row_type: type[Row], rows: list[Row]) -> dict[str, int]:
        name = f"part-{self.run}-{self._next_number[row_type]:05d}.parquet"
        table = to_table(rows, row_type)
        written = write_shard(self.folder / KINDS[row_type].folder / name, table)
        self._next_number[row_type] += 1
        statuses = table.column("status").to_pylist() if "status" in table.schema.names else []
        self._opened.enter(row_type, name, entry_of(written, statuses, len(rows)))
        return {name: written.bytes}

    def _take_back(self, rows: dict[type[Row], list[Row]], size: int, oldest: float | None) -> None:
        with self._appending:
            for row_type, fresh in self._waiting.items():
                rows.setdefault(row_type, []).extend(fresh)
            self._waiting = rows
            self._bytes += size
            self._oldest = oldest

    def note(self, settings: Mapping[str, Any]) -> None:
        """Record how this run was called, in the manifest; raises as `flush` does."""
        with self._flushing:
            self._opened.note(settings)

    @property
    def _opened(self) -> Manifest:
        if self._manifest is None:
            raise ValueError("expected a store that is open, found one that was not entered")
        return self._manifest
