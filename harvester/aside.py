"""Findings that wait for their host outside of memory, so that others need not wait behind them.

A list sorted by host, or one host with most of a list, would fill an engine's window with addresses
that can only be asked for one after another. Beyond a share of the window they are put here, in a
temporary SQLite file that SQLite itself removes, and taken out as their host gets on.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections import Counter
from types import TracebackType
from typing import Self

from harvester.schema import Finding

MOST = 1_000_000
"""Findings that are kept, at about half a kilobyte of disk each."""

_CACHE_KB = 4096


class Aside:
    """Findings by host, first in, first out; a context manager, for one thread."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        # An empty name is a file that nobody else can open, and that goes when it is closed.
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute(f"pragma cache_size = -{_CACHE_KB}")
        self._file.execute("pragma journal_mode = off")
        self._file.execute(
            "create table aside (host text, number integer, finding blob, "
            "primary key (host, number)) without rowid"
        )
        self._next = self._taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._next - self._taken

    @property
    def is_full(self) -> bool:
        """Whether no more is to be put here."""
        return len(self) >= MOST

    @property
    def hosts(self) -> list[str]:
        """Those that findings wait for."""
        return list(self._counts)

    def holds(self, host: str) -> bool:
        """Whether findings of a host wait here."""
        return host in self._counts

    def put(self, host: str, finding: Finding) -> None:
        """Keep one finding of a host."""
        row = (host, self._next, pickle.dumps(finding, pickle.HIGHEST_PROTOCOL))
        self._file.execute("insert into aside values (?, ?, ?)", row)
        self._next += 1
        self._counts[host] += 1

    def take(self, host: str, most: int) -> list[Finding]:
        """Take out the oldest findings of a host, at most so many."""
        rows = self._file.execute(
            "select number, finding from aside where host = ? order by number limit ?", (host, most)
        ).fetchall()
        if not rows:
            return []
        last = rows[-1][0]
        self._file.execute("delete from aside where host = ? and number <= ?", (host, last))
        self._taken += len(rows)
        self._counts[host] -= len(rows)
        if not self._counts[host]:
            del self._counts[host]
        return [pickle.loads(kept) for _, kept in rows]  # noqa: S301  # our own, put just above
