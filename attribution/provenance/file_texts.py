"""A reader of picture files: the texts beside the pixels, and where each stood.

The containers are walked here, without decoding a pixel: text may stand behind the picture, in a
file cut short, or packed a thousandfold, and each of these must cost little and end well. Of all
that a file holds, only texts named in `_TAKEN` leave this room; the author's name that Midjourney
writes is not among them.

Follows: PNG 3 (tEXt, zTXt, iTXt, eXIf), JPEG (APP1, COM), RIFF WebP (EXIF, XMP), TIFF; AVIF by
Pillow. Omits: texts of GIF and BigTIFF, extended XMP, ImageMagick's raw profiles, and text hidden
in pixels.
"""

from __future__ import annotations

import io
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from PIL import AvifImagePlugin

from attribution.provenance.exif_xmp import MAX_BLOCK, decode_bytes, read_exif, read_xmp

MAX_BLOCKS = 64
"""Blocks of text that are opened in one file; honest ones have a dozen."""
_MAX_PARSED = 4
"""EXIF blocks, and XMP packets, that are opened in one file; honest ones have one of each."""
_MAX_CHUNKS = 100_000
_PNG_MARK = b"\x89PNG\r\n\x1a\n"
_XMP_CHUNK = "XML:com.adobe.xmp"
_XMP_MARK = b"http://ns.adobe.com/xap/1.0/\x00"
_EXIF_MARK = b"Exif\x00\x00"
_TAKEN = frozenset(
    # PNG text
    "parameters prompt workflow negative_prompt description comment software postprocessing "
    "invokeai_metadata invokeai_graph sd-metadata dream fooocus_scheme "
    # EXIF
    "imagedescription usercomment xptitle xpcomment "
    # XMP
    "dc:description creatortool credit digimageguid digitalsourcetype aipromptinformation "
    "aisystemused".split()
)


class TextCarrier(StrEnum):
    """Where in a file a text stood."""

    PNG = "PNG text"
    EXIF = "EXIF"
    XMP = "XMP"
    COMMENT = "JPEG comment"


@dataclass(frozen=True, slots=True)
class FileText:
    """One text of a file, as its writer left it: any length up to 2 MiB, any characters."""

    place: TextCarrier
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class _Block:
    """Bytes of a file that may hold texts, not opened yet.

    Attributes:
        name: of a PNG text; the others name their texts inside.
        packed: deflated.
    """

    place: TextCarrier
    data: bytes
    name: str = ""
    packed: bool = False


def read_texts(body: bytes) -> tuple[FileText, ...]:
    """The texts of a PNG, JPEG, WebP, TIFF or AVIF file, in its own order.

    A damaged file gives what stands before the damage. Of one place and name the first counts.
    """
    found: dict[tuple[TextCarrier, str], FileText] = {}
    opened: Counter[TextCarrier] = Counter()
    for block in islice(_walk(body), MAX_BLOCKS):
        opened[block.place] += 1
        if block.place in {TextCarrier.EXIF, TextCarrier.XMP} and opened[block.place] > _MAX_PARSED:
            continue
        for text in _open(block):
            if text.name.lower() in _TAKEN and text.text.strip("\0 \r\n\t"):
                found.setdefault((text.place, text.name.lower()), text)
    return tuple(found.values())


def _open(block: _Block) -> Iterator[FileText]:
    data = _unpack(block.data) if block.packed else block.data
    if block.place is TextCarrier.EXIF:
        for name, text in read_exif(data):
            if name == "XMP":
                yield from _open(_Block(TextCarrier.XMP, text.encode("utf-8", "replace")))
            else:
                yield FileText(TextCarrier.EXIF, name, text)
    elif block.place is TextCarrier.XMP:
        for name, text in read_xmp(data):
            yield FileText(TextCarrier.XMP, name, text)
    else:
        yield FileText(block.place, block.name, decode_bytes(data))


