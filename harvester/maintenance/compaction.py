"""This is compaction: many small shards become full ones, without rows that later ones replace.

Shards that are full and have nothing to lose are left as they are; the rows of the others are
written anew, in their order, behind them. What is dropped: see `superseded_rows`. Descriptors,
which are kept by the candidates' ids, stay valid.

It may end at any instant: the journal (`dataset.compaction_journal`) tells every reader which
shards are there, and the next writer undoes what was not finished, or finishes it. A reader that
had listed the shards before they were replaced is told so, and starts again.

But: until the end there has to be room for the new shards beside the old ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from harvester.dataset.arrow import KINDS, file_schema
from harvester.dataset.atomic import write_text
from harvester.dataset.compaction_journal import JOURNAL, Journal, Phase, recover
from harvester.dataset.foreign_files import refuse_foreign
from harvester.dataset.lock import LOCK, Lock, lock_of
from harvester.dataset.manifest import Shards, entry_of, new_run, read_manifest, reconcile
from harvester.dataset.shard_reader import open_shard
from harvester.dataset.shards import shard_paths, sweep, write_shard
from harvester.dataset.storage import Location, exists
from harvester.errors import InputError, ShardError, reason_of
from harvester.maintenance.superseded_rows import COLUMNS, SupersededRows
from harvester.schema import Candidate, Finding, Generation, Row, SchemaError, Search

Progress = Callable[[int, int], None]
"""Called with how many rows are done and how many there are to do; each is read twice."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a run of `compact` came to.

    Attributes:
        before, after: shards of all kinds.
        rows: that are there now, by kind of row.
        dropped: rows that others replaced, by kind of row.
        bytes_before, bytes_after: of all shards.
    """

    before: int
    after: int
    rows: Mapping[str, int]
    dropped: Mapping[str, int]
    bytes_before: int
    bytes_after: int


@dataclass(slots=True)
class _Table:
    """One kind of row: its shards in order, which of them are written anew, and what is lost."""

    row_type: type[Row]
    entries: dict[str, dict[str, int]]
    superseded: SupersededRows
    starts: dict[str, int] = field(default_factory=dict)
    renewed: list[str] = field(default_factory=list)
    dropped: int = 0

    @property
    def name(self) -> str:
        return KINDS[self.row_type].name

    @property
    def rows(self) -> int:
        return sum(entry["rows"] for entry in self.entries.values())


@dataclass(slots=True)
class _Steps:
    """Tells how far it is."""

    on_progress: Progress | None
    total: int
    done: int = 0

    def advance(self, rows: int) -> None:
        self.done += rows
        if self.on_progress is not None:
            self.on_progress(min(self.done, self.total), self.total)


def compact(
    folder: Location,
    main: type[Generation | Candidate] | None = None,
    *,
    rows_per_shard: int = 1000,
    bytes_per_shard: int = 64 << 20,
    progress: Progress | None = None,
) -> Compacted:
    """Make the shards of a dataset as few and as full as they can be; nothing, where they are.

    Args:
        folder: the dataset; it is locked meanwhile.
        main: what it is made of; found out unless given.
        rows_per_shard: a shard is full with so many rows,
        bytes_per_shard: or with so many bytes of pictures; two shards have to fit into memory.
        progress: told how far it is.

    Raises:
        InputError: if there is no dataset, or another program's files are in it (`foreign`).
        ShardError: if the dataset is in use, or cannot be read or written; it is then as before.
        SchemaError: if it holds rows of another kind or schema version.
    """
    # One that is being made has its lock and no shards yet: whoever makes it is told of below.
    if not exists(folder / LOCK) and not any(shard_paths(folder, kind) for kind in KINDS):
        raise InputError(
            f"{folder}: expected a dataset of whence, found no shards; give the --out of a harvest"
        )
    refuse_foreign(folder, (JOURNAL,))
    tables: tuple[type[Row], ...] = (main or _main_of(folder), Finding, Search)
    lock = lock_of(folder, run := new_run())
    lock.acquire()
    try:
        for row_type in tables:
            sweep(folder / KINDS[row_type].folder)
        recover(folder)
        reconcile(folder, tables)
        with contextlib.ExitStack() as stack:
            plan = [_opened(folder, one, stack) for one in tables]
            steps = _Steps(progress, 2 * sum(table.rows for table in plan))
            for table in plan:
                _find_superseded(folder, table, steps)
                _choose(table, rows_per_shard, bytes_per_shard)
            work = _Work(folder, run, lock, steps, rows_per_shard, bytes_per_shard)
            fresh = work.carry_out(plan)
            if any(table.renewed for table in plan):
                reconcile(folder, tables, fresh)
            return _report(plan, fresh)
    except OSError as exc:  # of the temporary files
        raise ShardError(
            f"{folder}: expected to compact it, found {reason_of(exc)}; nothing is lost: make room "
            "where temporary files are kept, then run the same command again"
        ) from exc
    finally:
        lock.release()


def _main_of(folder: Location) -> type[Generation | Candidate]:
    for path in shard_paths(folder, Generation)[:1]:
        try:
            with open_shard(path, Generation):
                return Generation
        except SchemaError:  # whatever is wrong with it is told when it is read as candidates
            break
    return Candidate


def _opened(folder: Location, row_type: type[Row], stack: contextlib.ExitStack) -> _Table:
    table = read_manifest(folder)["tables"].get(KINDS[row_type].name, {})
    entries = dict(sorted(table.get("shards", {}).items()))
    rows = sum(entry["rows"] for entry in entries.values())
    return _Table(row_type, entries, stack.enter_context(SupersededRows(row_type, rows)))


def _find_superseded(folder: Location, table: _Table, steps: _Steps) -> None:
    number = 0
    shards_folder = folder / KINDS[table.row_type].folder
    for name, entry in table.entries.items():
        table.starts[name] = number
        with open_shard(shards_folder / name, table.row_type) as shard:
            for batch in shard.batches(COLUMNS[table.row_type]):
                table.superseded.add(batch)
                number += batch.num_rows
        if number - table.starts[name] != entry["rows"]:
            raise ShardError(
                f"{shards_folder / name}: expected {entry['rows']:,} rows, found "
                f"{number - table.starts[name]:,}; the file was changed after whence wrote it"
            )
        steps.advance(entry["rows"])
    table.superseded.settle()


def _choose(table: _Table, rows_per_shard: int, bytes_per_shard: int) -> None:
    """Which shards are written anew: those that lose rows, and small ones where that saves some."""
    losing: list[str] = []
    small: list[str] = []
    for name, entry in table.entries.items():
        lost = int(table.superseded.dropped(table.starts[name], entry["rows"]).sum())
        table.dropped += lost
        if lost:
            losing.append(name)
        elif entry["rows"] < rows_per_shard and entry["bytes"] < bytes_per_shard:
            small.append(name)
    rows = sum(table.entries[name]["rows"] for name in small)
    size = sum(table.entries[name]["bytes"] for name in small)
    fewest = max(-(-rows // rows_per_shard), -(-size // bytes_per_shard))
    if losing or fewest < len(small):
        table.renewed = sorted([*losing, *small])


@dataclass(frozen=True, slots=True)
class _Work:
    """The writing part of one run of `compact`."""

    folder: Location
    run: str
    lock: Lock
    steps: _Steps
    rows_per_shard: int
    bytes_per_shard: int

    def carry_out(self, plan: Sequence[_Table]) -> Shards:
        """Replace the chosen shards; returns what the manifest is to say of the new ones."""
        if not any(table.renewed for table in plan):
            self.steps.advance(self.steps.total)
            return {}
        self._note(Phase.WRITING, {})
        try:
            fresh = {table.name: dict(self._write_table(table)) for table in plan}
        except BaseException:
            with contextlib.suppress(Exception):  # else the next writer does it
                recover(self.folder)
            raise
        old = {table.name: frozenset(table.renewed) for table in plan}
        self._note(Phase.REMOVING, old)
        recover(self.folder)
        return fresh

    def _note(self, phase: Phase, old: Mapping[str, frozenset[str]]) -> None:
        self.lock.check()
        write_text(self.folder / JOURNAL, Journal(self.run, phase, old).to_text())

    def _write_table(self, table: _Table) -> Iterator[tuple[str, dict[str, object]]]:
        shards_folder = self.folder / KINDS[table.row_type].folder
        written = 0
        for number, batches in enumerate(self._filled(table)):
            self.lock.check()
            whole = pa.Table.from_batches(batches, file_schema(table.row_type).remove_metadata())
            whole = whole.replace_schema_metadata(file_schema(table.row_type).metadata)
            name = f"part-{self.run}-{number:05d}.parquet"
            shard = write_shard(shards_folder / name, whole)
            has_status = "status" in whole.schema.names
            statuses = whole.column("status").to_pylist() if has_status else []
            yield name, entry_of(shard, statuses, whole.num_rows)
            written += whole.num_rows
        expected = sum(table.entries[name]["rows"] for name in table.renewed) - table.dropped
        if written != expected:
            raise ShardError(
                f"{shards_folder}: expected to write {expected:,} rows, found {written:,} to "
                "write; nothing was removed: run the same command again"
            )

    def _filled(self, table: _Table) -> Iterator[list[pa.RecordBatch]]:
        """The rows that are kept, as many at a time as fill a shard."""
        waiting: list[pa.RecordBatch] = []
        rows = size = 0
        for batch in self._kept(table):
            at = 0
            while at < batch.num_rows:
                piece = batch.slice(at, self.rows_per_shard - rows)
                at += piece.num_rows
                waiting.append(piece)
                rows += piece.num_rows
                size += piece.column("image").nbytes if "image" in piece.schema.names else 0
                if rows >= self.rows_per_shard or size >= self.bytes_per_shard:
                    yield waiting
                    waiting, rows, size = [], 0, 0
        if waiting:
            yield waiting

    def _kept(self, table: _Table) -> Iterator[pa.RecordBatch]:
        kind = KINDS[table.row_type]
        for name in table.renewed:
            number = table.starts[name]
            with open_shard(self.folder / kind.folder / name, table.row_type) as shard:
                for batch in shard.batches(kind.schema.names):
                    gone = table.superseded.dropped(number, batch.num_rows)
                    number += batch.num_rows
                    yield batch.filter(pa.array(~gone)) if gone.any() else batch
                    self.steps.advance(batch.num_rows)
        untouched = table.entries.keys() - set(table.renewed)
        self.steps.advance(sum(table.entries[name]["rows"] for name in untouched))


def _report(plan: Sequence[_Table], fresh: Shards) -> Compacted:
    new = [entry for entries in fresh.values() for entry in entries.values()]
    old = [table.entries[name] for table in plan for name in table.renewed]
    before = [entry for table in plan for entry in table.entries.values()]
    bytes_before = sum(entry["bytes"] for entry in before)
    return Compacted(
        before=len(before),
        after=len(before) - len(old) + len(new),
        rows={table.name: table.rows - table.dropped for table in plan},
        dropped={table.name: table.dropped for table in plan},
        bytes_before=bytes_before,
        bytes_after=bytes_before
        - sum(entry["bytes"] for entry in old)
        + sum(entry["bytes"] for entry in new),
    )
