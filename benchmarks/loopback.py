"""A small web on loopback that does little but send: what the harvest benchmarks download from.

Many hosts, each with an address (127.0.0.2 and up) and a port of its own, all in one process, so
that what they cost is not counted as the harvester's::

    python benchmarks/loopback.py FOLDER --hosts good=8,drip=1 [--certificate chain-and-key.pem]

It prints where its hosts listen, then answers lines on standard input: `counts` with what was asked
since the last `reset`; it ends with its input. A host is one of `Manner`. Good ones know
`/NAME` (a file of the folder), `/NUMBER/NAME` (the same picture, in bytes of its own) and
`/made/NUMBER.jpg` (a small picture that no other number has); anything else is missing, robots.txt
among it.

But: connections stay open until the other side closes them, and only Linux answers at so many
loopback addresses.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import hashlib
import json
import random
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trustme

_RETRY_AFTER_S = 2
_MADE_SIDE = 48
_JPEG_START = 2  # bytes of the marker that a comment may follow


class Manner(StrEnum):
    """How a host behaves."""

    GOOD = "good"
    REFUSE = "refuse"  # nobody listens
    SILENT = "silent"  # takes connections and requests, and never answers
    DRIP = "drip"  # sends a picture at one byte a second
    BUSY = "busy"  # 429 to everything
    BUSY_UNTIL = "busy-until"  # 429 with Retry-After, and again after that


@dataclass(slots=True)
class Counts:
    """What was asked since the last reset; moments are by `time.monotonic`, None for never."""

    asked: Counter[str] = field(default_factory=Counter)
    first_request: float | None = None
    first_picture: float | None = None
    last_picture: float | None = None
    cpu_from: float = field(default_factory=time.process_time)

    def count(self, kind: str) -> None:
        """Take note of a request, `picture` if it got one."""
        self.asked[kind] += 1
        now = time.monotonic()
        self.first_request = self.first_request or now
        if kind == "picture":
            self.first_picture = self.first_picture or now
            self.last_picture = now

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "asked": dict(self.asked),
            "first_request": self.first_request,
            "first_picture": self.first_picture,
            "last_picture": self.last_picture,
            "cpu_s": time.process_time() - self.cpu_from,
        }


class Site:
    """What all hosts share: the pictures, and what was asked."""

    def __init__(self, folder: Path) -> None:
        self._files = {b"/" + path.name.encode(): path.read_bytes() for path in folder.iterdir()}
        self.counts = Counts()

    def find(self, target: bytes) -> list[bytes]:
        """A picture's parts; none where there is no such picture."""
        body = self._files.get(target)
        if body is not None:
            return [body]
        number, _, name = target[1:].partition(b"/")
        if number == b"made":
            return [make_small(name)]
        body = self._files.get(b"/" + name)
        if body is None or not number.isdigit():
            return []
        comment = b"\xff\xfe" + (len(number) + 2).to_bytes(2, "big") + number
        return [body[:_JPEG_START], comment, body[_JPEG_START:]]


class Host(asyncio.Protocol):
    """One connection to a host; reads requests without bodies."""

    def __init__(self, site: Site, manner: Manner) -> None:
        self._site = site
        self._manner = manner
        self._waiting = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection; asyncio calls this."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._waiting += data
        while b"\r\n\r\n" in self._waiting:
            request, _, self._waiting = self._waiting.partition(b"\r\n\r\n")
            self._answer(request.split(b" ", 2)[1])

    def _answer(self, target: bytes) -> None:
        if self._manner in _REFUSALS:
            self._site.counts.count(str(self._manner))
            self._transport.write(_REFUSALS[self._manner])
            return
        parts = self._site.find(target)
        if not parts:
            kind = target.rpartition(b"/")[2].decode("ascii", "replace")
            self._site.counts.count(kind if kind in _POLICIES else "missing")
            self._transport.write(_MISSING)
            return
        head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
        head %= sum(map(len, parts))
        if self._manner is Manner.GOOD:
            self._site.counts.count("picture")
            self._transport.writelines([head, *parts])
        else:
            self._site.counts.count("drip")
            self._transport.write(head)
            self._drip(b"".join(parts))

    def _drip(self, body: bytes) -> None:
        if body and not self._transport.is_closing():
            self._transport.write(body[:1])
            asyncio.get_running_loop().call_later(1.0, self._drip, body[1:])


