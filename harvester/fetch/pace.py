"""This is the politeness scheduler: connections a host, pauses, and when a host counts as dead.

Every host has a limit of its own, which its answers move (`host`), and a queue. What a host
asks for holds for all downloads from it: `Retry-After`, a pause of our own where it names none,
crawl-delay. One that only fails is left alone, so that dead hosts cost nothing.

But: a host is a name; what several names share (one server, one CDN) is not known here. Of hosts
that nobody uses only the latest are remembered.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from harvester.fetch.faults import FetchError
from harvester.fetch.host import Host, PaceLimits
from harvester.schema import FetchStatus

_LONGEST_WAIT_S = 24 * 3600.0


class TurnOutcome(StrEnum):
    """What one download says of its host."""

    OK = "ok"
    REFUSED = "refused"  # it answers, though with no picture
    FAILED = "failed"  # it does not: time-out, connection, name, TLS, 5xx
    THROTTLED = "throttled"  # it asks for less: 429, 503


class PaceRefusal(FetchError):  # noqa: N818  # no error: a request that was never made
    """No turn: the host is dead, or wants a longer pause than the caller has time for."""

    def __init__(
        self, status: FetchStatus, reason: str, *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(status, reason, retry_after_s=retry_after_s, mendable=False)


@dataclass(frozen=True, slots=True)
class HostState:
    """One host, for a person to look at.

    Attributes:
        active, waiting, limit: downloads under way, in the queue, and allowed at a time.
        latency_s: a running mean of the time to an answer; None before the first.
        failures: in a row.
        throttled: answers 429 or 503, in all that is remembered.
        rest_s: for which it is not asked: pause, interval or dead.
        is_dead: whether the circuit breaker is open.
    """

    host: str
    active: int
    waiting: int
    limit: int
    latency_s: float | None
    failures: int
    throttled: int
    rest_s: float
    is_dead: bool


@dataclass(slots=True)
class Turn:
    """One download's turn at a host; says in the end how it went. The first report counts."""

    clock: Callable[[], float] = time.monotonic
    started_at: float = 0.0
    latency_s: float | None = None
    verdict: TurnOutcome | None = None
    status: FetchStatus | None = None
    retry_after_s: float | None = None

    def start(self) -> None:
        """The request goes out now; without this word, it went out when the turn began."""
        self.started_at = self.clock()

    def answered(self) -> None:
        """The head of the answer is there; without this word, that was when it was reported."""
        if self.latency_s is None:
            self.latency_s = self.clock() - self.started_at

    def report(
        self,
        verdict: TurnOutcome,
        retry_after_s: float | None = None,
        *,
        status: FetchStatus | None = None,
    ) -> None:
        """How it went; a turn without a report (one given up) says nothing of the host.

        Args:
            verdict: of the whole turn.
            retry_after_s: the pause that the host asked for, in seconds.
            status: of a failure, for those who are refused because of it.
        """
        if self.verdict is None:
            self.answered()
            self.verdict, self.status, self.retry_after_s = verdict, status, retry_after_s


@dataclass(slots=True)
class _Queue:
    """A host, and who waits for it until when, in order."""

    host: Host
    # A list, though it is taken from in front: an empty deque takes 600 bytes, times all hosts.
    waiting: list[tuple[asyncio.Future[None], float]] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


class Pace(Protocol):
    """Whatever grants turns: this process, or one that several machines ask."""

    def turn(self, host: str, *, patience_s: float) -> AbstractAsyncContextManager[Turn]:
        """Wait for a turn, and keep it for the block; raises PaceRefusal."""

    def space_out(self, host: str, interval_s: float) -> None:
        """Take note of the least time between two requests that a host wants, in seconds."""

    def snapshot(self, most: int = 8) -> list[HostState]:
        """The hosts that hold a harvest up most, worst first."""


