"""Many tasks at once, between two bounded queues."""

from __future__ import annotations

import asyncio
import threading

import pytest

from harvester.pipeline.parallel import chunked, in_parallel
from harvester.shutdown import Stop
from tests.support.patience import patient


async def numbers(count: int, *, fail_after: int | None = None):
    for number in range(count):
        if number == fail_after:
            raise RuntimeError("the source broke")
        yield number


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def test_every_task_is_done_once():
    results = [result async for result in in_parallel(numbers(500), double, 7)]
    assert sorted(results) == [2 * number for number in range(500)]


async def test_at_most_so_many_are_in_work_at_once():
    running, most = 0, 0

    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return number

    assert len([result async for result in in_parallel(numbers(60), work, 5)]) == 60
    assert most == 5


async def test_a_slow_reader_holds_the_source_back():
    """Memory does not grow with the list: the source waits for the reader."""
    taken = 0

    async def count():
        nonlocal taken
        async for number in numbers(10_000):
            taken += 1
            yield number

    results = in_parallel(count(), double, 4)
    await anext(results)
    await asyncio.sleep(0.05)
    assert taken < 30
    await results.aclose()


async def test_a_broken_source_is_raised_after_what_it_gave_is_done():
    results = []
    with pytest.raises(RuntimeError, match="the source broke"):
        async for result in in_parallel(numbers(50, fail_after=20), double, 4):
            results.append(result)  # noqa: PERF401  # the error comes in between
    assert sorted(results) == [2 * number for number in range(20)]


async def test_broken_work_is_raised():
    async def work(number: int) -> int:
        if number == 10:
            raise ValueError("bad task")
        return number

    with pytest.raises(ValueError, match="bad task"):
        async for _ in in_parallel(numbers(10_000), work, 4):
            pass


async def test_leaving_early_leaves_nothing_running():
    before = asyncio.all_tasks()
    results = in_parallel(numbers(10_000), double, 8)
    async for _ in results:
        break
    await results.aclose()
    assert asyncio.all_tasks() == before


async def test_chunks_come_from_another_thread_and_lose_nothing():
    threads = set()

    def blocking():
        for number in range(1005):
            threads.add(threading.get_ident())
            yield number

    chunks = [chunk async for chunk in chunked(blocking(), 100)]
    assert [number for chunk in chunks for number in chunk] == list(range(1005))
    assert max(map(len, chunks)) == 100
    assert threading.get_ident() not in threads


async def test_told_to_stop_it_begins_nothing_and_lets_what_runs_end():
    stop, begun, released = Stop(), [], asyncio.Event()

    async def work(number: int) -> int:
        begun.append(number)
        await released.wait()
        return number

    found = []

    async def run() -> None:
        found.extend(
            [one async for one in in_parallel(count(), work, 3, stop=stop, grace_s=patient(100))]
        )

    running = asyncio.create_task(run())
    while len(begun) < 3:  # noqa: ASYNC110  # the workers tell by what they began
        await asyncio.sleep(0)
    stop.set()
    await asyncio.sleep(0.01)
    released.set()
    await asyncio.wait_for(running, patient(50))
    assert sorted(found) == sorted(begun) == [0, 1, 2]


async def test_what_does_not_end_in_time_is_left_out():
    stop = Stop()

    async def work(number: int) -> int:
        if number == 1:
            stop.set()
            await asyncio.sleep(60)
        return number

    found = [one async for one in in_parallel(count(), work, 2, stop=stop, grace_s=0.05)]
    assert 1 not in found
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def count():
    number = 0
    while True:
        yield number
        number += 1
        await asyncio.sleep(0)
