"""Answers that break HTTP, or stretch it, for the fault table."""

from __future__ import annotations

import asyncio
import zlib

from tests.support.servers.fault_server import Exchange, Handler, fixed, gzip_bomb, picture

HEAD = b"HTTP/1.1 200 OK\r\n"


def raw(*parts: bytes, hang_up: bool = True) -> Handler:
    """These bytes as they are; then the line is cut, or left open in silence."""

    async def handle(exchange: Exchange) -> None:
        for part in parts:
            await exchange.send(part)
        if hang_up:
            await exchange.hang_up()
        else:
            await asyncio.sleep(60)

    return handle


def repeating(start: bytes, part: bytes, pause_s: float = 0.0) -> Handler:
    """A beginning, then the same bytes for ever."""

    async def handle(exchange: Exchange) -> None:
        await exchange.send(start)
        while True:
            await exchange.send(part)
            await asyncio.sleep(pause_s)

    return handle


def with_head(*lines: bytes, body: bytes | None = None) -> Handler:
    """A picture behind header lines that no library would send."""
    sent = picture() if body is None else body
    length = b"Content-Length: %d" % len(sent)
    return raw(b"\r\n".join([HEAD.rstrip(), *lines, length, b"", sent]), hang_up=False)


def of_length(announced: int) -> Handler:
    """A picture whose announced length is wrong by so many bytes; in one piece, to fail one way."""
    body = picture()
    start = HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) + announced)
    return raw(start + body)


def redirecting(location: str, status: int = 302) -> Handler:
    return fixed(b"", status, location=location)


async def redirected_as_asked(exchange: Exchange) -> None:
    """To the address that stands in the query."""
    await exchange.answer(b"", 302, location=exchange.query)


async def chain(exchange: Exchange) -> None:
    """`/chain?6` takes six redirects to come to a picture."""
    left = int(exchange.query)
    if left == 0:
        return await exchange.answer(picture())
    return await exchange.answer(b"", 302, location=f"{exchange.path}?{left - 1}")


async def closing_after_each(exchange: Exchange) -> None:
    """Says that the line stays open, answers well, and cuts it."""
    await exchange.answer(picture(), connection="keep-alive")
    await exchange.hang_up()


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + framed + end


def packed_twice() -> bytes:
    """A gzip bomb in gzip: 1 KB → 500 KB → 500 MB."""
    packer = zlib.compressobj(9, wbits=31)
    return packer.compress(gzip_bomb(100)) + packer.flush()
