"""These are bounded queues between threads and the event loop, for many tasks at once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from harvester.shutdown import Stop

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


_END: Any = object()


async def in_parallel(
    tasks: AsyncIterator[Task],
    work: Callable[[Task], Coroutine[Any, Any, Result]],
    workers: int,
    *,
    stop: Stop | None = None,
    grace_s: float = 10.0,
) -> AsyncGenerator[Result, None]:
    """Do `work` on each task, several at once; yields results as they end, in no fixed order.

    When the source of tasks fails, what it gave before is finished first and then its error is
    raised; when the work fails, that is raised at once. Leaving the loop early cancels the rest.

    Args:
        tasks: read as far ahead as there are workers.
        work: on one task.
        workers: tasks in work at once.
        stop: once it is set, no task is begun any more, and those under way get a while to end.
        grace_s: seconds of that while; what has not ended by then is cancelled and left out.
    """
    waiting: asyncio.Queue[Task] = asyncio.Queue(workers)
    done: asyncio.Queue[Result | _Failed] = asyncio.Queue(workers)
    feeder = asyncio.create_task(_feed(tasks, waiting, workers))
    labourers = [asyncio.create_task(_labour(waiting, work, done)) for _ in range(workers)]
    closing = [
        asyncio.create_task(
            _close(stop, grace_s, waiting=waiting, done=done, feeder=feeder, labourers=labourers)
        )
    ]
    try:
        working = workers
        while working:
            result = await done.get()
            if result is _END:
                working -= 1
            elif isinstance(result, _Failed):
                raise result.error
            else:
                yield result
        if stop is None or not stop.is_set():
            await feeder  # raises what the source raised
    finally:
        for task in (feeder, *labourers, *closing):
            task.cancel()
        await asyncio.gather(feeder, *labourers, *closing, return_exceptions=True)


async def _close(
    stop: Stop | None,
    grace_s: float,
    *,
    waiting: asyncio.Queue[Task],
    done: asyncio.Queue[Any],
    feeder: asyncio.Task[None],
    labourers: Sequence[asyncio.Task[None]],
) -> None:
    """Once told to stop: take away what waits, send everybody home, and in the end out."""
    if stop is None:
        return
    await stop.wait()
    feeder.cancel()
    await asyncio.gather(feeder, return_exceptions=True)
    while not waiting.empty():
        waiting.get_nowait()
    for _ in labourers:
        waiting.put_nowait(_END)
    await asyncio.sleep(grace_s)
    late = [labourer for labourer in labourers if not labourer.done()]
    for labourer in late:
        labourer.cancel()
    for left in await asyncio.gather(*late, return_exceptions=True):
        if isinstance(left, asyncio.CancelledError):
            await done.put(_END)


async def chunked(items: Iterable[Task], size: int = 200) -> AsyncIterator[list[Task]]:
    """What a blocking iterator yields, taken in a thread, `size` at a time."""
    iterator = iter(items)
    while chunk := await asyncio.to_thread(lambda: list(itertools.islice(iterator, size))):
        yield chunk


async def _feed(tasks: AsyncIterator[Task], waiting: asyncio.Queue[Task], workers: int) -> None:
    failure: Exception | None = None
    try:
        async for task in tasks:
            await waiting.put(task)
    except Exception as exc:  # noqa: BLE001  # raised when the work before it is done
        failure = exc
    for _ in range(workers):
        await waiting.put(_END)
    if failure is not None:
        raise failure


async def _labour(
    waiting: asyncio.Queue[Task],
    work: Callable[[Task], Coroutine[Any, Any, Result]],
    done: asyncio.Queue[Result | _Failed],
) -> None:
    try:
        while (task := await waiting.get()) is not _END:
            await done.put(await work(task))
    except Exception as exc:  # noqa: BLE001  # raised where the caller of `in_parallel` is
        await done.put(_Failed(exc))
    await done.put(_END)
