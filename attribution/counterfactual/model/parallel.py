"""The same work done side by side: a process for each core, one thread of torch in each.

A small model uses one core well and two badly, and with one thread its weights do not depend on
how many cores there are.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from attribution.errors import ProofError

Context = TypeVar("Context")
Item = TypeVar("Item")
Result = TypeVar("Result")


def each(
    function: Callable[[Context, Item], Result],
    context: Context,
    items: Sequence[Item],
    workers: int | None = None,
) -> Iterator[Result]:
    """Results in the order in which they come.

    Args:
        function: of a module, since it is found by its name in other processes.
        context: what every call is given, sent once to each process.
        items: what each call is given.
        workers: processes; one for each core unless given.

    Raises:
        ProofError: if a process is killed.
    """
    if not items:
        return
    pool = ProcessPoolExecutor(
        min(workers or os.cpu_count() or 1, len(items)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(function, context),
    )
    is_done = False
    try:
        waiting = [pool.submit(_call, item) for item in items]
        for done in as_completed(waiting):
            yield done.result()
        is_done = True
    except BrokenProcessPool as exc:
        raise ProofError(
            "expected every training to end, found a process killed (out of memory?); what is done "
            "is kept: run the same command again, with fewer --workers"
        ) from exc
    finally:
        # What runs is of no use any more when the loop was left early.
        running = [] if is_done else list((pool._processes or {}).values())  # noqa: SLF001  # no kill
        for process in running:
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


_given: tuple[Callable[[Any, Any], Any], Any] | None = None


def _begin(function: Callable[[Any, Any], Any], context: Any) -> None:
    """In a new process: Ctrl-C is the parent's, and one thread is enough."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    global _given  # noqa: PLW0603  # a process has one context, sent once
    _given = function, context


def _call(item: Any) -> Any:
    if _given is None:
        raise RuntimeError("expected _begin to have run in this process")
    function, context = _given
    return function(context, item)
