"""An httpx client that asks only allowed addresses, over aiohttp's connections.

httpx is the interface and aiohttp the transport: httpx's own connection pool grows quadratically
with the number of connections.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib import metadata
from pathlib import Path
from typing import Any, Self, cast

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from yarl import URL

from harvester.guard import GuardedResolver

_DNS_CACHE_S = 300


def name_agent(contact: str | None = None) -> str:
    """The User-Agent that says who asks.

    Args:
        contact: where the owner of a host may write to; part of every request.

    Raises:
        ValueError: if `contact` cannot stand in a header.
    """
    try:
        version = metadata.version("whence")
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        version = "0"
    if contact is not None and not (contact.isascii() and contact.isprintable()):
        raise ValueError(f"expected a contact of printable ASCII characters, found {contact!r}")
    about = "+https://pypi.org/project/whence" + (f"; {contact}" if contact else "")
    return f"whence/{version} ({about})"


@cache
def shared_ssl_context() -> ssl.SSLContext:
    """The process's one context, which takes 20 ms to build: the usual authorities.

    Those in the file that the variable `SSL_CERT_FILE` names take their place.
    """
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def trusting(authority: Path) -> ssl.SSLContext:
    """As `shared_ssl_context`, and the authorities of a PEM file besides.

    Raises:
        OSError: if there is no such file, or no certificate in it.
    """
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    context.load_verify_locations(authority)
    return context


class _ExactSession:
    """An aiohttp session that asks for each address byte for byte.

    aiohttp would write some escapes in another way (`%21` as `!`), which breaks signed links. The
    transport takes a session, or calls what it is given to get one: hence `__call__`.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def __call__(self) -> Self:
        return self

    def request(self, *, url: str, **options: Any) -> Any:
        return self._session.request(url=URL(url, encoded=True), **options)


@asynccontextmanager
async def open_client(
    *,
    headers: dict[str, str],
    connections: int = 64,
    connect_s: float = 10.0,
    allow_private: bool = False,
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client without cookies, proxies or automatic redirects, closed at the end of the block.

    It refuses names that resolve to addresses which are not public; literal addresses are for
    `guard.check_url` to refuse, before each request.

    Args:
        headers: sent with every request.
        connections: open at a time, to all hosts together.
        connect_s: seconds for one connection; nothing else is timed here.
        allow_private: let names resolve to private and loopback addresses.
        ssl_context: None gives `shared_ssl_context()`.
    """
    context = ssl_context or shared_ssl_context()
    resolver = GuardedResolver(allow_private=allow_private)
    connector = aiohttp.TCPConnector(
        ssl=context,
        resolver=resolver,
        limit=connections,
        ttl_dns_cache=_DNS_CACHE_S,
    )
    try:
        async with aiohttp.ClientSession(
            connector=connector, connector_owner=False, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            exact = cast("Callable[[], aiohttp.ClientSession]", _ExactSession(session))
            async with httpx.AsyncClient(
                transport=AiohttpTransport(verify=context, client=exact),
                headers=headers,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                timeout=httpx.Timeout(None, connect=connect_s),
                trust_env=False,
            ) as client:
                yield client
    finally:
        await connector.close()
        await resolver.close()
