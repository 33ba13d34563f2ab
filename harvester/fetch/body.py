"""This is the reader of HTTP bodies, within a cap of bytes, and the memory slots they take."""

from __future__ import annotations

import asyncio
import time
import zlib
from typing import Self

import aiohttp

from harvester.fetch.faults import FetchError
from harvester.schema import FetchStatus

_AS_IS = frozenset({"", "identity", "none", "binary"})
_ZLIB = frozenset({"gzip", "x-gzip", "deflate"})
_EITHER_HEADER = zlib.MAX_WBITS | 32
_LARGE = 1 << 20
_GRACE_S = 5.0
_STALL_S = 5.0


class MemorySlot:
    """Room in memory for the body of one download; a context manager that gives it back.

    There are as many places as downloads at a time; bodies of more than a megabyte share three
    besides, so that all bodies together take a bounded part of memory and small ones never wait
    for large ones.

    Args:
        places: one for each download.
        large: `MOST_LARGE` of them.
    """

    MOST_LARGE = 3

    def __init__(self, places: asyncio.Semaphore, large: asyncio.Semaphore) -> None:
        self._places, self._large = places, large
        self._is_in = self._is_large = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()

    async def enter(self) -> None:
        """Wait for a place."""
        await self._places.acquire()
        self._is_in = True

    async def grow(self, size: int) -> None:
        """Tell how many bytes the body has by now; waits where that makes it a large one."""
        if size > _LARGE and not self._is_large:
            await self._large.acquire()
            self._is_large = True

    def leave(self) -> None:
        """Give back what is held."""
        if self._is_in:
            self._places.release()
        if self._is_large:
            self._large.release()
        self._is_in = self._is_large = False


async def read_head(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The first bytes of a body, as sent; the rest is left unread."""
    head = b""
    async for chunk in response.content.iter_any():
        head += chunk
        if len(head) >= max_bytes:
            break
    return head[:max_bytes]


async def read_body(
    response: aiohttp.ClientResponse, max_bytes: int, room: MemorySlot, min_rate: float
) -> bytes:
    """The whole body, unpacked where the server packed it unasked.

    Unpacking is done here and not by the client library, which would inflate a chunk to any size
    before it can be counted, and knows encodings whose bombs are far larger than gzip's.

    Args:
        response: its head has been read.
        max_bytes: of the body, as sent and as unpacked.
        room: told how the body grows.
        min_rate: bytes a second that must have come on average after five seconds, so that a
            server which drips holds its place no longer.

    Raises:
        FetchError: `TOO_LARGE`, at the latest after `max_bytes`; `TRUNCATED` where packed data lack
            their end; `UNDECODABLE` for an encoding other than gzip and deflate; `TIMEOUT` where
            it drips.
        zlib.error: if packed data are broken.
    """
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise FetchError(
            FetchStatus.TOO_LARGE,
            f"expected at most {max_bytes:,} bytes, found {int(announced):,} announced",
        )
    unpack = _unpacker(response.headers.get("Content-Encoding", ""))
    parts: list[bytes] = []
    size = sent = 0
    start = time.monotonic()
    while chunk := await _next_chunk(response):
        part = unpack.decompress(chunk, max_bytes - size + 1) if unpack else chunk
        size += len(part)
        sent += len(chunk)
        if max(size, sent) > max_bytes:
            raise FetchError(
                FetchStatus.TOO_LARGE, f"expected at most {max_bytes:,} bytes, found more"
            )
        parts.append(part)
        await room.grow(size)
        took_s = time.monotonic() - start
        if took_s > _GRACE_S and size < min_rate * took_s:
            reason = f"expected {min_rate:,.0f} bytes a second, found {size / took_s:,.0f}"
            raise FetchError(FetchStatus.TIMEOUT, reason, mendable=False)
        if unpack and unpack.eof:  # what follows would be gathered, and copied with each chunk
            break
    if unpack and not unpack.eof:
        raise FetchError(FetchStatus.TRUNCATED, "expected the whole gzip body, found it cut short")
    return b"".join(parts)


async def _next_chunk(response: aiohttp.ClientResponse) -> bytes:
    try:
        async with asyncio.timeout(_STALL_S):
            return await response.content.readany()
    except TimeoutError as exc:
        reason = f"expected more of the body within {_STALL_S:g} s, found nothing"
        raise FetchError(FetchStatus.TIMEOUT, reason, mendable=False) from exc


def _unpacker(encoding: str) -> zlib._Decompress | None:
    name = encoding.strip().lower()
    if name in _AS_IS:
        return None
    if name in _ZLIB:
        return zlib.decompressobj(_EITHER_HEADER)
    reason = f"expected a body as it is, or in gzip, found content-encoding {name[:40]!r}"
    raise FetchError(FetchStatus.UNDECODABLE, reason)
