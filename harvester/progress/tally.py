"""This is the tally of a harvest: its outcomes, counted.

Counting one outcome costs about a microsecond, and memory does not grow with the harvest: rates are
kept by the second, failures for the worst hosts alone. Read by another thread while it grows.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from harvester.schema import (
    CLASSES,
    FetchStatus,
    SearchStatus,
    class_of,
)
from harvester.urls import host_of

MAX_HOSTS = 1000
WINDOW_S = 30.0
_SHOWN_HOSTS = 20


class Window:
    """How fast some counts grow, by what they were when the last seconds began.

    Args:
        started: by the monotonic clock; every count was 0 then.
        span_s: seconds looked back on; a few more or fewer, since counts are kept by the second.
    """

    def __init__(self, started: float, span_s: float = WINDOW_S) -> None:
        self._span_s = span_s
        self._step_s = span_s / 30
        self._samples: deque[tuple[float, tuple[float, ...]]] = deque([(started, ())], 34)
        self.due = started + self._step_s

    def note(self, now: float, *counts: float) -> None:
        """Keep what the counts are now; to be called once `due` has come."""
        self._samples.append((now, counts))
        self.due = now + self._step_s

    def rates(self, now: float, *counts: float) -> tuple[float, ...]:
        """How much each count grew a second."""
        samples = tuple(self._samples)  # at once: another thread may be adding to them
        start, before = samples[0]
        for at, count in samples:
            if at > now - self._span_s:
                break
            start, before = at, count
        before = before or (0,) * len(counts)
        seconds = max(now - start, 1e-3)
        return tuple((one - was) / seconds for one, was in zip(counts, before, strict=True))


@dataclass(slots=True)
class Tally:
    """What a harvest has come to so far.

    Attributes:
        statuses: findings by how they ended.
        found: addresses that the source has named so far, where it is counted.
        new: pictures stored that the dataset did not hold.
        known: findings of pictures that it held.
        merged: findings of near-duplicates of pictures that it held.
        fetched: pictures that came in, whether or not the dataset held them.
        bytes: downloaded or read.
        searches: searches by how they ended.
        stopped: why, by the source, where a search engine ended early.
        sources: findings by what led to them.
        hosts: failures by host. But: beyond 2,000 hosts the rarer half is forgotten, so counts
            are exact for the worst ones and low for the rest.
    """

    statuses: Counter[FetchStatus] = field(default_factory=Counter)
    found: int = 0
    new: int = 0
    known: int = 0
    merged: int = 0
    fetched: int = 0
    bytes: int = 0
    searches: Counter[SearchStatus] = field(default_factory=Counter)
    stopped: dict[str, str] = field(default_factory=dict)
    sources: Counter[str] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)
    _window: Window = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._window = Window(self.started)

    @property
    def done(self) -> int:
        """Findings that have ended, well or not."""
        return self.statuses.total()

    @property
    def failed(self) -> int:
        """Findings that led to no picture."""
        return self.done - self.statuses[FetchStatus.OK]

    @property
    def classes(self) -> dict[str, int]:
        """Failures by class; each class is there."""
        counts = dict.fromkeys(CLASSES, 0)
        for status, count in tuple(self.statuses.items()):
            name = class_of(status)
            if name is not None:
                counts[name] += count
        return counts

    @property
    def rate(self) -> float:
        """Findings a second, since the start."""
        return self.done / max(time.monotonic() - self.started, 1e-3)

    def rates(self) -> tuple[float, float]:
        """Pictures and bytes that came in a second, over the last half minute."""
        images, received = self._window.rates(time.monotonic(), self.fetched, self.bytes)
        return images, received

    def count(self, outcome: Outcome) -> None:
        """Take one outcome in."""
        is_ok = outcome.status is FetchStatus.OK
        self.statuses[outcome.status] += 1
        if is_ok:
            self.new += outcome.is_new
            self.merged += outcome.is_merged
            self.known += not (outcome.is_new or outcome.is_merged)
            self.fetched += outcome.bytes > 0
        else:
            self._count_failure(host_of(outcome.url))
        self.bytes += outcome.bytes
        if outcome.source:
            self.sources[outcome.source] += 1
        now = time.monotonic()
        if now >= self._window.due:
            self._window.note(now, self.fetched, self.bytes)

    def _count_failure(self, host: str) -> None:
        if not host:
            return
        self.hosts[host] += 1
        if len(self.hosts) > 2 * MAX_HOSTS:
            self.hosts = Counter(dict(self.hosts.most_common(MAX_HOSTS)))

    def record(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "found": max(self.found, self.done),
            "fetched": self.fetched,
            "new": self.new,
            "known": self.known,
            "merged": self.merged,
            "failed": self.failed,
            "bytes": self.bytes,
            "seconds": round(time.monotonic() - self.started, 3),
            "classes": self.classes,
            "statuses": {str(status): n for status, n in sorted(self.statuses.items())},
            "sources": dict(sorted(self.sources.items())),
            "failing_hosts": dict(self.hosts.most_common(_SHOWN_HOSTS)),
            "searches": {str(status): n for status, n in sorted(self.searches.items())},
            **({"stopped": dict(sorted(self.stopped.items()))} if self.stopped else {}),
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one finding.

    Attributes:
        is_new: whether a picture was stored that the dataset did not hold.
        is_merged: whether it is a near-duplicate of a picture that is stored.
        bytes: of the picture as served; 0 where nothing was fetched.
    """

    url: str
    status: FetchStatus
    candidate_id: str
    is_new: bool
    bytes: int = 0
    error: str | None = None
    source: str = ""
    is_merged: bool = False
