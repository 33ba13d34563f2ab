"""This is the engine on a Ray cluster: units of the list, each fetched and decoded on a node.

A unit is some hundred addresses. What it gives is only a value: nothing is written on a node, so a
worker or node that is killed costs its units alone, which Ray does again elsewhere. The one writer
is the process that was started, with the same `candidates`, `dedup.index` and shards as on one
machine; so nothing is stored twice and every promise of resuming holds.

How hard a host is asked is kept in actors, one for each group of hosts, which every worker asks for
a turn. But: robots.txt is asked for once a worker process and site, not once a cluster, and all
pictures pass through the one writer: `docs/scale.md` says where that ends.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Self

import ray
from ray.exceptions import RayError, RayTaskError

from harvester.errors import SourceError, reason_of
from harvester.fetch.settings import Network
from harvester.pipeline.engine import FetchJob, LocalEngine
from harvester.pipeline.parallel import in_parallel
from harvester.pipeline.ray_pace import RayPace, open_pace
from harvester.schema import Candidate, FetchStatus, failed_id
from harvester.shutdown import Stop

UNIT = 200
"""Addresses of a unit: enough to keep many hosts busy, few enough to do again."""
_UNITS_A_CORE = 2
"""While one unit waits for its slowest host, another has the core."""
_LEAST_UNITS = 8
_PATIENCE_S = 1.0
_GRACE_S = 20.0
"""Workers hear of it within a beat of 3 s, and give their downloads 10 s themselves."""
_RETRIES = 5
_KNOCK_S = 5.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSettings:
    """What a worker needs to know; sent with every unit."""

    network: Network
    max_side: int
    pace: tuple[Any, ...]


class RayEngine:
    """Units of jobs on a cluster; an async context manager.

    Args:
        network: how pictures are downloaded; files that it names have to be on every node.
        address: of a cluster that runs; None starts one on this machine, for this harvest.
        max_side: pixels of the longest side of the pictures that are stored.
        unit: jobs of a unit.
        stop: once it is set no unit is begun any more.

    Raises:
        SourceError: on entering, if the cluster cannot be reached.
    """

    share = 8 * UNIT

    def __init__(
        self,
        network: Network,
        *,
        address: str | None = None,
        max_side: int = 512,
        unit: int = UNIT,
        stop: Stop | None = None,
    ) -> None:
        self._network, self._address, self._max_side = network, address, max_side
        self._unit = unit
        self._stop = stop or Stop()
        self._is_ours = False
        self._settings: UnitSettings | None = None

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._connect)
        return self

    def _connect(self) -> None:
        if not ray.is_initialized():
            try:
                _knock(self._address)
                ray.init(
                    address=self._address,
                    include_dashboard=False if self._address is None else None,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
            except (RayError, OSError, ValueError, RuntimeError) as exc:
                raise SourceError(
                    f"ray: expected a cluster at {self._address or 'this machine'}, found "
                    f"{reason_of(exc)}; check --address, or use --engine local"
                ) from exc
            self._is_ours = True
        self._settings = UnitSettings(
            network=self._network, max_side=self._max_side, pace=open_pace()
        )

    async def __aexit__(self, *_: object) -> None:
        if self._settings is not None:
            for actor in self._settings.pace:
                ray.kill(actor)
        if self._is_ours:
            await asyncio.to_thread(ray.shutdown)

    async def run(
        self, jobs: AsyncIterator[FetchJob]
    ) -> AsyncGenerator[tuple[FetchJob, Candidate], None]:
        """As `Engine.run`; candidates come a unit at a time."""
        cores = float(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
        # More units than there is room for now: nodes may join, and Ray lets the others wait.
        at_once = max(_LEAST_UNITS, int(2 * _UNITS_A_CORE * cores))
        units = _in_units(jobs, self._unit)
        telling = asyncio.create_task(self._tell_of_stop())
        try:
            ended = in_parallel(units, self._do, at_once, stop=self._stop, grace_s=_GRACE_S)
            async with aclosing(ended):
                async for unit, candidates in ended:
                    for job, candidate in zip(unit, candidates, strict=True):
                        if candidate is not None:
                            yield job, candidate
        finally:
            telling.cancel()

    async def _tell_of_stop(self) -> None:
        await self._stop.wait()
        for actor in self._settings.pace if self._settings else ():
            actor.end.remote()

    async def _do(self, unit: list[FetchJob]) -> tuple[list[FetchJob], Sequence[Candidate | None]]:
        work = _fetch_unit.options(num_cpus=1 / _UNITS_A_CORE, max_retries=_RETRIES)
        ref = work.remote(self._settings, unit)
        try:
            candidates: list[Candidate | None] = await asyncio.wrap_future(ref.future())
        except asyncio.CancelledError:
            ray.cancel(ref, force=True)
            raise
        except RayTaskError as exc:  # the worker lives, and every other would fail alike
            raise SourceError(
                f"ray: expected the workers to do their units, found {reason_of(exc.cause)}; "
                "install the same whence, and the files that options name, on every node"
            ) from exc
        except RayError as exc:
            _LOG.warning("a unit of %d addresses was lost: %s", len(unit), reason_of(exc))
            return unit, [_lost(job, exc) for job in unit]
        return unit, candidates


def _knock(address: str | None) -> None:
    """Raise OSError where nobody listens: Ray itself would wait for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and "/" not in host and port.isdecimal():
        socket.create_connection((host, int(port)), _KNOCK_S).close()


