"""Source → fetch → picture → shards, as a stream of outcomes.

Sources yield, `fetch` downloads, `images` verifies, `store` writes; this module joins them with
bounded queues, so that memory does not grow with the length of a list. One writer, as many
downloads at once as there are workers, pictures decoded in threads (the decoders release the GIL).
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from harvester import shards
from harvester.fetch import Fetched, Fetcher
from harvester.images import PictureError, compute_hashes, encode_jpeg, open_picture
from harvester.names import hide_credentials
from harvester.parallel import in_parallel
from harvester.schema import Candidate, FailureClass, FetchStatus, Finding, Search, failed_id
from harvester.sources.folder import LocalPicture
from harvester.store import Store

MAX_FILE_BYTES = 256 << 20

Found = Finding | LocalPicture
Settled = tuple[str, FetchStatus]
"""The id and status of an address that needs no fetch."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one finding.

    Attributes:
        is_new: whether a picture was stored that the dataset did not hold.
        bytes: of the picture as served; 0 where nothing was fetched.
    """

    url: str
    status: FetchStatus
    candidate_id: str
    is_new: bool
    bytes: int = 0
    error: str | None = None


class Known:
    """What a dataset already holds, so that nothing is fetched or stored twice.

    Args:
        folder: a dataset of candidates, or a folder that does not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.pictures: set[str] = set()
        self.settled: dict[str, Settled] = {}
        self.failures: dict[str, FetchStatus] = {}
        self._findings: set[bytes] = set()
        for records in shards.records(folder, Candidate, ["id", "url", "status"]):
            for record in records:
                self.learn(record["id"], record["url"], FetchStatus(record["status"]))
        seen = ["url", "source", "candidate_id", "query_prompt", "query"]
        for records in shards.records(folder, Finding, seen):
            for record in records:
                finding = Finding(**record)
                self.is_new_finding(finding)
                # One picture under several addresses has one candidate and several findings.
                if finding.candidate_id in self.pictures:
                    self.settled[finding.url] = (finding.candidate_id, FetchStatus.OK)

    def learn(self, candidate_id: str, url: str, status: FetchStatus) -> None:
        """Remember one outcome; transient failures stay open and are tried again."""
        if status is FetchStatus.OK:
            self.pictures.add(candidate_id)
        else:
            self.failures[url] = status
        if status.failure_class in {None, FailureClass.PERMANENT}:
            self.settled[url] = (candidate_id, status)

    def is_new_finding(self, finding: Finding) -> bool:
        """Whether this way to this address was unknown; it is known from then on."""
        parts = (finding.url, finding.source, finding.query_prompt or "", finding.query or "")
        text = "\0".join(parts).encode("utf-8", "surrogatepass")
        key = hashlib.blake2b(text, digest_size=16).digest()
        if key in self._findings:
            return False
        self._findings.add(key)
        return True


