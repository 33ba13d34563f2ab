"""This is the HTTP transport: aiohttp's connections, to allowed addresses only.

aiohttp and not httpx, whose connection pool grows quadratically with the number of connections, and
which costs four times as much a picture even over aiohttp's. Addresses are still read by httpx
(`guard.check_url`), which writes them out as they are asked.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import aiohttp
import httpx
from yarl import URL

from harvester.distribution import HOME_PAGE, VERSION
from harvester.fetch.guard import BadUrlError
from harvester.fetch.resolver import GuardedResolver

_KEEP_ALIVE_S = 30.0
_READ_BUFFER = 1 << 18
_MAX_HEADER = 16_384


def name_agent(contact: str | None = None) -> str:
    """The User-Agent that says who asks.

    Args:
        contact: where the owner of a host may write to; part of every request.

    Raises:
        ValueError: if `contact` cannot stand in a header.
    """
    if contact is not None and not (contact.isascii() and contact.isprintable()):
        raise ValueError(f"expected a contact of printable ASCII characters, found {contact!r}")
    about = f"+{HOME_PAGE}" + (f"; {contact}" if contact else "")
    return f"whence/{VERSION} ({about})"


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


class Session:
    """Asks for addresses, byte for byte as they were checked."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, address: httpx.URL) -> aiohttp.ClientResponse:
        """The head of one answer, to be entered; redirects are answers like any other.

        Args:
            address: as `guard.check_url` gave it.

        Raises:
            BadUrlError: if aiohttp would read another host in it than the one that was checked.
        """
        # Left as it is: aiohttp would write some escapes in another way (`%21` as `!`), which
        # breaks signed links.
        url = URL(str(address), encoded=True)
        if url.raw_host != address.raw_host.decode("ascii"):
            raise BadUrlError("expected an address that reads one way, found one that reads two")
        return await self._session.get(url, allow_redirects=False)


@asynccontextmanager
async def open_session(
    *,
    headers: dict[str, str],
    connections: int = 64,
    connect_s: float = 10.0,
    allow_private: bool = False,
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncIterator[Session]:
    """A session without cookies, proxies or unpacking of bodies, closed at the end of the block.

    It refuses names that resolve to addresses which are not public; literal addresses are for
    `guard.check_url` to refuse, before each request.

    Args:
        headers: sent with every request.
        connections: open at a time, to all hosts together.
        connect_s: seconds for one connection; nothing else is timed here.
        allow_private: let names resolve to private and loopback addresses.
        ssl_context: None gives `shared_ssl_context()`.
    """
    resolver = GuardedResolver(allow_private=allow_private)
    connector = aiohttp.TCPConnector(
        ssl=ssl_context or shared_ssl_context(),
        resolver=resolver,
        limit=connections,
        keepalive_timeout=_KEEP_ALIVE_S,
        use_dns_cache=False,  # aiohttp's never forgets a name; the resolver has one of its own
    )
    try:
        async with aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
            read_bufsize=_READ_BUFFER,
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
            trust_env=False,
        ) as session:
            yield Session(session)
    finally:
        await connector.close()
        await resolver.close()
