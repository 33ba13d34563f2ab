"""This is the politeness scheduler of a cluster: `pace.HostPace` in actors, a group of hosts each.

A worker asks the actor of a host for a turn and tells it how the download went, so that a host sees
one harvest, however many machines work at it. Turns of a worker that has died are given back some
seconds later.
But: an actor that dies begins anew and has forgotten who is slow.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harvester.fetch.pace import HostPace, HostState, PaceRefusal, Turn, TurnOutcome
from harvester.schema import FetchStatus
from harvester.shutdown import Stop

GROUPS = 4
BEAT_S = 3.0
SILENT_S = 15.0
"""A worker that was not heard of for so many seconds is dead, and its turns are given back."""
_AT_ONCE = 100_000


def open_pace(groups: int = GROUPS) -> tuple[Any, ...]:
    """Actors for so many groups of hosts; whoever opened them ends them with `ray.kill`.

    On the node of whoever asks: without that one the harvest is over in any case.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    actor = ray.remote(PaceActor).options(
        num_cpus=0,
        max_restarts=-1,
        max_task_retries=-1,
        max_concurrency=_AT_ONCE,
        scheduling_strategy=here,
    )
    return tuple(actor.remote() for _ in range(groups))


class PaceActor:
    """The pace of one group of hosts; its methods are called from other machines."""

    def __init__(self) -> None:
        self._pace = HostPace()
        # Not from 0: turns of the actor that this one stands in for are still to be given back.
        self._numbers = itertools.count(time.time_ns())
        self._held: dict[int, tuple[AbstractAsyncContextManager[Turn], Turn, str]] = {}
        self._heard: dict[str, float] = {}
        self._watching: asyncio.Task[None] | None = None
        self._is_ending = False

    async def end(self) -> None:
        """Tell all workers, with their next beat, that the harvest is to stop."""
        self._is_ending = True

    async def beat(self, worker: str) -> bool:
        """A worker lives; whether it is to begin nothing more."""
        self._heard[worker] = time.monotonic()
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        return self._is_ending

    async def take(
        self, worker: str, host: str, patience_s: float
    ) -> int | tuple[FetchStatus, str, float | None]:
        """The number of a turn; or why there is none, which would be costly as an exception."""
        await self.beat(worker)
        held = self._pace.turn(host, patience_s=patience_s)
        try:
            turn = await held.__aenter__()
        except PaceRefusal as refusal:
            return refusal.status, str(refusal), refusal.retry_after_s
        if not self._lives(worker):  # it died in the queue
            await held.__aexit__(None, None, None)
            return FetchStatus.CONNECTION, "expected a worker, found it gone", None
        number = next(self._numbers)
        self._held[number] = held, turn, worker
        return number

    def _lives(self, worker: str) -> bool:
        return time.monotonic() - self._heard.get(worker, -math.inf) < SILENT_S

    async def give_back(
        self,
        number: int,
        latency_s: float | None,
        report: tuple[TurnOutcome, float | None, FetchStatus | None] | None,
    ) -> None:
        """End a turn, with what the worker says of it."""
        if number not in self._held:
            return
        held, turn, _ = self._held.pop(number)
        if report is not None:
            verdict, retry_after_s, status = report
            turn.latency_s = latency_s  # as the worker saw it, without the way to here
            turn.report(verdict, retry_after_s, status=status)
        await held.__aexit__(None, None, None)

    async def space_out(self, host: str, interval_s: float) -> None:
        """As `Pace.space_out`."""
        self._pace.space_out(host, interval_s)

    async def snapshot(self, most: int) -> list[HostState]:
        """As `Pace.snapshot`."""
        return self._pace.snapshot(most)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            for worker in [one for one in self._heard if not self._lives(one)]:
                del self._heard[worker]
            for number in [n for n, (_, _, one) in self._held.items() if not self._lives(one)]:
                await self.give_back(number, None, None)


class RayPace:
    """A `pace.Pace` whose turns are granted by actors.

    Args:
        actors: of `open_pace`.
        stop: set once the harvest is to stop.
    """

    def __init__(self, actors: Sequence[Any], stop: Stop | None = None) -> None:
        self._actors = actors
        self._stop = stop or Stop()
        self._spaced: dict[str, float] = {}
        self._name = uuid4().hex
        self._beating: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def turn(self, host: str, *, patience_s: float) -> AsyncIterator[Turn]:
        """As `HostPace.turn`."""
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat())
        actor = self._actor_of(host)
        request = asyncio.ensure_future(_result(actor.take.remote(self._name, host, patience_s)))
        try:
            got = await asyncio.shield(request)
        except asyncio.CancelledError:
            request.add_done_callback(lambda done: _return(actor, done))
            raise
        if not isinstance(got, int):
            status, reason, retry_after_s = got
            raise PaceRefusal(status, reason, retry_after_s=retry_after_s)
        turn = Turn(time.monotonic, time.monotonic())
        try:
            yield turn
        finally:
            report = None
            if turn.verdict is not None:
                report = (turn.verdict, turn.retry_after_s, turn.status)
            actor.give_back.remote(got, turn.latency_s, report)

    def space_out(self, host: str, interval_s: float) -> None:
        """As `HostPace.space_out`; told once, since every download of the host says so again."""
        if self._spaced.get(host) == interval_s:
            return
        if len(self._spaced) > _AT_ONCE:
            self._spaced.clear()
        self._spaced[host] = interval_s
        self._actor_of(host).space_out.remote(host, interval_s)

    def snapshot(self, most: int = 8) -> list[HostState]:
        """Nothing: a worker shows no progress."""
        del most
        return []

    async def _beat(self) -> None:
        while True:
            beats = [actor.beat.remote(self._name) for actor in self._actors]
            with contextlib.suppress(RayError):
                if await _result(beats[0]):
                    self._stop.set()
            await asyncio.sleep(BEAT_S)

    def _actor_of(self, host: str) -> Any:
        return self._actors[zlib.crc32(host.encode("utf-8", "replace")) % len(self._actors)]


async def _result(ref: Any) -> Any:
    return await asyncio.wrap_future(ref.future())


def _return(actor: Any, done: asyncio.Future[Any]) -> None:
    """Give back a turn that came after its download had been given up."""
    if not done.cancelled() and done.exception() is None and isinstance(done.result(), int):
        actor.give_back.remote(done.result(), None, None)
