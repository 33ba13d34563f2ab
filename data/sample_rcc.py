"""Files out of a Qt resource file (`.rcc`), which is how GCompris packs its pictures.

Follows the binary layout that Qt's `rcc --binary` writes (format versions 1 to 3: a header, a tree
of fixed-size nodes, a pool of names, a pool of data). But: languages of a node are ignored, and a
file is read whole.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

_ZLIB, _FOLDER, _ZSTD = 1, 2, 4
"""A node's flags."""


def read_rcc(path: Path) -> dict[str, bytes]:
    """Every file inside, by its path with `/` between folders.

    Raises:
        ValueError: if the file is no Qt resource file.
    """
    body = path.read_bytes()
    if body[:4] != b"qres":
        raise ValueError(f"{path}: expected a Qt resource file, which begins with `qres`")
    version, tree, data, names = struct.unpack_from(">4i", body, 4)
    return dict(_walk(body, "", 0, (tree, data, names, 14 if version == 1 else 22)))


def _walk(
    body: bytes, folder: str, node: int, pools: tuple[int, int, int, int]
) -> Iterator[tuple[str, bytes]]:
    tree, data, names, node_size = pools
    at = tree + node * node_size
    name_at, flags = struct.unpack_from(">iH", body, at)
    if flags & _FOLDER:
        count, first = struct.unpack_from(">ii", body, at + 6)
        # The root's name is empty, whatever its offset says.
        here = f"{folder}{_name(body, names + name_at)}/" if node else ""
        for child in range(first, first + count):
            yield from _walk(body, here, child, pools)
        return
    (data_at,) = struct.unpack_from(">i", body, at + 10)
    (size,) = struct.unpack_from(">i", body, data + data_at)
    start = data + data_at + 4
    yield folder + _name(body, names + name_at), _unpack(body[start : start + size], flags)


def _name(body: bytes, at: int) -> str:
    (length,) = struct.unpack_from(">H", body, at)
    return body[at + 6 : at + 6 + 2 * length].decode("utf-16-be")


def _unpack(stored: bytes, flags: int) -> bytes:
    if flags & _ZLIB:
        return zlib.decompress(stored[4:])  # the unpacked size comes first
    if flags & _ZSTD:
        return bytes(pa.CompressedInputStream(pa.BufferReader(stored), "zstd").read())
    return stored