class HostPace:
    """Turns for the downloads of one event loop, first come, first served within each host.

    Args:
        limits: how hosts are treated; None gives the usual ones.
        clock: seconds, never going back.
    """

    def __init__(
        self, limits: PaceLimits | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits or PaceLimits()
        self._clock = clock
        self._used: dict[str, _Queue] = {}
        self._idle: OrderedDict[str, _Queue] = OrderedDict()

    def __len__(self) -> int:
        return len(self._used) + len(self._idle)

    @asynccontextmanager
    async def turn(self, host: str, *, patience_s: float) -> AsyncIterator[Turn]:
        """Wait for a turn at a host, and keep it for the block.

        Args:
            host: its name, as connections are made to it.
            patience_s: seconds of rest that the caller can wait out; a rest known to be longer
                refuses at once. Standing behind other downloads is no rest and takes what it takes.

        Raises:
            PaceRefusal: `THROTTLED` where the host wants a longer rest, the status of its failures
                where it counts as dead.
        """
        queue = self._take(host)
        try:
            await self._enter(host, queue, patience_s)
            turn = Turn(self._clock, self._clock())
            try:
                yield turn
            finally:
                queue.host.active -= 1
                self._learn(queue.host, turn)
                self._grant(host, queue)
        finally:
            self._let_go(host, queue)

    def space_out(self, host: str, interval_s: float) -> None:
        """Take note of the least time between two requests that a host wants, in seconds."""
        queue = self._take(host)
        queue.host.interval_s = min(max(interval_s, 0.0), self._limits.longest_interval_s)
        self._let_go(host, queue)

    def snapshot(self, most: int = 8) -> list[HostState]:
        """The hosts that hold a harvest up most: the dead, the failing, then the slowest in use."""
        now = self._clock()
        states = (
            HostState(
                host=host,
                active=queue.host.active,
                waiting=len(queue.waiting),
                limit=queue.host.limit,
                latency_s=queue.host.mean_s,
                failures=queue.host.failures,
                throttled=queue.host.throttled,
                rest_s=max(0.0, queue.host.rest_s(now)),
                is_dead=queue.host.is_dead,
            )
            for queues in (self._used, self._idle)
            for host, queue in queues.items()
            if queues is self._used or queue.host.is_troubled
        )
        return heapq.nlargest(
            most,
            states,
            key=lambda s: (s.is_dead, s.rest_s > 1, s.failures, s.throttled, s.latency_s or 0.0),
        )

    def _take(self, host: str) -> _Queue:
        queue = self._used.get(host) or self._idle.pop(host, None)
        if queue is None:
            queue = _Queue(Host(self._limits, self._limits.start))
        self._used[host] = queue
        return queue

    def _let_go(self, host: str, queue: _Queue) -> None:
        if queue.host.active or queue.waiting or self._used.get(host) is not queue:
            return
        del self._used[host]
        self._idle[host] = queue
        now = self._clock()
        for _ in range(8):
            if len(self._idle) <= self._limits.max_hosts:
                return
            oldest, forgotten = self._idle.popitem(last=False)
            if forgotten.host.ready_at > now:  # a host's wish outlives what it has taught
                self._idle[oldest] = forgotten
        if len(self._idle) > self._limits.max_hosts:
            self._idle.popitem(last=False)

    async def _enter(self, host: str, queue: _Queue, patience_s: float) -> None:
        now = self._clock()
        if queue.host.is_closed(now):
            raise _dead(host, queue.host)
        rest_s = max(queue.host.rest_s(now), 0.0) + queue.host.interval_s * len(queue.waiting)
        if rest_s > patience_s:
            raise _resting(host, rest_s)
        if not queue.waiting and queue.host.is_free(now):
            queue.host.enter(now)
            return
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        queue.waiting.append((waiter, now + patience_s))
        patience_s = min(patience_s, _LONGEST_WAIT_S)
        end_of_patience = loop.call_later(patience_s, self._give_up, host, queue, waiter)
        self._grant(host, queue)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                queue.host.active -= 1  # granted and given up in the same moment
                self._grant(host, queue)
            raise
        finally:
            end_of_patience.cancel()
            while queue.waiting and queue.waiting[0][0].done():
                queue.waiting.pop(0)

    def _give_up(self, host: str, queue: _Queue, waiter: asyncio.Future[None]) -> None:
        rest_s = queue.host.rest_s(self._clock())
        # Whoever merely stands behind others goes on waiting: the host does what it can.
        if not waiter.done() and rest_s > 0:
            waiter.set_exception(_resting(host, rest_s))

    def _grant(self, host: str, queue: _Queue) -> None:
        """Let in whom the host can take now; see to it that the others are looked at in time."""
        if queue.timer is not None:
            queue.timer.cancel()
            queue.timer = None
        now = self._clock()
        while queue.waiting:
            waiter, until = queue.waiting[0]
            if not waiter.done():
                if queue.host.is_closed(now):
                    waiter.set_exception(_dead(host, queue.host))
                elif now < queue.host.ready_at > until:
                    waiter.set_exception(_resting(host, queue.host.ready_at - now))
                elif queue.host.is_free(now):
                    queue.host.enter(now)
                    waiter.set_result(None)
                else:
                    break
            queue.waiting.pop(0)
        rest_s = queue.host.rest_s(now)
        if queue.waiting and rest_s > 0:
            loop = asyncio.get_running_loop()
            queue.timer = loop.call_later(rest_s, self._grant, host, queue)

    def _learn(self, host: Host, turn: Turn) -> None:
        now = self._clock()
        match turn.verdict:
            case TurnOutcome.OK | TurnOutcome.REFUSED:
                host.answer(turn.latency_s)
            case TurnOutcome.FAILED:
                host.fail(turn.status or FetchStatus.CONNECTION, turn.started_at, now)
            case TurnOutcome.THROTTLED:
                host.throttle(turn.retry_after_s, turn.started_at, now)


def _dead(host: str, state: Host) -> PaceRefusal:
    return PaceRefusal(
        state.failed_with,
        f"expected a host that answers, found {state.failures} failures in a row of {host}"
        " and left it alone; a later run asks again",
    )


def _resting(host: str, rest_s: float) -> PaceRefusal:
    reason = (
        f"expected a host that may be asked, found that {host} wants {math.ceil(rest_s):,} s"
        " of rest; a later run asks again"
    )
    return PaceRefusal(FetchStatus.THROTTLED, reason, retry_after_s=rest_s)
