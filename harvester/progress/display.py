"""This is the progress display for a person: live lines on a terminal, plain ones elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from harvester.errors import reason_of
from harvester.progress.event_log import EventLog
from harvester.progress.snapshot import (
    SHOWN_HOSTS,
    Hosts,
    Snapshot,
    stage_lines,
    summary_line,
    take_snapshot,
)
from harvester.progress.tally import Tally, Window
from harvester.sanitize import clean
from harvester.schema import FetchStatus

if TYPE_CHECKING:
    from harvester.fetch.pace import HostState
    from harvester.progress.tally import Outcome


PLAIN_EVERY_S = 10.0
_LOOKED_EVERY_S = 0.5
_NAMES = 8  # columns of a stage's name


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

    def __exit__(self, *_: object) -> None:
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
    """Shows a `Tally` while it grows, stage by stage; a context manager.

    On a terminal the lines are drawn twice a second; elsewhere there is one line every ten seconds,
    also while nothing ends. A thread of its own does that: `update` costs a microsecond.

    Args:
        console: where to; None for nowhere.
        expected: how much there is to do, where known; without, no time left is shown.
        position: how much of that is done; the findings that have ended, unless given.
        hosts: how the hosts are doing, the slowest first.
        log: told the same every ten seconds, of each failure, and of the end; closed then.
        is_stopping: whether a person has asked the harvest to end.
    """

    def __init__(
        self,
        console: Console | None,
        expected: int | None = None,
        position: Callable[[], int] | None = None,
        *,
        hosts: Hosts | None = None,
        log: EventLog | None = None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._console = console
        self._expected, self._position = expected, position
        self._hosts, self._log, self._is_stopping = hosts, log, is_stopping
        self._seen_hosts: Sequence[HostState] = ()
        self._tally = Tally()
        self._pace = Window(time.monotonic())
        self._plain_due = time.monotonic() + PLAIN_EVERY_S
        self._saying = threading.Lock()
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)
        self._live: Live | None = None
        if console is not None and console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(
                console=console,
                get_renderable=self._draw,
                refresh_per_second=1 / _LOOKED_EVERY_S,
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, _: object
    ) -> None:
        self._ended.set()
        self._ticker.join()
        if self._live is not None:
            self._live.stop()
        if self._log is not None:
            how = "done" if kind is None and not self._is_stopping() else "stopped"
            fault = None
            if isinstance(value, Exception):
                how, fault = "failed", f"{type(value).__name__}: {reason_of(value)}"
            self._log.write("end", how=how, error=fault, **self.facts().record())
            self._log.close()

    def update(self, tally: Tally, outcome: Outcome | None = None) -> None:
        """Show the tally from now on; cheap enough to call for each finding."""
        self._tally = tally
        now = time.monotonic()
        if now >= self._pace.due:
            self._pace.note(now, self._done)
        if self._log is not None and outcome is not None and outcome.status is not FetchStatus.OK:
            self._log.failed(outcome)
        if now >= self._plain_due:
            self._say()

    def facts(self) -> Snapshot:
        """How far the harvest is now."""
        [per_s] = self._pace.rates(time.monotonic(), self._done)
        return take_snapshot(
            self._tally,
            expected=self._expected,
            position=self._done,
            per_s=per_s,
            hosts=self._look_at_hosts(),
        )

    @property
    def _done(self) -> int:
        return self._tally.done if self._position is None else self._position()

    def _look_at_hosts(self) -> Sequence[HostState]:
        if self._hosts is not None:
            # The loop may change them just then: those of before will do.
            with contextlib.suppress(RuntimeError):
                self._seen_hosts = self._hosts()
        return self._seen_hosts

    def _tick(self) -> None:
        while not self._ended.wait(_LOOKED_EVERY_S):
            if time.monotonic() >= self._plain_due:
                self._say()

    def _say(self) -> None:
        """One plain line, and one event; by whichever thread comes first."""
        if not self._saying.acquire(blocking=False):
            return
        try:
            if time.monotonic() < self._plain_due:
                return
            self._plain_due = time.monotonic() + PLAIN_EVERY_S
            facts = self.facts()
            if self._console is not None and self._live is None:
                self._console.print(
                    summary_line(facts), markup=False, highlight=False, soft_wrap=True
                )
            if self._log is not None:
                self._log.write("progress", **facts.record())
        finally:
            self._saying.release()

    def _draw(self) -> RenderableType:
        lines = Table.grid(padding=(0, 2))
        lines.add_column(no_wrap=True, min_width=_NAMES)
        lines.add_column(no_wrap=True, overflow="ellipsis")
        for name, text in stage_lines(self.facts()):
            lines.add_row(Text(name, style="bold"), Text(text))
        if self._is_stopping():
            lines.add_row(Text("stopping", style="bold"), Text("finishing what is in flight"))
        return lines


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
    worst = [f"{clean(host)} {count:,}" for host, count in tally.hosts.most_common(SHOWN_HOSTS)]
    if len(tally.hosts) > 1:
        lines.append(f"  most failures: {', '.join(worst)}")
    lines += [f"  {count:,} searches {status}" for status, count in tally.searches.most_common()]
    lines += [f"  {source} ended early: {clean(why)}" for source, why in tally.stopped.items()]
    return lines
