"""One reading of Discord exports, from the posts to a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from harvester.decoders import Decoders
from harvester.discord.links import refresh_links
from harvester.generations import Renew, harvest_generations
from harvester.places import Place
from harvester.run import OnOutcome, Plan
from harvester.schema import Generation
from harvester.sources.discord_export import Post
from harvester.store import Store
from harvester.tally import Tally
from harvester.transport import shared_ssl_context, trusting


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
