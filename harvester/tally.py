"""What a harvest has come to so far, counted."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harvester.schema import FetchStatus, SearchStatus

if TYPE_CHECKING:
    from harvester.pipeline import Outcome


@dataclass(slots=True)
class Tally:
    """What a harvest has come to so far.

    Attributes:
        statuses: findings by how they ended.
        new: pictures stored that the dataset did not hold.
        known: findings of pictures that it held.
        bytes: downloaded or read.
        searches: searches by how they ended.
    """

    statuses: Counter[FetchStatus] = field(default_factory=Counter)
    new: int = 0
    known: int = 0
    bytes: int = 0
    searches: Counter[SearchStatus] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)

    @property
    def done(self) -> int:
        """Findings that have ended, well or not."""
        return self.statuses.total()

    @property
    def failed(self) -> int:
        """Findings that led to no picture."""
        return self.done - self.statuses[FetchStatus.OK]

    @property
    def rate(self) -> float:
        """Findings a second."""
        return self.done / max(time.monotonic() - self.started, 1e-3)

    def count(self, outcome: Outcome) -> None:
        """Take one outcome in."""
        self.statuses[outcome.status] += 1
        self.new += outcome.is_new
        self.known += outcome.status is FetchStatus.OK and not outcome.is_new
        self.bytes += outcome.bytes

    def record(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "new": self.new,
            "known": self.known,
            "failed": self.failed,
            "bytes": self.bytes,
            "seconds": round(time.monotonic() - self.started, 3),
            "statuses": {str(status): n for status, n in sorted(self.statuses.items())},
            "searches": {str(status): n for status, n in sorted(self.searches.items())},
        }
