"""This is the state of one host: how its answers change the pace, without `pace`'s waiting.

The limit of downloads at a time is raised by one after as many good answers as it stands at, while
they come nearly as quickly as the host ever answered, and halved by 429, 503 and time-outs, as TCP
does with its window (additive increase, multiplicative decrease: RFC 5681). Some failures in a row
make it count as dead for a while: a circuit breaker.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harvester.schema import FetchStatus

_LONGEST_PAUSE_S = 24 * 3600.0
_NEAR = 3.0  # times a host's best answer
_NEAR_S = 0.05  # and as much again: on a quick host, noise is a multiple
_FORGET = 0.02  # how far each slower answer moves the best one


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceLimits:
    """How hosts are treated.

    Attributes:
        start, cap: downloads at a time from one host, at first and at most.
        pause_s: seconds of rest after a 429 or 503 that names none; doubles with each further
            one, up to longest_pause_s.
        longest_interval_s: the most that a crawl-delay can hold two requests apart.
        failures: in a row, that make a host count as dead for dead_s seconds.
        max_hosts: hosts that are remembered while nobody uses them.
    """

    start: int = 4
    cap: int = 16
    pause_s: float = 1.0
    longest_pause_s: float = 300.0
    longest_interval_s: float = 30.0
    failures: int = 5
    dead_s: float = 60.0
    max_hosts: int = 20_000


@dataclass(slots=True)
class Host:
    """What is known of one host, and what its answers do to that; no clock, no waiting.

    Attributes:
        limits: how it is treated.
        active: downloads under way.
        ready_at, next_at: before which it is not asked, because of its pause and of its interval;
            seconds of the caller's clock, like `now` and `started_at` in the methods.
    """

    limits: PaceLimits
    limit: int
    active: int = 0
    ready_at: float = 0.0  # after the pause that it wants
    next_at: float = 0.0  # after the interval that it wants
    interval_s: float = 0.0
    credit: int = 0
    best_s: float = math.inf
    mean_s: float | None = None
    eased_at: float = -math.inf
    pauses: int = 0  # in a row, that we had to choose ourselves
    throttled: int = 0
    failures: int = 0
    failed_with: FetchStatus = FetchStatus.CONNECTION
    is_dead: bool = False

    def is_free(self, now: float) -> bool:
        """Whether it takes another download now; from a dead host that has rested, one probe."""
        limit = 1 if self.is_dead else self.limit
        return self.active < limit and self.rest_s(now) <= 0

    def rest_s(self, now: float) -> float:
        """Seconds for which it is not to be asked; 0 or less where it may be."""
        return max(self.ready_at, self.next_at) - now

    @property
    def is_troubled(self) -> bool:
        """Whether it fails, or has asked for less."""
        return self.failures > 0 or self.throttled > 0

    def is_closed(self, now: float) -> bool:
        """Whether it counts as dead, and no probe can be sent now."""
        return self.is_dead and (self.ready_at > now or self.active > 0)

    def enter(self, now: float) -> None:
        """Count a download that begins."""
        self.active += 1
        if self.interval_s:
            self.next_at = now + self.interval_s

    def answer(self, latency_s: float | None) -> None:
        """Take in an answer, whatever it was, and the seconds until it came, where known."""
        self.failures, self.is_dead, self.pauses = 0, False, 0
        if latency_s is not None:
            self._adapt(latency_s)

    def fail(self, status: FetchStatus, started_at: float, now: float) -> None:
        """Take in that there was no answer to a request of a certain time."""
        self.failures += 1
        self.failed_with = status
        if status is FetchStatus.TIMEOUT:
            self._ease(started_at, now)
        if self.failures >= self.limits.failures:
            self.is_dead, self.limit, self.credit = True, 1, 0
            self.ready_at = max(self.ready_at, now + self.limits.dead_s)

    def throttle(self, pause_s: float | None, started_at: float, now: float) -> None:
        """Take in that it asks for less, and for the pause, in seconds, that it names or not."""
        self.failures, self.is_dead = 0, False
        self.throttled += 1
        is_first = self._ease(started_at, now)
        if not pause_s:
            self.pauses += is_first
            doubled = self.limits.pause_s * 2.0 ** min(max(self.pauses, 1) - 1, 30)
            pause_s = min(doubled, self.limits.longest_pause_s)
        self.ready_at = max(self.ready_at, now + min(pause_s, _LONGEST_PAUSE_S))

    def _ease(self, started_at: float, now: float) -> bool:
        """Halve the limit; but requests that ran side by side and failed together count once."""
        if started_at <= self.eased_at:
            return False
        self.limit, self.credit, self.eased_at = max(1, self.limit // 2), 0, now
        return True

    def _adapt(self, latency_s: float) -> None:
        is_near = latency_s <= _NEAR * self.best_s + _NEAR_S
        slower_s = latency_s - self.best_s
        self.best_s = latency_s if slower_s < 0 else self.best_s + _FORGET * slower_s
        mean_s = latency_s if self.mean_s is None else self.mean_s
        self.mean_s = mean_s + (latency_s - mean_s) / 8
        if 2 * (self.active + 1) < self.limit:
            return  # what is not used is not proven
        self.credit += 1 if is_near else -1
        if self.credit >= self.limit:
            self.limit, self.credit = min(self.limits.cap, self.limit + 1), 0
        elif self.credit <= -self.limit:
            self.limit, self.credit = max(min(2, self.limit), self.limit - 1), 0