def _lost(job: FetchJob, exc: RayError) -> Candidate:
    """The row of an address whose worker died each time; a later run tries it again."""
    finding = job.finding
    error = f"expected a worker to end its unit, found {type(exc).__name__}"
    return Candidate(
        id=failed_id(finding.url),
        url=finding.url,
        source=finding.source,
        query_prompt=finding.query_prompt,
        query=finding.query,
        rank=finding.rank,
        status=FetchStatus.CONNECTION,
        error=error,
    )


async def _in_units(jobs: AsyncIterator[FetchJob], size: int) -> AsyncIterator[list[FetchJob]]:
    """Jobs by the unit; a smaller one where the next job lets wait, maybe for one of these."""
    unit: list[FetchJob] = []
    coming: asyncio.Future[FetchJob | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(jobs, None))
            if unit and not (await asyncio.wait([coming], timeout=_PATIENCE_S))[0]:
                yield unit
                unit = []
            try:
                job = await coming
            except Exception:
                if unit:
                    yield unit
                raise
            coming = None
            if job is not None:
                unit.append(job)
            if unit and (job is None or len(unit) >= size):
                yield unit
                unit = []
            if job is None:
                return
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


@ray.remote
def _fetch_unit(settings: UnitSettings | None, unit: list[FetchJob]) -> list[Candidate | None]:
    """On a worker: the candidates of a unit, in its order; None for what was not begun."""
    if settings is None:
        raise ValueError("expected an engine that is open, found one that was not entered")
    return _Worker.of(settings).do(unit)


class _Worker:
    """What a worker process keeps from unit to unit: its loop, connections and decoders."""

    _made: tuple[UnitSettings, _Worker] | None = None

    @classmethod
    def of(cls, settings: UnitSettings) -> _Worker:
        if cls._made is None or cls._made[0] != settings:
            cls._made = (settings, cls(settings))
        return cls._made[1]

    def __init__(self, settings: UnitSettings) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="unit", daemon=True).start()
        stop = Stop()
        fetcher = settings.network.fetcher(pace=RayPace(settings.pace, stop), stop=stop)
        self._engine = LocalEngine(fetcher, max_side=settings.max_side, processes=1, stop=stop)
        self._wait(self._engine.__aenter__())

    def do(self, unit: Sequence[FetchJob]) -> list[Candidate | None]:
        candidates: list[Candidate | None] = self._wait(self._run(unit))
        return candidates

    async def _run(self, unit: Sequence[FetchJob]) -> list[Candidate | None]:
        async def jobs() -> AsyncIterator[FetchJob]:
            for job in unit:
                yield job

        places = {id(job): place for place, job in enumerate(unit)}
        candidates: list[Candidate | None] = [None] * len(unit)
        async for job, candidate in self._engine.run(jobs()):
            candidates[places[id(job)]] = candidate
        return candidates

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
