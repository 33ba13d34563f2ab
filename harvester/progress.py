"""How far a harvest is, for a person: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from harvester.pipeline import Outcome
from harvester.run import Tally

PLAIN_EVERY_S = 10.0


class Counting:
    """Shows how many of some things are done; a context manager.

    Args:
        console: where to; a bar on a terminal, a line every ten seconds elsewhere.
        what: is being done, for a person.
        total: how many there are, where known from the start.
    """

    def __init__(self, console: Console, what: str, total: int | None = None) -> None:
        self._console, self._what = console, what
        self._done, self._total = 0, total
        self._started = self._last_plain = time.monotonic()
        self._live = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._live.add_task(what, total=total, visible=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def advance(self, done: int | None = None, total: int | None = None) -> None:
        """One more is done; or `done` of `total` are, for work that counts by itself."""
        self._done = self._done + 1 if done is None else done
        self._total = self._total if total is None else total
        rate = self._done / max(time.monotonic() - self._started, 1e-3)
        text = f"{self._what}, {rate:,.1f}/s"
        if self._console.is_terminal:
            self._live.update(
                self._task, completed=self._done, total=self._total, description=text, visible=True
            )
        elif time.monotonic() - self._last_plain >= PLAIN_EVERY_S:
            self._last_plain = time.monotonic()
            left = f", about {max(0, (self._total or 0) - self._done) / rate:,.0f} s left"
            self._console.print(
                f"{text}: {self._done:,} of {self._total or '?'}{left if self._total else ''}",
                markup=False,
                highlight=False,
            )


class HarvestProgress:
    """Shows a `Tally` while it grows; a context manager.

    Args:
        console: where to; decides by itself between live and plain.
        expected: how much there is to do, where known; without, no time left is shown.
        position: how much of that is done; the findings that have ended, unless given.
    """

    def __init__(
        self,
        console: Console,
        expected: int | None = None,
        position: Callable[[], int] | None = None,
    ) -> None:
        self._console = console
        self._expected = expected
        self._position = position
        self._started = self._last_plain = time.monotonic()
        self._live = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            *([BarColumn(bar_width=20), TimeRemainingColumn()] if expected else []),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._live.add_task("starting", total=expected)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def update(self, tally: Tally, _: Outcome | None = None) -> None:
        """Show the tally; cheap enough to call for each finding."""
        done = tally.done if self._position is None else self._position()
        if self._console.is_terminal:
            self._live.update(self._task, completed=done, description=describe(tally))
        elif time.monotonic() - self._last_plain >= PLAIN_EVERY_S:
            self._last_plain = time.monotonic()
            left = self._time_left(done)
            self._console.print(describe(tally) + left, markup=False, highlight=False)

    def _time_left(self, done: int) -> str:
        if not self._expected or not done:
            return ""
        seconds = (time.monotonic() - self._started) * max(0, self._expected - done) / done
        return f" · about {seconds:,.0f} s left"


def describe(tally: Tally) -> str:
    """A tally in one line."""
    return (
        f"{tally.done:,} found · {tally.new:,} new · {tally.known:,} known · "
        f"{tally.failed:,} failed · {tally.rate:,.1f}/s · {tally.bytes / 1e6:,.1f} MB"
    )


def summarise(tally: Tally) -> list[str]:
    """The end of a harvest in a few lines: what is stored, what failed and why."""
    lines = [describe(tally)]
    for status, count in tally.statuses.most_common():
        failure = status.failure_class
        if failure is not None:
            again = "" if failure == "permanent" else ", tried again by the next run"
            lines.append(f"  {count:,} {status} ({failure}{again})")
    lines += [f"  {count:,} searches {status}" for status, count in tally.searches.most_common()]
    return lines
