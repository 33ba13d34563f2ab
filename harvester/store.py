"""A dataset folder open for writing, and the manifest that describes it.

::

    data/candidates/
      part-<run>-00000.parquet      candidates (or generations), about 100 rows a row group
      findings/part-<run>-….parquet
      searches/part-<run>-….parquet
      manifest.json                 counts, versions and the sha256 of every shard
      README.md                     names the tables for Hugging Face `load_dataset`

What a finished shard holds is never lost, and what was in memory at a `kill -9` is fetched again.
The manifest describes the shards and is not needed to read them: a shard that it does not know
yet, because the run died in between, is taken up at the next opening.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import filelock

from harvester.arrow import KINDS, to_table
from harvester.errors import ShardError, reason_of
from harvester.schema import SCHEMA_VERSION, Candidate, Finding, Generation, Row, Search
from harvester.shard_file import open_shard
from harvester.shards import replacing, shard_paths, sweep, write_shard

MANIFEST = "manifest.json"


class Store:
    """A dataset folder open for writing, by one process at a time; a context manager.

    Leaving the context writes what is in memory, whatever the reason for leaving.

    Args:
        folder: made if it is missing.
        main: what the dataset is made of: generations or candidates.
        rows_per_shard: a flush is due when this many rows of one kind wait,
        bytes_per_shard: or when this many bytes of pictures do,
        max_age_s: or when the oldest waiting row is this many seconds old.

    Raises:
        ShardError: on entering, if the folder cannot be made, written, or is in use.
        SchemaError: on entering, if it holds rows of another kind or schema version.
    """

    def __init__(
        self,
        folder: Path,
        main: type[Generation | Candidate],
        *,
        rows_per_shard: int = 1000,
        bytes_per_shard: int = 64 << 20,
        max_age_s: float = 60.0,
    ) -> None:
        self.folder = folder
        # Pictures before the findings that name them, findings before the search they came from:
        # a run that dies between two tables repeats work at the next start, and never skips any.
        self._tables: tuple[type[Row], ...] = (main, Finding, Search)
        # Names sort by time, so that rows of later runs stand later when a dataset is read.
        self.run = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex[:4]}"
        self._rows_per_shard = rows_per_shard
        self._bytes_per_shard = bytes_per_shard
        self._max_age_s = max_age_s
        self._waiting: dict[type[Row], list[Row]] = {}
        self._bytes = 0
        self._oldest: float | None = None
        self._next_number: Counter[type[Row]] = Counter()
        self._lock = filelock.FileLock(folder / ".lock", timeout=0)
        self._manifest: dict[str, Any] = {}

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except filelock.Timeout as exc:
            raise ShardError(
                f"{self.folder}: another process is writing to this dataset; wait for it to end, "
                "or give another --out"
            ) from exc
        except OSError as exc:
            raise ShardError(
                f"{self.folder}: expected a folder that can be written, found {reason_of(exc)}; "
                "give another --out"
            ) from exc
        try:
            for row_type in self._tables:
                sweep(self.folder / KINDS[row_type].folder)
            self._manifest = _reconciled_manifest(self.folder, self._tables)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.flush()
        finally:
            self._lock.release()

    def append(self, row: Row) -> None:
        """Take one row into memory; it is on disk after the next `flush`."""
        self._waiting.setdefault(type(row), []).append(row)
        if self._oldest is None:
            self._oldest = time.monotonic()
        if isinstance(row, Candidate | Generation):
            self._bytes += len(row.image or b"")

    @property
    def is_due(self) -> bool:
        """Whether enough rows wait, or long enough, for a `flush`."""
        if self._oldest is None:
            return False
        return (
            self._bytes >= self._bytes_per_shard
            or time.monotonic() - self._oldest >= self._max_age_s
            or any(len(rows) >= self._rows_per_shard for rows in self._waiting.values())
        )

    def flush(self) -> None:
        """Write the waiting rows as shards, then the manifest.

        May run in a thread while rows are appended: those wait for the next time.

        Raises:
            ShardError: if they cannot be written; no partial file is left behind.
        """
        waiting, self._waiting = self._waiting, {}
        self._bytes, self._oldest = 0, None
        for row_type in self._tables:
            rows = waiting.get(row_type)
            if not rows:
                continue
            folder = self.folder / KINDS[row_type].folder
            path = folder / f"part-{self.run}-{self._next_number[row_type]:05d}.parquet"
            write_shard(path, to_table(rows, row_type))
            self._next_number[row_type] += 1
            _enter(self._manifest, path, row_type)
        _write_manifest(self.folder, self._manifest)

    def note(self, settings: Mapping[str, Any]) -> None:
        """Record how this run was called, in the manifest."""
        runs = self._manifest.setdefault("runs", [])
        runs.append({"run": self.run, "settings": dict(settings)})


def _reconciled_manifest(folder: Path, tables: Sequence[type[Row]]) -> dict[str, Any]:
    """The manifest on disk, brought up to date with the shards that are really there."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        manifest = None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("tables"), dict):
        manifest = {"schema_version": SCHEMA_VERSION, "tables": {}}
    for row_type in tables:
        present = shard_paths(folder, row_type)
        for path in present[:1]:
            with open_shard(path, row_type):  # another kind or version is refused at the door
                pass
        known = manifest["tables"].get(KINDS[row_type].name, {}).get("shards", {})
        manifest["tables"].pop(KINDS[row_type].name, None)
        for path in present:
            entry = known.get(path.name)
            if entry and entry.get("bytes") == path.stat().st_size:
                _add_entry(manifest, row_type, path.name, entry)
            else:
                _enter(manifest, path, row_type)
    return manifest


def _enter(manifest: dict[str, Any], path: Path, row_type: type[Row]) -> None:
    statuses: Counter[str] = Counter()
    with open_shard(path, row_type) as shard:
        count = shard.file.metadata.num_rows
        if "status" in KINDS[row_type].schema.names:
            for batch in shard.batches(["status"]):
                statuses.update(batch.column(0).to_pylist())
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    entry = {"rows": count, "bytes": path.stat().st_size, "sha256": digest, "status": statuses}
    _add_entry(manifest, row_type, path.name, entry)


def _add_entry(
    manifest: dict[str, Any], row_type: type[Row], name: str, entry: dict[str, Any]
) -> None:
    empty = {"rows": 0, "status": {}, "shards": {}}
    table = manifest["tables"].setdefault(KINDS[row_type].name, empty)
    table["shards"][name] = entry
    table["rows"] += entry["rows"]
    table["status"] = dict(Counter(table["status"]) + Counter(entry["status"]))


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    manifest["updated_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    _replace_text(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    card = folder / "README.md"
    if manifest["tables"] and not card.exists():
        _replace_text(card, _dataset_card())


def _replace_text(path: Path, text: str) -> None:
    try:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ShardError(
            f"{path}: expected to write it, found {reason_of(exc)}; the shards are whole: make "
            "room, then run the same command again"
        ) from exc


def _dataset_card() -> str:
    tables = {"default": "part-*.parquet"}
    for row_type in (Finding, Search):
        tables[KINDS[row_type].folder] = f"{KINDS[row_type].folder}/part-*.parquet"
    lines = [f"- config_name: {name}\n  data_files: {glob}\n" for name, glob in tables.items()]
    return (
        "---\nconfigs:\n" + "".join(lines) + "---\n\n"
        "A dataset written by whence. The pictures belong to their makers; the columns `creator`, "
        "`license`, `page_url` and `rights` say what is known of each.\n"
    )
