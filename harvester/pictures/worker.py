"""This is the work of a decoder process: one download's bytes → what is stored of it.

`decode` is pure. `serve` is the far end of `pool`: it takes bodies from a socket and answers
each, for as long as the other end is open. It imports what decoding needs and no more (no Arrow,
no event loop), because every process pays for it.

Answers are JSON and the encoded picture, and no pickle: a stranger's bytes are decoded there, and
a decoder that they take over must not get to run code in the process that reads the answers.

But: POSIX only, as `signal.setitimer`, `fcntl` and `resource` are.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import json
import re
import resource
import signal
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harvester.consent.embedded import read_file_rights
from harvester.consent.signals import Signal, SignalKind
from harvester.errors import reason_of
from harvester.pictures.decode import (
    PictureError,
    announced_pixels,
    encode_image,
    hash_image,
    open_image,
)
from harvester.schema import Encoded, FetchStatus

LARGE_BYTES = 8 << 20
LARGE_PIXELS = 12_000_000
"""A body above either is decoded by one process at a time: memory is what it costs."""
SIZE = struct.Struct(">I")
"""Before each body, each answer, and the head within an answer: its length, 4 bytes."""
READY = SIZE.pack(0)
"""What a process says when it has imported all that it needs."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What is stored of a picture that was downloaded.

    Attributes:
        sha256: of the body, hexadecimal.
        width, height: in pixels, as served, upright.
        bytes: of the body.
        mime: the media type of the bytes themselves.
        jpeg: the picture, upright, in sRGB, at most `max_side` long.
        phash, dhash, pdq, pdq_quality: of that picture before it was encoded; see `decode.Hashes`.
        signals: what the file itself says of its use.
        creator: whom it names as its maker.
    """

    sha256: str
    width: int
    height: int
    bytes: int
    mime: str
    jpeg: Encoded = field(repr=False)
    phash: str
    dhash: str
    pdq: str
    pdq_quality: int
    signals: tuple[Signal, ...] = ()
    creator: str | None = None


_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("sha256", "mime", "phash", "dhash", "pdq"), str),
    **dict.fromkeys(("width", "height", "bytes", "pdq_quality"), int),
}
_DIGITS = {"sha256": 64, "phash": 16, "dhash": 16, "pdq": 64}
_BELOW = {"width": 1 << 31, "height": 1 << 31, "bytes": 1 << 63, "pdq_quality": 1 << 15}
"""What a shard has room for: a row that does not fit would end the harvest, not the picture."""
_STORED = (*_KINDS, "creator")
_NO_ANSWER = (struct.error, AttributeError, TypeError, KeyError, ValueError, RecursionError)


def decode(body: bytes, max_side: int) -> Decoded:
    """Verify, shrink, encode and hash one picture, and read what its file says of its use.

    Args:
        body: the file as served, of any origin.
        max_side: the longest side of the picture that is stored, in pixels.

    Raises:
        PictureError: with the status that says why, as `decode.open_picture`.
    """
    opened = open_image(body, max_side=max_side)
    hashes = hash_image(opened.image)
    rights = read_file_rights(body)
    return Decoded(
        sha256=hashlib.sha256(body).hexdigest(),
        width=opened.width,
        height=opened.height,
        bytes=len(body),
        mime=opened.mime,
        jpeg=encode_image(opened.image),
        phash=hashes.phash,
        dhash=hashes.dhash,
        pdq=hashes.pdq,
        pdq_quality=hashes.pdq_quality,
        signals=rights.signals,
        creator=rights.creator,
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process may take.

    Attributes:
        timeout_s: seconds for one picture, by the wall clock; then the process ends itself.
        memory_mb: address space, in 2^20 bytes; beyond it an allocation fails.
    """

    timeout_s: float = 20.0
    memory_mb: int = 1024


