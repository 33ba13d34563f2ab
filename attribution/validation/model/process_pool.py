"""This is a process pool for trainings: a process for each core, one thread of torch in each.

A small model uses one core well and two badly, and with one thread its weights do not depend on
how many cores there are.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import torch

from attribution.errors import ProofError

Context = TypeVar("Context")
Item = TypeVar("Item")
Result = TypeVar("Result")


class ModelPool:
    """Processes that are started with the first work and kept for more; a context manager.

    Starting one takes seconds, for torch and transformers.

    Args:
        count: processes; one for each core unless given.
    """

    def __init__(self, count: int | None = None) -> None:
        self._count = count or os.cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def each(
        self, function: Callable[[Context, Item], Result], context: Context, items: Sequence[Item]
    ) -> Iterator[Result]:
        """Results in the order in which they come.

        Args:
            function: of a module, since it is found by its name in other processes.
            context: what every call is given.
            items: what each call is given.

        Raises:
            ProofError: if a process is killed.
        """
        if not items:
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._count, mp_context=multiprocessing.get_context("spawn"), initializer=_begin
            )
        is_done = False
        try:
            # As plain bytes: a tensor would be fetched from a thread of this process, which prints
            # a traceback where the one who fetches is ended meanwhile.
            call = pickle.dumps((function, context))
            waiting = [self._pool.submit(_call, call, item) for item in items]
            for done in as_completed(waiting):
                yield done.result()
            is_done = True
        except BrokenProcessPool as exc:
            raise ProofError(
                "expected every training to end, found a process killed (out of memory?); what is "
                "done is kept: run the same command again, with fewer --workers"
            ) from exc
        finally:
            if not is_done:
                self._end()

    def _end(self) -> None:
        """End all processes; what they are at is of no use any more."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        for process in list((pool._processes or {}).values()):  # noqa: SLF001  # it has no kill()
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread, as in the processes: the same bits, and no waiting for a busy core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _call(call: bytes, item: object) -> Any:
    """In a process: what `each` was asked for, for one item."""
    function, context = pickle.loads(call)  # noqa: S301  # the parent's own
    return function(context, item)


def _begin() -> None:
    """In a new process: Ctrl-C is the parent's, and one thread is enough."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
