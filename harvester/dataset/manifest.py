"""This is the manifest of a dataset: counts, versions, the sha256 of every shard, and all runs.

::

    manifest.json           every shard, and the settings of every run
    manifest-recent.json    what came since, where a run is not over or was killed

It describes the shards and is not needed to read them: a shard that it does not know is taken up
at the next opening. Writing all of it after each shard would cost the square of their number, so
what is recent is kept apart and taken in when it is as long as the square root of twice that
number: a flush at 100,000 shards writes about 100 KB, and the manifest itself once in 450.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import uuid4

from harvester.dataset.arrow import KINDS
from harvester.dataset.atomic import write_text
from harvester.dataset.shard_reader import open_shard
from harvester.dataset.shards import WrittenShard, shard_sizes
from harvester.dataset.storage import Location, exists, read_text, remove
from harvester.schema import SCHEMA_VERSION, Finding, Row, Search

MANIFEST = "manifest.json"
RECENT = "manifest-recent.json"
_CHUNK = 1 << 20
Shards = dict[str, dict[str, dict[str, Any]]]
"""By kind of row and name of shard: `rows`, `bytes`, `sha256` and `status`, a count by status."""


def new_run() -> str:
    """A name for a run; names sort by time, so that later rows stand later when they are read."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex[:4]}"


def read_manifest(folder: Location) -> dict[str, Any]:
    """The manifest, with what is recent taken in; its tables are empty where there is none.

    Returns:
        `schema_version`; `tables`, by kind of row `rows`, `status` and `shards`; `runs`, each with
        `run`, `settings`, `started_at`, `updated_at` and the `rows` that it wrote by kind;
        `updated_at` where it was ever written.

    Raises:
        ShardError: if a remote place does not answer.
    """
    whole, recent = _read_json(folder / MANIFEST), _read_json(folder / RECENT)
    shards: Shards = {}
    for source in (whole, recent):
        for kind, entries in _shards_of(source).items():
            shards.setdefault(kind, {}).update(entries)
    runs: dict[str, Any] = {}
    for source in (whole, recent):
        listed = source.get("runs")
        for run in listed if isinstance(listed, list) else ():
            if isinstance(run, dict) and isinstance(run.get("run"), str):
                runs[run["run"]] = run
    manifest: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "tables": _tables(shards)}
    manifest |= {"runs": list(runs.values())} if runs else {}
    at = recent.get("updated_at") or whole.get("updated_at")
    return manifest | ({"updated_at": at} if isinstance(at, str) else {})


class Manifest:
    """The manifest of a dataset that is open for writing; in memory is only what is recent.

    Args:
        folder: of the dataset, locked.
        tables: the kinds of row that are stored there.
        run: whose shards are entered.

    Raises:
        SchemaError, ShardError: if a shard is of another kind, or cannot be read.
    """

    def __init__(self, folder: Location, tables: Sequence[type[Row]], run: str) -> None:
        self._folder = folder
        self._recent: Shards = {}
        self._run: dict[str, Any] = {"run": run, "started_at": _now(), "rows": {}}
        self._is_noted = False
        self._known = reconcile(folder, tables)

    def enter(self, row_type: type[Row], name: str, entry: dict[str, Any]) -> None:
        """Take up a shard that was written; see `entry_of`."""
        kind = KINDS[row_type].name
        self._recent.setdefault(kind, {})[name] = entry
        self._run["rows"][kind] = self._run["rows"].get(kind, 0) + entry["rows"]

    def note(self, settings: Mapping[str, Any]) -> None:
        """Record how the run was called; raises as `save` does."""
        self._run["settings"] = self._run.get("settings", {}) | dict(settings)
        self._is_noted = True
        self.save()

    def save(self, *, is_last: bool = False) -> None:
        """Write what is recent: into the manifest itself at the end, or where it is long.

        Raises:
            ShardError: if it cannot be written.
        """
        count = sum(map(len, self._recent.values()))
        if not count and not self._is_noted:
            return
        self._run["updated_at"] = _now()
        runs = [self._run] if self._is_noted else []
        if not is_last and count < math.isqrt(2 * (self._known + count)):
            recent = {"tables": _tables(self._recent), "runs": runs, "updated_at": _now()}
            write_text(self._folder / RECENT, json.dumps(recent) + "\n")
            return
        whole = read_manifest(self._folder)
        shards = _shards_of(whole)
        for kind, entries in self._recent.items():
            shards.setdefault(kind, {}).update(entries)
        others = [one for one in whole.get("runs", ()) if one["run"] != self._run["run"]]
        _write(self._folder, shards, [*others, *runs])
        self._known += count
        self._recent = {}


