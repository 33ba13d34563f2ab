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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from harvester import shards
from harvester.discord.links import refresh_links
from harvester.errors import InputError, SourceError, reason_of
from harvester.fetch import Fetcher
from harvester.generations import Renew, harvest_generations
from harvester.names import what_is
from harvester.parallel import chunked
from harvester.pipeline import Found, Outcome, SearchLedger, harvest_candidates
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
from harvester.searching import search_prompts
from harvester.sources.discord_export import Post
from harvester.sources.duckduckgo import DuckDuckGo
from harvester.store import Store
from harvester.tally import Tally
from harvester.transport import name_agent, shared_ssl_context, trusting


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How pictures are downloaded.

    Attributes:
        allow_private: also from private and loopback addresses.
        ca_file: PEM file of an authority to trust besides the system's.
        concurrency: downloads at once.
        contact: told to every host, so that its owner can write to whoever runs this.
    """

    allow_private: bool = False
    ca_file: Path | None = None
    concurrency: int = 64
    contact: str | None = None

    def open(self) -> Fetcher:
        """A fetcher, to be entered.

        Raises:
            InputError: if the authority's file or the contact cannot be used.
        """
        try:
            context = trusting(self.ca_file) if self.ca_file is not None else None
        except OSError as exc:  # ssl.SSLError among them
            raise InputError(
                f"{self.ca_file}: expected a PEM file of certificates, found {reason_of(exc)}; "
                "check --ca-file"
            ) from exc
        try:
            agent = name_agent(self.contact)
        except ValueError as exc:
            raise InputError(f"--contact: {exc}; give an address or page") from exc
        return Fetcher(
            concurrency=self.concurrency,
            allow_private=self.allow_private,
            user_agent=agent,
            ssl_context=context,
        )


OnOutcome = Callable[[Tally, Outcome], None]


async def run_found(
    found: Iterable[Found], out: Path, network: Network, on_outcome: OnOutcome, **settings: Any
) -> Tally:
    """Bring the findings of a list or folder into a dataset; raises as `harvest_candidates`."""

    async def stream(_: SearchLedger, __: Tally) -> AsyncIterator[Found]:
        async for chunk in chunked(found):
            for one in chunk:
                yield one

    return await _run(stream, out, network, on_outcome, settings)


async def run_search(
    prompts: Iterable[str],
    engine: DuckDuckGo,
    out: Path,
    network: Network,
    on_outcome: OnOutcome,
    *,
    per_prompt: int = 100,
    pause_s: float = 1.0,
    **settings: Any,
) -> Tally:
    """Search for each prompt and bring what is found into a dataset.

    Searches that ended before, in an earlier run, are not made again.

    Raises:
        RateLimitedError, SourceError: if the engine blocks or fails; what came before is stored.
        ShardError: if the dataset cannot be read or written.
    """

    async def stream(ledger: SearchLedger, tally: Tally) -> AsyncIterator[Found]:
        def on_search(search: Search) -> None:
            tally.searches[search.status] += 1
            ledger.expect(search)

        async for finding in search_prompts(
            (prompt[:MAX_TEXT] for prompt in prompts),  # as they are stored, to be known again
            engine,
            per_prompt=per_prompt,
            done=_searched(out, engine),
            pause_s=pause_s,
            on_search=on_search,
        ):
            yield finding

    settings |= {"per_prompt": per_prompt, "source": engine.source}
    return await _run(stream, out, network, on_outcome, settings)


async def _run(
    stream: Callable[[SearchLedger, Tally], AsyncIterator[Found]],
    out: Path,
    network: Network,
    on_outcome: OnOutcome,
    settings: Mapping[str, Any],
) -> Tally:
    tally = Tally()
    with Store(out, Candidate) as store:
        store.note(settings)
        ledger = SearchLedger(store)
        async with network.open() as fetcher:
            outcomes = harvest_candidates(
                stream(ledger, tally), store, fetcher, searches=ledger, workers=network.concurrency
            )
            async for outcome in outcomes:
                tally.count(outcome)
                on_outcome(tally, outcome)
    return tally


async def run_generations(
    posts: Iterator[Post],
    out: Path,
    network: Network,
    on_outcome: OnOutcome,
    *,
    token: str | None = None,
    keep_names: bool = False,
    max_side: int = 1024,
    **settings: Any,
) -> Tally:
    """Bring the posts of an export into a dataset; raises as `harvest_generations` does."""
    tally = Tally()
    with Store(out, Generation) as store:
        store.note(settings | {"keep_names": keep_names, "max_side": max_side})
        async with network.open() as fetcher:
            async for outcome in harvest_generations(
                posts,
                store,
                fetcher,
                renew=_renewer(token, network.ca_file) if token else None,
                keep_names=keep_names,
                max_side=max_side,
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


def has_candidates(folders: Iterable[Path], prompt: str | None = None) -> bool:
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


def prompts_of(dataset: Path) -> Iterator[str]:
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


def _what_is_in(dataset: Path) -> str:
    if not dataset.is_dir():
        return what_is(dataset)
    return "none" if shards.shard_paths(dataset, Generation) else "a folder without shards"


def _searched(out: Path, engine: DuckDuckGo) -> dict[tuple[str, str], int]:
    """Of each search that this engine brought to an end before, how many findings it wanted."""
    wanted: dict[tuple[str, str], int] = {}
    for search in shards.rows(out, Search):
        is_same = (search.source, search.scope) == (engine.source, engine.scope)
        if is_same and search.status in {SearchStatus.OK, SearchStatus.EMPTY}:
            key = (search.query_prompt, search.query)
            wanted[key] = max(search.wanted, wanted.get(key, 0))
    return wanted
