"""This is the pipeline of generations: posts of an export → rows with their pictures.

Pictures come from the export's own media folder, else from Discord's CDN. CDN links live a day:
with a bot token they are renewed first, without one they are recorded as expired and not asked for.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from harvester.dataset import shards
from harvester.dataset.precedence import rank_of
from harvester.dataset.storage import Location
from harvester.dataset.writer import DatasetWriter
from harvester.discord.export import Post
from harvester.discord.links import anonymous_link, expires_at, refresh_links
from harvester.fetch.download import Fetched, Stopped, read_file
from harvester.fetch.fetcher import Fetcher
from harvester.fetch.transport import shared_ssl_context, trusting
from harvester.pictures.decode import PictureError
from harvester.pictures.pool import Decoders
from harvester.pipeline.parallel import chunked, in_parallel
from harvester.pipeline.run import Outcomes, Plan
from harvester.progress.tally import Outcome, Tally
from harvester.schema import FetchStatus, Generation
from harvester.shutdown import Stop
from harvester.urls import hide_credentials

EXPIRED = (
    "this CDN link is over; export again with --media, or set WHENCE_DISCORD_TOKEN to a bot's token"
)
_SETTLED = frozenset({FetchStatus.OK, FetchStatus.OPTED_OUT})
Renew = Callable[[Sequence[str]], Awaitable[dict[str, str]]]
"""Links that are over → new ones, by the old; those that cannot be renewed are left out."""


async def harvest_generations(
    posts: Iterator[Post],
    store: DatasetWriter,
    fetcher: Fetcher,
    decoders: Decoders,
    *,
    stop: Stop | None = None,
    renew: Renew | None = None,
    keep_names: bool = False,
    workers: int = 16,
) -> AsyncGenerator[Outcome, None]:
    """Store each post that the dataset does not hold yet; yields one outcome a post.

    A post whose picture failed before is tried again, and stored again only if it ends otherwise.

    Args:
        posts: as `discord.export.read_exports` yields them.
        store: open, of `Generation` rows.
        fetcher: open, for pictures that are on the CDN.
        decoders: open.
        stop: once it is set no post is begun any more.
        renew: gives new links for those that are over; without, they are recorded as expired.
        keep_names: store addresses as they are, though their file names begin with users' names;
            without, an address that was fetched is stored with the name cut out.
        workers: posts in work at once.

    Raises:
        ShardError: if the dataset cannot be read or written.
        HarvestError: whatever reading the export raises, after what it yielded is stored.
    """
    statuses = await asyncio.to_thread(_known_statuses, store)

    async def resolve(post: Post) -> tuple[Post, Generation | None, int] | None:
        if statuses.get(post.generation.id) in _SETTLED:
            return post, None, 0
        try:
            fetched = await _get(post, fetcher)
        except Stopped:
            return None
        generation = await _with_picture(post.generation, fetched, decoders)
        if post.media is None and generation.url:
            shown = generation.url if keep_names else anonymous_link(generation.url)
            generation = dataclasses.replace(generation, url=hide_credentials(shown))
        return post, generation, len(fetched.body)

    streamed = _stream(posts, statuses, renew)
    async with aclosing(in_parallel(streamed, resolve, workers, stop=stop)) as resolved:
        async for done in resolved:
            if done is None:
                continue
            post, generation, size = done
            yield dataclasses.replace(_record(post, generation, store, statuses), bytes=size)
            if store.is_due:
                await asyncio.to_thread(store.flush)


def _known_statuses(store: DatasetWriter) -> dict[str, FetchStatus]:
    """The status of each generation that holds, by `dataset.precedence`."""
    statuses: dict[str, FetchStatus] = {}
    for records in shards.records(store.folder, Generation, ["id", "status"]):
        for record in records:
            name, status = record["id"], FetchStatus(record["status"])
            if name not in statuses or rank_of(status) >= rank_of(statuses[name]):
                statuses[name] = status
    return statuses


def _record(
    post: Post,
    generation: Generation | None,
    store: DatasetWriter,
    statuses: dict[str, FetchStatus],
) -> Outcome:
    name, url = post.generation.id, post.generation.url or ""
    # The same post twice in one export (overlapping parts) is settled by the first.
    if generation is None or statuses.get(name) in {FetchStatus.OK, generation.status}:
        return Outcome(url, statuses.get(name, FetchStatus.OK), name, is_new=False)
    store.append(generation)
    statuses[name] = generation.status
    is_new = generation.status is FetchStatus.OK
    return Outcome(url, generation.status, name, is_new=is_new, error=generation.error)


async def _stream(
    posts: Iterator[Post], statuses: dict[str, FetchStatus], renew: Renew | None
) -> AsyncIterator[Post]:
    """The posts, read in a thread a few hundred at a time, their links renewed if need be."""
    async for chunk in chunked(posts):
        for post in await _renewed(chunk, statuses, renew) if renew else chunk:
            yield post


async def _renewed(
    posts: Sequence[Post], statuses: dict[str, FetchStatus], renew: Renew
) -> Sequence[Post]:
    old = {
        post.generation.url
        for post in posts
        if _is_over(post) and statuses.get(post.generation.id) not in _SETTLED
    } - {None}
    if not old:
        return posts
    fresh = await renew(sorted(filter(None, old)))
    return [
        dataclasses.replace(
            post,
            generation=dataclasses.replace(
                post.generation, url=fresh.get(post.generation.url or "", post.generation.url)
            ),
        )
        for post in posts
    ]


def _is_over(post: Post) -> bool:
    if post.media is not None or not post.generation.url:
        return False
    end = expires_at(post.generation.url)
    return end is not None and end <= datetime.now(UTC)


async def _get(post: Post, fetcher: Fetcher) -> Fetched:
    generation, url = post.generation, post.generation.url or ""
    if generation.status is not FetchStatus.OK:  # settled while reading: outside the export, …
        return Fetched(status=generation.status, url=url, error=generation.error)
    if post.media is not None:
        return await asyncio.to_thread(read_file, post.media, url)
    if _is_over(post):
        return Fetched(status=FetchStatus.EXPIRED, url=url, error=EXPIRED)
    fetched = await fetcher.fetch(url)
    return (
        dataclasses.replace(fetched, error=EXPIRED)
        if fetched.status is FetchStatus.EXPIRED
        else fetched
    )


async def _with_picture(generation: Generation, fetched: Fetched, decoders: Decoders) -> Generation:
    if fetched.status is not FetchStatus.OK:
        return dataclasses.replace(generation, status=fetched.status, error=fetched.error)
    try:
        picture = await decoders.decode(fetched.body)
    except PictureError as exc:
        return dataclasses.replace(generation, status=exc.status, error=str(exc))
    return dataclasses.replace(
        generation,
        width=picture.width,
        height=picture.height,
        image=picture.jpeg,
        sha256=picture.sha256,
        phash=picture.phash,
        status=FetchStatus.OK,
        error=None,
    )


async def run_generations(
    posts: Iterator[Post],
    out: Location,
    plan: Plan,
    tally: Tally,
    *,
    token: str | None = None,
    keep_names: bool = False,
    **settings: Any,
) -> Outcomes:
    """Bring the posts of an export into a dataset; raises as `harvest_generations` does.

    The links of an export are the user's own: sites' rules for programs do not count for them.
    """
    network = plan.network
    fetcher = network.fetcher(crawls=False, pace=plan.pace, stop=plan.stop)
    with DatasetWriter(out, Generation) as store:
        store.note({**plan.settings, **settings, "keep_names": keep_names})
        async with fetcher, Decoders(plan.max_side) as decoders:
            outcomes = harvest_generations(
                posts,
                store,
                fetcher,
                decoders,
                renew=_renewer(token, network.ca_file) if token else None,
                keep_names=keep_names,
                stop=plan.stop,
            )
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    tally.count(outcome)
                    yield outcome


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
