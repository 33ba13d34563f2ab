"""Bodies of answers, read within a cap: as sent, and as unpacked."""

from __future__ import annotations

import zlib

import httpx

from harvester.faults import FetchError
from harvester.schema import FetchStatus

_AS_IS = frozenset({"", "identity", "none", "binary"})
_ZLIB = frozenset({"gzip", "x-gzip", "deflate"})
_EITHER_HEADER = zlib.MAX_WBITS | 32


async def read_head(response: httpx.Response, max_bytes: int) -> bytes:
    """The first bytes of a body, as sent; the rest is left unread."""
    head = b""
    async for chunk in response.aiter_raw():
        head += chunk
        if len(head) >= max_bytes:
            break
    return head[:max_bytes]


async def read_body(response: httpx.Response, max_bytes: int) -> bytes:
    """The whole body, unpacked where the server packed it unasked.

    Unpacking is done here and not by httpx, which inflates a chunk to any size before it can be
    counted, and knows encodings whose bombs are far larger than gzip's.

    Raises:
        FetchError: `TOO_LARGE`, at the latest after `max_bytes`; `TRUNCATED` where packed data lack
            their end; `UNDECODABLE` for an encoding other than gzip and deflate.
        zlib.error: if packed data are broken.
    """
    announced = response.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise FetchError(
            FetchStatus.TOO_LARGE,
            f"expected at most {max_bytes:,} bytes, found {int(announced):,} announced",
        )
    unpack = _unpacker(response.headers.get("content-encoding", ""))
    parts: list[bytes] = []
    size = 0
    async for chunk in response.aiter_raw():
        part = unpack.decompress(chunk, max_bytes - size + 1) if unpack else chunk
        size += len(part)
        if size > max_bytes:
            raise FetchError(
                FetchStatus.TOO_LARGE, f"expected at most {max_bytes:,} bytes, found more"
            )
        parts.append(part)
    if unpack and not unpack.eof:
        raise FetchError(FetchStatus.TRUNCATED, "expected the whole gzip body, found it cut short")
    return b"".join(parts)


def _unpacker(encoding: str) -> zlib._Decompress | None:
    name = encoding.strip().lower()
    if name in _AS_IS:
        return None
    if name in _ZLIB:
        return zlib.decompressobj(_EITHER_HEADER)
    reason = f"expected a body as it is, or in gzip, found content-encoding {name[:40]!r}"
    raise FetchError(FetchStatus.UNDECODABLE, reason)
