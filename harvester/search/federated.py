"""This is federated search: several engines in one run, each with its own pace and its own end.

What they find comes interleaved, and bounded: an engine waits for those who take what it finds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from harvester.errors import RateLimitedError, SourceError
from harvester.schema import Finding, Search
from harvester.search.session import Backoff, ImageSearch, search_prompts

_AHEAD = 16
"""Findings that an engine may be ahead of those who take them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRun:
    """One engine's part in a run; `done` and `pause_s` are those of `search_prompts`."""

    engine: ImageSearch
    done: Mapping[tuple[str, str], int]
    pause_s: float


async def search_sources(
    prompts: Sequence[str],
    runs: Sequence[EngineRun],
    *,
    per_prompt: int,
    on_search: Callable[[Search], None],
    on_stop: Callable[[str, SourceError], None],
    backoff: Backoff | None = None,
) -> AsyncGenerator[Finding, None]:
    """Search with several engines at once, and yield what they find, interleaved, as it comes.

    `per_prompt` findings are wanted of each engine: what one finds is left to no other, so that
    what is found, and which searches are done, does not hang on which was the quickest. No two
    engines have the same `source`; `on_stop` is told of each that ended early, by its source, and
    why. The others go on.

    Raises:
        RateLimitedError, SourceError: if all engines ended early.
    """
    events: asyncio.Queue[Finding | Search | asyncio.Task[None]] = asyncio.Queue()
    room = {run.engine.source: asyncio.Semaphore(_AHEAD) for run in runs}

    async def drive(run: EngineRun) -> None:
        stream = search_prompts(
            prompts,
            run.engine,
            per_prompt=per_prompt,
            done=run.done,
            pause_s=run.pause_s,
            on_search=events.put_nowait,  # behind its findings, so told after they were taken
            backoff=backoff,
        )
        async with aclosing(stream):
            async for finding in stream:
                await room[finding.source].acquire()
                events.put_nowait(finding)

    tasks = {asyncio.create_task(drive(run)): run.engine.source for run in runs}
    stopped: list[SourceError] = []
    try:
        for task in tasks:
            task.add_done_callback(events.put_nowait)
        running = len(tasks)
        while running:
            event = await events.get()
            if isinstance(event, Finding):
                room[event.source].release()
                yield event
            elif isinstance(event, Search):
                on_search(event)
            else:
                running -= 1
                try:
                    event.result()
                except SourceError as exc:
                    stopped.append(exc)
                    on_stop(tasks[event], exc)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if stopped and len(stopped) == len(runs):
        raise _all_stopped(stopped)


def _all_stopped(stopped: Sequence[SourceError]) -> SourceError:
    if len(stopped) == 1:
        return stopped[0]
    text = "expected an answer of one source at least, found none: " + " / ".join(map(str, stopped))
    blocks = [exc for exc in stopped if isinstance(exc, RateLimitedError)]
    if len(blocks) < len(stopped):
        return SourceError(text)
    pauses = [exc.retry_after_s for exc in blocks if exc.retry_after_s is not None]
    return RateLimitedError(text, retry_after_s=min(pauses, default=None))
