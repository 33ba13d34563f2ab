"""Rows of csv, tsv, JSON, JSON Lines and Parquet files, one at a time, by the names of columns.

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
from typing import Any, BinaryIO

import ijson
import pyarrow as pa
import pyarrow.parquet as pq

from harvester.errors import InputError
from harvester.lines import decode_lines, ending_of, open_bytes, read_lines, reported

Fields = Mapping[str, Sequence[str]]
"""A field's name here → the column names it goes by, in lower case, the best first."""

Row = dict[str, Any]
"""A field's name → its value; fields that are empty in the row are left out."""

_BATCH = 1024
_DEEPEST = 100
_DIGITS = re.compile(r"(\d+)")
_SURROGATES = re.compile("[\ud800-\udfff]")


def read_rows(path: Path, fields: Fields, *, any_of: Sequence[str]) -> Iterator[tuple[int, Row]]:
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
    with reported(path, pa.ArrowException, ijson.JSONError):
        yield from enumerate(reader(path, fields, any_of), start=1)


def is_table(path: Path) -> bool:
    """Whether `read_rows` knows a file's ending."""
    return ending_of(path) in _READERS


def as_text(value: Any) -> str | None:
    """A cell as stripped text that Parquet can hold; None where it is empty or no text at all."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    return _SURROGATES.sub("\ufffd", value).strip() or None


def natural_key(name: str) -> tuple[list[str | int], str]:
    """A sorting key that puts `part 2` before `part 10`, and never finds two names equal."""
    pieces: list[str | int] = list(_DIGITS.split(name.casefold()))
    pieces[1::2] = [int(digits[:400]) for digits in pieces[1::2] if isinstance(digits, str)]
    return pieces, name


def _read_csv(path: Path, fields: Fields, any_of: Sequence[str]) -> Iterator[Row]:
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


def _read_json_lines(path: Path, fields: Fields, any_of: Sequence[str]) -> Iterator[Row]:
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


def _read_json(path: Path, fields: Fields, any_of: Sequence[str]) -> Iterator[Row]:
    with open_bytes(path) as stream:
        mark = b"\xef\xbb\xbf"  # yajl does not know it
        stream.seek(len(mark) if stream.read(len(mark)) == mark else 0)
        yield from _pick(path, _json_values(path, stream), fields, any_of)


def _json_values(path: Path, stream: BinaryIO) -> Iterator[Any]:
    """The elements of an array, or values after one another, whether or not one a line.

    Not by `ijson.items`: its paths grow with the square of the depth, and a file of brackets
    would fill memory.
    """
    stack: list[Any] = []
    keys: list[str] = []
    for event, value in ijson.basic_parse(stream, use_float=True, multiple_values=True):
        if event == "map_key":
            keys[-1] = value
            continue
        if event in ("start_map", "start_array"):
            if len(stack) == _DEEPEST:
                raise InputError(
                    f"{path}: expected records at most {_DEEPEST} levels deep, found deeper ones; "
                    "give a list of flat records"
                )
            stack.append({} if event == "start_map" else [])
            keys.append("")
            continue
        whole = value
        if event in ("end_map", "end_array"):
            whole = stack.pop()
            keys.pop()
            if event == "end_array" and not stack:
                continue  # the list itself: its elements have been handed on
        if not stack or (len(stack) == 1 and isinstance(stack[0], list)):
            yield whole
        elif isinstance(stack[-1], dict):
            stack[-1][keys[-1]] = whole
        else:
            stack[-1].append(whole)


def _pick(
    path: Path, values: Iterable[Any], fields: Fields, any_of: Sequence[str]
) -> Iterator[Row]:
    known: dict[tuple[str, ...], dict[str, str]] = {}
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
        if names not in known:
            if len(known) > 1000:  # keys that never repeat must not fill memory
                known.clear()
            known[names] = _find_columns(path, names, fields, () if known else any_of)
        yield {
            field: value[column]
            for field, column in known[names].items()
            if value[column] not in (None, "")
        }


def _read_parquet(path: Path, fields: Fields, any_of: Sequence[str]) -> Iterator[Row]:
    # Without a buffer size Arrow reads a row group's whole column at once.
    with pq.ParquetFile(path, buffer_size=1 << 20) as file:
        columns = _find_columns(path, file.schema_arrow.names, fields, any_of)
        chosen = list(columns.values())
        for batch in file.iter_batches(batch_size=_BATCH, columns=chosen):
            for record in batch.to_pylist():
                yield {
                    field: record[column]
                    for field, column in columns.items()
                    if record[column] not in (None, "")
                }


def _find_columns(
    path: Path, found: Sequence[str], fields: Fields, any_of: Sequence[str]
) -> dict[str, str]:
    by_name: dict[str, str] = {}
    for column in found:
        by_name.setdefault(column.strip().casefold(), column)
    columns = {
        field: by_name[name]
        for field, names in fields.items()
        for name in [next((name for name in names if name in by_name), None)]
        if name is not None
    }
    if any_of and not any(field in columns for field in any_of):
        wanted = ", ".join(name for field in any_of for name in fields[field])
        shown = ", ".join(repr(column[:40]) for column in found[:20]) or "none"
        raise InputError(
            f"{path}: expected a column called one of {wanted}; found the columns {shown}; "
            "rename one of them, or add a header"
        )
    return columns


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


_READERS: Mapping[str, Callable[[Path, Fields, Sequence[str]], Iterator[Row]]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".json": _read_json,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}
