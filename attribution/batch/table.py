"""The table of rankings: one row a match, or one row for a job that failed.

Written as Parquet, CSV or JSON Lines, by the file's ending; readable by any tool without whence.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from attribution.descriptors.channels import CHANNELS
from attribution.errors import JobError
from attribution.ranking.rank import Match, Ranking
from attribution.ranking.records import MATCH_COLUMNS, number, region_records
from harvester.dataset.atomic import replacing
from harvester.errors import reason_of
from harvester.paths import beginning_of, check_output
from harvester.schema import Candidate

FORMATS = (".parquet", ".csv", ".jsonl")
_CHANNEL_COLUMNS = {name: "score_" + name.replace("-", "_") for name in CHANNELS}
_CANDIDATE_COLUMNS = ("title", "page_url", "url", "creator", "license", "source")
_METHODS = ("sift", "cells")
_OURS = frozenset({"job_id", "image", "prompt", "status", "error", "rank", "candidate_id"})
"""Columns of rankings in every version."""
_LONGEST_LINE = 1 << 24  # bytes that are read to know rankings by
SCHEMA = pa.schema(
    [
        ("job_id", pa.string()),
        ("image", pa.string()),
        ("prompt", pa.string()),
        ("status", pa.string()),
        ("error", pa.string()),
        ("is_grid", pa.bool_()),
        ("gallery_size", pa.int32()),
        ("ranking_verdict", pa.string()),
        ("unattributed", pa.float32()),
        *((column.name, column.type) for column in MATCH_COLUMNS),
        *((f"{method}_inliers", pa.int32()) for method in _METHODS),
        ("regions", pa.string()),
        *((column, pa.float32()) for column in _CHANNEL_COLUMNS.values()),
        ("other_scores", pa.string()),
        *((name, pa.string()) for name in _CANDIDATE_COLUMNS),
    ]
)
"""status is `ok` or `failed`; a failed job has one row, with an error and no rank.

Columns that say the same of every row of a job: is_grid, gallery_size, ranking_verdict (the highest
of any candidate, shown or not) and unattributed. Two hold JSON, since CSV knows no lists: regions,
as `ranking.records.region_records` gives them, and other_scores, by channel those of further
models. Numbers that are none are null; so is an inlier count where nobody looked.
"""


def match_rows(
    job_id: str, image: str, ranking: Ranking, candidates: Mapping[str, Candidate]
) -> list[dict[str, Any]]:
    """The rows of one ranking, best first."""
    job = {
        "job_id": job_id,
        "image": image,
        "prompt": ranking.query.prompt,
        "status": "ok",
        "is_grid": ranking.query.is_grid,
        "gallery_size": ranking.gallery_size,
        "ranking_verdict": ranking.verdict and str(ranking.verdict),
        "unattributed": None if ranking.found is None else ranking.unattributed,
    }
    return [
        job
        | _match_columns(match)
        | {
            name: getattr(candidates.get(match.candidate_id), name, None)
            for name in _CANDIDATE_COLUMNS
        }
        for match in ranking.matches
    ]


def _match_columns(match: Match) -> dict[str, Any]:
    scores = {name: number(score) for name, score in match.channels.items()}
    others = {name: score for name, score in scores.items() if name not in _CHANNEL_COLUMNS}
    return {
        **{column.name: column.value(match) for column in MATCH_COLUMNS},
        **{f"{method}_inliers": match.inliers.get(method) for method in _METHODS},
        "regions": json.dumps(region_records(match)) if match.regions else None,
        **{column: scores.get(name) for name, column in _CHANNEL_COLUMNS.items()},
        "other_scores": json.dumps(others, sort_keys=True) if others else None,
    }


def failure_row(job_id: str, image: str, prompt: str | None, error: str) -> dict[str, Any]:
    """The row of a job that could not be ranked."""
    return {
        "job_id": job_id,
        "image": image,
        "prompt": prompt,
        "status": "failed",
        "error": error,
    }


def to_rankings(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows of `match_rows` and `failure_row` as a table in `SCHEMA`."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def check_out(out: Path, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse an ending that names no format, a folder, and a file that must not be written over.

    Args:
        out: for rankings.
        inputs: files that are read for them.

    Raises:
        JobError: saying which endings do.
        InputError: as `check_output` does.
    """
    if out.suffix.lower() not in FORMATS:
        raise JobError(
            f"{out}: expected a file ending in {', '.join(FORMATS)}, found {out.suffix!r}; "
            "rename --out"
        )
    if out.is_dir():
        raise JobError(f"{out}: expected a file to write, found a folder; give another --out")
    check_output(out, is_rankings, option="--out", inputs=inputs)


def is_rankings(path: Path) -> bool:
    """Whether a file holds rankings, of any version; raises OSError or ValueError."""
    if path.suffix.lower() == ".parquet":
        return set(pq.read_schema(path).names) >= _OURS
    line = beginning_of(path, _LONGEST_LINE).partition(b"\n")[0].decode("utf-8")
    if path.suffix.lower() == ".csv":
        return set(next(csv.reader([line]), [])) >= _OURS
    first = json.loads(line)
    return isinstance(first, dict) and first.keys() >= _OURS


def read_part(path: Path) -> pa.Table:
    """Rows that a batch kept, in `SCHEMA`.

    Raises:
        JobError: if the file cannot be read, or holds something else.
    """
    try:
        table = pq.read_table(pa.BufferReader(path.read_bytes()))
    except (OSError, pa.ArrowException) as exc:
        raise JobError(
            f"{path}: expected results of an earlier run, found a file that cannot be read "
            f"({reason_of(exc)}); use --restart"
        ) from exc
    if not table.schema.equals(SCHEMA):
        raise JobError(f"{path}: expected the columns of rankings, found others; use --restart")
    return table


def write_rankings(out: Path, parts: Sequence[Path]) -> None:
    """Join finished parts into one file, whole or not at all; a part at a time is in memory.

    Raises:
        JobError: if the file cannot be written.
    """
    write = {".parquet": _write_parquet, ".csv": _write_csv, ".jsonl": _write_json_lines}
    try:
        with replacing(out) as temporary:
            write[out.suffix.lower()](temporary, parts)
    except (OSError, pa.ArrowException) as exc:
        raise JobError(
            f"{out}: expected to write the rankings, found {reason_of(exc)}; make room or mend the "
            "folder, then run the same command again: finished jobs are kept"
        ) from exc


def _write_parquet(path: Path, parts: Sequence[Path]) -> None:
    with path.open("wb") as file, pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for part in parts:
            writer.write_table(read_part(part))


def _write_csv(path: Path, parts: Sequence[Path]) -> None:
    with path.open("wb") as file, pyarrow.csv.CSVWriter(file, SCHEMA) as writer:
        for part in parts:
            writer.write_table(_inert(read_part(part)))


def _inert(table: pa.Table) -> pa.Table:
    """Text that a spreadsheet would run as a formula, with a quote before it.

    Titles and makers come from the web, and the file is opened by people.
    """
    for place, field in enumerate(table.schema):
        if field.type == pa.string():
            texts = [
                "'" + text if text and text[0] in "=+-@\t\r" else text
                for text in table.column(place).to_pylist()
            ]
            table = table.set_column(place, field, pa.array(texts, pa.string()))
    return table


def _write_json_lines(path: Path, parts: Sequence[Path]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for part in parts:
            for row in read_part(part).to_pylist():
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
