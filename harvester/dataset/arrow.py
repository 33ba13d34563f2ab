"""This is the Arrow schema of each kind of row, and the way from rows to tables and back.

Pictures are stored as Hugging Face `datasets` stores them: a struct of bytes and path, with the
Image feature named in the file's metadata, so that `load_dataset("parquet", …)` decodes them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from harvester.schema import (
    SCHEMA_VERSION,
    AnyRow,
    Candidate,
    FetchStatus,
    Finding,
    Generation,
    Parameter,
    Reference,
    ReferenceRole,
    Row,
    SchemaError,
    Search,
    SearchStatus,
    WeightedText,
    stored_text,
)

_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_INSTANT = pa.timestamp("us", tz="UTC")
_STRINGS = pa.list_(pa.string())


def _fields(*names: str, of: pa.DataType) -> list[Any]:
    return [pa.field(name, of) for name in names]


_GENERATION = pa.schema(
    [
        *_fields("id", "prompt", "raw_content", of=pa.string()),
        ("parameters", pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))),
        ("weights", pa.list_(pa.struct([("text", pa.string()), ("weight", pa.float64())]))),
        ("negatives", _STRINGS),
        ("references", pa.list_(pa.struct([("url", pa.string()), ("role", pa.string())]))),
        *_fields("action", "variant", of=pa.string()),
        ("tile", pa.int8()),
        *_fields("mode", "version", "model", "job_id", "grid_id", "channel", of=pa.string()),
        *_fields("message_id", "author", of=pa.string()),
        ("created_at", _INSTANT),
        ("url", pa.string()),
        *_fields("width", "height", of=pa.int32()),
        ("image", _PICTURE),
        *_fields("sha256", "phash", "status", "error", of=pa.string()),
    ]
)
_CANDIDATE = pa.schema(
    [
        *_fields("id", "query_prompt", "query", "source", of=pa.string()),
        ("rank", pa.int32()),
        *_fields("url", "final_url", "page_url", "title", "caption", of=pa.string()),
        *_fields("creator", "license", "license_url", of=pa.string()),
        ("rights", _STRINGS),
        *_fields("width", "height", of=pa.int32()),
        ("bytes", pa.int64()),
        *_fields("mime", "etag", of=pa.string()),
        ("fetched_at", _INSTANT),
        ("image", _PICTURE),
        *_fields("sha256", "phash", "dhash", "pdq", of=pa.string()),
        ("pdq_quality", pa.int16()),
        *_fields("status", "error", of=pa.string()),
    ]
)
_FINDING = pa.schema(
    [
        *_fields("url", "source", "candidate_id", "query_prompt", "query", of=pa.string()),
        ("rank", pa.int32()),
        *_fields("page_url", "title", "caption", of=pa.string()),
        *_fields("creator", "license", "license_url", of=pa.string()),
        ("found_at", _INSTANT),
    ]
)
_SEARCH = pa.schema(
    [
        *_fields("query_prompt", "query", "source", "status", of=pa.string()),
        *_fields("found", "wanted", of=pa.int32()),
        ("scope", pa.string()),
        ("error", pa.string()),
        ("searched_at", _INSTANT),
    ]
)
_LONGEST_SHOWN = 40  # characters of what a stranger wrote into a file's metadata


@dataclass(frozen=True, slots=True)
class RowKind:
    """How one type of row is stored.

    Attributes:
        name: written into each file's metadata.
        folder: its shards' place below the dataset; empty for the dataset's own folder.
    """

    name: str
    folder: str
    schema: pa.Schema


KINDS: Mapping[type[Row], RowKind] = {
    Generation: RowKind("generation", "", _GENERATION),
    Candidate: RowKind("candidate", "", _CANDIDATE),
    Finding: RowKind("finding", "findings", _FINDING),
    Search: RowKind("search", "searches", _SEARCH),
}


def file_schema(row_type: type[Row]) -> pa.Schema:
    """The Arrow schema of a shard, with whence's and Hugging Face's metadata."""
    kind = KINDS[row_type]
    stamp = {"schema_version": SCHEMA_VERSION, "row": kind.name}
    metadata = {b"whence": json.dumps(stamp).encode()}
    if "image" in kind.schema.names:
        features = {"info": {"features": {"image": {"_type": "Image"}}}}
        metadata[b"huggingface"] = json.dumps(features).encode()
    return kind.schema.with_metadata(metadata)


def check_file_schema(schema: pa.Schema, row_type: type[Row], where: str) -> None:
    """Refuse a file that is not a shard of `row_type` in this schema version.

    Raises:
        SchemaError: saying what was expected, what was found, and what to do.
    """
    kind = KINDS[row_type]
    try:
        stamp = json.loads((schema.metadata or {}).get(b"whence", b"null"))
    except (ValueError, RecursionError):
        stamp = None
    if not isinstance(stamp, dict):
        raise SchemaError(
            f"{where}: expected a whence dataset of {kind.name} rows, found other Parquet; "
            "bring lists of addresses in with `harvest urls`"
        )
    if stamp.get("row") != kind.name:
        raise SchemaError(
            f"{where}: expected {kind.name} rows, found {_shown(stamp.get('row'))} rows; "
            "give the folder that holds the other kind"
        )
    if stamp.get("schema_version") != SCHEMA_VERSION:
        raise SchemaError(
            f"{where}: expected schema version {SCHEMA_VERSION}, found "
            f"{_shown(stamp.get('schema_version'))}; harvest again, or use the whence that wrote it"
        )
    expected = dict(zip(kind.schema.names, kind.schema.types, strict=True))
    actual = dict(zip(schema.names, schema.types, strict=True))
    wrong = sorted(
        name
        for name, type_ in expected.items()
        if actual.get(name) != type_ or schema.names.count(name) > 1
    )
    if wrong:
        raise SchemaError(
            f"{where}: expected the columns of a {kind.name}, found {', '.join(wrong)} missing or "
            "of another type; the file was changed after whence wrote it, harvest it again"
        )


def _shown(value: object) -> str:
    return repr(value)[:_LONGEST_SHOWN]


def to_table(rows: Iterable[Row], row_type: type[Row]) -> pa.Table:
    """Rows as an Arrow table in `file_schema`; the inverse of `from_table`."""
    listed = list(rows)
    schema = file_schema(row_type)
    # Column by column: Arrow takes ten times as long to pick rows apart.
    columns = [
        _column([getattr(row, name) for row in listed], name, listed, schema)
        for name in schema.names
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def from_table(table: pa.Table | pa.RecordBatch, row_type: type[AnyRow]) -> list[AnyRow]:
    """Arrow data as rows; columns that were not read are left at their defaults."""
    return [_from_record(record, row_type) for record in table.to_pylist()]


def _column(values: list[Any], name: str, rows: list[Any], schema: pa.Schema) -> pa.Array:
    kind = schema.field(name).type
    if name == "image":
        missing = [value is None for value in values]
        paths = [
            None if value is None else f"{row.id}.jpg"
            for value, row in zip(values, rows, strict=True)
        ]
        parts = [pa.array(values, pa.binary()), pa.array(paths, pa.string())]
        return pa.StructArray.from_arrays(
            parts, fields=list(kind), mask=pa.array(missing, pa.bool_())
        )
    return pa.array([_storable(value) for value in values], kind)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return stored_text(value)
    if isinstance(value, tuple):
        return [_storable(part) for part in value]
    if isinstance(value, Reference | WeightedText | Parameter):
        return {name: _storable(part) for name, part in dataclasses.asdict(value).items()}
    return value


_PARTS: Mapping[str, Any] = {
    "parameters": lambda part: Parameter(part["name"], part["value"]),
    "weights": lambda part: WeightedText(part["text"], part["weight"]),
    "references": lambda part: Reference(part["url"], ReferenceRole(part["role"])),
}


def _from_record(record: dict[str, Any], row_type: type[AnyRow]) -> AnyRow:
    if record.get("image") is not None:
        record["image"] = record["image"]["bytes"]
    if "status" in record:
        status = SearchStatus if row_type is Search else FetchStatus
        record["status"] = status(record["status"])
    for name, value in record.items():
        if isinstance(value, list):
            make = _PARTS.get(name)
            record[name] = tuple(make(part) for part in value) if make else tuple(value)
    return row_type(**record)
