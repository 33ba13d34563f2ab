"""This is orderly shutdown: a wish to stop, from a signal to those who look at it."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePath
from types import FrameType
from typing import Any

from harvester.sanitize import clean
from harvester.urls import hide_credentials


class Stop:
    """Set once, by a signal handler or any thread; looked at, or waited for, by event loops.

    An `asyncio.Event` cannot be set from a signal handler: a loop that sleeps would not wake.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def set(self) -> None:
        """Wish to stop; wakes whoever waits."""
        self._is_set = True
        for loop, event in tuple(self._waiting):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def is_set(self) -> bool:
        """Whether no new work is to be started."""
        return self._is_set

    async def wait(self) -> None:
        """Return when the wish is there, at once if it was before."""
        waiting = (asyncio.get_running_loop(), asyncio.Event())
        self._waiting.append(waiting)
        try:
            if not self._is_set:  # after joining the list: a signal may come in between
                await waiting[1].wait()
        finally:
            self._waiting.remove(waiting)


STOPPING = "stopping: finishing the open shard; press Ctrl-C again to stop at once"


@contextlib.contextmanager
def listening(stop: Stop | None, say: Callable[[str], None]) -> Iterator[list[int]]:
    """Signals that would end the process raise KeyboardInterrupt in the block instead.

    Args:
        stop: where given, the first signal only sets it, Ctrl-C among them, and says so.
        say: one line to a person; called from a signal handler.

    Returns:
        The numbers of those that came. Ctrl-C is none of them where `stop` is not given, for
        Python raises it by itself.
    """
    received: list[int] = []

    def end_at_once(number: int, frame: FrameType | None) -> None:
        # As Ctrl-C: asyncio puts a handler of its own there, which lets tasks end in order.
        received.append(number)
        interrupt = signal.getsignal(signal.SIGINT)
        if stop is not None or not callable(interrupt):  # ignored in the background of a script
            raise KeyboardInterrupt
        interrupt(signal.SIGINT, frame)

    is_saying = threading.Event()

    def end_in_order(number: int, frame: FrameType | None) -> None:
        if is_saying.is_set():  # to raise within a line that is being written would break it
            return
        if received:
            end_at_once(number, frame)
        received.append(number)
        if stop is not None:
            stop.set()
        is_saying.set()
        try:
            say(STOPPING)
        finally:
            is_saying.clear()

    if stop is None:
        with _handling(("SIGTERM", "SIGHUP"), end_at_once):
            yield received
    else:
        with _handling(("SIGINT", "SIGTERM", "SIGHUP"), end_in_order):
            yield received


@contextlib.contextmanager
def _handling(
    names: Iterable[str], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Handle signals that would end the process at once; those that are ignored stay so."""
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # Python's rule for handlers
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        usual = (signal.SIG_DFL, signal.default_int_handler)
        before = {n: old for n in numbers if (old := signal.getsignal(n)) in usual}
        for number in before:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def how_to_go_on(arguments: Sequence[str]) -> str:
    """What to do after a harvest was stopped: the same command, for pasting into a shell.

    Args:
        arguments: as `sys.argv` has them. Where they hold a proxy's password, or what cannot be
            printed, the command is not shown: what would be shown is not the same one.
    """
    command = shlex.join([PurePath(arguments[0]).name, *arguments[1:]])
    if clean(command) != command or any(hide_credentials(one) != one for one in arguments):
        return "run the same command again to go on"
    return f"run the same command again to go on: {command}"