class SearchLedger:
    """Writes down a search when all that it found is recorded, and not before.

    A run that dies in between then searches again, instead of skipping what it had not fetched.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recorded: Counter[tuple[str | None, str | None]] = Counter()
        self._open: dict[tuple[str | None, str | None], Search] = {}

    def expect(self, search: Search) -> None:
        """Take a search that has yielded `search.found` findings."""
        self._open[search.query_prompt, search.query] = search
        self._close_if_settled((search.query_prompt, search.query))

    def settle(self, finding: Finding) -> None:
        """Take note that a finding is recorded."""
        key = (finding.query_prompt, finding.query)
        self._recorded[key] += 1
        self._close_if_settled(key)

    def _close_if_settled(self, key: tuple[str | None, str | None]) -> None:
        search = self._open.get(key)
        if search is not None and self._recorded[key] >= search.found:
            self._store.append(search)
            del self._open[key], self._recorded[key]


async def harvest_candidates(
    findings: AsyncIterator[Found],
    store: Store,
    fetcher: Fetcher,
    *,
    searches: SearchLedger | None = None,
    max_side: int = 512,
    workers: int = 64,
) -> AsyncIterator[Outcome]:
    """Fetch what a source finds into a dataset; yields one outcome a finding, as they end.

    Args:
        findings: addresses or local pictures, from any source.
        store: open, of `Candidate` rows.
        fetcher: open; local pictures do not need it.
        searches: told of every finding that is recorded.
        max_side: pixels of the longest side of the picture that is stored.
        workers: findings in work at once.

    Raises:
        ShardError: if the dataset cannot be read or written.
        HarvestError: whatever the source raises, after what it yielded before is stored.
    """
    known = await asyncio.to_thread(Known, store.folder)
    in_flight: dict[str, asyncio.Task[Candidate]] = {}
    with ThreadPoolExecutor(os.cpu_count(), "picture") as pool:

        async def resolve(found: Found) -> tuple[Finding, Candidate | Settled]:
            finding = _without_credentials(
                found.finding if isinstance(found, LocalPicture) else found
            )
            if finding.url in known.settled:
                return finding, known.settled[finding.url]
            # One address found twice at once is fetched once; the second waits for the first.
            task = in_flight.get(finding.url)
            if task is None:
                task = asyncio.create_task(_candidate(found, finding, fetcher, pool, max_side))
                in_flight[finding.url] = task
                task.add_done_callback(lambda _: in_flight.pop(finding.url, None))
            return finding, await task

        async for finding, found in in_parallel(findings, resolve, workers):
            outcome = _record(finding, found, store, known)
            if searches is not None:
                searches.settle(finding)
            if store.is_due:
                await asyncio.to_thread(store.flush)
            yield outcome


def _record(
    finding: Finding,
    found: Candidate | Settled,
    store: Store,
    known: Known,
) -> Outcome:
    if isinstance(found, Candidate):
        candidate_id, status, error = found.id, found.status, found.error
        is_new = status is FetchStatus.OK and candidate_id not in known.pictures
        if is_new or (status is not FetchStatus.OK and known.failures.get(found.url) != status):
            store.append(found)
        known.learn(candidate_id, found.url, status)
        known.settled.setdefault(finding.url, (candidate_id, status))
        size = found.bytes or 0
    else:
        (candidate_id, status), is_new, size, error = found, False, 0, None
    if known.is_new_finding(finding):
        store.append(
            dataclasses.replace(
                finding,
                candidate_id=candidate_id,
                found_at=finding.found_at or datetime.now(UTC),
            )
        )
    return Outcome(finding.url, status, candidate_id, is_new, size, error)


async def _candidate(
    found: Found, finding: Finding, fetcher: Fetcher, pool: ThreadPoolExecutor, max_side: int
) -> Candidate:
    got = await _get(found, finding.url, fetcher, pool)
    return await in_thread(pool, _make_candidate, finding, got, max_side)


async def _get(found: Found, url: str, fetcher: Fetcher, pool: ThreadPoolExecutor) -> Fetched:
    if isinstance(found, LocalPicture):
        return await in_thread(pool, read_file, found.path, url)
    return await fetcher.fetch(url)


def _without_credentials(finding: Finding) -> Finding:
    """As it is stored: what is before a host in a list is for no dataset, and is not asked for."""
    return dataclasses.replace(
        finding,
        url=hide_credentials(finding.url),
        page_url=finding.page_url and hide_credentials(finding.page_url),
        license_url=finding.license_url and hide_credentials(finding.license_url),
    )


def read_file(path: Path, url: str) -> Fetched:
    """A local file as if it had been fetched from `url`."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            error = f"{size:,} bytes, over the {MAX_FILE_BYTES:,} that are read"
            return Fetched(status=FetchStatus.TOO_LARGE, url=url, error=error)
        return Fetched(status=FetchStatus.OK, url=url, body=path.read_bytes())
    except FileNotFoundError:
        return Fetched(status=FetchStatus.NOT_FOUND, url=url, error="no such file")
    except OSError as exc:
        return Fetched(status=FetchStatus.FORBIDDEN, url=url, error=exc.strerror or str(exc))


def _make_candidate(finding: Finding, got: Fetched, max_side: int) -> Candidate:
    shared = {
        name: getattr(finding, name)
        for name in (
            *("query_prompt", "query", "source", "rank", "url", "page_url", "title", "caption"),
            *("creator", "license", "license_url"),
        )
    }
    base = Candidate(
        id=failed_id(finding.url),
        **shared,
        final_url=got.final_url,
        rights=got.rights,
        etag=got.etag,
        fetched_at=datetime.now(UTC),
        status=got.status,
        error=got.error,
    )
    if got.status is not FetchStatus.OK:
        return dataclasses.replace(base, mime=got.mime)
    digest = hashlib.sha256(got.body).hexdigest()
    base = dataclasses.replace(base, id=digest, sha256=digest, bytes=len(got.body))
    try:
        picture = open_picture(got.body, max_side=max_side)
    except PictureError as exc:
        # Keyed by its address: two hosts that serve the same error page are two failures.
        failed = failed_id(finding.url)
        return dataclasses.replace(
            base, id=failed, mime=got.mime, status=exc.status, error=str(exc)
        )
    hashes = compute_hashes(picture.rgb)
    return dataclasses.replace(
        base,
        width=picture.width,
        height=picture.height,
        mime=picture.mime,
        image=encode_jpeg(picture.rgb),
        phash=hashes.phash,
        dhash=hashes.dhash,
        pdq=hashes.pdq,
        pdq_quality=hashes.pdq_quality,
    )


async def in_thread(
    pool: ThreadPoolExecutor, function: Callable[..., Result], *args: Any
) -> Result:
    return await asyncio.get_running_loop().run_in_executor(pool, function, *args)
