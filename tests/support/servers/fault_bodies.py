"""Files that only look like pictures, or are pictures of an odd kind, for the fault table."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from functools import cache

from PIL import Image

from tests.support.servers.fault_server import picture

JS = b"=1;alert(document.domain)//"
PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
ICO = b"\x00\x00\x01\x00\x01\x00\x10\x10\x00\x00\x01\x00\x20\x00" + bytes(64)
JSON = b'{"error": {"code": 404, "message": "gone"}}'
GIF_BY_NAME_ALONE = b"GIF89a" + JS + b";"


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


@cache
def giant_png(side: int = 60_000) -> bytes:
    """A PNG whose header is right and announces `side` by `side` pixels; it holds one row."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(3 * side + 1))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


@cache
def giant_jpeg(side: int = 65_500) -> bytes:
    body = bytearray(picture())
    at = body.index(b"\xff\xc0")  # start of frame: length, precision, height, width
    struct.pack_into(">HH", body, at + 5, side, side)
    return bytes(body)


@cache
def giant_tiff(side: int = 100_000) -> bytes:
    body = bytearray(picture("TIFF"))
    (start,) = struct.unpack_from("<I", body, 4)
    (count,) = struct.unpack_from("<H", body, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from("<H", body, at)[0] in {256, 257}:  # width, length
            struct.pack_into("<HII", body, at + 2, 4, 1, side)
    return bytes(body)


@cache
def giant_webp(side: int = 16_383) -> bytes:
    body = bytearray(picture("WEBP"))
    at = body.index(b"\x9d\x01\x2a")  # a VP8 key frame; its width and height have 14 bits
    struct.pack_into("<HH", body, at + 3, side, side)
    return bytes(body)


@cache
def many_frames(kind: str = "GIF", count: int = 500) -> bytes:
    frames = [Image.new("RGB", (16, 12), (n % 256, n // 2 % 256, 90)) for n in range(count)]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


@cache
def sixteen_bit_png() -> bytes:
    grey = Image.new("I;16", (64, 48), 40_000)
    buffer = io.BytesIO()
    grey.save(buffer, "PNG")
    return buffer.getvalue()


@cache
def palette_with_alpha() -> bytes:
    drawn = Image.linear_gradient("L").resize((64, 48)).convert("P")
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG", transparency=bytes(range(256)))
    return buffer.getvalue()


@cache
def gif_and_script() -> bytes:
    return picture("GIF") + JS


@cache
def jpeg_and_zip() -> bytes:
    buffer = io.BytesIO(picture())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("evil.html", "<script>alert(1)</script>")
    return buffer.getvalue()


@cache
def good_picture(number: int) -> bytes:
    """One of 65,536 pictures of 64 by 48 pixels, all with bytes of their own."""
    drawn = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
    drawn.paste((number % 256, number // 256, 90), (8, 8, 40, 40))
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG")
    return buffer.getvalue()
