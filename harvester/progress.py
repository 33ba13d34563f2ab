"""How far a harvest is, for a person: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from harvester.tally import Tally

if TYPE_CHECKING:
    from harvester.pipeline import Outcome

PLAIN_EVERY_S = 10.0


class Counting:
    """Shows how far some work is; a context manager.

    Args:
        console: where to; a bar on a terminal, a line every ten seconds elsewhere.
        what: is being done, for a person; or a function that says it each time, with the rate.
        total: how much there is, where known from the start.
    """

    def __init__(
        self, console: Console, what: str | Callable[[], str], total: int | None = None
    ) -> None:
        self._console = console
        self._describe: Callable[[], str] = (
            (lambda: f"{what}, {self._rate:,.1f}/s") if isinstance(what, str) else what
        )
        self._done, self._total = 0, total
        self._started = self._last_plain = 0.0
        self._live = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._live.add_task("", total=total, visible=False)

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
        """One more is done; or `done` of `total` are, for work that counts by itself.

        Cheap enough to call for each.
        """
        if not self._started:  # the work may begin long after this was made
            self._started = self._last_plain = time.monotonic()
        self._done = self._done + 1 if done is None else done
        self._total = self._total if total is None else total
        if self._console.is_terminal:
            self._live.update(
                self._task,
                completed=self._done,
                total=self._total,
                description=self._describe(),
                visible=True,
            )
        elif time.monotonic() - self._last_plain >= PLAIN_EVERY_S:
            self._last_plain = time.monotonic()
            text = f"{self._describe()}: {self._done:,} of {self._total or '?'}{self._time_left()}"
            self._console.print(text, markup=False, highlight=False)

    @property
    def _rate(self) -> float:
        return self._done / max(time.monotonic() - self._started, 1e-3)

    def _time_left(self) -> str:
        if not self._total or not self._done:
            return ""
        return f", about {max(0, self._total - self._done) / self._rate:,.0f} s left"


class HarvestProgress:
    """Shows a `Tally` while it grows; a context manager.

    Args:
        console: where to, as `Counting` has it.
        expected: how much there is to do, where known; without, no time left is shown.
        position: how much of that is done; the findings that have ended, unless given.
    """

    def __init__(
        self,
        console: Console,
        expected: int | None = None,
        position: Callable[[], int] | None = None,
    ) -> None:
        self._tally = Tally()
        self._position = position
        self._counting = Counting(console, lambda: describe(self._tally), expected)

    def __enter__(self) -> Self:
        self._counting.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._counting.__exit__(kind, value, traceback)

    def update(self, tally: Tally, _: Outcome | None = None) -> None:
        """Show the tally; cheap enough to call for each finding."""
        self._tally = tally
        self._counting.advance(tally.done if self._position is None else self._position())


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
