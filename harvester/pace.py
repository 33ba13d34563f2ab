"""How hard a host may be asked: connections at a time; and how the pause it asks for is read."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(slots=True)
class _Slots:
    semaphore: asyncio.Semaphore
    users: int = 0


class HostSlots:
    """A few slots a host, so that one slow host cannot hold all connections; and its pauses.

    Hosts are forgotten when nobody uses them and no pause lasts: a harvest meets millions.
    """

    def __init__(self, per_host: int) -> None:
        self._per_host = per_host
        self._hosts: dict[str, _Slots] = {}
        self._resume_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._hosts)

    @asynccontextmanager
    async def hold(self, host: str) -> AsyncIterator[None]:
        """Wait for one of the host's slots, and keep it for the block."""
        slots = self._hosts.get(host)
        if slots is None:
            slots = self._hosts[host] = _Slots(asyncio.Semaphore(self._per_host))
        slots.users += 1
        try:
            async with slots.semaphore:
                yield
        finally:
            slots.users -= 1
            if not slots.users:
                del self._hosts[host]

    def pause(self, host: str, pause_s: float) -> None:
        """Take note that a host asked to be left alone for some seconds."""
        now = time.monotonic()
        self._resume_at = {name: at for name, at in self._resume_at.items() if at > now}
        self._resume_at[host] = max(now + pause_s, self._resume_at.get(host, 0.0))

    def pause_of(self, host: str) -> float:
        """Seconds for which a host still wants to be left alone; 0 where it may be asked."""
        return max(0.0, self._resume_at.get(host, 0.0) - time.monotonic())


def read_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds to wait by a `Retry-After` header; None where it is missing or makes no sense.

    Args:
        value: whole seconds, or an HTTP date.
        now: the moment that a date is counted from, in UTC.

    Source: RFC 9110, section 10.2.3.
    """
    if value is None:
        return None
    text = value.strip()[:64]
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    wait_s = (moment - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, float(math.ceil(wait_s)))
