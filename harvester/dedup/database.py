"""This is the SQLite file of the seen index: opened safely, asked, written, made anew.

One connection asks and another writes (write-ahead log), so that a flush in a thread does not hold
up the questions of the run. Each keeps at most 8 MB of pages in memory, whatever the file's size.

A dataset may come from anyone, and the file with it: one that is not exactly of this schema is
removed unread, and what a table holds is read as numbers and bytes only. SQLite acts on what lies
beside a file: it plays a rollback journal back, which may name a further file to be deleted, and
writes through links. So a file that has a rollback journal is removed with it, unopened, and so is
one that is a link, or has one beside it: the shards hold all of it. A write-ahead log, which names
no files, stays, and what a killed run had put there is not lost.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from harvester.dataset.arrow import KINDS
from harvester.dataset.precedence import rank_sql
from harvester.dedup import canonical_url as canonical
from harvester.dedup import near_duplicates
from harvester.dedup.keys import CODES, OK, STATUSES, Packed, PendingKeys
from harvester.errors import ShardError, reason_of
from harvester.paths import what_is
from harvester.schema import Candidate, Finding

_SCHEMA = (
    """CREATE TABLE shards (
        kind TEXT, name TEXT, bytes INTEGER NOT NULL, PRIMARY KEY (kind, name)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE addresses (
        key BLOB PRIMARY KEY, id ANY NOT NULL, status INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE pictures (id ANY PRIMARY KEY, pdq BLOB) STRICT, WITHOUT ROWID",
    "CREATE TABLE findings (key BLOB PRIMARY KEY, led BLOB NOT NULL) STRICT, WITHOUT ROWID",
    near_duplicates.SCHEMA,
)
_TABLES = ("shards", "addresses", "pictures", "findings", "bands")
_APPLICATION = int.from_bytes(b"whnc")
_MEANING = (*_SCHEMA, *STATUSES.values(), str(canonical.VERSION), "opt-outs: final_url too")
_VERSION = zlib.crc32("\n".join(_MEANING).encode()) & 0x7FFFFFFF
"""Another one with any change of what the numbers and digests in the tables stand for."""
_SETTINGS = (
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA cache_size = -8000",
    f"PRAGMA journal_size_limit = {16 << 20}",
)
_BESIDE = ("-wal", "-shm", "-journal")
"""Endings of the files that SQLite looks for beside its own; the rollback journal last."""
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_SAME_BEGINNING = 8
"""Pictures whose ids begin alike, of which all are compared; by chance there are hardly two."""
_NEW, _OLD = rank_sql("excluded.status", CODES), rank_sql("addresses.status", CODES)
# As `keys.supersedes`.
_HOLDS = f"""
    ON CONFLICT (key) DO UPDATE SET id = excluded.id, status = excluded.status
    WHERE {_NEW} > {_OLD} OR (
        {_NEW} = {_OLD} AND ({_NEW} = 0 OR (excluded.status = {OK} AND excluded.id < id))
    )
"""
_PUT_ADDRESS = "INSERT INTO addresses VALUES (?, ?, ?)" + _HOLDS  # noqa: S608  # constants
_PUT_ALIAS = (
    "INSERT INTO addresses SELECT ?1, ?2, ?3 FROM pictures WHERE id = ?2" + _HOLDS  # noqa: S608  # constants
)
_PUT_PICTURE = "INSERT OR IGNORE INTO pictures VALUES (?, ?)"
_PUT_BAND = "INSERT OR IGNORE INTO bands VALUES (?)"
_PUT_FINDING = "INSERT OR REPLACE INTO findings VALUES (?, ?)"
_PUT_SHARD = "INSERT OR REPLACE INTO shards VALUES (?, ?, ?)"


class DamagedError(ShardError):
    """The file cannot be read any more; it has been removed, and is made anew when next opened."""


class SeenDatabase:
    """The file, open; a context manager. Every method raises ShardError where SQLite fails."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        if not self._is_alone():
            self._remove()
        try:
            if not self._is_ours():
                self._remove()
            self._writer = self._connect()
            self._reader = self._connect()
        except sqlite3.Error as exc:
            raise self._fault(exc) from exc
        return self

    def __exit__(self, *_: object) -> None:
        # The writer last: whoever closes a file last empties its log into it.
        self._reader.close()
        self._writer.close()

    def address(self, key: bytes) -> tuple[Packed, int] | None:
        """The id and status of an address."""
        row: tuple[Packed, int] | None = self._ask(
            "SELECT id, status FROM addresses WHERE key = ?", key
        )
        return row

    def holds(self, picture: Packed) -> bool:
        """Whether a picture is stored."""
        return self._ask("SELECT 1 FROM pictures WHERE id = ?", picture) is not None

    def finding(self, key: bytes) -> bytes | None:
        """What a finding led to."""
        row: tuple[bytes] | None = self._ask("SELECT led FROM findings WHERE key = ?", key)
        return row and row[0]

    def sharing_bands(self, pdq: bytes) -> dict[bytes, bytes]:
        """The hashes, by id, of pictures that may be near; a bounded number."""
        hashes: dict[bytes, bytes] = {}
        with self._asking():
            for start in near_duplicates.beginnings(self._reader, pdq):
                hashes |= self._reader.execute(
                    "SELECT id, pdq FROM pictures WHERE id BETWEEN ? AND ? AND pdq IS NOT NULL"
                    " LIMIT ?",
                    (start, start + b"\xff" * 28, _SAME_BEGINNING),
                )
        return hashes

    def seen(self, kind: str) -> dict[str, int]:
        """The shards of a kind that have been read, and their sizes."""
        with self._asking():
            return dict(
                self._reader.execute("SELECT name, bytes FROM shards WHERE kind = ?", (kind,))
            )

    def write(
        self, batch: PendingKeys, written: Mapping[type[Candidate | Finding], Mapping[str, int]]
    ) -> None:
        """Put in what was learned, and the shards that hold it: all or nothing."""
        marks = [
            (KINDS[kind].name, *one) for kind, named in written.items() for one in named.items()
        ]
        bands = [
            entry
            for picture, pdq in batch.pictures.items()
            if pdq is not None and isinstance(picture, bytes)
            for entry in near_duplicates.entries(picture, pdq)
        ]
        # Sorted, so that a page of the file is met once and not once a row.
        bands.sort()
        with self._writing() as put:
            put(_PUT_PICTURE, sorted(batch.pictures.items(), key=_by_id))
            put(_PUT_BAND, zip(bands, strict=True))
            put(
                _PUT_ADDRESS,
                ((key, *one) for key, one in sorted(batch.addresses.items(), key=_by_key)),
            )
            put(
                _PUT_ALIAS, ((key, *one) for key, one in sorted(batch.aliases.items(), key=_by_key))
            )
            put(_PUT_FINDING, sorted(batch.findings.items()))
            put(_PUT_SHARD, marks)

    def clear(self) -> None:
        """Forget all, to be told again."""
        with self._writing():
            for table in _TABLES:
                self._writer.execute(f"DELETE FROM {table}")  # noqa: S608  # a name from above

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        for setting in (*_SETTINGS, "PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"):
            connection.execute(setting)
        if not connection.execute("PRAGMA user_version").fetchone()[0]:
            # Last the version: a file that was left half made has none, and is made anew.
            statements = ("BEGIN IMMEDIATE", *_SCHEMA, f"PRAGMA application_id = {_APPLICATION}")
            for statement in (*statements, f"PRAGMA user_version = {_VERSION}", "COMMIT"):
                connection.execute(statement)
        return connection

    def _is_alone(self) -> bool:
        """Whether nothing is there that SQLite would follow out of the dataset; opens nothing.

        Of this program's own runs only one that was killed amid its first statements leaves a
        rollback journal, unless the file system cannot share memory.
        """
        file, *_, journal = self._files
        plain = list(map(_is_plain, self._files))  # all of them: what cannot be removed is told
        return all(plain) and os.path.lexists(file) and not os.path.lexists(journal)

    @property
    def _files(self) -> list[Path]:
        return [self._path.with_name(self._path.name + ending) for ending in ("", *_BESIDE)]

    def _is_ours(self) -> bool:
        """Whether the file is of this schema; nothing is written to one that is not."""
        with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            try:
                for setting in _SETTINGS[:2]:
                    connection.execute(setting)
                [(application,)] = connection.execute("PRAGMA application_id")
                [(version,)] = connection.execute("PRAGMA user_version")
                schema = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"
                statements = {sql for (sql,) in connection.execute(schema)}
            except sqlite3.Error as exc:
                if _is_damage(exc):
                    return False
                raise
        return (application, version, statements) == (_APPLICATION, _VERSION, set(_SCHEMA))

    def _remove(self) -> None:
        for path in self._files:  # the file first: without its journal it may be half a change
            path.unlink(missing_ok=True)

    def _ask(self, statement: str, value: Packed) -> Any:
        try:
            return self._reader.execute(statement, (value,)).fetchone()
        except sqlite3.Error as exc:
            raise self._fault(exc) from exc

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise self._fault(exc) from exc

    @contextmanager
    def _writing(self) -> Iterator[Callable[[str, Any], object]]:
        with self._asking():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer.executemany
                self._writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._writer.execute("ROLLBACK")
                raise

    def _fault(self, exc: sqlite3.Error) -> ShardError:
        if not _is_damage(exc):
            return ShardError(
                f"{self._path}: expected to use the index of what the dataset holds, found "
                f"{reason_of(exc)}; the shards are whole: make room or mend the folder, then run "
                "the same command again"
            )
        self._remove()
        return DamagedError(
            f"{self._path}: expected the index of what the dataset holds, found it damaged "
            f"({reason_of(exc)}); it has been removed, and is made anew from the shards: run the "
            "same command again"
        )


def _is_plain(path: Path) -> bool:
    """Whether a file has this one name, or is not there.

    Raises:
        ShardError: if it is a folder, a pipe or a device.
    """
    try:
        info = path.lstat()
    except FileNotFoundError:
        return True
    if stat.S_ISREG(info.st_mode):
        return info.st_nlink == 1
    if stat.S_ISLNK(info.st_mode):
        return False
    raise ShardError(
        f"{path}: expected the index of what the dataset holds, found {what_is(path)}; move it "
        "away and run the same command again"
    )


def _is_damage(exc: sqlite3.Error) -> bool:
    code = getattr(exc, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGED


def _by_key(row: tuple[bytes, object]) -> bytes:
    return row[0]


def _by_id(row: tuple[Packed, object]) -> tuple[bool, Packed]:
    return isinstance(row[0], bytes), row[0]
