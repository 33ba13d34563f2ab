"""These are links to Discord's attachments: when they end, what they share, how they are renewed.

Since December 2023 a link carries `ex` and `is` (hexadecimal epoch seconds) and `hm` (a signature)
and ends after a day; two links to one attachment differ in these three alone. The file's name is
signed with the path, so a link must keep the user's name in it for as long as it is to be fetched;
`anonymous_link` is what to store afterwards.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import httpx
import stamina

from harvester.errors import RateLimitedError, SourceChangedError, SourceError

logger = logging.getLogger(__name__)
DISCORD_API = "https://discord.com/api/v10"
_BATCH = 50
"""Discord's own limit of links per request."""
_ATTEMPTS = 5
_MAX_PAUSE_S = 60.0
_MAX_TOTAL_S = 300.0
_SIGNATURE = frozenset({"ex", "is", "hm"})
_EXPIRY = re.compile(r"[?&]ex=([0-9a-fA-F]{1,10})(?=[&#]|\Z)")
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_BOT_ADVICE = (
    "set WHENCE_DISCORD_TOKEN to the token of a bot of yours (Discord's developer portal), "
    "or unset it to record old links as expired"
)


class _TryAgainError(Exception):
    """One request failed in a way that a pause may mend."""

    def __init__(self, reason: str, pause_s: float | None = None) -> None:
        super().__init__(reason)
        self.pause_s = pause_s


def expires_at(url: str) -> datetime | None:
    """When a link ends (UTC); None if it carries no such time."""
    match = _EXPIRY.search(url)
    try:
        return datetime.fromtimestamp(int(match[1], 16), UTC) if match else None
    except (ValueError, OverflowError, OSError):
        return None


def canonical_link(url: str) -> str:
    """A link without expiry and signature; everything else stays byte for byte."""
    before, mark, query = url.partition("?")
    if not mark:
        return url
    query, hash_sign, fragment = query.partition("#")
    parts = [part for part in query.split("&") if part and part.split("=", 1)[0] not in _SIGNATURE]
    return before + ("?" + "&".join(parts) if parts else "") + hash_sign + fragment


def find_job_id(name: str) -> str | None:
    """The job's uuid, in lower case, out of a file name or link; the last one, if several."""
    ids = _UUID.findall(name)
    return ids[-1].lower() if ids else None


def anonymous_link(url: str) -> str:
    """A canonical link whose file name holds no user: for storing, it cannot be fetched.

    Midjourney names files `<user>_<slug>_<uuid>.png`; what stands before the uuid goes, and with it
    the slug, since a user name may itself hold `_`. A name without a uuid goes but for its ending.
    """
    link = canonical_link(url)
    path, mark, query = link.partition("?")
    folder, slash, name = path.rpartition("/")
    uuid = find_job_id(name)
    if uuid:
        ending = name[name.lower().rindex(uuid) :]
    else:
        ending = name[name.rfind(".") :] if "." in name else ""
    return f"{folder}{slash}user{'_' if uuid else ''}{ending}{mark}{query}"


async def refresh_links(
    client: httpx.AsyncClient, urls: Iterable[str], token: str, *, api: str = DISCORD_API
) -> dict[str, str]:
    """Ask Discord for new links to attachments whose links have ended.

    Args:
        client: open; its time-outs hold for each request.
        urls: asked once each, 50 a request.
        token: of a bot.
        api: base address, without a slash at its end.

    Returns:
        The new link by the old one; a link that Discord does not renew is missing.

    Raises:
        RateLimitedError: Discord still asks for pauses after five attempts.
        SourceChangedError: the answer is of an unknown shape.
        SourceError: the token is refused, or Discord does not answer.
    """
    token = re.sub(r"\ABot\b\s*", "", token.strip())
    if not token or not token.isascii() or not token.isprintable():
        raise SourceError(f"expected a bot token, found an unusable text; {_BOT_ADVICE}")
    waiting = iter(dict.fromkeys(urls))
    fresh: dict[str, str] = {}
    while batch := list(islice(waiting, _BATCH)):
        fresh.update(await _refresh_batch(client, batch, token, f"{api}/attachments/refresh-urls"))
    logger.debug("renewed %d links", len(fresh))
    return fresh


async def _refresh_batch(
    client: httpx.AsyncClient, batch: Sequence[str], token: str, address: str
) -> dict[str, str]:
    try:
        async for attempt in stamina.retry_context(
            on=_choose_pause, attempts=_ATTEMPTS, timeout=_MAX_TOTAL_S, wait_max=20.0
        ):
            with attempt:
                return await _ask(client, batch, token, address)
    except _TryAgainError as exc:
        message = (
            f"{address}: expected renewed links, found {exc} and tried again; "
            "run the same command again later"
        )
        if exc.pause_s is None:
            raise SourceError(message) from exc
        raise RateLimitedError(message, retry_after_s=exc.pause_s) from exc
    raise AssertionError("unreachable: the last attempt returns or raises")  # for the type checker


def _choose_pause(exc: Exception) -> bool | float:
    if not isinstance(exc, _TryAgainError):
        return False
    if exc.pause_s is None:
        return True
    # A longer pause than this is for the user to sit out, not for a hanging command.
    return exc.pause_s if exc.pause_s <= _MAX_PAUSE_S else False


async def _ask(
    client: httpx.AsyncClient, batch: Sequence[str], token: str, address: str
) -> dict[str, str]:
    try:
        answer = await client.post(
            address,
            json={"attachment_urls": list(batch)},
            headers={"Authorization": f"Bot {token}"},
        )
    except httpx.TransportError as exc:
        raise _TryAgainError(f"no answer ({type(exc).__name__})") from exc
    status = answer.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        raise _TryAgainError("status 429 (too many requests)", _read_pause(answer))
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise _TryAgainError(f"status {status}")
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise SourceError(
            f"{address}: expected the bot token to be accepted, found status {status}; "
            f"{_BOT_ADVICE}"
        )
    if status != httpx.codes.OK:
        raise SourceError(
            f"{address}: expected status 200, found {status}; unset WHENCE_DISCORD_TOKEN to record "
            "old links as expired, or export the channel again for new links"
        )
    return _read_fresh(answer, address)


def _read_pause(answer: httpx.Response) -> float:
    """Seconds to wait, from the header or the body; one second where neither says."""
    try:
        body: Any = answer.json()
    except ValueError:
        body = None
    named = body.get("retry_after") if isinstance(body, dict) else None
    for value in (answer.headers.get("retry-after"), named):
        try:
            pause_s = float(str(value))
        except ValueError:
            continue
        if 0 <= pause_s < float("inf"):
            return pause_s
    return 1.0


def _read_fresh(answer: httpx.Response, address: str) -> dict[str, str]:
    try:
        pairs = answer.json()["refreshed_urls"]
        fresh = {pair["original"]: pair["refreshed"] for pair in pairs}
    except (ValueError, KeyError, TypeError) as exc:
        raise SourceChangedError(
            f"{address}: expected JSON with $.refreshed_urls[].original and .refreshed, found "
            "another shape; Discord's interface has changed, look for a newer whence"
        ) from exc
    return {old: new for old, new in fresh.items() if isinstance(old, str) and isinstance(new, str)}
