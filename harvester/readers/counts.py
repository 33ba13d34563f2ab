"""These are cheap counts of the work ahead, from which the time that is left can be told.

Estimates: a wrong one makes a progress bar wrong and nothing else, so what cannot be told is None.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_TAIL = 4096
_CHUNK = 1 << 20
_MESSAGE_COUNT = re.compile(rb'"messageCount"\s*:\s*(\d{1,12})')
_LINES = frozenset({".csv", ".tsv", ".txt", ".jsonl"})


def count_rows(path: Path) -> int | None:
    """Rows of a list: a Parquet file's footer tells, of text the lines are counted."""
    try:
        if path.suffix.lower() == ".parquet":
            with path.open("rb") as file:  # paths that are no UTF-8 are not for pyarrow
                return int(pq.read_metadata(file).num_rows)
        if path.suffix.lower() in _LINES:
            with path.open("rb") as file:
                return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK), b""))
    except (OSError, ValueError, pa.ArrowException):
        pass  # the reader of the list will say what is wrong with it
    return None


def count_files(folder: Path) -> int:
    """Files in a folder and below it."""
    return sum(len(files) for _, _, files in os.walk(folder))


def count_messages(exports: Iterable[Path]) -> int | None:
    """Messages of exports; None unless each is DiscordChatExporter's JSON, which ends with it."""
    total = 0
    for path in exports:
        try:
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _TAIL))
                counts = _MESSAGE_COUNT.findall(file.read())
        except OSError:
            return None
        if not counts:
            return None
        total += int(counts[-1])
    return total or None
