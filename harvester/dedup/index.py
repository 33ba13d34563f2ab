"""This is the seen index: what a dataset holds, so that nothing is fetched or stored twice.

An index of the shards, in one SQLite file: memory does not grow with the dataset. Addresses are
under 16-byte digests of their `canonical_url` form, pictures under the bytes of their ids, and
near-duplicates are found as in `near_duplicates`. The file is made from the shards and holds
nothing else: it can be deleted at any time, and is made anew when it is damaged, of another
version, or when a shard that it read is gone (`harvest compact`).

What was learned since the last flush is in memory and is asked first; it goes into the file after
the rows have gone into shards. So the file never knows more than the shards do, and a run that is
killed anywhere finds, at its next opening, the shards that the file has not seen.

What holds of an address that was met several times is told by `dataset.precedence`.

But: the file belongs to one process, which the dataset's lock sees to.
"""

from __future__ import annotations

import itertools
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from harvester.dataset import shards
from harvester.dataset.arrow import KINDS
from harvester.dataset.shard_reader import open_shard
from harvester.dataset.storage import Location
from harvester.dedup.database import DamagedError, SeenDatabase
from harvester.dedup.keys import (
    CODES,
    OK,
    STATUSES,
    Packed,
    PendingKeys,
    finding_key,
    led_to,
    pack_id,
    supersedes,
    unpack_id,
    url_key,
)
from harvester.dedup.near_duplicates import MOST, bands, nearest, read_pdq
from harvester.schema import Candidate, FailureClass, FetchStatus, Finding

STATE = ".known.sqlite"
Resolution = tuple[str, FetchStatus]
"""The candidate's id and the status of an address that needs no fetch."""
RowsByShard = Mapping[type[Candidate | Finding], Mapping[str, int]]
"""Of each kind of row the shards that were written: their names and sizes in bytes."""
_AT_ONCE = 20_000
"""Rows of shards that go into the file together: sorted, they fill its pages one after another."""
_COLUMNS: Mapping[type[Candidate | Finding], list[str]] = {
    Candidate: ["id", "url", "final_url", "status", "pdq", "pdq_quality"],
    Finding: ["url", "source", "query_prompt", "query", "candidate_id"],
}


