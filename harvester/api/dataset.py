"""A dataset opened for reading: its rows as typed records or Arrow batches, and what it holds.

Rows stream: at most a row group is in memory. Values are checked as they are read, whoever made the
dataset. But: an address that failed before it succeeded has a row of each; the last one holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from harvester.dataset import shards
from harvester.dataset.arrow import KINDS
from harvester.dataset.storage import Location, location_of
from harvester.errors import InputError
from harvester.maintenance.status import DatasetStatus, kind_of, read_status
from harvester.schema import AnyRow, Candidate, Generation, Row

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Dataset:
    """A folder of Parquet shards that a harvest wrote; `len` counts its rows, failures among them.

    Attributes:
        location: where it is.
        row_type: what it is made of.
    """

    location: Location
    row_type: type[Candidate | Generation]

    @property
    def kind(self) -> Literal["candidates", "generations"]:
        """What it is made of, in a word."""
        return "candidates" if self.row_type is Candidate else "generations"

    def __len__(self) -> int:
        return shards.count_rows(self.location, self.row_type)

    @overload
    def rows(self) -> Iterator[Candidate | Generation]: ...
    @overload
    def rows(self, row_type: type[AnyRow]) -> Iterator[AnyRow]: ...
    def rows(self, row_type: Any = None) -> Iterator[Any]:
        """Stream the rows as records, pictures included.

        Args:
            row_type: `Finding` or `Search` for the ways that led to the candidates; unless given,
                the candidates or generations themselves.

        Raises:
            ShardError, SchemaError: if a shard cannot be read, or is of another kind or version.
        """
        return shards.rows(self.location, row_type or self.row_type)

    def batches(
        self, columns: Sequence[str] | None = None, row_type: type[Row] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Stream the rows as Arrow batches; at most a row group each.

        Args:
            columns: to read, in this order; all unless given.
            row_type: as `rows` has it.

        Raises:
            InputError: if there is no such column.
            ShardError, SchemaError: as `rows` does.
        """
        kind = KINDS[row_type or self.row_type]
        unknown = [name for name in columns or () if name not in kind.schema.names]
        if unknown:
            raise InputError(
                f"{self.location}: expected columns of a {kind.name}, found {unknown[0]!r}; there "
                f"are {', '.join(kind.schema.names)}"
            )
        return shards.batches(self.location, row_type or self.row_type, columns)

    def pick(self, ids: Iterable[str]) -> dict[str, Candidate | Generation]:
        """The named rows, pictures included, by id; unknown ids are left out.

        Args:
            ids: of candidates or generations.

        Raises:
            ShardError, SchemaError: as `rows` does.
        """
        return {**shards.pick(self.location, self.row_type, ids)}  # type: ignore[type-var]

    def status(self) -> DatasetStatus:
        """What it holds, what failed and where, and what is left to retry, counted by address.

        Raises:
            ShardError, SchemaError: as `rows` does.
        """
        return read_status(self.location)


def open_dataset(path: str | Path | Location) -> Dataset:
    """Open a dataset that a harvest wrote; it may be written to meanwhile.

    Args:
        path: its folder, or its address such as s3://bucket/path.

    Raises:
        InputError: if there is none.
        SchemaError: if it is of another version, or was not written by whence.
        ShardError: if it cannot be read, or the address cannot be one.
    """
    location = location_of(path)
    return Dataset(location, kind_of(location))
