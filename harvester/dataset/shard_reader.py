"""This is the reader of one shard that anyone may have written: it checks before it unpacks.

A shard of a few kilobytes can be made to unpack to gigabytes: by packing, by a dictionary whose one
long value stands in every row, by lists without end. What a row group unpacks to is measured
before it is read, rows are read as many at a time as fit, and their values are checked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import SEEK_END
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvester.dataset.arrow import KINDS, check_file_schema
from harvester.dataset.page_sizes import Unpacked, measure_chunk
from harvester.dataset.storage import Location, open_for_reading
from harvester.errors import ShardError, reason_of
from harvester.schema import MAX_TEXT, FetchStatus, ReferenceRole, Row, Search, SearchStatus

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

    path: Location
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
            for row_group in groups:
                size = self._check_size(row_group, names)
                found_here = self.file.iter_batches(
                    size, row_groups=[row_group], columns=names, use_threads=False
                )
                for batch in found_here:
                    selected = batch.select(names)
                    total += selected.nbytes
                    if total > limit:
                        raise ValueError(f"rows of more than {limit >> 20:,} MiB in a small file")
                    check_batch(selected, self.row_type)
                    yield selected

    def _check_size(self, group: int, names: Sequence[str]) -> int:
        """How many rows of a row group can be read at once; ValueError where not one can."""
        metadata, leaves = self.file.metadata.row_group(group), self.file.schema
        wanted = frozenset(names)
        packed = unpacked = longest = 0
        for number in range(metadata.num_columns):
            chunk = metadata.column(number)
            if chunk.path_in_schema.partition(".")[0] not in wanted:
                continue
            page_sizes = measure_chunk(self.stream, chunk)
            in_list = leaves.column(number).max_repetition_level > 0
            _check_chunk(page_sizes, chunk.path_in_schema, in_list=in_list)
            packed += page_sizes.packed
            unpacked += page_sizes.data + page_sizes.dictionary
            longest += page_sizes.dictionary
        if unpacked > MAX_UNPACKED + _RATIO * packed:
            raise ValueError(f"{packed:,} bytes that unpack to {unpacked:,}")
        return max(1, min(ROW_GROUP, MAX_UNPACKED // max(longest, 1)))


def _check_chunk(unpacked: Unpacked, name: str, *, in_list: bool) -> None:
    if unpacked.repeats:
        raise ValueError(f"the column {name} in an encoding that whence does not write")
    if unpacked.values > _MAX_VALUES:
        raise ValueError(f"{unpacked.values:,} values of {name} in one row group")
    # One row may hold all elements of all lists, and each the longest text of the dictionary.
    if in_list and unpacked.values * unpacked.dictionary > _MAX_SHARD:
        raise ValueError(f"lists of {name} that may unpack to more than {_MAX_SHARD >> 20} MiB")


@contextmanager
def open_shard(path: Location, row_type: type[Row]) -> Iterator[Shard]:
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
def _reading(path: Location) -> Iterator[None]:
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


_LONGEST = 4 * MAX_TEXT  # bytes of UTF-8
_MOST_ELEMENTS = 1 << 17
_FIRST, _LAST = (
    pa.scalar(moment, pa.timestamp("us", tz="UTC"))
    for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
)


def check_batch(batch: pa.RecordBatch, row_type: type[Row]) -> None:
    """Refuse values that no row of this type can have.

    Raises:
        ValueError: naming the column; pyarrow's own kind where text is no UTF-8.
    """
    batch.validate(full=True)
    required = _REQUIRED[row_type]
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        _check(column, name, row_type, is_required=name in required)


_REQUIRED: Mapping[type[Row], frozenset[str]] = {
    row_type: frozenset(
        field.name for field in dataclasses.fields(row_type) if "None" not in str(field.type)
    )
    for row_type in KINDS
}
"""The columns that are never empty: those whose annotation does not say `None`."""


def _check(array: pa.Array, name: str, row_type: type[Row], *, is_required: bool) -> None:
    if is_required and array.null_count:
        raise ValueError(f"a row without {name}")
    kind = array.type
    if pa.types.is_list(kind):
        elements = array.flatten()
        if len(elements) > _MOST_ELEMENTS:
            raise ValueError(f"{len(elements):,} elements in {name}")
        _check(elements, name, row_type, is_required=True)
    elif pa.types.is_struct(kind):
        for field, part in zip(kind, array.flatten(), strict=True):
            _check(part, f"{name}.{field.name}", row_type, is_required=is_required)
    elif pa.types.is_string(kind):
        longest = pc.max(pc.binary_length(array)).as_py() or 0
        if longest > _LONGEST:
            raise ValueError(f"{name} of {longest:,} bytes")
        _check_closed(array, name, row_type)
    elif pa.types.is_timestamp(kind):
        inside = pc.and_(pc.greater_equal(array, _FIRST), pc.less_equal(array, _LAST))
        if pc.all(inside).as_py() is False:
            raise ValueError(f"{name} beyond the calendar")


def _check_closed(array: pa.Array, name: str, row_type: type[Row]) -> None:
    """Statuses and roles are of a closed set; one of another version of whence is none of it."""
    if name == "status":
        allowed = [*(SearchStatus if row_type is Search else FetchStatus)]
    elif name == "references.role":
        allowed = [*ReferenceRole]
    else:
        return
    values = pa.array([str(one) for one in allowed], pa.string())
    if not pc.all(pc.is_in(array, value_set=values)).as_py() and len(array):
        raise ValueError(f"an unknown {name}")
