"""This finds the files of an export: which they are, in which order, in which layout.

A layout is told by content, never by a file's ending: JSON of DiscordChatExporter and of raw API
dumps, CSV, Parquet. What is none of them gets an error that says what it looks like instead.
"""

from __future__ import annotations

import csv
import glob
import logging
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from harvester.discord.json_layout import read_head
from harvester.errors import ExportFormatError, reason_of
from harvester.paths import natural_key, what_is
from harvester.readers.tables import match_columns

logger = logging.getLogger(__name__)
_SUFFIXES = frozenset({".json", ".jsonl", ".ndjson", ".csv", ".parquet"})
_PART = re.compile(r"\s*\[part (\d{1,9})\]$", re.IGNORECASE)
_SNIFFED = 1 << 16
_EXPORT_ADVICE = (
    "export the channel with DiscordChatExporter as JSON (`--format Json`) and give that file"
)
_PACKAGE_ADVICE = (
    "Discord's data package holds only its owner's own messages, so no bot generations; "
    + _EXPORT_ADVICE
)


class ExportLayout(StrEnum):
    """How a file holds its messages; for JSON, ijson's path of what is read one by one."""

    OBJECT = "messages.item"  # DiscordChatExporter; raw dumps with a list; Kaggle, if nested
    LIST = "item"
    LINES = ""
    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class Export:
    """One file of an export.

    Attributes:
        channel: its name, else its id, where the file says so.
        columns: of a table: the file's own name by the known one (`content`, `url`, …).
    """

    path: Path
    layout: ExportLayout
    channel: str | None = None
    columns: dict[str, str] = field(default_factory=dict)


_COLUMNS = {
    "content": ("content",),
    "attachments": ("attachments", "url"),
    "author_id": ("authorid", "author_id"),
    "author": ("author",),
    "date": ("date", "timestamp"),
    "message_id": ("id", "message_id"),
    "channel_id": ("channel_id",),
    "width": ("width",),
    "height": ("height",),
}
"""Names that a table may give to what is read from it, in lower case."""


def find_exports(paths: Sequence[str | Path], skipped: list[str]) -> list[Export]:
    """Find and recognise every file that the paths stand for, in reading order.

    Args:
        paths: each a file, a folder of parts, or a glob.
        skipped: gets a line for each file of a folder that is no export.

    Raises:
        ExportFormatError: a path leads to nothing, or to something else than an export.
    """
    exports: dict[Path, Export] = {}
    for given in paths:
        if not str(given):
            raise ExportFormatError("expected the path of a Discord export, found an empty one")
        path = Path(given)
        try:
            for export in _find_at(path, skipped):
                exports.setdefault(export.path.resolve(), export)
        except OSError as exc:
            raise ExportFormatError(
                f"{path}: expected a Discord export, found {reason_of(exc)}; check the path"
            ) from exc
    return list(exports.values())


def _find_at(path: Path, skipped: list[str]) -> list[Export]:
    if path.is_dir():
        return _read_folder(path, skipped)
    if path.exists():
        return [recognise(path)]
    return [recognise(match) for match in _expand(path)]


def _expand(pattern: Path) -> list[Path]:
    if glob.has_magic(str(pattern)):
        # DiscordChatExporter itself writes brackets into names: `… [12345] [part 2].json`.
        for spelling in (str(pattern), str(pattern).replace("[", "[[]")):
            # Path.glob takes no absolute pattern.
            matches = [Path(match) for match in glob.iglob(spelling, recursive=True)]  # noqa: PTH207
            files = [match for match in matches if match.is_file()]
            if files:
                return sorted(files, key=_reading_order)
        found = "no file that matches"
    else:
        found = "nothing there"
    raise ExportFormatError(f"{pattern}: expected a Discord export, found {found}; check the path")


def _reading_order(path: Path) -> tuple[object, ...]:
    """Numbers by value, and a file without `[part N]` before its parts."""
    part = _PART.search(path.stem)
    stem = path.stem[: part.start()] if part else path.stem
    number = int(part[1]) if part else 1
    return natural_key(str(path.parent)), natural_key(stem), number, path.name


