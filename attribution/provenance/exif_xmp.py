"""A reader of EXIF blocks and XMP packets: the few texts that can speak of a generator.

Both are read here and not by Pillow: it decodes more of a damaged block than is asked for, warns
for the whole process, and builds a tree of any XMP. Names, places and makers of cameras are not
read at all: what is never taken out of a file cannot be shown by mistake. Every offset and count
of a hostile block is bounded; what does not fit is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from harvester.readers import xmp

MAX_BLOCK = 2 << 20
"""Bytes of one text or packet that are read; the largest ComfyUI graphs seen have about 1 MB."""
_MAX_ENTRIES = 512
_EXIF_POINTER = 0x8769
_XMP_TAG = 0x02BC
_ASCII_TAGS = {0x010E: "ImageDescription", 0x0131: "Software", 0x010F: "Make", 0x0110: "Model"}
_WIDE_TAGS = {0x9C9B: "XPTitle", 0x9C9C: "XPComment"}
_USER_COMMENT = 0x9286
_BYTE_TYPES = frozenset({1, 2, 7})
_GRAPH_PREFIXES = ("prompt", "workflow")
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMP_NAMES = {
    "http://purl.org/dc/elements/1.1/ description": "dc:description",
    "http://ns.adobe.com/xap/1.0/ CreatorTool": "CreatorTool",
    "http://ns.adobe.com/exif/1.0/ UserComment": "UserComment",
    "http://ns.adobe.com/photoshop/1.0/ Credit": "Credit",
    f"{_IPTC} DigImageGUID": "DigImageGUID",
    f"{_IPTC} DigitalSourceType": "DigitalSourceType",
    f"{_IPTC} AIPromptInformation": "AIPromptInformation",
    f"{_IPTC} AISystemUsed": "AISystemUsed",
}


def read_exif(block: bytes) -> Iterator[tuple[str, str]]:
    """Names and texts of an EXIF block (with or without its `Exif` mark) or of a TIFF file.

    An XMP packet kept in tag 700 comes out as the text `XMP`, still to be read by `read_xmp`.
    """
    block = block.removeprefix(b"Exif\x00\x00")
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return
    first = struct.unpack_from(f"{order}I", block, 4)[0]
    seen: set[int] = set()
    tags: set[int] = set()  # each counts once: a thousand pointers to one text are not followed
    waiting = [first]
    while waiting:
        start = waiting.pop(0)
        if start in seen:
            continue
        seen.add(start)
        for tag, value in _entries(block, start, order):
            if tag == _EXIF_POINTER and len(value) >= 4 and len(seen) < 2:
                waiting.append(struct.unpack_from(f"{order}I", value)[0])
            elif tag not in tags:
                tags.add(tag)
                yield from _exif_text(tag, value, order)


def _entries(block: bytes, start: int, order: str) -> Iterator[tuple[int, bytes]]:
    """The tags of one directory whose values are bytes or text, or the pointer to another."""
    if start + 2 > len(block):
        return
    count = struct.unpack_from(f"{order}H", block, start)[0]
    for n in range(min(count, _MAX_ENTRIES)):
        at = start + 2 + 12 * n
        if at + 12 > len(block):
            return
        tag, kind, size = struct.unpack_from(f"{order}HHI", block, at)
        if tag == _EXIF_POINTER:
            yield tag, block[at + 8 : at + 12]
        elif kind in _BYTE_TYPES and size:
            where = at + 8 if size <= 4 else struct.unpack_from(f"{order}I", block, at + 8)[0]
            yield tag, block[where : where + min(size, MAX_BLOCK)]


def _exif_text(tag: int, value: bytes, order: str) -> Iterator[tuple[str, str]]:
    if tag == _USER_COMMENT:
        yield "UserComment", _decode_comment(value, order)
    elif tag in _WIDE_TAGS:
        yield _WIDE_TAGS[tag], value.decode("utf-16-le", "replace").partition("\0")[0]
    elif tag == _XMP_TAG:
        yield "XMP", decode_bytes(value)
    elif tag in _ASCII_TAGS:
        name, text = _ASCII_TAGS[tag], decode_bytes(value.partition(b"\0")[0])
        # ComfyUI keeps its graphs in tags of the camera, each behind its name.
        prefix, colon, rest = text.partition(":")
        if colon and prefix.lower() in _GRAPH_PREFIXES:
            yield prefix.lower(), rest
        elif name not in {"Make", "Model"}:
            yield name, text


def _decode_comment(value: bytes, order: str) -> str:
    """EXIF's UserComment: eight bytes that name the encoding, then the text."""
    mark, rest = value[:8], value[8:]
    if mark == b"UNICODE\0":
        return _decode_utf16(rest, order)
    if mark.startswith(b"JIS"):
        return rest.decode("iso2022_jp", "replace").rstrip("\0")
    named = mark in {b"ASCII\0\0\0", bytes(8)}
    return decode_bytes(rest if named else value).strip("\0")


def _decode_utf16(text: bytes, order: str) -> str:
    """By its mark, else by where Latin letters have zeros: tools ignore the file's order."""
    if text[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return text.decode("utf-16", "replace").rstrip("\0")
    text = text[: len(text) // 2 * 2]
    while text.endswith(b"\0\0"):
        text = text[:-2]
    high, low = text[::2].count(0), text[1::2].count(0)
    big = order == ">" if high == low else high > low
    return text.decode("utf-16-be" if big else "utf-16-le", "replace")


def decode_bytes(text: bytes) -> str:
    """UTF-8 where it is that, which most tools write whatever the format says; else Latin-1."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def read_xmp(packet: bytes) -> Iterator[tuple[str, str]]:
    """Names and texts of a well-formed XMP packet; of several languages the first."""
    values, is_whole = xmp.read_xmp(packet[:MAX_BLOCK], _XMP_NAMES)
    for name, texts in values.items() if is_whole else ():
        yield name, texts[0]
