"""This is the URL frontier: each address once, no host too often, what is known passed by.

What the dataset holds, and what failed in this run, is passed on without being fetched. Of one host
only a share of the engine's window is in work at once; the rest waits in `SpillQueue` and is taken
up as that host gets on, so that a slow host, or a list sorted by host, holds up no other.
"""

from __future__ import annotations

import asyncio
import dataclasses
import pickle
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from typing import Self

from harvester.dedup.canonical_url import canonical_url
from harvester.dedup.index import Resolution, SeenIndex
from harvester.pipeline.engine import FetchJob
from harvester.schema import Candidate, FetchStatus, Finding, LocalPicture, failed_id
from harvester.urls import hide_credentials, host_of

FoundPicture = Finding | LocalPicture
Resolved = tuple[Finding, Candidate | Resolution]
"""A finding, and what it led to: fetched now, or known from before."""
_QUEUE = 256
_MOST_FOLLOWERS = 1000
_MOST_FAILED = 100_000


class Frontier:
    """Sends to an engine what has to be fetched, and everything else past it.

    Args:
        findings: of any source.
        seen: what the dataset holds.
        share: addresses of one host in work at once.
        is_retry: ask again for what failed for good, too.

    Attributes:
        out: findings with what they led to; None, put by whoever drives the engine, at the end.
    """

    def __init__(
        self, findings: AsyncIterator[FoundPicture], seen: SeenIndex, *, share: int, is_retry: bool
    ) -> None:
        self._findings, self._seen = findings, seen
        self._share, self._is_retry = share, is_retry
        self.out: asyncio.Queue[Resolved | Exception | None] = asyncio.Queue(_QUEUE)
        # One address found twice at once is fetched once; the others wait for the first.
        self._followers: dict[str, list[Finding]] = {}
        # What failed in this run is not asked again in it; only the latest, to bound memory.
        self._failed: dict[str, Resolution] = {}
        self._busy: Counter[str] = Counter()
        self._spilled: SpillQueue | None = None
        # Hosts of which findings wait and that have room again, in order.
        self._ready_hosts: dict[str, None] = {}
        self._ended = asyncio.Event()

    async def jobs(self) -> AsyncIterator[FetchJob]:
        """What has to be fetched, while everything else goes to `out`."""
        with SpillQueue() as spilled:
            self._spilled = spilled
            try:
                async for picture in self._findings:
                    path = picture.path if isinstance(picture, LocalPicture) else None
                    finding = picture.finding if isinstance(picture, LocalPicture) else picture
                    finding = _without_credentials(finding)
                    host = host_of(finding.url)
                    if path is None and self._is_busy(host) and not spilled.is_full:
                        spilled.put(host, finding)
                    elif await self._needs_fetch(host, finding):
                        yield FetchJob(finding, path)
                    async for job in self._resume(spilled):
                        yield job
                while len(spilled):
                    self._ready_hosts |= dict.fromkeys(
                        h for h in spilled.hosts if not self._is_busy(h)
                    )
                    if not self._ready_hosts:
                        self._ended.clear()
                        await self._ended.wait()
                    async for job in self._resume(spilled):
                        yield job
            finally:
                self._spilled = None

    async def _resume(self, spilled: SpillQueue) -> AsyncIterator[FetchJob]:
        """Of each host that has room again, as many as it has room for."""
        while self._ready_hosts:
            host = next(iter(self._ready_hosts))
            del self._ready_hosts[host]
            for finding in spilled.take(host, self._share - self._busy.get(host, 0)):
                if await self._needs_fetch(host, finding):
                    yield FetchJob(finding)

    def _is_busy(self, host: str) -> bool:
        return self._busy.get(host, 0) >= self._share

    async def _needs_fetch(self, host: str, finding: Finding) -> bool:
        resolution = self._resolution_of(finding)
        if resolution is not None:
            await self.out.put((finding, resolution))
            return False
        if await self._follows(finding):
            return False
        self._busy[host] += 1
        return True

    def _resolution_of(self, finding: Finding) -> Resolution | None:
        """What an address led to, where it is not asked again.

        A failure holds of the address as written alone: another spelling of it may have a
        signature that is not over, or be https where http is shut.
        """
        resolution = self._seen.resolution_of(finding.url)
        if resolution is not None and not _may_change(resolution):
            return resolution
        for failed in (self._failed.get(canonical_url(finding.url)), resolution):
            if failed is not None and failed[0] == failed_id(finding.url):
                return None if failed is resolution and self._is_retry else failed
        return None

    async def _follows(self, finding: Finding) -> bool:
        """Whether another finding of this address is in work; this one then waits for it."""
        key = canonical_url(finding.url)
        waiting = self._followers.get(key)
        if waiting is None:
            self._followers[key] = []
            return False
        waiting.append(finding)
        while len(self._followers.get(key, ())) > _MOST_FOLLOWERS:
            self._ended.clear()
            await self._ended.wait()
        return True

    async def end(self, finding: Finding, candidate: Candidate) -> None:
        """Pass on what an address led to, to all who wait for it."""
        await self.out.put((finding, candidate))
        key, resolution = canonical_url(finding.url), (candidate.id, candidate.status)
        if candidate.status is not FetchStatus.OK:
            self._failed[key] = resolution
            if len(self._failed) > _MOST_FAILED:
                del self._failed[next(iter(self._failed))]
        for follower in self._followers.pop(key, ()):
            await self.out.put((follower, resolution))
        host = host_of(finding.url)
        self._busy[host] -= 1
        if self._busy[host] <= 0:
            del self._busy[host]
        # Not one at a time: a host's findings are taken out of the file by the dozen.
        has_room = 2 * self._busy.get(host, 0) <= self._share
        if has_room and self._spilled is not None and self._spilled.holds(host):
            self._ready_hosts[host] = None
        self._ended.set()


