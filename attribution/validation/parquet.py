"""These are the files of a run that hold rows: Parquet, written whole or not at all.

Who reads one names the columns that it has to have: pyarrow would make up those that are missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from attribution.errors import ProofError
from harvester.dataset.atomic import replacing
from harvester.errors import reason_of


def write_table(
    path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema, kind: str
) -> None:
    """Write rows down, and make the folder for them.

    Args:
        path: of the file.
        rows: values by column.
        schema: the columns.
        kind: what the rows are, for a person.

    Raises:
        ProofError: if they cannot be written.
    """
    table = pa.Table.from_pylist(rows, schema=schema)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            pq.write_table(table, temporary)
    except OSError as exc:
        raise ProofError(f"{path}: expected to write {kind}, found {reason_of(exc)}") from exc


@contextmanager
def reading_table(path: Path, schema: pa.Schema, kind: str) -> Iterator[list[dict[str, Any]]]:
    """The rows of a file of exactly these columns, for as long as something is made of them.

    Args:
        path: of the file.
        schema: the columns.
        kind: what the rows are, for a person.

    Raises:
        ProofError: if the file is missing or holds something else, or nothing can be made of it.
    """
    try:
        with path.open("rb") as file:  # whose errors say what is wrong; pyarrow's name the path
            table = pq.read_table(file)
        _check_columns(table, schema)
        yield table.to_pylist()
    except (OSError, TypeError, ValueError, pa.ArrowException) as exc:
        found = reason_of(exc) if isinstance(exc, OSError) else "another or a damaged file"
        raise ProofError(
            f"{path}: expected {kind}, found {found}; delete it and run the same command again"
        ) from exc


def _check_columns(table: pa.Table, schema: pa.Schema) -> None:
    if table.schema != schema or any(column.null_count for column in table.columns):
        raise ValueError("other columns, or fields without a value")