def serve(function: str, max_side: int, limits: Limits, lock_fd: int) -> None:
    """Answer bodies on file descriptor 0, a socket, until the other end closes it.

    Args:
        function: `module:name` of what is called with a body and `max_side`, as `decode` is.
        max_side: passed on.
        limits: set on this process.
        lock_fd: a file that every such process holds; large pictures are decoded under its lock.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one decides
    # The alarm's default action ends a process that hangs in C, too, and one left alone.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    module, _, name = function.partition(":")
    work = getattr(importlib.import_module(module), name)
    bytes_ = limits.memory_mb << 20
    with contextlib.suppress(OSError, ValueError):  # not every system has this limit
        resource.setrlimit(resource.RLIMIT_AS, (bytes_, bytes_))
    with (
        socket.socket(fileno=0) as connection,
        connection.makefile("rb", 1 << 16) as bodies,
        contextlib.suppress(ConnectionError),
    ):
        connection.sendall(READY)
        while len(size := bodies.read(SIZE.size)) == SIZE.size:
            body = bodies.read(SIZE.unpack(size)[0])
            with _alone_if_large(body, lock_fd):
                signal.setitimer(signal.ITIMER_REAL, limits.timeout_s)
                answer = _answer(work, body, max_side)
                signal.setitimer(signal.ITIMER_REAL, 0)
            connection.sendall(answer)


@contextlib.contextmanager
def _alone_if_large(body: bytes, lock_fd: int) -> Iterator[None]:
    if len(body) <= LARGE_BYTES and announced_pixels(body) <= LARGE_PIXELS:
        yield
        return
    # A record lock belongs to its process, so one that is killed gives it back.
    fcntl.lockf(lock_fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.lockf(lock_fd, fcntl.LOCK_UN)


def _answer(work: Callable[[bytes, int], Decoded], body: bytes, max_side: int) -> bytes:
    try:
        return pack(work(body, max_side))
    except PictureError as exc:
        return pack(exc)
    except MemoryError:
        reason = "expected a picture that can be decoded in memory, found one too large for it"
        return pack(PictureError(FetchStatus.UNDECODABLE, reason))
    except Exception as exc:  # noqa: BLE001  # one picture's fault is that picture's row
        reason = f"expected a picture, found one that decoding fails on: {reason_of(exc)}"
        return pack(PictureError(FetchStatus.UNDECODABLE, reason))


def pack(answer: Decoded | PictureError) -> bytes:
    """An answer as it goes through the socket, its length first."""
    record: dict[str, Any]
    if isinstance(answer, PictureError):
        jpeg = b""
        record = {"status": answer.status, "reason": str(answer)}
    else:
        jpeg = answer.jpeg
        record = {name: getattr(answer, name) for name in _STORED}
        record["signals"] = [(one.text, one.kind, one.written) for one in answer.signals]
    head = json.dumps(record).encode()
    size = SIZE.size + len(head) + len(jpeg)
    return b"".join((SIZE.pack(size), SIZE.pack(len(head)), head, jpeg))


def unpack(answer: bytes) -> Decoded | PictureError:
    """An answer as `pack` made it, without its length.

    Raises:
        ValueError: if it is none; the process that sent it is not to be believed any more.
    """
    try:
        (size,) = SIZE.unpack_from(answer)
        record: dict[str, Any] = json.loads(answer[SIZE.size : SIZE.size + size])
        if "status" in record:
            status = FetchStatus(record["status"])
            if status is FetchStatus.OK:
                raise ValueError("a picture that is none")  # one way out
            return PictureError(status, str(record["reason"]))
        record["signals"] = tuple(
            Signal(str(text), SignalKind(kind), str(written))
            for text, kind, written in record["signals"]
        )
        if any(type(record[name]) is not kind for name, kind in _KINDS.items()):
            raise ValueError("a value of another type")  # as above
        if any(not re.fullmatch(f"[0-9a-f]{{{n}}}", record[name]) for name, n in _DIGITS.items()):
            raise ValueError("a hash of another form")  # as above
        if any(not 0 <= record[name] < limit for name, limit in _BELOW.items()):
            raise ValueError("a number out of its range")  # as above
        if not isinstance(record["creator"], str | None):
            raise ValueError("a creator that is no text")  # noqa: TRY004  # as above
        return Decoded(jpeg=answer[SIZE.size + size :], **record)
    except _NO_ANSWER as exc:
        raise ValueError(f"expected an answer of a decoder, found {reason_of(exc)}") from exc