class SeenIndex:
    """What a dataset holds; a context manager, whose entering reads the shards that are new.

    To be used from one thread; `commit` alone may run in another meanwhile.

    Args:
        folder: the dataset.
        state: where the index is; by default beside the shards, and for a dataset that is on no
            local disk in a temporary folder, so that it is made again by each run.

    Raises:
        ShardError: on entering, and by every method, if the shards cannot be read, or the index
            cannot be read or written.
        SchemaError: on entering, if the folder holds rows of another kind or schema version.
    """

    def __init__(self, folder: Location, state: Path | None = None) -> None:
        self._folder = folder
        self._state = state
        self._closing = ExitStack()
        self._open = PendingKeys()
        self._sealed: tuple[PendingKeys, ...] = ()
        self._swapping = threading.Lock()

    def __enter__(self) -> Self:
        try:
            self._enter()
        except DamagedError:  # it has been removed
            self._enter()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    # What is held

    def resolution_of(self, url: str) -> Resolution | None:
        """The candidate of an address that needs no fetch: stored, or failed for good."""
        entry = self._address(url_key(url))
        if entry is None or (status := STATUSES.get(entry[1])) is None:
            return None
        if status.failure_class in {None, FailureClass.PERMANENT}:
            return unpack_id(*entry), status
        return None

    def latest(self, url: str) -> Resolution | None:
        """What holds of an address, passing failures too: the row that tells of it."""
        entry = self._address(url_key(url))
        if entry is None or (status := STATUSES.get(entry[1])) is None:
            return None
        return unpack_id(*entry), status

    def is_opted_out(self, url: str) -> bool:
        """Whether the owner of an address opted out, there or where a redirect led to it."""
        entry = self._address(url_key(url))
        return entry is not None and STATUSES.get(entry[1]) is FetchStatus.OPTED_OUT

    def holds(self, candidate_id: str) -> bool:
        """Whether a picture of this id is stored."""
        return self._holds(pack_id(candidate_id, OK))

    def near(self, pdq_hex: str | None, quality: int | None) -> str | None:
        """The id of a stored picture that this one is a copy of, by `near_duplicates`."""
        pdq = read_pdq(pdq_hex, quality)
        if pdq is None:
            return None
        hashes: dict[bytes, bytes] = {}
        for batch in self._batches():
            for band in bands(pdq):
                for picture in batch.bands.get(band, ())[:MOST]:
                    hashes[picture] = batch.pictures[picture] or b""
        hashes |= self._file.sharing_bands(pdq)
        best = nearest(pdq, hashes.items())
        return None if best is None else best.hex()

    # What becomes known

    def add(self, candidate: Candidate) -> None:
        """Take one outcome: a row that is being stored, or a picture that is stored already."""
        code = CODES[candidate.status]
        packed = pack_id(candidate.id, code)
        if code == OK and not self._holds(packed):
            self._open.add_picture(packed, read_pdq(candidate.pdq, candidate.pdq_quality))
        self._settle(url_key(candidate.url), packed, code)
        if candidate.status is FetchStatus.OPTED_OUT and candidate.final_url:
            self._settle(url_key(candidate.final_url), packed, code)

    def add_alias(self, url: str, resolution: Resolution) -> None:
        """Take another address of a stored picture; of failures each address has its own."""
        candidate_id, status = resolution
        if status is FetchStatus.OK:
            self._settle(url_key(url), pack_id(candidate_id, OK), OK)

    def is_new_finding(self, finding: Finding, candidate_id: str | None) -> bool:
        """Whether this way to this address was unknown, or led elsewhere; known from then on.

        It led elsewhere when the address failed and is a picture now: the row is then written
        again, and the later one holds.
        """
        key = finding_key(finding.url, finding.source, finding.query_prompt, finding.query)
        led = led_to(candidate_id)
        for batch in self._batches():
            before = batch.findings.get(key)
            if before is not None:
                break
        else:
            before = self._file.finding(key)
        if before == led:
            return False
        self._open.findings[key] = led
        return True

    def seal(self) -> PendingKeys:
        """What was learned since the last seal; it goes with the rows that are flushed now."""
        with self._swapping:
            batch = self._open
            self._sealed = (batch, *self._sealed)
            self._open = PendingKeys()
        return batch

    def commit(self, batch: PendingKeys, written: RowsByShard | None = None) -> None:
        """Put into the file what was sealed, after its rows are in shards; in any thread.

        Args:
            batch: from `seal`. What was sealed before it, for a flush that failed and whose rows
                were written with these, goes too.
            written: the shards that hold these rows and no others. Without it they are read once
                more at the next opening.
        """
        newest_first = self._sealed
        done = newest_first[newest_first.index(batch) :]
        for number, sealed in enumerate(reversed(done), 1):
            self._file.write(sealed, written if written and number == len(done) else {})
        # Not before: who asks in between finds it in one of the two.
        with self._swapping:
            self._sealed = tuple(sealed for sealed in self._sealed if sealed not in done)

    # Inside

    def _enter(self) -> None:
        with ExitStack() as closing:
            state = self._state
            if state is None and isinstance(self._folder, Path) and self._folder.is_dir():
                state = self._folder / STATE
            if state is None:
                scratch = tempfile.TemporaryDirectory(prefix="whence-known-")
                state = Path(closing.enter_context(scratch)) / STATE
            self._file = closing.enter_context(SeenDatabase(state))
            self._catch_up()
            self._closing = closing.pop_all()

    def _batches(self) -> tuple[PendingKeys, ...]:
        """What is in memory, the newest first."""
        return (self._open, *self._sealed)

    def _address(self, key: bytes) -> tuple[Packed, int] | None:
        for batch in self._batches():
            if key in batch.addresses:
                return batch.addresses[key]
        return self._file.address(key)

    def _holds(self, packed: Packed) -> bool:
        return any(packed in one.pictures for one in self._batches()) or self._file.holds(packed)

    def _settle(self, key: bytes, packed: Packed, code: int) -> None:
        if supersedes((packed, code), self._address(key)):
            self._open.addresses[key] = packed, code

    def _catch_up(self) -> None:
        present = {kind: shards.shard_sizes(self._folder, kind) for kind in _COLUMNS}
        seen = {kind: self._file.seen(KINDS[kind].name) for kind in _COLUMNS}
        if any(not seen[kind].items() <= present[kind].items() for kind in _COLUMNS):
            self._file.clear()
            seen = {kind: {} for kind in _COLUMNS}
        # Candidates first: a finding settles its address only where its picture is known.
        for kind, columns in _COLUMNS.items():
            # In order from the first unseen on, seen ones too: the later failure is to hold.
            new = itertools.dropwhile(seen[kind].__contains__, present[kind])
            self._read(kind, columns, {name: present[kind][name] for name in new})

    def _read(
        self, kind: type[Candidate | Finding], columns: list[str], new: Mapping[str, int]
    ) -> None:
        batch, done = PendingKeys(), dict[str, int]()
        for name, size in new.items():
            with open_shard(self._folder / KINDS[kind].folder / name, kind) as shard:
                for rows in shard.batches(columns):
                    values: list[list[Any]] = [column.to_pylist() for column in rows.columns]
                    if kind is Candidate:
                        batch.take_candidates(values)
                    else:
                        batch.take_findings(values)
            done[name] = size
            if batch.rows >= _AT_ONCE:
                self._file.write(batch, {kind: done})
                batch, done = PendingKeys(), {}
        if done:
            self._file.write(batch, {kind: done})
