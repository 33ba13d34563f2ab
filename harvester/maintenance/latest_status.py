"""This is the table of how each address of a dataset ended, whatever number of rows tell of it.

A failure that is tried again has a row for each way it ended; which of them holds is told by
`dataset.precedence`. An address whose picture was stored under another one, which only a finding
tells, led to a picture, too.

Rows are gathered in a SQLite database that has no name and goes when it is closed: memory does not
grow with the dataset, and the disk's temporary folder takes some 60 bytes a row. But: addresses are
told apart by 64 bits of their hash, so that of 10⁸ of them a pair may be taken for one.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

import pyarrow as pa

from harvester.dataset import shards
from harvester.dataset.precedence import rank_of
from harvester.dataset.storage import Location
from harvester.errors import ShardError, reason_of
from harvester.schema import Candidate, FetchStatus, Finding, Generation, Search
from harvester.urls import host_of, is_web_address

_CACHE_KIB = 16_384
_OK = str(FetchStatus.OK)
_RANK_BITS = 60
"""A row's rank stands above its place; the row whose sum is the largest holds."""
_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
PRAGMA cache_size = -{cache};
CREATE TABLE seen (key INTEGER, place INTEGER, status TEXT, host TEXT, source TEXT, web INTEGER);
"""
_ENDED = """
CREATE TABLE ended AS
SELECT key, max(place) AS place, status, host, source, web, 0 AS told FROM seen GROUP BY key
"""  # SQLite takes the other columns from the row that has the largest place


class LatestStatuses:
    """How each address of a dataset ended; a context manager.

    Args:
        folder: of the dataset.
        row_type: what it is made of. Generations are told apart by their ids.

    Attributes:
        pictures: that are stored; `picture_bytes`: as they were served, None where no row says it.

    Raises:
        SchemaError, ShardError: on entering, as `shards.batches`, or where the temporary folder is
            full.
    """

    def __init__(self, folder: Location, row_type: type[Candidate | Generation]) -> None:
        self._folder, self._row_type = folder, row_type
        self._base: sqlite3.Connection
        self._place = 0
        self.pictures = 0
        self.picture_bytes: int | None = None

    def __enter__(self) -> Self:
        with _asking():
            self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            try:
                self._base.executescript(_TABLES.format(cache=_CACHE_KIB) + "BEGIN;")
                self._gather()
                self._base.executescript(_ENDED + "; DROP TABLE seen;")
            except BaseException:
                self._base.close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def query(self, text: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Ask the table `ended`: key, place, status, host (of failures), source, web, told."""
        with _asking():
            return self._base.execute(text, values).fetchall()

    def searches(self) -> dict[str, int]:
        """The searches of the dataset by how they ended, each by its last row."""
        columns = ["query_prompt", "query", "source", "scope", "status"]
        with _asking():
            self._base.execute("CREATE TABLE searches (key INTEGER PRIMARY KEY, status TEXT)")
            for batch in shards.batches(self._folder, Search, columns):
                rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
                self._base.executemany(
                    "INSERT OR REPLACE INTO searches VALUES (?, ?)",
                    ((hash(tuple(key)), status) for *key, status in rows),
                )
        counted = self.query("SELECT status, count(*) FROM searches GROUP BY status")
        return {str(status): int(str(count)) for status, count in counted}

    def select(self, statuses: Iterable[FetchStatus]) -> tuple[int, int]:
        """Make ready for `contains` and `mark`: keep the addresses of the web that ended like this.

        Returns:
            How many those are, and how many pictures of folders ended like this.
        """
        marks = [str(status) for status in statuses]
        places = ", ".join("?" * len(marks))
        self.query(f"DELETE FROM ended WHERE status NOT IN ({places})", marks)  # noqa: S608  # question marks alone
        [[local]] = self.query("SELECT count(*) FROM ended WHERE NOT web")
        self.query("DELETE FROM ended WHERE NOT web")
        self.query("CREATE UNIQUE INDEX by_key ON ended (key)")
        [[count]] = self.query("SELECT count(*) FROM ended")
        return int(str(count)), int(str(local))

    def contains(self, url: str) -> bool:
        """Whether an address is among those that were kept."""
        with _asking():
            row = self._base.execute("SELECT 1 FROM ended WHERE key = ?", (hash(url),))
            return row.fetchone() is not None

    def mark(self, url: str) -> bool:
        """Take note that an address was told of; whether it was not before."""
        with _asking():
            marked = self._base.execute(
                "UPDATE ended SET told = 1 WHERE key = ? AND told = 0", (hash(url),)
            )
            return marked.rowcount > 0

    def _gather(self) -> None:
        if self._row_type is Generation:
            for batch in shards.batches(self._folder, Generation, ["id", "url", "status"]):
                ids, urls, statuses = (column.to_pylist() for column in batch.columns)
                self.pictures += statuses.count(_OK)
                self._add(ids, urls, statuses, [None] * len(ids))
            return
        size = 0
        for batch in shards.batches(self._folder, Candidate, ["url", "status", "source", "bytes"]):
            urls, statuses, sources, sizes = (column.to_pylist() for column in batch.columns)
            self.pictures += statuses.count(_OK)
            served = zip(statuses, sizes, strict=True)
            size += sum(one or 0 for status, one in served if status == _OK)
            self._add(urls, urls, statuses, sources)
        self.picture_bytes = size
        for batch in shards.batches(self._folder, Finding, ["url", "candidate_id", "source"]):
            self._add_stored(batch)

    def _add_stored(self, batch: pa.RecordBatch) -> None:
        """Addresses whose picture is stored, be it under another one."""
        named = [
            (url, source)
            for url, name, source in zip(
                *(column.to_pylist() for column in batch.columns), strict=True
            )
            if name is not None and not name.startswith("failed-")
        ]
        urls, sources = [url for url, _ in named], [source for _, source in named]
        self._add(urls, urls, [_OK] * len(urls), sources)

    def _add(
        self,
        keys: Sequence[str],
        urls: Sequence[str | None],
        statuses: Sequence[str],
        sources: Sequence[str | None],
    ) -> None:
        start = self._place
        self._place += len(keys)
        self._base.executemany(
            "INSERT INTO seen VALUES (?, ?, ?, ?, ?, ?)",
            (
                (
                    hash(key),
                    rank_of(status) << _RANK_BITS | place,
                    status,
                    None if status == _OK else host_of(url or ""),
                    source,
                    is_web_address(url or ""),
                )
                for place, (key, url, status, source) in enumerate(
                    zip(keys, urls, statuses, sources, strict=True), start
                )
            ),
        )


@contextlib.contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise ShardError(
            f"temporary folder: expected room for a table of the dataset's addresses, found "
            f"{reason_of(exc)}; make room there, or set SQLITE_TMPDIR to another folder"
        ) from exc
