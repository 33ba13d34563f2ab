"""One harvest from start to end: opens what it needs, and counts what comes out of it."""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx

from harvester import shards
from harvester.decoders import Decoders
from harvester.discord.links import refresh_links
from harvester.engine import Engine, LocalEngine
from harvester.errors import InputError, SourceError
from harvester.generations import Renew, harvest_generations
from harvester.known import Known
from harvester.names import what_is
from harvester.network import Network
from harvester.pace import HostPace
from harvester.parallel import chunked
from harvester.pipeline import Found, Outcome, SearchLedger, flush, harvest_candidates
from harvester.places import Place
from harvester.queries import plan_queries
from harvester.schema import (
    MAX_TEXT,
    Candidate,
    FetchStatus,
    Finding,
    Generation,
    Search,
    SearchStatus,
)
from harvester.search_sources import EngineRun, search_sources
from harvester.searching import ImageSearch
from harvester.sources.discord_export import Post
from harvester.stopping import Stop
from harvester.store import Store
from harvester.tally import Tally
from harvester.transport import shared_ssl_context, trusting


class EngineName(StrEnum):
    """Where pictures are fetched and decoded."""

    LOCAL = "local"
    RAY = "ray"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a harvest is carried out.

    Attributes:
        network: how pictures are downloaded.
        max_side: pixels of the longest side of the pictures that are stored.
        merge_near: whether near-duplicates of a stored picture are not stored again.
        engine: where the work is done; `address`: of the cluster, where it is done on one.
        stop: set by whoever wants the harvest to end in order.
        pace: how hard hosts are asked, for whoever wants to look at it.
    """

    network: Network = field(default_factory=Network)
    max_side: int = 512
    merge_near: bool = True
    engine: EngineName = EngineName.LOCAL
    address: str | None = None
    stop: Stop = field(default_factory=Stop)
    pace: HostPace = field(default_factory=HostPace)

    def open(self) -> AbstractAsyncContextManager[Engine]:
        """An engine, to be entered.

        Raises:
            InputError: if the network's settings, or Ray, cannot be used.
        """
        if self.engine is EngineName.RAY:
            try:
                from harvester.engine_ray import RayEngine  # noqa: PLC0415  # an extra
            except ImportError as exc:
                raise InputError(
                    "--engine ray: expected Ray to be installed, found it missing; install "
                    "whence[ray], or use --engine local"
                ) from exc
            self.network.fetcher()  # refuses here what every worker would refuse
            return RayEngine(
                self.network, address=self.address, max_side=self.max_side, stop=self.stop
            )
        fetcher = self.network.fetcher(pace=self.pace, stop=self.stop)
        return LocalEngine(fetcher, max_side=self.max_side, stop=self.stop)

    @property
    def settings(self) -> dict[str, Any]:
        """What the dataset's manifest tells of it."""
        return {
            "consent": str(self.network.policy),
            "contact": self.network.contact,
            "max_side": self.max_side,
            "near_duplicates": "merge" if self.merge_near else "keep",
            "engine": str(self.engine),
        }


OnOutcome = Callable[[Tally, Outcome], None]
Stream = Callable[[SearchLedger, Tally], AsyncIterator[Found]]


async def run_found(
    found: Iterable[Found],
    out: Place,
    plan: Plan,
    on_outcome: OnOutcome,
    *,
    is_retry: bool = False,
    **settings: Any,
) -> Tally:
    """Bring the findings of a list or folder into a dataset; raises as `harvest_candidates`.

    Args:
        found: from any source; read as far ahead as it is needed.
        out: the dataset.
        plan: how.
        on_outcome: told of each.
        is_retry: ask again for what failed for good, too.
        settings: of the source, for the dataset's manifest.
    """

    async def stream(_: SearchLedger, tally: Tally) -> AsyncIterator[Found]:
        async for chunk in chunked(found):
            for one in chunk:
                tally.found += 1
                yield one

    return await _run(stream, out, plan, on_outcome, settings, is_retry=is_retry)


