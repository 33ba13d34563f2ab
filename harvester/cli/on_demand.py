"""These are harvests that `attribute` asks for: a search for a prompt, and its linked pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harvester.cli.console import make, run_loop, say

if TYPE_CHECKING:
    from harvester.dataset.storage import Location
    from harvester.pipeline.references import DeclaredReference
    from harvester.schema import Reference


def fetch_declared(
    references: Sequence[Reference],
    *,
    offline: bool,
    allow_private: bool = False,
    ca_file: Path | None = None,
) -> tuple[DeclaredReference, ...]:
    """Fetch the pictures that a prompt links to, or list them where nothing may be fetched.

    Raises:
        InputError: if the authority's file cannot be used.
    """
    if not references:
        return ()
    from harvester.fetch.settings import Network
    from harvester.pipeline.references import fetch_references, links_of, list_references
    from harvester.urls import hide_credentials

    links = links_of(references)
    if offline or not links:
        return list_references(references)
    shown = ", ".join(map(hide_credentials, links))
    say(f"fetching what the prompt links to: {shown} (--offline to leave that)")
    network = Network(allow_private=allow_private, ca_file=ca_file)

    async def fetch() -> tuple[DeclaredReference, ...]:
        async with network.fetcher(crawls=False) as fetcher:
            return await fetch_references(references, fetcher)

    return run_loop(fetch())


def harvest_prompt(
    prompt: str,
    folders: Sequence[Location],
    *,
    is_default: bool,
    per_prompt: int,
    search_proxy: str | None = None,
    allow_private: bool = False,
    ca_file: Path | None = None,
) -> None:
    """Search for a prompt before it is ranked, where that is called for.

    The default dataset gathers the candidates of all prompts, so it is searched for this one's. A
    dataset that the user names is ranked as it is, unless it is empty.

    Raises:
        HarvestError: as `pipeline.search.run_search` does.
    """
    from harvester.api.harvest import harvest_search
    from harvester.api.settings import HarvestSettings
    from harvester.pipeline.run import check_reached
    from harvester.pipeline.search import has_candidates

    if has_candidates(folders, prompt if is_default else None):
        return
    out = folders[0]
    say(f"no candidates for this prompt in {out}: searching the web (--offline to leave that)")
    settings = HarvestSettings(
        allow_private=allow_private,
        ca_file=ca_file,
        per_prompt=per_prompt,
        search_proxy=search_proxy,
    )
    check_reached(make(harvest_search([prompt], out, settings=settings)))
