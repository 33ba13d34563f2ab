"""Values of a shard held against what whence writes, a batch at a time.

A dataset may come from anyone. The types of its columns are checked when a shard is opened; what
types leave open is checked here, so that whoever reads rows can rely on `schema`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from harvester.arrow import KINDS
from harvester.schema import (
    MAX_TEXT,
    FetchStatus,
    ReferenceRole,
    Row,
    Search,
    SearchStatus,
)

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
        known = [*(SearchStatus if row_type is Search else FetchStatus)]
    elif name == "references.role":
        known = [*ReferenceRole]
    else:
        return
    values = pa.array([str(one) for one in known], pa.string())
    if not pc.all(pc.is_in(array, value_set=values)).as_py() and len(array):
        raise ValueError(f"an unknown {name}")
