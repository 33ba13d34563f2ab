"""This is the reader of a dataset's status: what it holds, and what is left to ask for again.

Counted are addresses, each by its last ending (see `latest_status`); of a generations dataset they
are posts. But: what a source has not named yet is unknown here, so "left" is what failed and may be
asked for again, not how much of a list remains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from harvester.dataset import shards
from harvester.dataset.arrow import KINDS
from harvester.dataset.manifest import read_manifest
from harvester.dataset.storage import Location
from harvester.errors import InputError, ShardError
from harvester.maintenance.latest_status import LatestStatuses
from harvester.schema import (
    CLASSES,
    Candidate,
    FailureClass,
    FetchStatus,
    Finding,
    Generation,
    Row,
    SchemaError,
    Search,
    class_of,
)

SHOWN = 20
_ATTEMPTS = 3
_TABLES: Mapping[type[Row], tuple[type[Row], ...]] = {
    Candidate: (Candidate, Finding, Search),
    Generation: (Generation,),
}


@dataclass(frozen=True, slots=True)
class HostFailures:
    """One host's addresses that led to no picture; `status` is how most of them ended."""

    host: str
    failures: int
    status: str


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """What one source led to, in addresses."""

    source: str
    ok: int
    failed: int


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run that wrote to the dataset.

    Attributes:
        settings: how it was called, as the manifest has them.
        rows: that it wrote, candidates or generations; None where the manifest does not say.
        per_s: rows a second, between the first moment and the last; None where it cannot be told.
    """

    run: str
    started_at: str | None
    updated_at: str | None
    settings: Mapping[str, Any]
    rows: int | None
    per_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetStatus:
    """What a dataset holds.

    Attributes:
        kind: candidate or generation, as the manifest calls its rows.
        pictures: that are stored; `picture_bytes`: as they were served, None where unknown.
        shards: files; `shard_bytes`: of all of them.
        addresses: distinct ones (of generations: posts) that have ended, well or not.
        merged: addresses whose picture was stored already, with the same bytes or as a
            near-duplicate; `findings`: ways that led to addresses.
        statuses: addresses by how they ended; `classes`: the failures among them by class.
        hosts: those with most failures, at most 20; `sources`: the largest 20.
        searches: by how they ended, each query of an engine counted once, by its last row.
        left: failures that `harvest retry` would ask for again, by class.
        runs: in order.
    """

    kind: str
    pictures: int
    picture_bytes: int | None
    shards: int
    shard_bytes: int
    addresses: int
    merged: int
    findings: int
    statuses: Mapping[str, int]
    classes: Mapping[str, int]
    hosts: tuple[HostFailures, ...]
    sources: tuple[SourceCounts, ...]
    searches: Mapping[str, int]
    left: Mapping[str, int]
    runs: tuple[RunSummary, ...]
    updated_at: str | None

    def record(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def kind_of(folder: Location) -> type[Candidate | Generation]:
    """What a dataset is made of.

    Raises:
        InputError: if there is none.
        SchemaError, ShardError: if it is of another version, or cannot be read.
    """
    try:
        first = next(shards.batches(folder, Candidate, ["id"]), None)
    except SchemaError as no_candidates:
        try:
            next(shards.batches(folder, Generation, ["id"]), None)
        except SchemaError:
            raise no_candidates from None
        return Generation
    if first is None and not shards.shard_sizes(folder, Candidate):
        raise InputError(
            f"{folder}: expected a dataset of whence, found no shards; give the --out of a harvest"
        )
    return Candidate


def read_status(folder: Location) -> DatasetStatus:
    """Read what a dataset holds; takes some 20 µs an address, and little memory.

    Raises:
        InputError: if there is no dataset.
        SchemaError, ShardError: as `shards.batches`, or where the temporary folder is full.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        row_type = kind_of(folder)
        before = _sizes(folder, row_type)
        try:
            return _read(folder, row_type)
        except ShardError:
            # Shards that a run of `compact` took away meanwhile are no damage.
            if attempt == _ATTEMPTS or before.keys() <= _sizes(folder, row_type).keys():
                raise
    raise AssertionError


