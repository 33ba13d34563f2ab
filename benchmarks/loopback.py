"""An HTTP/1.1 server on 127.0.0.1 that does little but send: started by `harvest.py`.

It serves the files of a folder by name, keeps connections open, and prints its port. One process of
its own, so that what it costs is not counted as the harvester's::

    python benchmarks/loopback.py FOLDER [--certificate chain-and-key.pem]
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import sys
from pathlib import Path


class Server(asyncio.Protocol):
    """Answers `GET /name` with that file, as a picture; knows no other request.

    Args:
        answers: whole answers, heads included, by request target.
    """

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers = answers
        self._waiting = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection; asyncio calls this."""
        self._transport = transport  # type: ignore[assignment]  # a stream's transport is both ways

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._waiting += data
        while b"\r\n\r\n" in self._waiting and self._transport is not None:
            request, _, self._waiting = self._waiting.partition(b"\r\n\r\n")
            target = request.split(b" ", 2)[1]
            self._transport.write(self._answers.get(target, _MISSING))


_MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def read_answers(folder: Path) -> dict[bytes, bytes]:
    """The answers for all files of a folder, in memory."""
    answers = {}
    for path in sorted(folder.iterdir()):
        body = path.read_bytes()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
        answers[b"/" + path.name.encode()] = head.encode() + body
    return answers


async def serve(folder: Path, certificate: Path | None) -> None:
    """Serve until the process is ended."""
    answers = read_answers(folder)
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(answers), "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> int:
    """Run the server."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder of files to serve")
    parser.add_argument("--certificate", type=Path, help="PEM file, for HTTPS (plain HTTP)")
    options = parser.parse_args()
    asyncio.run(serve(options.folder, options.certificate))
    return 0


if __name__ == "__main__":
    sys.exit(main())
