"""This is the reader of tables: rows of csv, tsv, JSON, JSON Lines and Parquet, one at a time.

Shared by the lists of addresses, the lists of prompts and the metadata files of picture folders.
Memory does not grow with the file: lines, JSON values and Parquet pages are streamed. Text is
UTF-8, with or without a byte order mark; text files may be gzipped.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harvester.errors import InputError
from harvester.paths import ending_of
from harvester.readers.json_stream import BrokenJsonError, JsonLimitError, read_values
from harvester.readers.lines import decode_lines, open_bytes, read_lines, reported

Fields = Mapping[str, Sequence[str]]
"""A field's name here → the column names it goes by, in lower case, the best first."""
TableRow = dict[str, Any]
"""A field's name → its value; fields that are empty in the row are left out."""
_BATCH = 1024
_SNIFFED = 1 << 16
_SURROGATES = re.compile("[\ud800-\udfff]")


def read_rows(
    path: Path, fields: Fields, *, any_of: Sequence[str]
) -> Iterator[tuple[int, TableRow]]:
    """Stream a table's rows with their 1-based numbers; blank lines are not rows.

    Column names are compared without regard to case. A JSON value that is a bare string counts
    as the first field of `any_of`.

    Raises:
        InputError: if the file is missing, of an unknown kind, broken, not UTF-8, or has none of
            the `any_of` columns; rows before a break have been yielded by then.
    """
    reader = _READERS.get(ending_of(path))
    if reader is None:
        raise InputError(
            f"{path}: expected a table ({', '.join(sorted(_READERS))}), found another ending; "
            "give the file the ending of what it holds"
        )
    with reported(path, pa.ArrowException, BrokenJsonError, OverflowError):
        yield from enumerate(reader(path, fields, any_of), start=1)


def is_table(path: Path) -> bool:
    """Whether `read_rows` knows a file's ending."""
    return ending_of(path) in _READERS


def match_columns(columns: Iterable[str], fields: Fields) -> dict[str, str]:
    """Which of a table's own column names holds each field; fields without one are left out.

    Compared without regard to case and to white space around; of two that are alike the first.
    """
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(column.strip().casefold(), column)
    return {
        field: next(by_name[name] for name in names if name in by_name)
        for field, names in fields.items()
        if not by_name.keys().isdisjoint(names)
    }


def as_text(value: Any) -> str | None:
    """A cell as stripped text that Parquet can hold; None where it is empty or no text at all."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    return _SURROGATES.sub("\ufffd", value).strip() or None


def _read_csv(path: Path, fields: Fields, any_of: Sequence[str]) -> Iterator[TableRow]:
    with open_bytes(path) as stream:
        lines = decode_lines(stream, str(path))
        header_line = next((line for line in lines if line.strip()), None)
        if header_line is None:
            return
        reader = csv.reader(_chain(header_line, lines), delimiter=_delimiter(path, header_line))
        try:
            header = next(reader)
            columns = _find_columns(path, header, fields, any_of)
            places = {field: header.index(column) for field, column in columns.items()}
            for record in reader:
                if record:
                    yield {
                        field: record[place]
                        for field, place in places.items()
                        if place < len(record) and record[place] != ""
                    }
        except csv.Error as exc:
            raise InputError(
                f"{path}: expected rows of {ending_of(path)[1:]}, found {exc} near line "
                f"{reader.line_num}; look for a quote that is not closed"
            ) from exc


def _delimiter(path: Path, header: str) -> str:
    if ending_of(path) == ".tsv":
        return "\t"
    # Spreadsheets of half the world write "csv" with semicolons.
    return max(",;\t", key=header.count)


def _read_json_lines(path: Path, fields: Fields, any_of: Sequence[str]) -> Iterator[TableRow]:
    def values() -> Iterator[Any]:
        for number, line in enumerate(read_lines(path), start=1):
            if not line.strip():
                continue
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as exc:
                raise InputError(
                    f"{path}: expected a JSON object a line, found {exc} in line {number}; "
                    "mend or remove that line"
                ) from exc

    yield from _pick(path, values(), fields, any_of)


def _read_json(path: Path, fields: Fields, any_of: Sequence[str]) -> Iterator[TableRow]:
    with open_bytes(path) as stream:
        start = stream.read(_SNIFFED).removeprefix(b"\xef\xbb\xbf").lstrip()
        stream.seek(0)
        prefix = "item" if start.startswith(b"[") else ""
        try:
            yield from _pick(path, read_values(stream, prefix, several=True), fields, any_of)
        except JsonLimitError as exc:
            raise InputError(
                f"{path}: expected flat records, found {exc}; give a list of records without "
                "others inside"
            ) from exc


def _pick(
    path: Path, values: Iterable[Any], fields: Fields, any_of: Sequence[str]
) -> Iterator[TableRow]:
    matched: dict[tuple[str, ...], dict[str, str]] = {}
    for value in values:
        if isinstance(value, str):
            yield {any_of[0]: value}
            continue
        if not isinstance(value, dict):
            raise InputError(
                f"{path}: expected JSON objects, found a {type(value).__name__}; "
                "give an array of objects, or an object a line"
            )
        names = tuple(value)
        # Records of one list mostly share their keys. Those of the first must hold what is
        # needed; a later one that lacks it is a row without it.
        if names not in matched:
            if len(matched) > 1000:  # keys that never repeat must not fill memory
                matched.clear()
            matched[names] = _find_columns(path, names, fields, () if matched else any_of)
        yield {
            field: value[column]
            for field, column in matched[names].items()
            if value[column] not in (None, "")
        }


def _read_parquet(path: Path, fields: Fields, any_of: Sequence[str]) -> Iterator[TableRow]:
    # Without a buffer size Arrow reads a row group's whole column at once.
    # Paths that are no UTF-8 are not for pyarrow: it is given the open file.
    with path.open("rb") as stream:
        file = pq.ParquetFile(stream, buffer_size=1 << 20)
        columns = _find_columns(path, file.schema_arrow.names, fields, any_of)
        chosen = list(columns.values())
        for batch in file.iter_batches(_BATCH, columns=chosen, use_threads=False):
            for record in batch.to_pylist():
                yield {
                    field: record[column]
                    for field, column in columns.items()
                    if record[column] not in (None, "")
                }


def _find_columns(
    path: Path, names: Sequence[str], fields: Fields, any_of: Sequence[str]
) -> dict[str, str]:
    columns = match_columns(names, fields)
    if any_of and not any(field in columns for field in any_of):
        wanted = ", ".join(name for field in any_of for name in fields[field])
        shown = ", ".join(repr(column[:40]) for column in names[:20]) or "none"
        raise InputError(
            f"{path}: expected a column called one of {wanted}; found the columns {shown}; "
            "rename one of them, or add a header"
        )
    return columns


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


_READERS: Mapping[str, Callable[[Path, Fields, Sequence[str]], Iterator[TableRow]]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".json": _read_json,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}