def entry_of(written: WrittenShard, statuses: Sequence[str | None], rows: int) -> dict[str, Any]:
    """What the manifest says of a shard.

    Args:
        written: as `write_shard` returned it.
        statuses: of its rows; empty for rows that have none.
        rows: how many it holds.
    """
    status = {str(name): count for name, count in Counter(statuses).items()}
    return {"rows": rows, "bytes": written.bytes, "sha256": written.sha256, "status": status}


def reconcile(folder: Location, tables: Sequence[type[Row]], fresh: Shards | None = None) -> int:
    """Bring the manifest up to date with the shards that are really there; returns how many.

    Args:
        folder: of the dataset, locked.
        tables: the kinds of row that are stored there.
        fresh: what is known of shards that the manifest does not know yet; others are read.

    Raises:
        SchemaError, ShardError: as `Manifest`.
    """
    whole = read_manifest(folder)
    recorded = _shards_of(whole)
    shards: Shards = {}
    for row_type in tables:
        kind = KINDS[row_type].name
        where, sizes = folder / KINDS[row_type].folder, shard_sizes(folder, row_type)
        for name in islice(sizes, 1):
            with open_shard(where / name, row_type):  # another kind or version is refused
                pass
        entries = recorded.get(kind, {}) | (fresh or {}).get(kind, {})
        here = {
            name: entries[name]
            if entries.get(name, {}).get("bytes") == size
            else _measured(where / name, row_type)
            for name, size in sizes.items()
        }
        shards |= {kind: here} if here else {}
    is_one = exists(folder / MANIFEST) and not exists(folder / RECENT)
    if not is_one or shards != recorded:
        _write(folder, shards, whole.get("runs", []))
    return sum(map(len, shards.values()))


def _measured(path: Location, row_type: type[Row]) -> dict[str, Any]:
    statuses: list[str | None] = []
    with open_shard(path, row_type) as shard:
        count = shard.file.metadata.num_rows
        if "status" in KINDS[row_type].schema.names:
            for batch in shard.batches(["status"]):
                statuses += batch.column(0).to_pylist()
        shard.stream.seek(0)
        digest, size = hashlib.sha256(), 0
        while chunk := shard.stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return entry_of(WrittenShard(size, digest.hexdigest()), statuses, count)


def _write(folder: Location, shards: Shards, runs: Sequence[Mapping[str, Any]]) -> None:
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "tables": _tables(shards),
        "updated_at": _now(),
    }
    record |= {"runs": list(runs)} if runs else {}
    write_text(folder / MANIFEST, json.dumps(record, indent=1, sort_keys=True) + "\n")
    remove(folder / RECENT)
    if shards and not exists(folder / "README.md"):
        write_text(folder / "README.md", _dataset_card())


def _tables(shards: Shards) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for kind, entries in shards.items():
        statuses: Counter[str] = Counter()
        for entry in entries.values():
            statuses.update(entry["status"])
        rows = sum(entry["rows"] for entry in entries.values())
        tables[kind] = {"rows": rows, "status": dict(statuses), "shards": entries}
    return tables


def _shards_of(manifest: Mapping[str, Any]) -> Shards:
    """The entries of a manifest that somebody may have edited: those that are whole."""
    shards: Shards = {}
    tables = manifest.get("tables")
    for kind, table in tables.items() if isinstance(tables, dict) else ():
        entries = table.get("shards") if isinstance(table, dict) else None
        if isinstance(entries, dict):
            shards[kind] = {name: one for name, one in entries.items() if _is_entry(one)}
    return shards


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("rows"), int)
        and isinstance(entry.get("bytes"), int)
        and isinstance(entry.get("sha256"), str)
        and isinstance(entry.get("status"), dict)
        and all(isinstance(count, int) for count in entry["status"].values())
    )


def _read_json(location: Location) -> dict[str, Any]:
    try:
        record = json.loads(read_text(location) or "{}")
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


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
