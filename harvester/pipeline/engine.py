"""This is the engine, which turns findings into candidates; the one on a cluster: `ray_engine`.

An engine takes jobs as they come and gives candidates as they end, in any order. It neither knows
what the dataset holds nor writes to it: `candidates` does both, in one place, whatever the engine.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, Self

from harvester.consent.signals import ConsentPolicy, decide, rights_of
from harvester.fetch.download import Fetched, Stopped, read_file
from harvester.fetch.fetcher import Fetcher
from harvester.pictures.decode import PictureError
from harvester.pictures.pool import Decoders
from harvester.pictures.worker import Decoded
from harvester.pipeline.parallel import in_parallel
from harvester.schema import Candidate, FetchStatus, Finding, failed_id
from harvester.shutdown import Stop

WINDOW = 2048
"""Findings in work at once. Most of them wait for their host, so that a list sorted by host still
asks many hosts at a time, and slow hosts leave the places for downloads to others."""
SHARE = 64
"""Of the window, for one host: four times what a host is asked for at once."""
_READS = 8
_UNDELIVERED = 128
"""Candidates that wait for the one who writes them."""


@dataclass(frozen=True, slots=True)
class FetchJob:
    """One finding that needs a fetch; or a read, where `path` is a local picture's."""

    finding: Finding
    path: Path | None = None


class Engine(Protocol):
    """Anything that turns jobs into candidates; an async context manager while it is in use."""

    def run(
        self, jobs: AsyncIterator[FetchJob]
    ) -> AsyncGenerator[tuple[FetchJob, Candidate], None]:
        """Candidates as they end; raises what `jobs` raises, after the work before it.

        Once the harvest is to stop, nothing new is begun, and what was not begun is left out.
        """
        ...

    share: int
    """Addresses of one host that may be in work at once."""


class LocalEngine:
    """Downloads in this process, pictures decoded in others; an async context manager.

    Args:
        fetcher: not opened yet.
        max_side: pixels of the longest side of the pictures that are stored.
        processes: that decode; None for one a core.
        window: jobs in work at once.
        stop: the same as the fetcher's.
        grace_s: seconds that downloads under way get to end once that is set.
    """

    share = SHARE

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        max_side: int = 512,
        processes: int | None = None,
        window: int = WINDOW,
        stop: Stop | None = None,
        grace_s: float = 10.0,
    ) -> None:
        self._fetcher = fetcher
        self._decoders = Decoders(max_side, processes=processes)
        self._window, self._grace_s = window, grace_s
        self._reads = asyncio.Semaphore(_READS)
        # Held with the place for the download: while a shard is written, downloads wait, too.
        self._undelivered = asyncio.Semaphore(_UNDELIVERED)
        self._stop = stop
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self._decoders)
        await self._open.enter_async_context(self._fetcher)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def run(
        self, jobs: AsyncIterator[FetchJob]
    ) -> AsyncGenerator[tuple[FetchJob, Candidate], None]:
        """As `Engine.run`."""
        ended = in_parallel(
            jobs, self._resolve, self._window, stop=self._stop, grace_s=self._grace_s
        )
        async with aclosing(ended):
            async for done in ended:
                if done is not None:
                    self._undelivered.release()
                    yield done

    async def _resolve(self, job: FetchJob) -> tuple[FetchJob, Candidate] | None:
        finding = job.finding
        try:
            if job.path is not None:
                async with self._reads:
                    fetched = await asyncio.to_thread(read_file, job.path, finding.url)
                    return job, await self._candidate(finding, fetched)
            async with self._fetcher.fetch_held(finding.url) as fetched:
                return job, await self._candidate(finding, fetched)
        except Stopped:
            return None

    async def _candidate(self, finding: Finding, fetched: Fetched) -> Candidate:
        policy = self._fetcher.policy
        picture: Decoded | PictureError | None = None
        if fetched.status is FetchStatus.OK:
            try:
                picture = await self._decoders.decode(fetched.body)
            except PictureError as exc:
                picture = exc
        await self._undelivered.acquire()
        return make_candidate(finding, fetched, policy, picture)


_SHARED = (
    *("query_prompt", "query", "source", "rank", "url", "page_url", "title", "caption"),
    *("creator", "license", "license_url"),
)


def make_candidate(
    finding: Finding,
    fetched: Fetched,
    policy: ConsentPolicy,
    picture: Decoded | PictureError | None = None,
) -> Candidate:
    """The row of one picture, or of its failure.

    Args:
        finding: where it was found.
        fetched: the download.
        policy: whether what the file itself says of its use is obeyed.
        picture: what the body decoded to, or why it did not; None where the download failed.
    """
    base = Candidate(
        id=failed_id(finding.url),
        **{name: getattr(finding, name) for name in _SHARED},
        final_url=fetched.final_url,
        rights=fetched.rights,
        mime=fetched.mime,
        etag=fetched.etag,
        fetched_at=datetime.now(UTC),
        status=fetched.status,
        error=fetched.error,
    )
    if picture is None:
        return base
    if isinstance(picture, PictureError):
        # Keyed by its address: two hosts that serve the same error page are two failures.
        return replace(
            base,
            sha256=hashlib.sha256(fetched.body).hexdigest(),
            bytes=len(fetched.body),
            status=picture.status,
            error=str(picture),
        )
    signals = (*fetched.signals, *picture.signals)
    refusal = decide(signals, policy)
    if refusal:
        error = f"expected leave to use it, found {refusal}"
        return replace(base, rights=rights_of(signals), status=FetchStatus.OPTED_OUT, error=error)
    return replace(
        base,
        id=picture.sha256,
        sha256=picture.sha256,
        bytes=len(fetched.body),
        creator=finding.creator or picture.creator,
        rights=rights_of(signals),
        width=picture.width,
        height=picture.height,
        mime=picture.mime,
        image=picture.jpeg,
        phash=picture.phash,
        dhash=picture.dhash,
        pdq=picture.pdq,
        pdq_quality=picture.pdq_quality,
    )