async def run_search(
    prompts: Iterable[str],
    engines: Sequence[ImageSearch],
    out: Place,
    plan: Plan,
    on_outcome: OnOutcome,
    *,
    per_prompt: int = 100,
    pause_s: float | None = None,
    **settings: Any,
) -> Tally:
    """Search for each prompt, with each engine, and bring what is found into a dataset.

    Searches that ended before, in an earlier run, are not made again. An engine that blocks or
    fails does not stop the others; the tally tells of it. `per_prompt` findings are wanted of
    each engine; without `pause_s`, the seconds between two pages, each keeps its own pace.

    Raises:
        RateLimitedError, SourceError: if all engines block or fail; what came before is stored.
        ShardError: if the dataset cannot be read or written.
    """

    async def stream(ledger: SearchLedger, tally: Tally) -> AsyncIterator[Found]:
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
    return await _run(stream, out, plan, on_outcome, settings)


async def _run(
    stream: Stream,
    out: Place,
    plan: Plan,
    on_outcome: OnOutcome,
    settings: Mapping[str, Any],
    *,
    is_retry: bool = False,
) -> Tally:
    tally = Tally()
    opened = plan.open()  # before the dataset is touched: what is refused here leaves no trace
    with Store(out, Candidate) as store, Known(store.folder) as known:
        store.note({**plan.settings, **settings})
        ledger = SearchLedger(store)
        async with opened as engine:
            async for outcome in harvest_candidates(
                stream(ledger, tally),
                store,
                engine,
                known,
                searches=ledger,
                merge_near=plan.merge_near,
                is_retry=is_retry,
            ):
                tally.count(outcome)
                on_outcome(tally, outcome)
        await flush(store, known)
    return tally


async def run_generations(
    posts: Iterator[Post],
    out: Place,
    plan: Plan,
    on_outcome: OnOutcome,
    *,
    token: str | None = None,
    keep_names: bool = False,
    **settings: Any,
) -> Tally:
    """Bring the posts of an export into a dataset; raises as `harvest_generations` does.

    The links of an export are the user's own: sites' rules for programs do not count for them.
    """
    tally = Tally()
    network = plan.network
    fetcher = network.fetcher(crawls=False, pace=plan.pace, stop=plan.stop)
    with Store(out, Generation) as store:
        store.note({**plan.settings, **settings, "keep_names": keep_names})
        async with fetcher, Decoders(plan.max_side) as decoders:
            async for outcome in harvest_generations(
                posts,
                store,
                fetcher,
                decoders,
                renew=_renewer(token, network.ca_file) if token else None,
                keep_names=keep_names,
                stop=plan.stop,
            ):
                tally.count(outcome)
                on_outcome(tally, outcome)
    return tally


def _renewer(token: str, ca_file: Path | None) -> Renew:
    """Renews links through Discord, as the bot whose token this is.

    The environment's proxies are left alone, as for pictures: one of a kind that httpx does not
    speak would end the harvest.
    """

    async def renew(links: Sequence[str]) -> dict[str, str]:
        trusted = trusting(ca_file) if ca_file is not None else shared_ssl_context()
        async with httpx.AsyncClient(timeout=30, trust_env=False, verify=trusted) as client:
            return await refresh_links(client, links, token)

    return renew


def check_reached(tally: Tally) -> None:
    """Refuse to call a harvest done that had work and got not a single picture.

    Raises:
        SourceError: naming the commonest failure.
    """
    if tally.done and not tally.statuses[FetchStatus.OK]:
        status, count = tally.statuses.most_common(1)[0]
        raise SourceError(
            f"expected pictures, found none at {tally.done:,} addresses ({count:,} {status}); "
            "the rows with their reasons are stored: see the columns status and error"
        )


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


def has_candidates(folders: Iterable[Place], prompt: str | None = None) -> bool:
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


def prompts_of(dataset: Place) -> Iterator[str]:
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


def _what_is_in(dataset: Place) -> str:
    if isinstance(dataset, Path) and not dataset.is_dir():
        return what_is(dataset)
    return "none" if shards.shard_paths(dataset, Generation) else "a folder without shards"


def _searched(out: Place, engines: Sequence[ImageSearch]) -> dict[str, dict[tuple[str, str], int]]:
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
