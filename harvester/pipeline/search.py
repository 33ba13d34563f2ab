"""This is one search harvest: prompts → engines' answers → a dataset."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from harvester.dataset import shards
from harvester.dataset.storage import Location
from harvester.errors import InputError, SourceError
from harvester.paths import what_is
from harvester.pipeline.candidates import SearchLedger
from harvester.pipeline.frontier import FoundPicture
from harvester.pipeline.run import Outcomes, Plan, carry_out
from harvester.progress.tally import Tally
from harvester.schema import MAX_TEXT, Candidate, Finding, Generation, Search, SearchStatus
from harvester.search.federated import EngineRun, search_sources
from harvester.search.queries import plan_queries
from harvester.search.session import ImageSearch


def run_search(
    prompts: Iterable[str],
    engines: Sequence[ImageSearch],
    out: Location,
    plan: Plan,
    tally: Tally,
    *,
    per_prompt: int = 100,
    pause_s: float | None = None,
    **settings: Any,
) -> Outcomes:
    """Search for each prompt, with each engine, and bring what is found into a dataset.

    Searches that ended before, in an earlier run, are not made again. An engine that blocks or
    fails does not stop the others; the tally tells of it. `per_prompt` findings are wanted of
    each engine; without `pause_s`, the seconds between two pages, each keeps its own pace.

    Raises:
        RateLimitedError, SourceError: if all engines block or fail; what came before is stored.
        ShardError: if the dataset cannot be read or written.
    """

    async def stream(ledger: SearchLedger) -> AsyncIterator[FoundPicture]:
        def on_search(search: Search) -> None:
            tally.searches[search.status] += 1
            ledger.expect(search)

        def on_stop(source: str, exc: SourceError) -> None:
            tally.stopped[source] = str(exc)

        done = _searched(out, engines)
        async for finding in search_sources(
            [prompt[:MAX_TEXT] for prompt in prompts],  # as they are stored, to be known again
            [
                EngineRun(
                    engine=engine,
                    done=done[engine.source],
                    pause_s=engine.pause_s if pause_s is None else pause_s,
                )
                for engine in engines
            ],
            per_prompt=per_prompt,
            on_search=on_search,
            on_stop=on_stop,
        ):
            tally.found += 1
            yield finding

    settings |= {"per_prompt": per_prompt, "source": ",".join(each.source for each in engines)}
    return carry_out(stream, out, plan, tally, settings)


def check_prompts(prompts: Sequence[str]) -> None:
    """Refuse to search for nothing.

    Raises:
        InputError: if no prompt has a word in it.
    """
    if not any(plan_queries(prompt) for prompt in prompts):
        raise InputError(
            "expected prompts to search for, found none with a word in it; check the list or the "
            "dataset"
        )


def has_candidates(folders: Iterable[Location], prompt: str | None = None) -> bool:
    """Whether any of some datasets holds candidates; of one prompt's searches, if one is given."""
    for folder in folders:
        if prompt is None:
            if shards.count_rows(folder, Candidate):
                return True
            continue
        for batch in shards.batches(folder, Finding, ["query_prompt"]):
            if prompt in batch.column(0).to_pylist():
                return True
    return False


def prompts_of(dataset: Location) -> Iterator[str]:
    """The distinct prompts of a generations dataset, in order.

    Raises:
        InputError: if it holds none.
        SchemaError, ShardError: as `shards.batches`.
    """
    seen: set[str] = set()
    for records in shards.records(dataset, Generation, ["prompt"]):
        for record in records:
            prompt = record["prompt"]
            if prompt and prompt not in seen:
                seen.add(prompt)
                yield prompt
    if not seen:
        raise InputError(
            f"{dataset}: expected generations with prompts, found {_what_is_in(dataset)}; make "
            "the dataset with `harvest midjourney`"
        )


def _what_is_in(dataset: Location) -> str:
    if isinstance(dataset, Path) and not dataset.is_dir():
        return what_is(dataset)
    return "none" if shards.shard_paths(dataset, Generation) else "a folder without shards"


def _searched(
    out: Location, engines: Sequence[ImageSearch]
) -> dict[str, dict[tuple[str, str], int]]:
    """By engine, of each search that it brought to an end before, how many findings it wanted."""
    scopes = {engine.source: engine.scope for engine in engines}
    wanted: dict[str, dict[tuple[str, str], int]] = {source: {} for source in scopes}
    for search in shards.rows(out, Search):
        is_same = scopes.get(search.source) == search.scope
        if is_same and search.status in {SearchStatus.OK, SearchStatus.EMPTY}:
            key = (search.query_prompt, search.query)
            done = wanted[search.source]
            done[key] = max(search.wanted, done.get(key, 0))
    return wanted