def _may_change(resolution: Resolution) -> bool:
    """Whether a settled address may be asked again by a retry: an opt-out never is."""
    return resolution[1] not in {FetchStatus.OK, FetchStatus.OPTED_OUT}


def _without_credentials(finding: Finding) -> Finding:
    """As it is stored: what is before a host in a list is for no dataset, and is not asked for."""
    if "@" not in f"{finding.url}{finding.page_url}{finding.license_url}":
        return finding
    return dataclasses.replace(
        finding,
        url=hide_credentials(finding.url),
        page_url=finding.page_url and hide_credentials(finding.page_url),
        license_url=finding.license_url and hide_credentials(finding.license_url),
    )


MOST = 1_000_000
"""Findings that are kept, at about half a kilobyte of disk each."""
_CACHE_KB = 4096


class SpillQueue:
    """Findings by host, first in, first out; a context manager, for one thread."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        # An empty name is a file that nobody else can open, and that goes when it is closed.
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute(f"pragma cache_size = -{_CACHE_KB}")
        self._file.execute("pragma journal_mode = off")
        self._file.execute(
            "create table aside (host text, number integer, finding blob, "
            "primary key (host, number)) without rowid"
        )
        self._next = self._taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._next - self._taken

    @property
    def is_full(self) -> bool:
        """Whether no more is to be put here."""
        return len(self) >= MOST

    @property
    def hosts(self) -> list[str]:
        """Those that findings wait for."""
        return list(self._counts)

    def holds(self, host: str) -> bool:
        """Whether findings of a host wait here."""
        return host in self._counts

    def put(self, host: str, finding: Finding) -> None:
        """Keep one finding of a host."""
        row = (host, self._next, pickle.dumps(finding, pickle.HIGHEST_PROTOCOL))
        self._file.execute("insert into aside values (?, ?, ?)", row)
        self._next += 1
        self._counts[host] += 1

    def take(self, host: str, most: int) -> list[Finding]:
        """Take out the oldest findings of a host, at most so many."""
        rows = self._file.execute(
            "select number, finding from aside where host = ? order by number limit ?", (host, most)
        ).fetchall()
        if not rows:
            return []
        last = rows[-1][0]
        self._file.execute("delete from aside where host = ? and number <= ?", (host, last))
        self._taken += len(rows)
        self._counts[host] -= len(rows)
        if not self._counts[host]:
            del self._counts[host]
        return [pickle.loads(kept) for _, kept in rows]  # noqa: S301  # our own, put just above