_POLICIES = frozenset({"robots.txt", "tdmrep.json"})
_MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_TOO_MANY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n"
_REFUSALS = {
    Manner.SILENT: b"",
    Manner.BUSY: _TOO_MANY + b"\r\n",
    Manner.BUSY_UNTIL: _TOO_MANY + b"Retry-After: %d\r\n\r\n" % _RETRY_AFTER_S,
}


def make_small(name: bytes) -> bytes:
    """A JPEG file of 48×48 pixels whose greys follow from its name."""
    greys = np.frombuffer(hashlib.blake2b(name, digest_size=64).digest(), np.uint8).reshape(8, 8)
    wide = cv2.resize(greys, (_MADE_SIDE, _MADE_SIDE), interpolation=cv2.INTER_LINEAR)
    return cv2.imencode(".jpg", wide)[1].tobytes()


@dataclass(frozen=True, slots=True)
class Web:
    """The server's process, and where its hosts listen: `hosts[scheme][manner]`."""

    process: subprocess.Popen[str]
    hosts: dict[str, dict[str, list[str]]]

    def spread(self, scheme: str, names: list[str], seed: int) -> list[tuple[str, str]]:
        """An address for each name on one of the hosts, in turn, and that host's manner.

        Order is drawn from the seed, as lists of the web have theirs.
        """
        hosts = [(host, manner) for manner, all_ in self.hosts[scheme].items() for host in all_]
        turns = random.Random(seed)
        turns.shuffle(hosts)
        named = [(names[i], *hosts[i % len(hosts)]) for i in range(len(names))]
        turns.shuffle(named)
        return [(f"{scheme}://{host}/{name}", manner) for name, host, manner in named]

    def reset(self) -> None:
        """Count from here."""
        self._ask("reset")

    def counts(self) -> dict[str, Any]:
        """What `Counts.record` gives."""
        counts: dict[str, Any] = self._ask("counts")
        return counts

    def _ask(self, line: str) -> Any:
        if self.process.stdin is None or self.process.stdout is None:
            raise AssertionError("expected a process with pipes")
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@contextlib.contextmanager
def serving(folder: Path, hosts: str, certificate: Path | None = None) -> Iterator[Web]:
    """The server, in a process of its own, for the length of the block."""
    command = [sys.executable, __file__, str(folder), "--hosts", hosts]
    command += ["--certificate", str(certificate)] if certificate else []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise SystemExit("expected the server to print its hosts, found that it ended")
        yield Web(process, json.loads(line))
        if process.stdin:
            process.stdin.close()


def write_certificate(folder: Path, count: int) -> tuple[Path, Path]:
    """Write an authority, and a certificate for so many hosts; returns both files."""
    authority, chain = folder / "authority.pem", folder / "chain.pem"
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(authority))
    names = [address_of(number) for number in range(count)]
    ca.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(str(chain))
    return authority, chain


def address_of(number: int) -> str:
    """The loopback address of a host, counted from 0."""
    return f"127.0.{(number + 2) // 250}.{(number + 2) % 250}"


async def serve(options: argparse.Namespace) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    site = Site(options.folder)
    contexts: dict[str, ssl.SSLContext | None] = {"http": None}
    if options.certificate is not None:
        secure = contexts["https"] = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        secure.load_cert_chain(options.certificate)
    hosts: dict[str, dict[str, list[str]]] = {scheme: {} for scheme in contexts}
    for scheme, context in contexts.items():
        for number, manner in enumerate(_read_hosts(options.hosts)):
            listener = socket.socket()
            listener.bind((address_of(number), 0))
            if manner is not Manner.REFUSE:
                make_host = functools.partial(Host, site, manner)
                await loop.create_server(make_host, sock=listener, ssl=context, backlog=1024)
            name = "{}:{}".format(*listener.getsockname())
            hosts[scheme].setdefault(manner, []).append(name)
            _LISTENERS.append(listener)
    print(json.dumps(hosts), flush=True)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        if line == b"reset\n":
            site.counts = Counts()
        print(json.dumps(site.counts.record()), flush=True)


_LISTENERS: list[socket.socket] = []  # kept open: a port that is bound alone refuses


def _read_hosts(text: str) -> list[Manner]:
    pairs = (part.partition("=") for part in text.split(","))
    return [Manner(name) for name, _, count in pairs for _ in range(int(count))]


def main() -> int:
    """Run the server."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder of files to serve")
    parser.add_argument("--hosts", default="good=32", help="manner=count, … (good=32)")
    parser.add_argument("--certificate", type=Path, help="PEM file: HTTPS too (plain HTTP alone)")
    options = parser.parse_args()
    asyncio.run(serve(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