def _read_folder(folder: Path, skipped: list[str]) -> list[Export]:
    names = {entry.name.casefold() for entry in folder.iterdir()}
    inside = folder / "package" if "package" in names else folder
    for messages in (inside / "messages", inside / "Messages", inside):
        if messages.is_dir() and _holds_channels(messages):
            raise _no_generations(folder)
    files = sorted(
        (
            path
            for path in folder.iterdir()
            if path.suffix.casefold() in _SUFFIXES and path.is_file() and path.name[0] != "."
        ),
        key=_reading_order,
    )
    exports, faults = [], []
    for path in files:
        try:
            exports.append(recognise(path))
        except ExportFormatError as exc:
            faults.append(exc)
    if not exports and faults:
        raise faults[0]
    if not exports:
        raise ExportFormatError(
            f"{folder}: expected a folder with the parts of an export (.json, .csv, .parquet), "
            f"found none among {len(names)} entries; give the folder that holds them, or a glob"
        )
    for fault in faults:
        logger.warning("left out %s", fault)
        skipped.append(str(fault))
    return exports


def _holds_channels(messages: Path) -> bool:
    return any(
        (entry / "messages.json").exists() or (entry / "messages.csv").exists()
        for entry in messages.iterdir()
        if re.fullmatch(r"c?\d+", entry.name)
    )


def _no_generations(path: Path) -> ExportFormatError:
    return ExportFormatError(
        f"{path}: expected an export of a channel, found a Discord data package; {_PACKAGE_ADVICE}"
    )


def recognise(path: Path) -> Export:
    """Tell the layout of one file by its first bytes.

    Raises:
        ExportFormatError: it is empty or of another kind.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise ExportFormatError(f"{path}: expected a file, found {what_is(path)}; {_EXPORT_ADVICE}")
    with path.open("rb") as stream:
        start = stream.read(_SNIFFED)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise ExportFormatError(
            f"{path}: expected a Discord export, found an empty file; {_EXPORT_ADVICE}"
        )
    if start.startswith(b"PAR1"):
        return _recognise_parquet(path)
    if text[:1] in {b"{", b"["}:
        head = read_head(path)
        if head.is_package:
            raise _no_generations(path)
        if head.prefix is None:
            raise _unlike(path, f"{head.found} at {head.where}")
        return Export(path, ExportLayout(head.prefix), head.channel)
    for magic, name in _OTHERS.items():
        if text.startswith(magic):
            raise _unlike(path, name)
    return _recognise_csv(path, text)


_OTHERS = {
    b"<": "HTML or XML",
    b"PK\x03\x04": "a zip archive (unpack it first)",
    b"\x1f\x8b": "a gzip file (unpack it first)",
    b"\xff\xfe": "UTF-16 text (save it as UTF-8)",
    b"\xfe\xff": "UTF-16 text (save it as UTF-8)",
    b"=====": "DiscordChatExporter's plain text",
}


def _unlike(path: Path, found: str) -> ExportFormatError:
    line = " ".join(found.split())  # a key or a column may hold line breaks
    return ExportFormatError(
        f"{path}: expected a Discord export (JSON, CSV or Parquet), found {line}; {_EXPORT_ADVICE}"
    )


def _recognise_csv(path: Path, start: bytes) -> Export:
    line = start.partition(b"\n")[0].partition(b"\r")[0].decode("utf-8", "replace")
    names = next(csv.reader([line]), []) if len(line) < _SNIFFED // 2 else []
    header = {name.strip().casefold() for name in names}
    if {"id", "timestamp", "contents", "attachments"} <= header:
        raise _no_generations(path)
    columns = match_columns(names, _COLUMNS)
    if "content" not in columns or "attachments" not in columns:
        if len(names) > 1:
            raise _unlike_table(path, names)
        raise _unlike(path, "no JSON and no such table")
    return Export(path, ExportLayout.CSV, _bracketed_id(path), columns)


def _recognise_parquet(path: Path) -> Export:
    try:
        with path.open("rb") as stream:  # paths that are no UTF-8 are not for pyarrow
            names = pq.read_schema(stream).names
    except (pa.ArrowException, OSError, ValueError) as exc:
        raise _unlike(path, f"a broken Parquet file ({reason_of(exc)})") from exc
    columns = match_columns(names, _COLUMNS)
    if "content" not in columns or "attachments" not in columns:
        raise _unlike_table(path, names)
    return Export(path, ExportLayout.PARQUET, None, columns)


def _unlike_table(path: Path, names: Collection[str]) -> ExportFormatError:
    shown = ", ".join(list(names)[:12])[:200]
    return _unlike(path, f"a table without the columns content and attachments or url ({shown})")


def _bracketed_id(path: Path) -> str | None:
    """The channel's id out of a name such as `Guild - channel [123456789012345678].csv`."""
    ids = re.findall(r"\[(\d{15,20})\]", os.fsdecode(path.name))
    return ids[-1] if ids else None
