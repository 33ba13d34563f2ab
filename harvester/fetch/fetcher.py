"""This is the fetcher: it downloads one address, politely and within limits, or says why not.

Redirects are followed here, one checked hop at a time, and opt-outs are obeyed at each. Limits hold
for whole downloads, not for single reads: a server that drips a byte a second, sends without end
or inflates a small body meets the same deadline and the same cap as any other.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

import aiohttp
import httpx
import stamina

from harvester.consent.signals import ConsentPolicy, decide, read_signals
from harvester.fetch.body import MemorySlot, read_body, read_head
from harvester.fetch.download import Download, Fetched, FetchLimits, HostTurns, Stopped, outcome_of
from harvester.fetch.faults import (
    NETWORK_ERRORS,
    REDIRECTS,
    FetchError,
    explain_error,
    judge_answer,
    read_retry_after,
)
from harvester.fetch.guard import AddressError, check_url
from harvester.fetch.pace import HostPace, Pace, Turn, TurnOutcome
from harvester.fetch.site_rules import SiteRules
from harvester.fetch.transport import Session, name_agent, open_session
from harvester.schema import FetchStatus
from harvester.shutdown import Stop

_HEAD_BYTES = 1024
_MAX_RULES = 512 << 10
_RULES_AT_ONCE = 128
_ACCEPT = "image/jpeg, image/png, image/webp, image/*;q=0.9, */*;q=0.5"


class Fetcher:
    """Downloads within limits; use it as an async context manager, from one event loop.

    Args:
        limits: of each download; None gives the usual ones.
        concurrency: downloads at a time.
        allow_private: let it ask private and loopback addresses.
        user_agent: None gives `transport.name_agent()`.
        ssl_context: None gives `transport.shared_ssl_context()`.
        policy: which opt-outs are obeyed.
        site_rules: whether robots.txt and tdmrep.json are asked for; a picture that the user
            names by itself is no crawling.
        pace: of each host; None gives one of its own.
        stop: once it is set no download is begun any more, and `fetch_held` raises `Stopped`.
        is_opted_out: whether the owner of an address that a redirect leads to opted out before.
    """

    def __init__(
        self,
        limits: FetchLimits | None = None,
        *,
        concurrency: int = 64,
        allow_private: bool = False,
        user_agent: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        policy: ConsentPolicy = ConsentPolicy.STRICT,
        site_rules: bool = False,
        pace: Pace | None = None,
        stop: Stop | None = None,
        is_opted_out: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._limits = limits or FetchLimits()
        self._concurrency = concurrency
        self._allow_private = allow_private
        self._user_agent = user_agent or name_agent()
        self._ssl_context = ssl_context
        self.policy = policy
        self.pace: Pace = pace or HostPace()
        self._rules = SiteRules(self._get_rules) if site_rules else None
        self._slots = asyncio.Semaphore(concurrency)
        # Places of their own: a download that is redirected asks for rules while it has a place.
        self._rule_places = asyncio.Semaphore(_RULES_AT_ONCE)
        self._large = asyncio.Semaphore(MemorySlot.MOST_LARGE)
        self._open = AsyncExitStack()
        self._session: Session | None = None
        self._stop = stop or Stop()
        self._is_opted_out = is_opted_out

    async def __aenter__(self) -> Self:
        self._session = await self._open.enter_async_context(
            open_session(
                headers={
                    "User-Agent": self._user_agent,
                    "Accept": _ACCEPT,
                    "Accept-Encoding": "identity",  # pictures are compressed already
                },
                connections=self._concurrency + _RULES_AT_ONCE,
                connect_s=self._limits.connect_s,
                allow_private=self._allow_private,
                ssl_context=self._ssl_context,
            )
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._session = None
        if self._rules is not None:
            await self._rules.close()
        await self._open.aclose()

    async def fetch(self, url: str) -> Fetched:
        """Download one address, with as many tries as its faults deserve.

        A failure is a `Fetched` with its status; nothing of the network's is raised.

        Raises:
            RuntimeError: outside of the `async with` block.
        """
        async with self.fetch_held(url) as fetched:
            return fetched

    @asynccontextmanager
    async def fetch_held(self, url: str) -> AsyncIterator[Fetched]:
        """As `fetch`, and keep one of the places for downloads until the body is done with.

        So there are never more bodies in memory than places, however far decoding lags behind.
        """
        if self._session is None:
            raise RuntimeError("expected an open Fetcher, found none: use `async with Fetcher()`")
        try:
            address = check_url(url, allow_private=self._allow_private)
        except AddressError as exc:
            yield Fetched(status=exc.status, url=url, error=str(exc))
            return
        async with MemorySlot(self._slots, self._large) as room:
            download = Download(url, address, room, 2 * self._limits.deadline_s)
            try:
                fetched = await self._try(self._session, download)
            except FetchError as fault:
                room.leave()
                fetched = Fetched(
                    status=fault.status,
                    url=url,
                    final_url=download.final_url,
                    signals=tuple(download.signals),
                    error=str(fault),
                )
            yield fetched

    async def _try(self, session: Session, download: Download) -> Fetched:
        limits = self._limits

        def plan_pause(exc: Exception) -> bool | float:
            """Whether to try again; in how many seconds, where the server named them.

            A pause that does not fit the time left ends the download: to ask sooner than asked
            to would be rude, and a later run tries again anyway.
            """
            if not isinstance(exc, FetchError) or not exc.worth_another_try or download.left_s <= 0:
                return False
            if exc.retry_after_s is None:
                return True
            pause_s = exc.retry_after_s + random.uniform(0, limits.pause_s)  # noqa: S311  # jitter
            download.left_s -= pause_s
            return pause_s if download.left_s > 0 else False

        async for attempt in stamina.retry_context(
            on=plan_pause,
            attempts=limits.attempts,
            timeout=None,
            wait_initial=limits.pause_s,
            wait_max=limits.deadline_s / 4,
            wait_jitter=limits.pause_s,
        ):
            with attempt:
                return await self._attempt(session, download)
        raise AssertionError("expected the last attempt to return or raise")

    async def _attempt(self, session: Session, download: Download) -> Fetched:
        """One try. Places are held while asking and while the body is in use, not while pausing."""
        if self._stop.is_set():
            raise Stopped
        download.signals.clear()  # what a page of an error said is none of the picture's owner's
        await self._obey_site(download.address, download)
        async with AsyncExitStack() as turns:
            start = time.monotonic()
            turn = await self._take_turn(turns, download.address.host, download.left_s)
            await download.room.enter()
            if self._stop.is_set():
                raise Stopped
            if not download.tries:
                start = time.monotonic()  # those who came before are no fault of this address
            download.tries += 1
            try:
                hops = HostTurns(turns, turn)
                hops.turn.start()
                fetched = await self._ask(session, download, hops)
            except FetchError as fault:
                hops.turn.report(outcome_of(fault), fault.retry_after_s, status=fault.status)
                download.room.leave()
                raise
            finally:
                download.left_s -= time.monotonic() - start
            hops.turn.report(TurnOutcome.OK)
            return fetched

    async def _take_turn(self, turns: AsyncExitStack, host: str, patience_s: float) -> Turn:
        return await turns.enter_async_context(self.pace.turn(host, patience_s=patience_s))

    async def _ask(self, session: Session, download: Download, hops: HostTurns) -> Fetched:
        deadline_s = min(self._limits.deadline_s, max(download.left_s, 0))
        try:
            async with asyncio.timeout(deadline_s):
                return await self._follow(session, download, hops)
        except TimeoutError as exc:
            reason = f"expected the whole answer within {deadline_s:.3g} s, found it unfinished"
            raise FetchError(FetchStatus.TIMEOUT, reason) from exc
        except NETWORK_ERRORS as exc:
            raise explain_error(exc) from exc

    async def _follow(self, session: Session, download: Download, hops: HostTurns) -> Fetched:
        address = download.address
        for hop in range(self._limits.max_redirects + 1):
            download.final_url = str(address) if hop else download.url
            async with await self._answer(session, address) as response:
                hops.turn.answered()
                download.signals += read_signals(response.headers.items())
                refusal = decide(download.signals, self.policy)
                if refusal and response.status < 400:
                    reason = f"expected leave to use it, found {refusal}"
                    raise FetchError(FetchStatus.OPTED_OUT, reason)
                location = response.headers.get("Location")
                if response.status not in REDIRECTS or not location:
                    return await self._read(response, download)
            target = check_url(str(address.join(location)), allow_private=self._allow_private)
            if self._is_opted_out(str(target)):
                reason = "expected leave to use it, found that its owner opted out before"
                raise FetchError(FetchStatus.OPTED_OUT, reason)
            if target.host != address.host:
                # The first turn ends before the second is waited for: two hosts that redirect to
                # each other must not block each other, nor answer for each other's faults.
                hops.turn.report(TurnOutcome.OK)
                await hops.turns.aclose()
                download.room.leave()  # for others, who need not wait for that host
            await self._obey_site(target, download)
            if target.host != address.host:
                hops.turn = await self._take_turn(hops.turns, target.host, download.left_s)
                await download.room.enter()
                hops.turn.start()
            address = target
        reason = f"expected at most {self._limits.max_redirects} redirects, found more"
        raise FetchError(FetchStatus.TOO_MANY_REDIRECTS, reason)

    async def _answer(self, session: Session, address: httpx.URL) -> aiohttp.ClientResponse:
        """The head of an answer; its body is not read yet."""
        try:
            async with asyncio.timeout(self._limits.answer_s):
                return await session.get(address)
        except TimeoutError as exc:
            reason = f"expected an answer within {self._limits.answer_s:.3g} s, found none"
            raise FetchError(FetchStatus.TIMEOUT, reason) from exc

    async def _obey_site(self, address: httpx.URL, download: Download) -> None:
        """Take in what the site's own rules say of an address, and end where that is a no."""
        if self._rules is None:
            return
        verdict = await self._rules.check(str(address))
        download.signals += [one for one in verdict.signals if one not in download.signals]
        refusal = decide(download.signals, self.policy)
        if refusal:
            raise FetchError(FetchStatus.OPTED_OUT, f"expected leave to use it, found {refusal}")
        if verdict.fault is not None:
            raise verdict.fault
        if verdict.crawl_delay_s:
            self.pace.space_out(address.host, verdict.crawl_delay_s)

    async def _get_rules(self, url: str) -> tuple[int, Mapping[str, str], bytes]:
        """One small file of a site's, for `robots` and `tdmrep`; redirects are left to them."""
        if self._session is None:
            raise RuntimeError("expected an open Fetcher, found none: use `async with Fetcher()`")
        try:
            address = check_url(url, allow_private=self._allow_private)
            async with (
                self._rule_places,
                asyncio.timeout(self._limits.answer_s),
                await self._session.get(address) as response,
            ):
                # What is behind the cap is left unread, as RFC 9309 has it.
                return response.status, response.headers, await read_head(response, _MAX_RULES)
        except TimeoutError as exc:
            reason = f"expected an answer within {self._limits.answer_s:.3g} s, found none"
            raise FetchError(FetchStatus.TIMEOUT, reason) from exc
        except NETWORK_ERRORS as exc:
            raise explain_error(exc) from exc

    async def _read(self, response: aiohttp.ClientResponse, download: Download) -> Fetched:
        headers = response.headers
        head = await read_head(response, _HEAD_BYTES) if response.status == 404 else b""
        fault = judge_answer(response.status, head, read_retry_after(headers.get("Retry-After")))
        if fault is not None:
            raise fault
        limits = self._limits
        body = await read_body(response, limits.max_bytes, download.room, limits.min_rate)
        if not body:
            raise FetchError(FetchStatus.EMPTY, "expected a picture, found 0 bytes")
        return Fetched(
            status=FetchStatus.OK,
            url=download.url,
            final_url=download.final_url,
            body=body,
            mime=headers.get("Content-Type", "").partition(";")[0].strip().lower() or None,
            etag=headers.get("ETag"),
            signals=tuple(download.signals),
        )
