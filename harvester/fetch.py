"""One download: an address → bytes, or the status that says why not.

Redirects are followed here, one checked hop at a time, and opt-outs are obeyed at each. Limits hold
for whole downloads, not for single reads: a server that drips a byte a second, sends without end
or inflates a small body meets the same deadline and the same cap as any other.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx
import stamina

from harvester.bodies import read_body, read_head
from harvester.consent import read_consent
from harvester.faults import NETWORK_ERRORS, FetchError, explain_error, judge_answer
from harvester.guard import AddressError, check_url
from harvester.pace import HostSlots, read_retry_after
from harvester.schema import FetchStatus
from harvester.transport import name_agent, open_client

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PER_HOST = 16
_HEAD_BYTES = 1024
_ACCEPT = "image/jpeg, image/png, image/webp, image/*;q=0.9, */*;q=0.5"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """What one download may cost.

    Attributes:
        max_bytes: of the body, as sent and as unpacked.
        deadline_s: seconds for one try, from name look-up to last byte; all tries and pauses
            together get twice as many.
        connect_s: seconds for a connection.
        max_redirects: hops after the first address.
        attempts: tries in all; only faults that may pass are tried again.
        pause_s: seconds before the second try; doubles with each further one, and as much again
            is added at random.
    """

    max_bytes: int = 32 << 20
    deadline_s: float = 30.0
    connect_s: float = 10.0
    max_redirects: int = 5
    attempts: int = 3
    pause_s: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """How one download ended; never an exception.

    Attributes:
        url: as asked for. final_url: the one that answered; None where none was asked.
        body: as served, or empty where status is not `OK`.
        mime: the server's word for it, in lower case, without parameters.
        rights: opt-out signals of the answer and of the redirects to it, as written.
        error: one line; None where status is `OK`.
    """

    status: FetchStatus
    url: str
    final_url: str | None = None
    body: bytes = field(default=b"", repr=False)
    mime: str | None = None
    etag: str | None = None
    rights: tuple[str, ...] = ()
    error: str | None = None


@dataclass(slots=True)
class _Download:
    """One download under way: what is known of it, whether it ends well or badly."""

    url: str
    address: httpx.URL
    final_url: str | None = None
    rights: tuple[str, ...] = ()
    asked: str = ""  # the host that was asked last


class Fetcher:
    """Downloads within limits; use it as an async context manager, from one event loop.

    Args:
        limits: of each download.
        concurrency: downloads at a time; at most 16 of them from one host.
        allow_private: let it ask private and loopback addresses.
        user_agent: None gives `transport.name_agent()`.
        ssl_context: None gives `transport.shared_ssl_context()`.
    """

    def __init__(
        self,
        limits: FetchLimits = FetchLimits(),
        *,
        concurrency: int = 64,
        allow_private: bool = False,
        user_agent: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._limits = limits
        self._concurrency = concurrency
        self._allow_private = allow_private
        self._user_agent = user_agent or name_agent()
        self._ssl_context = ssl_context
        self._slots = asyncio.Semaphore(concurrency)
        self._hosts = HostSlots(_PER_HOST)
        self._open = AsyncExitStack()
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        self._client = await self._open.enter_async_context(
            open_client(
                headers={
                    "User-Agent": self._user_agent,
                    "Accept": _ACCEPT,
                    "Accept-Encoding": "identity",  # pictures are compressed already
                },
                connections=self._concurrency,
                connect_s=self._limits.connect_s,
                allow_private=self._allow_private,
                ssl_context=self._ssl_context,
            )
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client = None
        await self._open.aclose()

    async def fetch(self, url: str) -> Fetched:
        """Download one address, with as many tries as its faults deserve.

        A failure is a `Fetched` with its status; nothing of the network's is raised.

        Raises:
            RuntimeError: outside of the `async with` block.
        """
        if self._client is None:
            raise RuntimeError("expected an open Fetcher, found none: use `async with Fetcher()`")
        try:
            address = check_url(url, allow_private=self._allow_private)
        except AddressError as exc:
            return Fetched(status=exc.status, url=url, error=str(exc))
        download = _Download(url, address)
        try:
            return await self._try(self._client, download)
        except FetchError as fault:
            return Fetched(
                status=fault.status,
                url=url,
                final_url=download.final_url,
                rights=download.rights,
                error=str(fault),
            )

    async def _try(self, client: httpx.AsyncClient, download: _Download) -> Fetched:
        limits = self._limits
        left_s = 2 * limits.deadline_s

        def plan_pause(exc: Exception) -> bool | float:
            """Whether to try again; in how many seconds, where the server named them.

            A pause that does not fit the time left ends the download: to ask sooner than asked
            to would be rude, and a later run tries again anyway.
            """
            nonlocal left_s
            if not isinstance(exc, FetchError) or not exc.worth_another_try or left_s <= 0:
                return False
            if exc.retry_after_s is None:
                return True
            pause_s = exc.retry_after_s + random.uniform(0, limits.pause_s)  # noqa: S311  # jitter
            left_s -= pause_s
            return pause_s if left_s > 0 else False

        async for attempt in stamina.retry_context(
            on=plan_pause,
            attempts=limits.attempts,
            timeout=None,
            wait_initial=limits.pause_s,
            wait_max=limits.deadline_s / 4,
            wait_jitter=limits.pause_s,
        ):
            with attempt:
                # A slot is held while asking, not while pausing; but a host that wants a pause
                # wants it of all.
                async with self._hosts.hold(download.address.host):
                    left_s -= await self._rest(download.address.host, left_s)
                    async with self._slots:
                        start = time.monotonic()
                        try:
                            return await self._ask(client, download, min(limits.deadline_s, left_s))
                        except FetchError as fault:
                            if fault.retry_after_s:
                                self._hosts.pause(download.asked, fault.retry_after_s)
                            raise
                        finally:
                            left_s -= time.monotonic() - start
        raise AssertionError("expected the last attempt to return or raise")

    async def _rest(self, host: str, left_s: float) -> float:
        """Wait out the pause that a host asked another download for; how many seconds that took."""
        pause_s = self._hosts.pause_of(host)
        if pause_s >= left_s:
            reason = (
                f"expected a host that may be asked, found that it wants {pause_s:,.0f} s of rest"
            )
            raise FetchError(FetchStatus.THROTTLED, reason, mendable=False)
        await asyncio.sleep(pause_s)
        return pause_s

    async def _ask(
        self, client: httpx.AsyncClient, download: _Download, deadline_s: float
    ) -> Fetched:
        try:
            async with asyncio.timeout(deadline_s):
                return await self._follow(client, download)
        except TimeoutError as exc:
            reason = f"expected the whole answer within {deadline_s:.3g} s, found it unfinished"
            raise FetchError(FetchStatus.TIMEOUT, reason) from exc
        except NETWORK_ERRORS as exc:
            raise explain_error(exc) from exc

    async def _follow(self, client: httpx.AsyncClient, download: _Download) -> Fetched:
        address = download.address
        signals: list[tuple[str, str]] = []
        for hop in range(self._limits.max_redirects + 1):
            download.final_url = str(address) if hop else download.url
            download.asked = address.host
            response = await client.send(client.build_request("GET", address), stream=True)
            try:
                signals += response.headers.multi_items()
                consent = read_consent(signals)
                download.rights = consent.rights
                if consent.refusal and response.status_code < 400:
                    reason = f"expected leave to use it, found {consent.refusal}"
                    raise FetchError(FetchStatus.OPTED_OUT, reason)
                location = response.headers.get("location")
                if response.status_code not in _REDIRECTS or not location:
                    return await self._read(response, download)
                target = str(address.join(location))
                address = check_url(target, allow_private=self._allow_private)
            finally:
                await response.aclose()
        reason = f"expected at most {self._limits.max_redirects} redirects, found more"
        raise FetchError(FetchStatus.TOO_MANY_REDIRECTS, reason)

    async def _read(self, response: httpx.Response, download: _Download) -> Fetched:
        headers = response.headers
        code = response.status_code
        head = await read_head(response, _HEAD_BYTES) if code == 404 else b""
        fault = judge_answer(code, head, read_retry_after(headers.get("retry-after")))
        if fault is not None:
            raise fault
        body = await read_body(response, self._limits.max_bytes)
        if not body:
            raise FetchError(FetchStatus.EMPTY, "expected a picture, found 0 bytes")
        return Fetched(
            status=FetchStatus.OK,
            url=download.url,
            final_url=download.final_url,
            body=body,
            mime=headers.get("content-type", "").partition(";")[0].strip().lower() or None,
            etag=headers.get("etag"),
            rights=download.rights,
        )
