"""Parquet shards: files that appear whole or not at all, and how they are read.

A folder of shards is opened for writing by `store.Store`; anything may read it meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from harvester.arrow import KINDS, check_file_schema, file_schema, from_table
from harvester.errors import ShardError, reason_of
from harvester.schema import AnyRow, Pictured, Row

ROW_GROUP = 100
"""Rows a row group: small enough that one picture is read without its neighbours' megabytes."""


def shard_paths(folder: Path, row_type: type[Row]) -> list[Path]:
    """The shards of one kind, in a fixed order; empty where there is no dataset yet."""
    return sorted((folder / KINDS[row_type].folder).glob("part-*.parquet"))


def batches(
    folder: Path, row_type: type[Row], columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Stream one kind of row; at most a row group is in memory.

    Raises:
        SchemaError: if a shard is of another kind or schema version.
        ShardError: if a shard cannot be read.
    """
    for path in shard_paths(folder, row_type):
        with open_shard(path, row_type) as file:
            try:
                yield from file.iter_batches(batch_size=ROW_GROUP, columns=columns)
            except (OSError, pa.ArrowException) as exc:
                raise _damaged(path, exc) from exc


def count_rows(folder: Path, row_type: type[Row]) -> int:
    """How many rows of one kind there are, from the files' footers; raises as `batches` does."""
    total = 0
    for path in shard_paths(folder, row_type):
        with open_shard(path, row_type) as file:
            total += file.metadata.num_rows
    return total


def read(folder: Path, row_type: type[Row], columns: Sequence[str] | None = None) -> pa.Table:
    """One kind of row as a table, empty where there is none; raises as `batches` does."""
    schema = file_schema(row_type)
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    found = [batch.select(schema.names) for batch in batches(folder, row_type, columns)]
    return pa.Table.from_batches(found, schema=schema.remove_metadata())


def rows(folder: Path, row_type: type[AnyRow]) -> Iterator[AnyRow]:
    """Stream one kind of row as objects, pictures included; raises as `batches` does."""
    for batch in batches(folder, row_type):
        yield from from_table(batch, row_type)


def pick(folder: Path, row_type: type[Pictured], ids: Iterable[str]) -> dict[str, Pictured]:
    """The named rows, pictures included, by id; unknown ids are left out.

    Reads only the row groups that hold them; raises as `batches` does.
    """
    wanted = set(ids)
    found: dict[str, Pictured] = {}
    for path in shard_paths(folder, row_type):
        if not wanted:
            break
        with open_shard(path, row_type) as file:
            try:
                names = file.read(columns=["id"]).column("id").to_pylist()
                start = 0
                for group in range(file.num_row_groups):
                    count = file.metadata.row_group(group).num_rows
                    here = names[start : start + count]
                    start += count
                    places = [n for n, name in enumerate(here) if name in wanted]
                    if places:
                        table = file.read_row_group(group).take(places)
                        found |= {row.id: row for row in from_table(table, row_type)}
            except (OSError, pa.ArrowException) as exc:
                raise _damaged(path, exc) from exc
        wanted.difference_update(found)
    return found


def open_shard(path: Path, row_type: type[Row]) -> pq.ParquetFile:
    """One shard, its schema checked; raises as `batches` does."""
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as exc:
        raise _damaged(path, exc) from exc
    check_file_schema(file.schema_arrow, row_type, str(path))
    return file


def _damaged(path: Path, exc: Exception) -> ShardError:
    return ShardError(
        f"{path}: expected a Parquet shard, found one that cannot be read ({reason_of(exc)}); move "
        "it away and run the same harvest again"
    )


def write_shard(path: Path, table: pa.Table) -> None:
    """Write a table to `path`: whole or not at all, synced to the disk.

    Raises:
        ShardError: if it cannot be written; no partial file is left behind.
    """
    columns = [name for name in table.schema.names if name != "image"]
    # Encoded pictures do not shrink: zstd would cost time for nothing.
    codec = dict.fromkeys(columns, "zstd") | {"image.bytes": "none", "image.path": "zstd"}
    for field in table.schema:
        if pa.types.is_list(field.type):
            codec.pop(field.name)  # named by their leaves; short, and left as they are
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            pq.write_table(table, file, row_group_size=ROW_GROUP, compression=codec)
    except OSError as exc:
        raise ShardError(
            f"{path.parent}: expected to write {table.num_rows} rows, found {reason_of(exc)}; what "
            "earlier shards hold is safe: make room or mend the folder, then run the same command "
            "again"
        ) from exc


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which takes its place when the block ends well.

    So the file appears whole or not at all: it is synced to the disk before it is moved, and
    removed if the block raises. Missing folders are made.

    Raises:
        OSError: if it cannot be written or moved.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