def _sizes(folder: Location, row_type: type[Row]) -> dict[tuple[str, str], int]:
    return {
        (KINDS[table].name, name): size
        for table in _TABLES[row_type]
        for name, size in shards.shard_sizes(folder, table).items()
    }


def _read(folder: Location, row_type: type[Candidate | Generation]) -> DatasetStatus:
    sizes = _sizes(folder, row_type)
    manifest = read_manifest(folder)
    kind = KINDS[row_type].name
    with LatestStatuses(folder, row_type) as latest:
        counted = latest.query("SELECT status, count(*) FROM ended GROUP BY status ORDER BY 2 DESC")
        statuses = {str(status): _int(count) for status, count in counted}
        hosts = _hosts(latest)
        sources = latest.query(
            "SELECT source, sum(status = 'ok'), sum(status <> 'ok') FROM ended "
            "WHERE source IS NOT NULL GROUP BY source ORDER BY count(*) DESC, source LIMIT ?",
            (SHOWN,),
        )
        searches = latest.searches() if row_type is Candidate else {}
        pictures, picture_bytes = latest.pictures, latest.picture_bytes
    classes = dict.fromkeys(CLASSES, 0)
    for status, count in statuses.items():
        name = class_of(FetchStatus(status))
        if name is not None:
            classes[name] += count
    again = (FailureClass.TRANSIENT, FailureClass.THROTTLED)
    has_findings = row_type is Candidate
    return DatasetStatus(
        kind=kind,
        pictures=pictures,
        picture_bytes=picture_bytes,
        shards=len(sizes),
        shard_bytes=sum(sizes.values()),
        addresses=sum(statuses.values()),
        merged=max(0, statuses.get("ok", 0) - pictures),
        findings=shards.count_rows(folder, Finding) if has_findings else 0,
        statuses=statuses,
        classes=classes,
        hosts=hosts,
        sources=tuple(SourceCounts(str(one), _int(ok), _int(no)) for one, ok, no in sources),
        searches=searches,
        left={str(one): classes[one] for one in again},
        runs=tuple(_run(one, kind) for one in manifest.get("runs", ())),
        updated_at=manifest.get("updated_at"),
    )


def _hosts(latest: LatestStatuses) -> tuple[HostFailures, ...]:
    worst = latest.query(
        "SELECT host, count(*) FROM ended WHERE host <> '' GROUP BY host "
        "ORDER BY count(*) DESC, host LIMIT ?",
        (SHOWN,),
    )
    commonest = (
        latest.query(
            "SELECT status FROM ended WHERE host = ? GROUP BY status "
            "ORDER BY count(*) DESC, status LIMIT 1",
            (host,),
        )
        for host, _ in worst
    )
    return tuple(
        HostFailures(str(host), _int(count), str(status))
        for (host, count), [(status,)] in zip(worst, commonest, strict=True)
    )


def _run(record: Mapping[str, Any], kind: str) -> RunSummary:
    """A run of the manifest, which somebody may have edited: what makes no sense is left out."""
    rows, settings = record.get("rows"), record.get("settings")
    started, updated = (_moment(record.get(name)) for name in ("started_at", "updated_at"))
    count = rows.get(kind) if isinstance(rows, dict) else None
    count = count if isinstance(count, int) else None
    seconds = (updated - started).total_seconds() if started and updated else 0.0
    per_s = count / seconds if count and seconds >= 1 and math.isfinite(seconds) else None
    return RunSummary(
        run=str(record.get("run")),
        started_at=None if started is None else started.isoformat(),
        updated_at=None if updated is None else updated.isoformat(),
        settings=settings if isinstance(settings, dict) else {},
        rows=count,
        per_s=per_s,
    )


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
