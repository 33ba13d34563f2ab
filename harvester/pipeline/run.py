"""This is one harvest from start to end: it opens what is needed, yields outcomes and counts them.

Searches are in `search` and exports in `generations`: each command imports what it needs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from harvester.dataset.storage import Location
from harvester.dataset.writer import DatasetWriter
from harvester.dedup.index import SeenIndex
from harvester.distribution import needs_extra
from harvester.errors import SourceError
from harvester.fetch.pace import HostPace
from harvester.fetch.settings import Network
from harvester.pipeline.candidates import SearchLedger, flush, harvest_candidates
from harvester.pipeline.engine import Engine, LocalEngine
from harvester.pipeline.frontier import FoundPicture
from harvester.pipeline.parallel import chunked
from harvester.progress.tally import Outcome, Tally
from harvester.schema import Candidate, FetchStatus
from harvester.shutdown import Stop


class EngineName(StrEnum):
    """Where pictures are fetched and decoded."""

    LOCAL = "local"
    RAY = "ray"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a harvest is carried out.

    Attributes:
        network: how pictures are downloaded.
        max_side: pixels of the longest side of the pictures that are stored.
        merge_near: whether near-duplicates of a stored picture are not stored again.
        engine: where the work is done; `address`: of the cluster, where it is done on one.
        stop: set by whoever wants the harvest to end in order.
        pace: how hard hosts are asked, for whoever wants to look at it.
    """

    network: Network = field(default_factory=Network)
    max_side: int = 512
    merge_near: bool = True
    engine: EngineName = EngineName.LOCAL
    address: str | None = None
    stop: Stop = field(default_factory=Stop)
    pace: HostPace = field(default_factory=HostPace)

    def open(self, is_opted_out: Callable[[str], bool]) -> AbstractAsyncContextManager[Engine]:
        """An engine, to be entered.

        Args:
            is_opted_out: whether the owner of an address opted out before, so that no redirect to
                it is followed; on a cluster, where workers know nothing of the dataset, without
                effect.

        Raises:
            InputError: if the network's settings, or Ray, cannot be used.
            ExtraMissingError: if Ray is not installed.
        """
        if self.engine is EngineName.RAY:
            with needs_extra("ray", "--engine ray"):
                from harvester.pipeline.ray_engine import RayEngine  # noqa: PLC0415
            self.network.fetcher()  # refuses here what every worker would refuse
            return RayEngine(
                self.network, address=self.address, max_side=self.max_side, stop=self.stop
            )
        fetcher = self.network.fetcher(pace=self.pace, stop=self.stop, is_opted_out=is_opted_out)
        return LocalEngine(fetcher, max_side=self.max_side, stop=self.stop)

    @property
    def settings(self) -> dict[str, Any]:
        """What the dataset's manifest tells of it."""
        return {
            "consent": str(self.network.policy),
            "contact": self.network.contact,
            "max_side": self.max_side,
            "near_duplicates": "merge" if self.merge_near else "keep",
            "engine": str(self.engine),
        }


Stream = Callable[[SearchLedger], AsyncIterator[FoundPicture]]
Outcomes = AsyncGenerator[Outcome, None]
"""What becomes of findings, as they end. Closing it early ends the harvest in order."""


def run_found(
    findings: Iterable[FoundPicture],
    out: Location,
    plan: Plan,
    tally: Tally,
    *,
    is_retry: bool = False,
    **settings: Any,
) -> Outcomes:
    """Bring the findings of a list or folder into a dataset; raises as `harvest_candidates`.

    Args:
        findings: from any source; read as far ahead as it is needed.
        out: the dataset.
        plan: how.
        tally: counts what is found, and each outcome before it is yielded.
        is_retry: ask again for what failed for good, too.
        settings: of the source, for the dataset's manifest.
    """

    async def stream(_: SearchLedger) -> AsyncIterator[FoundPicture]:
        async for chunk in chunked(findings):
            for picture in chunk:
                tally.found += 1
                yield picture

    return carry_out(stream, out, plan, tally, settings, is_retry=is_retry)


async def carry_out(
    stream: Stream,
    out: Location,
    plan: Plan,
    tally: Tally,
    settings: Mapping[str, Any],
    *,
    is_retry: bool = False,
) -> Outcomes:
    """Bring what a stream gives into a dataset; raises as `harvest_candidates` does.

    Args:
        stream: is handed the ledger of searches, and yields findings.
        out: the dataset.
        plan: how.
        tally: counts each outcome before it is yielded.
        settings: of the source, for the dataset's manifest.
        is_retry: ask again for what failed for good, too.
    """
    seen = SeenIndex(out)
    # Before the dataset is touched: what is refused here leaves no trace.
    opened = plan.open(seen.is_opted_out)
    with DatasetWriter(out, Candidate) as store, seen:
        store.note({**plan.settings, **settings})
        ledger = SearchLedger(store)
        async with opened as engine:
            outcomes = harvest_candidates(
                stream(ledger),
                store,
                engine,
                seen,
                searches=None if is_retry else ledger,  # what is retried was searched for before
                merge_near=plan.merge_near,
                is_retry=is_retry,
            )
            async with aclosing(outcomes):  # or an early end would leave it at work
                async for outcome in outcomes:
                    tally.count(outcome)
                    yield outcome
        await flush(store, seen)


def check_reached(tally: Tally) -> None:
    """Refuse to call a harvest done that had work and got not a single picture.

    Raises:
        SourceError: naming the commonest failure.
    """
    if tally.done and not tally.statuses[FetchStatus.OK]:
        status, count = tally.statuses.most_common(1)[0]
        raise SourceError(
            f"expected pictures, found none at {tally.done:,} addresses ({count:,} {status}); "
            "the rows with their reasons are stored: see the columns status and error"
        )