def _unpack(packed: bytes) -> bytes:
    """Deflated text, as much of it as is whole, and never more than `MAX_BLOCK`."""
    try:
        return zlib.decompressobj().decompress(packed, MAX_BLOCK)
    except zlib.error:
        return b""


def _walk(body: bytes) -> Iterator[_Block]:
    if body.startswith(_PNG_MARK):
        return _walk_png(body)
    if body.startswith(b"\xff\xd8"):
        return _walk_jpeg(body)
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return _walk_webp(body)
    if body[:4] in {b"II*\x00", b"MM\x00*"}:
        return iter((_Block(TextCarrier.EXIF, body),))
    if body[4:8] == b"ftyp":
        return _walk_avif(body)
    return iter(())


def _walk_png(body: bytes) -> Iterator[_Block]:
    at = len(_PNG_MARK)
    for _ in range(_MAX_CHUNKS):
        size, kind = int.from_bytes(body[at : at + 4], "big"), body[at + 4 : at + 8]
        if len(kind) < 4 or kind == b"IEND":
            return
        data = body[at + 8 : at + 8 + min(size, MAX_BLOCK)]
        if kind in {b"tEXt", b"zTXt", b"iTXt"}:
            yield from _png_text(kind, data)
        elif kind == b"eXIf":
            yield _Block(TextCarrier.EXIF, data)
        at += 12 + size


def _png_text(kind: bytes, chunk: bytes) -> Iterator[_Block]:
    keyword, _, rest = chunk.partition(b"\0")
    name = keyword[:79].decode("latin-1")
    packed = kind == b"zTXt"
    if packed:
        rest = rest[1:]  # the method: there is only one
    elif kind == b"iTXt":
        packed = rest[:1] == b"\x01"
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]  # the language, the name in it
    if name == _XMP_CHUNK:
        yield _Block(TextCarrier.XMP, rest, packed=packed)
    elif name.lower() in _TAKEN:
        yield _Block(TextCarrier.PNG, rest, name, packed)


def _walk_jpeg(body: bytes) -> Iterator[_Block]:
    at = 2
    for _ in range(_MAX_CHUNKS):
        while body[at : at + 2] == b"\xff\xff":  # padding
            at += 1
        mark, size = body[at : at + 2], int.from_bytes(body[at + 2 : at + 4], "big")
        if len(mark) < 2 or mark[0] != 0xFF or mark in {b"\xff\xda", b"\xff\xd9"} or size < 2:
            return
        segment = body[at + 4 : at + 2 + size]
        if mark == b"\xff\xe1" and segment.startswith(_EXIF_MARK):
            yield _Block(TextCarrier.EXIF, segment)
        elif mark == b"\xff\xe1" and segment.startswith(_XMP_MARK):
            yield _Block(TextCarrier.XMP, segment[len(_XMP_MARK) :])
        elif mark == b"\xff\xfe":
            yield _Block(TextCarrier.COMMENT, segment, "comment")
        at += 2 + size


def _walk_webp(body: bytes) -> Iterator[_Block]:
    at = 12
    for _ in range(_MAX_CHUNKS):
        kind, size = body[at : at + 4], int.from_bytes(body[at + 4 : at + 8], "little")
        if len(kind) < 4:
            return
        if kind in {b"EXIF", b"XMP "}:
            place = TextCarrier.EXIF if kind == b"EXIF" else TextCarrier.XMP
            yield _Block(place, body[at + 8 : at + 8 + min(size, MAX_BLOCK)])
        at += 8 + size + size % 2


def _walk_avif(body: bytes) -> Iterator[_Block]:
    with AvifImagePlugin.AvifImageFile(io.BytesIO(body)) as picture:
        exif, xmp = picture.info.get("exif"), picture.info.get("xmp")
    if isinstance(exif, bytes):
        yield _Block(TextCarrier.EXIF, exif)
    if isinstance(xmp, bytes):
        yield _Block(TextCarrier.XMP, xmp)
