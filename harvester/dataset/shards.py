"""These are the Parquet shards of a dataset: written whole or not at all, listed, and read.

A folder of shards is opened for writing by `writer.Store`; anything may read it meanwhile. Folders
and shards are `storage.Location`s: local paths, or addresses on any file system.
"""

from __future__ import annotations

import hashlib
import io
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvester.dataset.arrow import KINDS, file_schema, from_table
from harvester.dataset.atomic import writing
from harvester.dataset.compaction_journal import read_journal
from harvester.dataset.shard_reader import MAX_UNPACKED, ROW_GROUP, open_shard
from harvester.dataset.storage import Location, list_files, remove
from harvester.errors import ShardError, reason_of
from harvester.schema import AnyRow, Pictured, Row

_TEMPORARY = re.compile(
    r"\.(part-.*|(manifest|manifest-recent|compact|\.writer)\.json|README\.md)\.[0-9a-f]{16}\.tmp"
)
AnyLocation = TypeVar("AnyLocation", bound=Location)


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """A file as it was written.

    Attributes:
        bytes: its size.
    """

    bytes: int
    sha256: str


def shard_paths(folder: AnyLocation, row_type: type[Row]) -> list[AnyLocation]:
    """The shards of one kind, in a fixed order; empty where there is no dataset yet.

    Raises:
        ShardError: if the folder cannot be listed.
    """
    where = folder / KINDS[row_type].folder
    return [where / name for name in shard_sizes(folder, row_type)]


def shard_sizes(folder: Location, row_type: type[Row]) -> dict[str, int]:
    """The names of the shards that `shard_paths` gives, in its order, and their sizes in bytes.

    A shard never changes under its name: who has read it once need not read it again.

    Raises:
        ShardError: if the folder cannot be listed.
    """
    kind = KINDS[row_type]
    journal = read_journal(folder)
    while True:
        entries = list_files(folder / kind.folder)
        before, journal = journal, read_journal(folder)
        if journal == before:  # or shards came and went while they were listed
            break
    return {
        entry.name: entry.size
        for entry in entries
        if is_shard(entry.name) and not (journal and journal.hides(kind.name, entry.name))
    }


def is_shard(name: str) -> bool:
    """Whether a file is one by its name."""
    return name.startswith("part-") and name.endswith(".parquet")


def batches(
    folder: Location, row_type: type[Row], columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Stream one kind of row, its values checked; at most a row group is in memory.

    Raises:
        SchemaError: if a shard is of another kind or schema version.
        ShardError: if a shard cannot be read, or holds what whence never writes.
    """
    names = KINDS[row_type].schema.names if columns is None else columns
    for path in shard_paths(folder, row_type):
        with open_shard(path, row_type) as shard:
            yield from shard.batches(names)


def records(
    folder: Location, row_type: type[Row], columns: Sequence[str] | None = None
) -> Iterator[list[dict[str, Any]]]:
    """As `batches`, each batch as a list of its rows' values by name."""
    for batch in batches(folder, row_type, columns):
        yield batch.to_pylist()


def count_rows(folder: Location, row_type: type[Row]) -> int:
    """How many rows of one kind there are, from the files' footers; raises as `batches` does."""
    total = 0
    for path in shard_paths(folder, row_type):
        with open_shard(path, row_type) as shard:
            total += shard.file.metadata.num_rows
    return total


def read(folder: Location, row_type: type[Row], columns: Sequence[str] | None = None) -> pa.Table:
    """One kind of row as a table, empty where there is none; raises as `batches` does."""
    schema = file_schema(row_type)
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    gathered = list(batches(folder, row_type, columns))
    return pa.Table.from_batches(gathered, schema=schema.remove_metadata())


def rows(folder: Location, row_type: type[AnyRow]) -> Iterator[AnyRow]:
    """Stream one kind of row as objects, pictures included; raises as `batches` does."""
    for batch in batches(folder, row_type):
        yield from from_table(batch, row_type)


def pick(folder: Location, row_type: type[Pictured], ids: Iterable[str]) -> dict[str, Pictured]:
    """The named rows, pictures included, by id; unknown ids are left out.

    Reads only the row groups that hold them; raises as `batches` does.
    """
    wanted = set(ids)
    picked: dict[str, Pictured] = {}
    for path in shard_paths(folder, row_type):
        if not wanted:
            break
        with open_shard(path, row_type) as shard:
            for group in range(shard.file.num_row_groups):
                values = pa.array(sorted(wanted), pa.string())
                names = shard.batches(["id"], group)
                if not any(pc.any(pc.is_in(one.column(0), values)).as_py() for one in names):
                    continue
                for batch in shard.batches(KINDS[row_type].schema.names, group):
                    here = batch.filter(pc.is_in(batch.column("id"), values))
                    picked |= {row.id: row for row in from_table(here, row_type)}
        wanted.difference_update(picked)
    return picked


def write_shard(path: Location, table: pa.Table) -> WrittenShard:
    """Write a table to `path`: whole or not at all, synced to the disk.

    Raises:
        ShardError: if it cannot be written; no partial file is left behind.
    """
    columns = [name for name in table.schema.names if name != "image"]
    # Encoded pictures do not shrink: zstd would cost time for nothing.
    flat = [name for name in columns if not pa.types.is_list(table.schema.field(name).type)]
    codec = dict.fromkeys(flat, "zstd") | {"image.bytes": "none", "image.path": "zstd"}
    unpacked_size = sum(table.column(name).nbytes for name in columns)
    # Rows of the longest texts that there can be still make groups that can be read again.
    size = ROW_GROUP if unpacked_size < MAX_UNPACKED // 2 else ROW_GROUP // 10
    try:
        with writing(path) as plain, _Hashed(plain) as file:
            pq.write_table(table, file, row_group_size=size, compression=codec, use_dictionary=flat)
            return WrittenShard(file.tell(), file.sha256.hexdigest())
    except OSError as exc:
        raise ShardError(
            f"{path.parent}: expected to write {table.num_rows} rows, found {reason_of(exc)}; what "
            "earlier shards hold is safe: make room or mend the folder, then run the same command "
            "again"
        ) from exc


class _Hashed(io.RawIOBase):
    """What is written goes on to a file, and is hashed on its way; the file stays open."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = 0
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._file.write(data)
        self.sha256.update(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size


def sweep(folder: Location) -> None:
    """Remove what `replacing` left of shards when a run was killed; nobody may be writing them.

    Raises:
        ShardError: if a remote place does not answer.
    """
    if not isinstance(folder, Path):
        for entry in list_files(folder):
            if _TEMPORARY.fullmatch(entry.name):
                remove(folder / entry.name)
        return
    for path in folder.glob(".*.tmp"):
        if _TEMPORARY.fullmatch(path.name) and stat.S_ISREG(path.lstat().st_mode):
            path.unlink(missing_ok=True)
