"""This is the stream reader of JSON files of any size, bounded in memory whatever they hold.

ijson keeps the path of every open bracket and the whole of every value, so a megabyte of `[` or
one endless string would take all memory. The stream given to it here stops at either.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import ijson

from harvester.errors import reason_of

_BOM = b"\xef\xbb\xbf"
_MAX_DEPTH = 100
"""Brackets open at once; exports and lists have about a dozen."""
_MAX_GAP = 16 << 20
"""Bytes from one value to the next."""
_NO_BRACKETS = bytes(set(range(256)) - set(b'[]{}"'))


class BrokenJsonError(Exception):
    """A file is no JSON from here on; the text is a one-line reason."""


class JsonLimitError(Exception):
    """A file nests deeper, or holds a larger value, than any export or list does."""


def read_values(stream: BinaryIO, place: str, *, several: bool = False) -> Iterator[Any]:
    """The values at one place of a file, whole, one at a time.

    Args:
        stream: UTF-8, with or without a byte order mark.
        place: ijson's path: `item` for the elements of a list, `` for the file's own value.
        several: whether the file may hold values after one another, as JSON Lines does.

    Raises:
        BrokenJsonError, JsonLimitError: from where the file cannot be read on.
        OSError: if it cannot be read at all.
    """
    bounded = _BoundedStream(stream)
    try:
        # Floats: without them, ijson 3.6 dies of a number of 4,300 digits.
        for value in ijson.items(bounded, place, multiple_values=several, use_float=True):
            bounded.forget()
            yield value
    except (ijson.JSONError, UnicodeDecodeError) as exc:  # the latter for names of values
        raise BrokenJsonError(reason_of(exc)) from exc


def read_events(stream: BinaryIO) -> Iterator[tuple[str, Any]]:
    """Brackets, keys and values of a file, as ijson names them; raises as `read_values` does."""
    try:
        yield from ijson.basic_parse(_BoundedStream(stream), multiple_values=True, use_float=True)
    except (ijson.JSONError, UnicodeDecodeError) as exc:  # the latter for names of values
        raise BrokenJsonError(reason_of(exc)) from exc


class _BoundedStream:
    """A readable stream of bytes for ijson that counts brackets as they pass.

    Call `forget` whenever a value has been taken out: what came before it is no longer held.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._first = True
        self._in_string = False
        self._escape = b""
        self._depth = 0
        self._gap = 0

    def forget(self) -> None:
        """Count the bytes of the next value from here."""
        self._gap = 0

    def read(self, size: int) -> bytes:
        """The next bytes, without a byte order mark.

        Raises:
            JsonLimitError: they nest too deep, or one value has grown too large.
        """
        chunk = self._stream.read(size)
        if self._first and size:
            self._first = False
            if chunk.startswith(_BOM):
                chunk = chunk[len(_BOM) :] or self._stream.read(size)
        self._gap += len(chunk)
        if self._gap > _MAX_GAP:
            raise JsonLimitError(f"one value of more than {_MAX_GAP >> 20} MiB")
        self._follow(chunk)
        return chunk

    def _follow(self, chunk: bytes) -> None:
        """Follow the depth of nesting: a few passes in C, about 400 MB/s."""
        text = self._escape + chunk
        escapes = len(text) - len(text.rstrip(b"\\"))
        self._escape = b"\\" if escapes % 2 else b""
        if self._escape:
            text = text[:-1]
        # Without escaped quotes, each quote opens or closes a string.
        bare = text.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NO_BRACKETS)
        parts = bare.split(b'"')
        brackets = b"".join(parts[int(self._in_string) :: 2])
        self._in_string ^= len(parts) % 2 == 0
        for _ in range(_MAX_DEPTH):
            length = len(brackets)
            brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
            if len(brackets) == length:
                break
        closed = len(brackets) - len(brackets.lstrip(b"]}"))
        opened = len(brackets) - closed
        if self._depth - closed + opened > _MAX_DEPTH:
            raise JsonLimitError(f"brackets nested more than {_MAX_DEPTH} deep")
        self._depth = max(0, self._depth - closed) + opened
