"""A web server with every fault that a harvest meets, on 127.0.0.1, in a thread of its own.

Written on bare streams, because half of its answers break HTTP and no framework would send them.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import ssl
import threading
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import Any, Self

from PIL import Image, ImageDraw

Handler = Callable[["Exchange"], Awaitable[None]]

REASONS = {200: "OK", 302: "Found", 404: "Not Found", 429: "Too Many Requests"}
EXPIRED = b"This content is no longer available."
TLS_HELLO = b"\x16"
HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'


@cache
def picture(kind: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
    """A drawing of 120 by 80 pixels, in any format and mode that Pillow writes."""
    drawn = Image.linear_gradient("L").resize((120, 80)).convert("RGB")
    ImageDraw.Draw(drawn).ellipse((20, 10, 90, 70), fill=(200, 40, 40))
    buffer = io.BytesIO()
    drawn.convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


@cache
def animation() -> bytes:
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "lime", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


@cache
def sideways() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(exif=exif.tobytes())


@cache
def pixel_bomb() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(buffer, "PNG")
    return buffer.getvalue()


@cache
def gzip_bomb(megabytes: int = 100) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    packed = [packer.compress(bytes(1 << 20)) for _ in range(megabytes)]
    return b"".join([*packed, packer.flush()])


@dataclass
class Exchange:
    """One request, and the means to answer it well or badly.

    Attributes:
        nth: how often this path has been asked for, this time included.
        headers: names in lower case.
        query: what follows the path's `?`.
    """

    path: str
    nth: int
    headers: dict[str, str]
    writer: asyncio.StreamWriter
    query: str = ""

    async def answer(self, body: bytes = b"", status: int = 200, **headers: str) -> None:
        """A whole and correct answer; `_` in a header's name stands for `-`."""
        await self.begin(status, content_length=str(len(body)), **headers)
        await self.send(body)

    async def begin(self, status: int = 200, **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Answer')}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hang_up(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


def fixed(body: bytes = b"", status: int = 200, **headers: str) -> Handler:
    async def handle(exchange: Exchange) -> None:
        await exchange.answer(body, status, **headers)

    return handle


async def slow(exchange: Exchange) -> None:
    await asyncio.sleep(60)
    await exchange.answer(picture())


async def drip(exchange: Exchange) -> None:
    await exchange.begin(content_length="100000", content_type="image/jpeg")
    while True:
        await exchange.send(b"\xff")
        await asyncio.sleep(0.05)


async def truncated(exchange: Exchange) -> None:
    body = picture()
    await exchange.begin(content_length=str(len(body)), content_type="image/jpeg")
    await exchange.send(body[: len(body) // 2])
    await exchange.hang_up()


async def truncated_chunks(exchange: Exchange) -> None:
    await exchange.begin(transfer_encoding="chunked")
    await exchange.send(b"8\r\n\xff\xd8\xff\xe0abcd\r\n")
    await exchange.hang_up()


async def truncated_gzip(exchange: Exchange) -> None:
    await exchange.answer(gzip_bomb(1)[:600], content_encoding="gzip")


async def oversized(exchange: Exchange) -> None:
    await exchange.begin(transfer_encoding="chunked")
    while True:
        await exchange.send(b"10000\r\n" + bytes(0x10000) + b"\r\n")


async def huge_length(exchange: Exchange) -> None:
    await exchange.begin(content_length=str(10**12), content_type="image/jpeg")
    await asyncio.sleep(60)


async def no_http(exchange: Exchange) -> None:
    await exchange.send(b"220 mail.example ESMTP\r\n")
    await exchange.hang_up()


async def bad_chunk(exchange: Exchange) -> None:
    # In one piece: of a fault that comes after the headers, aiohttp 3.14 tells its reader nothing,
    # and the download ends by its deadline instead.
    await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnever\r\nabc\r\n")
    await exchange.hang_up()


async def throttled_until(exchange: Exchange) -> None:
    """429 with an HTTP date about a second ahead, then the picture."""
    if exchange.nth > 1:
        return await exchange.answer(picture())
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    return await exchange.answer(b"", 429, retry_after=moment)


async def busy_once(exchange: Exchange) -> None:
    await exchange.answer(*((b"", 503) if exchange.nth == 1 else (picture(), 200)))


async def throttled_once(exchange: Exchange) -> None:
    if exchange.nth > 1:
        return await exchange.answer(picture())
    return await exchange.answer(b"", 429, retry_after="1")


def faults() -> dict[str, Handler]:
    """Path → what happens there."""
    ok = picture()
    return {
        "/ok.jpg": fixed(ok, content_type="image/jpeg; charset=x", etag='"abc"'),
        "/png-as-jpg": fixed(picture("PNG"), content_type="image/jpeg"),
        "/html-as-jpg": fixed(HTML, content_type="image/jpeg"),
        "/svg": fixed(SVG, content_type="image/svg+xml"),
        "/empty": fixed(b"", content_type="image/jpeg"),
        "/no-content": fixed(b"", 204),
        "/bomb.png": fixed(pixel_bomb(), content_type="image/png"),
        "/animated.gif": fixed(animation(), content_type="image/gif"),
        "/cmyk.jpg": fixed(picture(mode="CMYK"), content_type="image/jpeg"),
        "/exif.jpg": fixed(sideways(), content_type="image/jpeg"),
        "/cut.jpg": fixed(ok[: len(ok) // 2], content_type="image/jpeg"),
        "/slow": slow,
        "/drip": drip,
        "/truncated": truncated,
        "/truncated-chunks": truncated_chunks,
        "/truncated-gzip": truncated_gzip,
        "/oversized": oversized,
        "/content-length-huge": huge_length,
        "/gzip": fixed(zlib.compress(ok, wbits=31), content_encoding="gzip"),
        "/gzip-bomb": fixed(gzip_bomb(), content_encoding="gzip"),
        "/gzip-broken": fixed(b"no gzip at all", content_encoding="gzip"),
        "/brotli": fixed(b"\x0b\x02\x80abc\x03", content_encoding="br"),
        "/no-http": no_http,
        "/bad-chunk": bad_chunk,
        "/429": fixed(b"", 429, retry_after="1"),
        "/429-date": throttled_until,
        "/429-long": fixed(b"", 429, retry_after="3600"),
        "/429-then-ok": throttled_once,
        "/503-then-ok": busy_once,
        "/discord-expired": fixed(EXPIRED, 404, content_type="text/plain"),
        "/redirect-ok": fixed(b"", 302, location="/ok.jpg"),
        "/redirect-loop": fixed(b"", 302, location="/redirect-loop"),
        "/redirect-to-private": fixed(b"", 302, location="http://169.254.169.254/latest/"),
        "/redirect-to-file": fixed(b"", 302, location="file:///etc/passwd"),
        "/redirect-to-nonsense": fixed(b"", 302, location="http://[::bad/"),
        "/redirect-without-location": fixed(b"", 302),
        "/redirect-noai": fixed(b"", 302, location="/ok.jpg", x_robots_tag="noai"),
        "/noai": fixed(ok, x_robots_tag="noai, noimageai", content_type="image/jpeg"),
        "/noai-others": fixed(ok, x_robots_tag="otherbot: noai", content_type="image/jpeg"),
        "/noindex": fixed(ok, x_robots_tag="noindex", content_type="image/jpeg"),
        "/tdm": fixed(ok, tdm_reservation="1", content_type="image/jpeg"),
        **{f"/{code}": fixed(b"", code) for code in (400, 401, 403, 404, 410, 418, 451, 500, 503)},
    }


@dataclass
class FaultServer:
    """The server; a context manager that is listening once entered.

    Attributes:
        hits: requests by path, without the query.
        requests: every request, in order, as (path with query, headers).
        ca_pem: for TLS, the file that holds the authority to trust; ssl_context trusts it.
        more_hosts: further addresses of this machine to answer at (on Linux, all of 127.0.0.0/8).
    """

    tls: ssl.SSLContext | None = None
    ca_pem: Path | None = None
    ssl_context: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    hits: Counter[str] = field(default_factory=Counter)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    handlers: dict[str, Handler] = field(default_factory=faults)
    port: int = 0
    more_hosts: Sequence[str] = ()

    def url(self, path: str, host: str | None = None) -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{host or self.host}:{self.port}{path}"

    def serve(
        self, path: str, body: bytes, content_type: str = "image/jpeg", status: int = 200
    ) -> str:
        """Put a file at a path; gives its address."""
        self.handlers[path] = fixed(body, status, content_type=content_type)
        return self.url(path)

    @property
    def connections(self) -> int:
        """Connections that the clients have not closed."""
        return sum(not reader.at_eof() for reader in list(self._readers))

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._readers: set[asyncio.StreamReader] = set()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10), "the fault server did not start"
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the fault server did not stop"

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._listen(ready))
        finally:
            self._loop.close()

    async def _listen(self, ready: threading.Event) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._talk, self.host, 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        servers = [server]
        if self.more_hosts:
            more = await asyncio.start_server(self._talk, self.more_hosts, self.port, ssl=self.tls)
            servers.append(more)
        ready.set()
        await self._stop.wait()
        for one in servers:
            one.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._readers.add(reader)
        try:
            while not writer.is_closing():
                first = await reader.readexactly(1)
                if first == TLS_HELLO:
                    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    break
                head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await self._handle(head, writer)
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass  # the client went away, or the server is stopping
        finally:
            self._tasks.discard(task)
            self._readers.discard(reader)
            writer.close()

    async def _handle(self, head: str, writer: asyncio.StreamWriter) -> None:
        request, *lines = head.rstrip().split("\r\n")
        target = request.split(" ")[1]
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        path, _, query = target.partition("?")
        self.hits[path] += 1
        self.requests.append((target, headers))
        handler = self.handlers.get(path, fixed(b"no such page", 404))
        await handler(Exchange(path, self.hits[path], headers, writer, query))
