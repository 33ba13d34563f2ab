"""These are the values of one download: its limits, its state under way, and its result."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from harvester.consent.signals import Signal, rights_of
from harvester.fetch.body import MemorySlot
from harvester.fetch.faults import FetchError
from harvester.fetch.pace import Turn, TurnOutcome
from harvester.schema import FailureClass, FetchStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """What one download may cost.

    Attributes:
        max_bytes: of the body, as sent and as unpacked.
        deadline_s: seconds for one try, from name look-up to last byte; all tries and pauses
            together get twice as many.
        answer_s: seconds until the head of an answer is there.
        connect_s: seconds for a connection.
        min_rate: bytes a second that a body has to come with, once it has come for five seconds.
        max_redirects: hops after the first address.
        attempts: tries in all; only faults that may pass are tried again.
        pause_s: seconds before the second try; doubles with each further one, and as much again
            is added at random.
    """

    max_bytes: int = 32 << 20
    deadline_s: float = 30.0
    answer_s: float = 15.0
    connect_s: float = 10.0
    min_rate: float = 1000.0
    max_redirects: int = 5
    attempts: int = 3
    pause_s: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """How one download ended; never an exception.

    Attributes:
        url: as asked for. final_url: the one that answered; None where none was asked.
        body: as served, or empty where status is not `OK`.
        mime: the server's word for it, in lower case, without parameters.
        signals: what the owner says of its use, in the answer, in the redirects to it and in the
            site's rules.
        error: one line; None where status is `OK`.
    """

    status: FetchStatus
    url: str
    final_url: str | None = None
    body: bytes = field(default=b"", repr=False)
    mime: str | None = None
    etag: str | None = None
    signals: tuple[Signal, ...] = ()
    error: str | None = None

    @property
    def rights(self) -> tuple[str, ...]:
        """The signals as they are stored."""
        return rights_of(self.signals)


class Stopped(Exception):  # noqa: N818  # no error: the harvest is told to end
    """The download was not begun, because the fetcher was told to stop."""


@dataclass(slots=True)
class Download:
    """One download under way: what is known of it, whether it ends well or badly."""

    url: str
    address: httpx.URL
    room: MemorySlot
    left_s: float
    tries: int = 0
    final_url: str | None = None
    signals: list[Signal] = field(default_factory=list)


@dataclass(slots=True)
class HostTurns:
    """The turns that one try has taken, one a host, and the one that it is in."""

    turns: AsyncExitStack
    turn: Turn


def outcome_of(fault: FetchError) -> TurnOutcome:
    """What a failed download says of the host that was asked last."""
    if fault.status.failure_class is FailureClass.THROTTLED:
        return TurnOutcome.THROTTLED
    if fault.status.failure_class is FailureClass.TRANSIENT:
        return TurnOutcome.FAILED
    return TurnOutcome.REFUSED


MAX_FILE_BYTES = 256 << 20


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
