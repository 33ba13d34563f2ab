"""DuckDuckGo's image search without a network: a CONNECT proxy that answers TLS itself.

The real client is pointed at `proxy_url` and told to trust `ca_pem`; every host it asks the proxy
for is then this server. Answers have the shape of the real ones: `/` holds the token `vqd`, and
`/i.js` a page of at most 100 results as JSON, with `next` where there are more.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

import trustme

PAGE = 100
TOKEN = "4-123"
_WRONG_PAGES = {
    "empty": "",
    "html": "<html>If you are a human, tick the ducks</html>",
    "captcha": "<html><form id='anomaly-modal'></form></html>",
    "no-token": "<html>a new home page</html>",
    "no-json-results": json.dumps({"pictures": []}),
    "no-image": json.dumps({"results": [{"picture": "https://x.test/"}]}),
}


class OfflineDuckDuckGo:
    """The server, in a thread of its own; a context manager.

    Attributes:
        proxy_url, ca_pem: what the client needs to know.
        results: query → rows: whole ones, or the addresses of pictures alone.
        faults: answers to come first, one a request to `/i.js`: a status ("403", "429 Retry-After
            7"), "empty", "html", "no-json-results", "no-image", "drop"; or "ok".
        home_faults: the same for `/`; also "no-token" and "captcha".
        asked: (query, page) of every request to `/i.js`, in order.
        hits: requests by path.
    """

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_pem = folder / "offline-duckduckgo.pem"
        authority.cert_pem.write_to_path(self.ca_pem)
        self.results: dict[str, list[Mapping[str, object] | str]] = {}
        self.faults: deque[str] = deque()
        self.home_faults: deque[str] = deque()
        self.asked: list[tuple[str, int]] = []
        self.hits: Counter[str] = Counter()
        self.proxy_url = ""
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.set_alpn_protocols(["http/1.1"])
        authority.issue_cert("duckduckgo.com", "*.duckduckgo.com").configure_cert(self._tls)
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="offline-duckduckgo", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.proxy_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._open.add(task)
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the server ends
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        await writer.start_tls(self._tls)
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode()
            answer = self._answer(target)
            if answer is None:
                return
            writer.write(answer)
            await writer.drain()

    def _answer(self, target: str) -> bytes | None:
        address = urlsplit(target)
        question = {name: values[0] for name, values in parse_qs(address.query).items()}
        self.hits[address.path] += 1
        if address.path == "/":
            fault = self.home_faults.popleft() if self.home_faults else "ok"
            good = f'<html><script>vqd="{TOKEN}"</script>ok</html>'
        elif address.path == "/i.js" and question.get("vqd") == TOKEN:
            query, start = question["q"], int(question.get("s", "0"))
            self.asked.append((query, start // PAGE + 1))
            fault = self.faults.popleft() if self.faults else "ok"
            good = self._page(query, start)
        else:
            return _http("404 Not Found", "no such page")
        if fault == "drop":
            return None
        if fault[0].isdigit():
            status, _, header = fault.partition(" ")
            line = ": ".join(header.split(maxsplit=1)) + "\r\n" if header else ""
            return _http(f"{status} As told", "<html>no</html>", line)
        return _http("200 OK", good if fault == "ok" else _WRONG_PAGES[fault])

    def _page(self, query: str, start: int) -> str:
        rows = self.results.get(query, [])
        page = [_row(row) for row in rows[start : start + PAGE]]
        answer: dict[str, object] = {"query": query, "results": page}
        if start + PAGE < len(rows):
            answer["next"] = f"i.js?q={query}&s={start + PAGE}"
        return json.dumps(answer)


def _row(row: Mapping[str, object] | str) -> Mapping[str, object]:
    if not isinstance(row, str):
        return row
    name = row.rsplit("/", 1)[-1]
    return {
        "title": f"Picture {name}",
        "image": row,
        "thumbnail": f"https://tse1.mm.bing.net/th?id={name}",
        "url": f"https://pages.example/{name}.html",
        "height": 600,
        "width": 800,
        "source": "Bing",
    }


def _http(status: str, body: str, header: str = "") -> bytes:
    raw = body.encode()
    head = f"{header}Content-Type: text/html\r\nContent-Length: {len(raw)}\r\n"
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + raw
