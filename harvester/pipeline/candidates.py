"""This is the pipeline of candidates: source → frontier → engine → rows, a stream of outcomes.

Sources yield, `frontier` picks what has to be fetched, an `engine` fetches and decodes,
`dataset.writer` writes; this module joins them through bounded queues, so that memory does not grow
with the length of a list. One picture under several addresses is stored once, by its address, by
its bytes, and by its PDQ hash where near-duplicates are merged; every finding of it is a row.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime

from harvester.dataset.writer import DatasetWriter
from harvester.dedup.index import Resolution, SeenIndex
from harvester.pipeline.engine import Engine
from harvester.pipeline.frontier import FoundPicture, Frontier, Resolved
from harvester.progress.tally import Outcome
from harvester.schema import Candidate, FetchStatus, Finding, Search


class SearchLedger:
    """Writes down a search when all that it found is recorded, and not before.

    A run that dies in between then searches again, instead of skipping what it had not fetched.
    """

    def __init__(self, store: DatasetWriter) -> None:
        self._store = store
        self._recorded: Counter[tuple[str, str | None, str | None]] = Counter()
        self._open: dict[tuple[str, str | None, str | None], Search] = {}

    def expect(self, search: Search) -> None:
        """Take a search that has yielded `search.found` findings."""
        key = (search.source, search.query_prompt, search.query)
        self._open[key] = search
        self._close_if_settled(key)

    def settle(self, finding: Finding) -> None:
        """Take note that a finding is recorded."""
        key = (finding.source, finding.query_prompt, finding.query)
        self._recorded[key] += 1
        self._close_if_settled(key)

    def _close_if_settled(self, key: tuple[str, str | None, str | None]) -> None:
        search = self._open.get(key)
        if search is not None and self._recorded[key] >= search.found:
            self._store.append(search)
            del self._open[key], self._recorded[key]


async def harvest_candidates(
    findings: AsyncIterator[FoundPicture],
    store: DatasetWriter,
    engine: Engine,
    seen: SeenIndex,
    *,
    searches: SearchLedger | None = None,
    merge_near: bool = True,
    is_retry: bool = False,
) -> AsyncGenerator[Outcome, None]:
    """Bring what a source finds into a dataset; yields one outcome a finding, as they end.

    Args:
        findings: addresses or local pictures, from any source.
        store: open, of `Candidate` rows.
        engine: open.
        seen: what the dataset holds.
        searches: told of every finding that is recorded.
        merge_near: store no picture whose near-duplicate is stored; its findings name that one.
        is_retry: fetch again what failed for good, too.

    Raises:
        ShardError: if the dataset cannot be read or written.
        HarvestError: whatever the source raises, after what it yielded before is stored.
    """
    recorder = _Recorder(store, seen, merge_near=merge_near)
    async with aclosing(_resolved(findings, engine, seen, is_retry=is_retry)) as resolved:
        async for finding, result in resolved:
            outcome = recorder.record(finding, result)
            if searches is not None:
                searches.settle(finding)
            if store.is_due:
                await flush(store, seen)
            yield outcome


async def flush(store: DatasetWriter, seen: SeenIndex) -> None:
    """Write what waits in memory; only then is it known for good."""
    batch = seen.seal()

    def write() -> None:
        # The same rows on both sides: candidates and findings are appended by this task alone.
        written = store.flush()
        seen.commit(batch, {kind: written.get(kind, {}) for kind in (Candidate, Finding)})

    await asyncio.to_thread(write)


async def _resolved(
    findings: AsyncIterator[FoundPicture], engine: Engine, seen: SeenIndex, *, is_retry: bool
) -> AsyncGenerator[Resolved, None]:
    """Each finding with what it led to: known from before, or by way of the engine."""
    frontier = Frontier(findings, seen, share=engine.share, is_retry=is_retry)

    async def drive() -> None:
        try:
            async with aclosing(engine.run(frontier.jobs())) as ended:
                async for job, candidate in ended:
                    await frontier.end(job.finding, candidate)
        except Exception as exc:  # noqa: BLE001  # raised where the caller is
            await frontier.out.put(exc)
        else:
            await frontier.out.put(None)

    driving = asyncio.create_task(drive())
    try:
        while (resolved := await frontier.out.get()) is not None:
            if isinstance(resolved, Exception):
                raise resolved
            yield resolved
    finally:
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)


class _Recorder:
    """Puts outcomes into rows: a picture once, each way to it once."""

    def __init__(self, store: DatasetWriter, seen: SeenIndex, *, merge_near: bool) -> None:
        self._store, self._seen, self._merge_near = store, seen, merge_near

    def record(self, finding: Finding, result: Candidate | Resolution) -> Outcome:
        if isinstance(result, Candidate):
            outcome = self._record_candidate(result)
        else:
            # A follower belongs to the row that is stored: of the picture that its own was merged
            # with, of the first failure of its address.
            stored = self._seen.latest(finding.url)
            name = stored[0] if stored and stored[1] is result[1] else result[0]
            outcome = Outcome(finding.url, result[1], name, is_new=False)
        if self._seen.is_new_finding(finding, outcome.candidate_id):
            self._store.append(
                dataclasses.replace(
                    finding,
                    candidate_id=outcome.candidate_id,
                    found_at=finding.found_at or datetime.now(UTC),
                )
            )
        return dataclasses.replace(outcome, url=finding.url, source=finding.source)

    def _record_candidate(self, candidate: Candidate) -> Outcome:
        seen, status, name = self._seen, candidate.status, candidate.id
        outcome = Outcome(
            candidate.url,
            status,
            name,
            is_new=False,
            bytes=candidate.bytes or 0,
            error=candidate.error,
        )
        if status is not FetchStatus.OK:
            before = seen.latest(candidate.url)
            if before is not None and before[1] is status:
                return dataclasses.replace(outcome, candidate_id=before[0])
            self._store.append(candidate)
            seen.add(candidate)
            return outcome
        if seen.holds(name):
            seen.add_alias(candidate.url, (name, status))
            return outcome
        near = self._near(candidate)
        if near is not None:
            seen.add_alias(candidate.url, (near, status))
            return dataclasses.replace(outcome, candidate_id=near, is_merged=True)
        self._store.append(candidate)
        seen.add(candidate)
        return dataclasses.replace(outcome, is_new=True)

    def _near(self, candidate: Candidate) -> str | None:
        if not self._merge_near or not candidate.pdq:
            return None
        return self._seen.near(candidate.pdq, candidate.pdq_quality or 0)
