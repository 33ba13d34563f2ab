"""This fetches the pictures that a prompt itself links to.

Links and style codes are read by `midjourney.prompt`. Linked pictures are fetched like any other,
with the same checks of addresses, sizes and opt-outs, and kept apart from what a search finds:
nobody had to look for them.
But: a style code (`--sref 1234567`) stands for pictures that only Midjourney knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from harvester.discord.links import expires_at
from harvester.fetch.download import Fetched
from harvester.fetch.fetcher import Fetcher
from harvester.pictures.decode import PictureError, encode_jpeg, open_picture
from harvester.schema import FetchStatus, Reference, ReferenceRole
from harvester.urls import hide_credentials, is_web_address

MOST_REFERENCES = 8
"""Pictures fetched for one prompt."""
DEADLINE_S = 45.0
"""Seconds for all pictures of a prompt together."""
OFFLINE = "not fetched: told to stay off the web"
TOO_MANY = f"not fetched: only the first {MOST_REFERENCES} pictures of a prompt are"
OVER = "this link of Discord's is over; ask whoever made the picture for the one it was made from"
_MAX_SIDE = 512


@dataclass(frozen=True, slots=True)
class DeclaredReference:
    """A picture or style code that a prompt names, and what came of fetching it.

    Attributes:
        url: as the prompt has it, but for a password; for style codes the code.
        status: None where nobody was asked.
        picture: as JPEG, upright, sRGB, at most 512 px a side; None unless status is `OK`.
        error: why there is no picture, in one line.
    """

    url: str
    role: ReferenceRole
    status: FetchStatus | None = None
    picture: bytes | None = field(default=None, repr=False)
    error: str | None = None


def links_of(references: Iterable[Reference]) -> tuple[str, ...]:
    """The links among references that would be fetched, each once; codes are none."""
    links = dict.fromkeys(one.url for one in references if is_web_address(one.url))
    return tuple(links)[:MOST_REFERENCES]


async def fetch_references(
    references: Sequence[Reference], fetcher: Fetcher, *, deadline_s: float = DEADLINE_S
) -> tuple[DeclaredReference, ...]:
    """Fetch the linked pictures of a prompt; a failure is a reference with its status.

    Args:
        references: as the prompt names them; those of `links_of` are asked for.
        fetcher: open.
        deadline_s: for all of them; those that are not there by then are `TIMEOUT`.

    Returns:
        One for each reference, in order.
    """
    links = links_of(references)
    pictures = await asyncio.gather(*(_fetch(link, fetcher, deadline_s) for link in links))
    by_link = dict(zip(links, pictures, strict=True))
    return tuple(
        _declared(one, by_link[one.url]) if one.url in by_link else _not_fetched(one, TOO_MANY)
        for one in references
    )


def list_references(references: Iterable[Reference]) -> tuple[DeclaredReference, ...]:
    """The references of a prompt where nothing may be fetched."""
    return tuple(_not_fetched(one, OFFLINE) for one in references)


@dataclass(frozen=True, slots=True)
class _LinkResult:
    """What came of one link."""

    status: FetchStatus
    picture: bytes | None = None
    error: str | None = None


async def _fetch(link: str, fetcher: Fetcher, deadline_s: float) -> _LinkResult:
    end = expires_at(link)
    if end is not None and end <= datetime.now(UTC):
        return _LinkResult(FetchStatus.EXPIRED, error=OVER)
    try:
        async with asyncio.timeout(deadline_s):
            fetched = await fetcher.fetch(link)
            return await asyncio.to_thread(_decode, fetched)
    except TimeoutError:
        reason = f"expected all pictures of the prompt within {deadline_s:.3g} s, found none here"
        return _LinkResult(FetchStatus.TIMEOUT, error=reason)


def _decode(fetched: Fetched) -> _LinkResult:
    if fetched.status is not FetchStatus.OK:
        return _LinkResult(fetched.status, error=fetched.error)
    try:
        picture = encode_jpeg(open_picture(fetched.body, max_side=_MAX_SIDE).rgb)
    except PictureError as exc:
        return _LinkResult(exc.status, error=str(exc))
    return _LinkResult(FetchStatus.OK, picture)


def _declared(reference: Reference, result: _LinkResult) -> DeclaredReference:
    url = hide_credentials(reference.url)
    return DeclaredReference(url, reference.role, result.status, result.picture, result.error)


def _not_fetched(reference: Reference, reason: str) -> DeclaredReference:
    if is_web_address(reference.url):
        return DeclaredReference(hide_credentials(reference.url), reference.role, error=reason)
    code = reference.url
    what = "a style that Midjourney chose" if code == "random" else f"style code {code}"
    return DeclaredReference(code, reference.role, error=f"{what}: no picture to fetch")
