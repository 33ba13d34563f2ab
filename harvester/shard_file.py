"""One shard, opened for reading by someone who does not trust it.

A shard of a few kilobytes can be made to unpack to gigabytes: by packing, by a dictionary whose one
long value stands in every row, by lists without end. What a row group unpacks to is measured
before it is read, rows are read as many at a time as fit, and their values are checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import SEEK_END
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from harvester.arrow import check_file_schema
from harvester.errors import ShardError, reason_of
from harvester.parquet_pages import Unpacked, measure_chunk
from harvester.places import Place, open_for_reading
from harvester.schema import Row
from harvester.shard_values import check_batch

ROW_GROUP = 100
"""Rows a row group: small enough that one picture is read without its neighbours' megabytes."""

MAX_UNPACKED = 64 << 20
"""Bytes that the columns of a row group may unpack to, whatever they are packed to."""

_RATIO = 8  # more than text is packed by; above it the bytes that any file may have count
_MAX_SHARD = 256 << 20  # as MAX_UNPACKED, for a shard's rows all together
_SHARD_RATIO = 32
_MAX_VALUES = 1 << 24


@dataclass(frozen=True, slots=True)
class Shard:
    """One open shard; its methods raise ShardError where what it holds cannot be."""

    path: Place
    row_type: type[Row]
    file: pq.ParquetFile
    stream: BinaryIO

    def batches(self, columns: Sequence[str], group: int | None = None) -> Iterator[pa.RecordBatch]:
        """Stream the shard's rows, or one row group's; at most `ROW_GROUP` a batch.

        Args:
            columns: to read, in this order.
            group: None for all.
        """
        names = list(columns)
        total = 0
        with _reading(self.path):
            limit = _MAX_SHARD + _SHARD_RATIO * self.stream.seek(0, SEEK_END)
            groups = range(self.file.num_row_groups) if group is None else (group,)
            for one in groups:
                size = self._check_size(one, names)
                found_here = self.file.iter_batches(
                    size, row_groups=[one], columns=names, use_threads=False
                )
                for batch in found_here:
                    found = batch.select(names)
                    total += found.nbytes
                    if total > limit:
                        raise ValueError(f"rows of more than {limit >> 20:,} MiB in a small file")
                    check_batch(found, self.row_type)
                    yield found

    def _check_size(self, group: int, names: Sequence[str]) -> int:
        """How many rows of a row group can be read at once; ValueError where not one can."""
        metadata, leaves = self.file.metadata.row_group(group), self.file.schema
        wanted = frozenset(names)
        packed = unpacked = longest = 0
        for place in range(metadata.num_columns):
            chunk = metadata.column(place)
            if chunk.path_in_schema.partition(".")[0] not in wanted:
                continue
            found = measure_chunk(self.stream, chunk)
            in_list = leaves.column(place).max_repetition_level > 0
            _check_chunk(found, chunk.path_in_schema, in_list=in_list)
            packed += found.packed
            unpacked += found.data + found.dictionary
            longest += found.dictionary
        if unpacked > MAX_UNPACKED + _RATIO * packed:
            raise ValueError(f"{packed:,} bytes that unpack to {unpacked:,}")
        return max(1, min(ROW_GROUP, MAX_UNPACKED // max(longest, 1)))


def _check_chunk(found: Unpacked, name: str, *, in_list: bool) -> None:
    if found.repeats:
        raise ValueError(f"the column {name} in an encoding that whence does not write")
    if found.values > _MAX_VALUES:
        raise ValueError(f"{found.values:,} values of {name} in one row group")
    # One row may hold all elements of all lists, and each the longest text of the dictionary.
    if in_list and found.values * found.dictionary > _MAX_SHARD:
        raise ValueError(f"lists of {name} that may unpack to more than {_MAX_SHARD >> 20} MiB")


@contextmanager
def open_shard(path: Place, row_type: type[Row]) -> Iterator[Shard]:
    """One shard, its schema checked, closed at the end of the block.

    Raises:
        SchemaError: if it is of another kind or schema version.
        ShardError: if it cannot be read.
    """
    with _reading(path), open_for_reading(path) as stream:
        # An open file: paths that are no UTF-8 are not for pyarrow. Read in this thread alone: one
        # of pyarrow's own that calls back into Python while Python ends would abort the process.
        file = pq.ParquetFile(stream, pre_buffer=False)
        check_file_schema(file.schema_arrow, row_type, str(path))
        yield Shard(path, row_type, file, stream)


@contextmanager
def _reading(path: Place) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise ShardError(
            f"{path}: expected a Parquet shard, found it gone, as when a dataset is compacted "
            "while it is read; run the same command again"
        ) from exc
    except (OSError, pa.ArrowException, ValueError, OverflowError) as exc:
        raise ShardError(
            f"{path}: expected a Parquet shard, found one that cannot be read ({reason_of(exc)}); "
            "move it away and run the same harvest again"
        ) from exc
